"""Fetch what is at a URL: only from public addresses, within limits, again where that may help."""

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
    """Bounds of one fetch.

    Attributes:
        max_bytes: the largest body accepted, after any decompression.
        seconds: the longest one try may take, redirects and a body that trickles included.
        redirects: how many are followed.
        tries: how often it is tried in all, where trying again may help.
        first_pause: seconds before the second try; each further one is twice as long, up to `longest_pause`.
        longest_pause: also bounds what a server may ask for with Retry-After.
        connections: how many are open at once.
        allow_private: whether private, loopback and link-local addresses may be asked.
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
    """What a server said by which it can be asked whether something has changed since."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is at a URL; `content` is None if it is as it was when the validators were given.

    `media_type` is what the server says that it is, without parameters; "" if it does not say.
    """

    content: bytes | None
    validators: Validators
    media_type: str = ""


class Fetcher(Closable):
    """Fetches from several threads at once over shared connections; bounded by its limits.

    Only http and https; every address connected to is one that was checked, after each redirect too; no
    proxy is used; certificates are checked; no cookies, no credentials.
    """

    def __init__(self, limits: FetchLimits = DEFAULT_LIMITS) -> None:
        """Prepare; nothing is sent yet."""
        self._limits = limits
        self._closed = threading.Event()
        self._network = _GuardedNetwork(allow_private=limits.allow_private)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=limits.connections,
            network_backend=self._network,
        )

    def fetch(self, url: str, known: Validators | None = None) -> Fetched:
        """Return what lies at a URL, or that it is still what it was when `known` was given.

        Raises:
            FetchError: the URL is refused, cannot be reached, or gives too much, too slowly or nothing.
        """
        limits = self._limits
        retry = Retry(limits.tries, limits.first_pause, limits.longest_pause)
        try:
            return retry.call(lambda: self._fetch(url, known), self._pause)
        except FetchError as error:
            if error.passing:
                tried = f", tried {retry.tried} times" if retry.tried > 1 else ""
                error.args = (f"{url}: {error}{tried}; try again later",)
            raise

    def _release(self) -> None:
        self._closed.set()
        self._network.closed = True  # also for connections that other threads are opening
        self._pool.close()

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise FetchError("stopped, because the fetcher was closed", passing=True)

    def _fetch(self, url: str, known: Validators | None) -> Fetched:
        """Follow redirects to an answer and read it; a failure that may pass does not name the URL."""
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
                to = [("host", place.netloc.decode("ascii")), *headers]  # an IPv6 address in its brackets
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
            raise FetchError(f"does not answer within {seconds:g} seconds", passing=True) from error
        except httpcore.RemoteProtocolError as error:
            raise FetchError(f"its answer breaks off or is no HTTP ({error})", passing=True) from error
        except httpcore.NetworkError as error:
            raise FetchError(f"cannot be reached ({error})", passing=True) from error
        except (httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise FetchError(f"{url}: cannot be fetched ({error}); check it") from error
        raise FetchError(f"{url}: redirects more than {self._limits.redirects} times; give its last place")

    def _read(self, url: str, response: httpx.Response, known: Validators | None) -> Fetched:
        status = response.status_code
        if status == 304 and known:
            return Fetched(None, known)
        if status != 200:
            said = f"answers {status} {response.reason_phrase}".rstrip()
            if status not in _PASSING:
                raise FetchError(f"{url}: {said}; correct the link, or remove it", status=status)
            pause = retry_after(response.headers.get("retry-after", ""))
            raise FetchError(said, passing=True, status=status, pause=pause)
        most = self._limits.max_bytes
        size = int(response.headers.get("content-length", 0))  # if it is no number, it is no HTTP
        content = bytearray()
        parts = response.iter_bytes(2**16)
        while size <= most and (part := next(parts, b"")):
            content += part
            size = max(size, len(content))
        if size > most:
            raise FetchError(f"{url}: over the limit of {most:,} bytes; offer a smaller one")
        if not content:
            raise FetchError("gives nothing (0 bytes)", passing=True)
        headers = response.headers
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        validators = Validators(headers.get("etag"), headers.get("last-modified"))
        return Fetched(bytes(content), validators, media_type)


def _checked(url: str, asked: str) -> httpx.URL:
    """A URL that may be asked; `asked` is the one that led to it."""
    led = "" if url == asked else f" leads to {url}, which"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise FetchError(f"{asked}:{led} is no URL ({error}); fix it") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise FetchError(f"{asked}:{led} is no http:// or https:// URL; only these are fetched")
    if parsed.userinfo:
        raise FetchError(f"{parsed.copy_with(username=None, password=None)}: holds a password; leave it out")
    return parsed.copy_with(fragment=None)


class _Clock(threading.local):
    """Until when the work of each thread must be done; a server that trickles bytes cannot stretch it."""

    deadline = 0.0

    def left(self, timeout: float | None) -> float:
        """How long an operation may take that would be given `timeout`; a timeout when nothing is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("timed out")
        return left if timeout is None else min(left, timeout)


class _GuardedNetwork(httpcore.NetworkBackend):
    """Resolves a name once, checks every address, and connects to one that was checked.

    A name that answers differently the next time it is looked up gains nothing: it is not looked up again.
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


Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")


def addresses_of(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Resolve a host's name and return its addresses, all of which may be connected to.

    A name with one public and one private address is refused whole: it is either a mistake or an attack.

    Raises:
        FetchError: the name has no address, or one that is not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"{host}: no such host ({error}); check the name", passing=True) from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        if not allow_private and not is_public(address):
            raise FetchError(
                f"{host} is at {address}, which is not an address of the public internet: refused; "
                "--allow-private allows it"
            )
    return addresses


def is_public(address: str) -> bool:
    """Whether an address, and every IPv4 address that is wrapped in it, is one of the public internet."""
    return all(
        each.is_global and not (each.is_multicast or each.is_reserved or each.is_unspecified)
        for each in _with_wrapped(ipaddress.ip_address(address))
    )


def _with_wrapped(address: Address) -> list[Address]:
    """The address itself, unless it only stands for IPv4 addresses: then those, which packets end up at."""
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
    """When to try again, and when to give up: exponential back-off with jitter, for one piece of work.

    `call` does everything for a function that raises `FetchError`. Code that waits in its own way (asyncio, a
    generator) asks `pause` after each failure.

    Attributes:
        tries: how often to try in all; at least once.
        first_pause: seconds before the second try; each further pause is twice as long.
        longest_pause: seconds; no pause is longer, also where a server asks for more.
        jitter: a number between its two arguments, so that clients that failed together do not all come back
            together.
        tried: how many tries have failed.
    """

    tries: int = 3
    first_pause: float = 0.5
    longest_pause: float = 20.0
    jitter: Callable[[float, float], float] = random.uniform
    tried: int = field(default=0, init=False)

    def pause(self, asked: float = 0.0) -> float | None:
        """Return how many seconds to wait after a failure before the next try; None to give up.

        Args:
            asked: the least that the server asks for (`retry_after`).
        """
        self.tried += 1
        if self.tried >= self.tries:
            return None
        longest = self.first_pause * 2.0 ** (self.tried - 1)
        return min(max(asked, self.jitter(longest / 2, longest)), self.longest_pause)

    def call(self, attempt: Callable[[], Result], sleep: Callable[[float], object] = time.sleep) -> Result:
        """Return what a function returns, calling it again after failures that may pass.

        Raises:
            FetchError: from the function, if trying again does not help or the tries are used up.
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
    """Return the seconds that a `Retry-After` header asks to wait: a number or a date; 0 if it is neither."""
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
