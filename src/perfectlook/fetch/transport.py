"""Connections of httpx that go only where they may, and end when their time is up. Imports httpx."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext
from typing import Any, TypeAlias

import httpcore
import httpx

from perfectlook.errors import FetchError
from perfectlook.fetch.addresses import addresses_of
from perfectlook.fetch.limits import FetchLimits

SocketOptions: TypeAlias = Iterable[Any] | None


class Clock(threading.local):
    """Until when the work of each thread must be done; a server that trickles bytes cannot stretch it."""

    deadline = float("inf")

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        """Give the work inside so many seconds."""
        self.deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self.deadline = float("inf")

    def left(self, timeout: float | None) -> float | None:
        """How long an operation may take that would be given `timeout`; a timeout when nothing is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("its time is up")
        if left == float("inf"):
            return timeout
        return left if timeout is None else min(left, timeout)


class GuardedTransport(httpx.BaseTransport):
    """Sends requests over connections to addresses that were checked; no proxy, no redirect, no retry."""

    def __init__(self, limits: FetchLimits) -> None:
        self.clock = Clock()
        self._network = _GuardedNetwork(self.clock, allow_private=limits.allow_private)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=limits.connections,
            network_backend=self._network,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; failures are those of httpcore."""
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                extensions=request.extensions,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    def close(self) -> None:
        """Close all connections, also those that other threads are opening."""
        self._network.closed = True
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _GuardedNetwork(httpcore.NetworkBackend):
    """Resolves a name once, checks every address, and connects to one that was checked.

    A name that answers differently the next time it is looked up gains nothing: it is not looked up again.
    """

    def __init__(self, clock: Clock, *, allow_private: bool) -> None:
        self.closed = False
        self._network = httpcore.SyncBackend()
        self._clock = clock
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        addresses = addresses_of(host, port, allow_private=self._allow_private)
        for place, address in enumerate(addresses):
            try:
                stream = self._network.connect_tcp(
                    address, port, self._clock.left(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if place == len(addresses) - 1:
                    raise
            else:
                if self.closed:
                    stream.close()
                    raise httpcore.ConnectError("the transport is closed")
                return _TimedStream(stream, self._clock)
        raise FetchError(f"{host}: has no address; check the name", passing=True)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.left(timeout))

    def close(self) -> None:
        # closing alone does not wake a thread that waits for an answer; the class: not TLS's own shutdown
        with suppress(OSError, TypeError):
            socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._clock.left(timeout))
        return _TimedStream(secured, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
