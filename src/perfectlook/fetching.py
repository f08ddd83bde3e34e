"""Fetch URLs: from public addresses only, within limits, and with retries."""

import ipaddress
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ssl import SSLContext
from typing import Any, TypeAlias, TypeVar

import httpcore
import httpx

from perfectlook import __version__
from perfectlook.errors import FetchError
from perfectlook.files import Closable
from perfectlook.images import DEFAULT_LIMITS as OF_PICTURES


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of a fetch.

    Attributes:
        max_bytes: the largest body accepted, after decompression.
        seconds: the timeout of one try, including redirects and the whole body.
        redirects: the largest number of redirects followed.
        tries: the number of tries in total, for errors that may pass.
        first_pause: seconds before the second try. Each further pause is twice as long.
        longest_pause: the longest pause in seconds, even if a server asks for more with Retry-After.
        connections: the number of connections open at the same time.
        allow_private: whether private, loopback and link-local addresses are allowed.
    """

    max_bytes: int = OF_PICTURES.max_bytes
    seconds: float = 30.0
    redirects: int = 5
    tries: int = 3
    first_pause: float = 0.5
    longest_pause: float = 20.0
    connections: int = 8
    allow_private: bool = False


DEFAULT_LIMITS = FetchLimits()
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_HEADERS = {
    "user-agent": f"perfectlook/{__version__}",
    "accept": "image/*,*/*;q=0.5",
    "accept-encoding": "identity",
}


@dataclass(frozen=True, slots=True)
class Validators:
    """The headers of a response that let you ask the server whether a file has changed."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The response of a URL.

    Attributes:
        content: the body; None if it has not changed since the given validators.
        validators: for the next request.
        media_type: the media type that the server declares, without parameters; "" if it declares none.
    """

    content: bytes | None
    validators: Validators
    media_type: str = ""


class Fetcher(Closable):
    """Fetches URLs over shared connections, within limits. It can be used from several threads.

    It uses http and https only, checks certificates, and checks every address before it connects, also after
    a redirect. It uses no proxy and sends no cookies and no credentials.
    """

    def __init__(self, limits: FetchLimits = DEFAULT_LIMITS) -> None:
        """Create a fetcher. Nothing is sent yet."""
        self._limits = limits
        self._closed = threading.Event()
        self._network = _GuardedNetwork(allow_private=limits.allow_private)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=limits.connections,
            network_backend=self._network,
        )

    def fetch(self, url: str, known: Validators | None = None) -> Fetched:
        """Fetch a URL. With `known`, the content is None if it has not changed since.

        Raises:
            FetchError: the URL is refused or cannot be reached, or the response is too large, too slow or
                empty.
        """
        limits = self._limits
        retry = Retry(limits.tries, limits.first_pause, limits.longest_pause)
        try:
            return retry.call(lambda: self._fetch(url, known), self._pause)
        except FetchError as error:
            if error.passing:
                tried = f" after {retry.tried} tries" if retry.tried > 1 else ""
                error.args = (f"{url}: {error}{tried}. Check the URL, or try again later.",)
            raise

    def _release(self) -> None:
        self._closed.set()
        self._network.closed = True  # stops connections that other threads are opening
        self._pool.close()

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise FetchError("stopped because the fetcher was closed", passing=True)

    def _fetch(self, url: str, known: Validators | None) -> Fetched:
        """Follow redirects and read the response. Errors that may pass do not name the URL."""
        place = _checked(url, url)
        seconds = self._limits.seconds
        self._network.clock.deadline = time.monotonic() + seconds
        since = {"if-none-match": known.etag, "if-modified-since": known.last_modified} if known else {}
        headers = [(name, value) for name, value in (_HEADERS | since).items() if value]
        extensions = {"timeout": {"pool": seconds}}
        try:
            for _ in range(self._limits.redirects + 1):
                target = httpcore.URL(
                    scheme=place.raw_scheme, host=place.raw_host, port=place.port, target=place.raw_path
                )
                to = [("host", place.netloc.decode("ascii")), *headers]  # with the brackets of IPv6
                with self._pool.stream("GET", target, headers=to, extensions=extensions) as raw:
                    response = httpx.Response(raw.status, headers=raw.headers, content=raw.iter_stream())
                    if response.status_code not in _REDIRECTS:
                        return self._read(url, response, known)
                    place = _checked(str(place.join(response.headers.get("location", ""))), url)
        except FetchError as error:
            if error.passing or str(error).startswith(url):
                raise
            raise FetchError(f"{url}: {error}") from error
        except httpcore.TimeoutException as error:
            raise FetchError(f"timed out after {seconds:g} s", passing=True) from error
        except httpcore.RemoteProtocolError as error:
            raise FetchError(f"the response is incomplete or not HTTP ({error})", passing=True) from error
        except httpcore.NetworkError as error:
            raise FetchError(f"cannot be reached ({error})", passing=True) from error
        except (httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise FetchError(f"{url}: cannot be fetched ({error}). Check the URL.") from error
        raise FetchError(f"{url}: redirects more than {self._limits.redirects} times. Use its final URL.")

    def _read(self, url: str, response: httpx.Response, known: Validators | None) -> Fetched:
        status = response.status_code
        if status == 304 and known:
            return Fetched(None, known)
        if status != 200:
            said = f"answered {status} {response.reason_phrase}".rstrip()
            if status not in _PASSING:
                raise FetchError(f"{url}: {said}. Correct the link, or remove it.", status=status)
            pause = retry_after(response.headers.get("retry-after", ""))
            raise FetchError(said, passing=True, status=status, pause=pause)
        most = self._limits.max_bytes
        size = int(response.headers.get("content-length", 0))  # httpcore has checked that it is a number
        content = bytearray()
        parts = response.iter_bytes(2**16)
        while size <= most and (part := next(parts, b"")):
            content += part
            size = max(size, len(content))
        if size > most:
            raise FetchError(f"{url}: over the limit of {most:,} bytes. Use a smaller file.")
        if not content:
            raise FetchError("the response is empty (0 bytes)", passing=True)
        headers = response.headers
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        validators = Validators(headers.get("etag"), headers.get("last-modified"))
        return Fetched(bytes(content), validators, media_type)


def _checked(url: str, asked: str) -> httpx.URL:
    """Return a URL that may be fetched. `asked` is the URL that was requested first."""
    place = asked if url == asked else f"{asked}: redirects to {url}"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise FetchError(f"{place}: not a URL ({error}). Correct the link.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise FetchError(f"{place}: not an http:// or https:// URL. Correct the link.")
    if parsed.userinfo:
        place = str(parsed.copy_with(username=None, password=None))
        raise FetchError(f"{place}: contains a password. Remove it from the URL.")
    return parsed.copy_with(fragment=None)


class _Clock(threading.local):
    """The deadline of each thread's current fetch. It also ends responses that arrive very slowly."""

    deadline = 0.0

    def left(self, timeout: float | None) -> float:
        """Return `timeout`, shortened to the time left. Raise ReadTimeout if no time is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("timed out")
        return left if timeout is None else min(left, timeout)


class _GuardedNetwork(httpcore.NetworkBackend):
    """Resolves a name once, checks every address, and connects to a checked address.

    The name is not resolved again, so a later change of its addresses (DNS rebinding) has no effect.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self.closed = False
        self.clock = _Clock()
        self._network = httpcore.SyncBackend()
        self._allow_private = allow_private

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *rest: Any, **options: Any
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in addresses_of(host, port, allow_private=self._allow_private):
            try:
                stream = self._network.connect_tcp(address, port, self.clock.left(timeout), *rest, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                if self.closed:
                    stream.close()
                    raise httpcore.ConnectError("the fetcher is closed")
                return _TimedStream(stream, self.clock)
        raise failure


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.left(timeout))

    def close(self) -> None:
        # close() alone does not wake a waiting thread; an SSL socket overrides shutdown, so call the base
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


Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")


def addresses_of(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Resolve the name of a host, check its addresses, and return them.

    A name with a public and a private address is refused: it is a mistake or an attack.

    Raises:
        FetchError: the name has no address, or an address that is not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"{host}: no such host ({error})", passing=True) from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        if not allow_private and not is_public(address):
            raise FetchError(
                f"{host}: its address {address} is not on the public internet. "
                "Pass --allow-private if you trust it."
            )
    return addresses


def is_public(address: str) -> bool:
    """Return whether an address, and every IPv4 address embedded in it, is on the public internet."""
    return all(
        each.is_global and not (each.is_multicast or each.is_reserved or each.is_unspecified)
        for each in _with_wrapped(ipaddress.ip_address(address))
    )


def _with_wrapped(address: Address) -> list[Address]:
    """Return the IPv4 addresses embedded in an address, or the address itself if there are none."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address in _SITE_LOCAL:
        return [ipaddress.IPv6Address("::1")]
    wrapped = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    return [each for each in wrapped if each] or [address]


Result = TypeVar("Result")


@dataclass(slots=True)
class Retry:
    """Decides when to try one operation again: exponential back-off with jitter.

    `call` runs a function that raises `FetchError`, including the pauses. Code that waits by itself (asyncio,
    a generator) calls `pause` after each failure.

    Attributes:
        tries: the number of tries in total, at least 1.
        first_pause: seconds before the second try. Each further pause is twice as long.
        longest_pause: the longest pause in seconds, even if a server asks for more.
        jitter: a function that returns a number between its two arguments, so that clients that failed
            together do not retry together.
        tried: the number of failed tries so far.
    """

    tries: int = 3
    first_pause: float = 0.5
    longest_pause: float = 20.0
    jitter: Callable[[float, float], float] = random.uniform
    tried: int = field(default=0, init=False)

    def pause(self, asked: float = 0.0) -> float | None:
        """Return the seconds to wait before the next try, after a failure; None if no tries are left.

        Args:
            asked: the seconds that the server asks to wait (`retry_after`).
        """
        self.tried += 1
        if self.tried >= self.tries:
            return None
        longest = self.first_pause * 2.0 ** (self.tried - 1)
        return min(max(asked, self.jitter(longest / 2, longest)), self.longest_pause)

    def call(self, attempt: Callable[[], Result], sleep: Callable[[float], object] = time.sleep) -> Result:
        """Call a function, again after errors that may pass, and return its result.

        Raises:
            FetchError: the function's last error, if it cannot pass or no tries are left.
        """
        while True:
            try:
                return attempt()
            except FetchError as error:
                pause = self.pause(error.pause) if error.passing else None
                if pause is None:
                    raise
                sleep(pause)


def retry_after(header: str) -> float:
    """Return the seconds that a `Retry-After` header asks to wait; 0 if it is not a number or a date."""
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
