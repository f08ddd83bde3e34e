"""Fetch URLs: from public addresses only, within limits, and with retries."""

import ipaddress
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ssl import SSLContext
from typing import Any, BinaryIO, TypeAlias, TypeVar

import httpcore
import httpx

from perfectlook import __version__
from perfectlook.errors import FetchError
from perfectlook.files import Closable
from perfectlook.images import DEFAULT_LIMITS as OF_PICTURES
from perfectlook.texts import escaped


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of a fetch.

    Attributes:
        max_bytes: the largest body accepted, before and after decompression.
        seconds: the timeout of one try, including the name of the host, redirects and the whole body.
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
_UNPACKED_FREELY = 2**20
_MAX_RATIO = 200
"""How many times larger than its packed form a body may be, above `_UNPACKED_FREELY` bytes."""
_STEP = 2**16
_MAX_OVERHEAD = 2**15
"""Bytes of headers and heads of chunks that a response may have, in addition to the size of its body."""
_MAX_PARTS = 1_000
"""How many parts a body may arrive in, and one more for each 256 bytes. Each part takes time to parse."""
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
        content: the body; None if it has not changed since the given validators, b"" if a file has it.
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
        self._network = _GuardedNetwork(limits.connections, allow_private=limits.allow_private)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=limits.connections,
            network_backend=self._network,
        )

    def fetch(self, url: str, known: Validators | None = None, *, file: BinaryIO | None = None) -> Fetched:
        """Fetch a URL. With `known`, the content is None if it has not changed since.

        The body may have one layer of gzip or deflate. It is decoded as it comes, within the limits. With
        `file`, it is written there and not held in memory.

        Raises:
            FetchError: the URL is refused or cannot be reached, or the response is too large, too slow or
                empty. It is the only error, except for those of `file`.
        """
        limits = self._limits
        retry = Retry(limits.tries, limits.first_pause, limits.longest_pause)
        try:
            return retry.call(lambda: self._fetch(url, known, file), self._pause)
        except FetchError as error:
            if error.passing:
                tried = f" after {retry.tried} tries" if retry.tried > 1 else ""
                error.args = (f"{escaped(url)}: {error}{tried}. Check the URL, or try again later.",)
            raise

    def _release(self) -> None:
        self._closed.set()
        self._network.close()  # stops connections that other threads are opening
        self._pool.close()

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise FetchError("stopped because the fetcher was closed", passing=True)

    def _fetch(self, url: str, known: Validators | None, file: BinaryIO | None) -> Fetched:
        """Follow redirects and read the response. Errors that may pass do not name the URL."""
        place, shown = _checked(url, url), escaped(url)
        seconds = self._limits.seconds
        self._network.clock.deadline = time.monotonic() + seconds
        since = {"if-none-match": known.etag, "if-modified-since": known.last_modified} if known else {}
        headers = [(n, v) for n, v in (_HEADERS | since).items() if v and v.isascii() and v.isprintable()]
        extensions = {"timeout": {"pool": seconds}}
        try:
            for _ in range(self._limits.redirects + 1):
                target = httpcore.URL(
                    scheme=place.raw_scheme, host=place.raw_host, port=place.port, target=place.raw_path
                )
                to = [("host", place.netloc.decode("ascii")), *headers]  # with the brackets of IPv6
                self._network.clock.overhead = 0
                with self._pool.stream("GET", target, headers=to, extensions=extensions) as raw:
                    response = httpx.Response(raw.status, headers=raw.headers)
                    if response.status_code not in _REDIRECTS:
                        return self._read(shown, response, raw.iter_stream(), known, file)
                    place = _checked(str(place.join(response.headers.get("location", ""))), url)
        except FetchError as error:
            if error.passing or str(error).startswith(shown):
                raise
            raise FetchError(f"{shown}: {error}") from error
        except httpcore.TimeoutException as error:
            raise FetchError(f"timed out after {seconds:g} s", passing=True) from error
        except httpcore.RemoteProtocolError as error:
            raise FetchError(f"the response is incomplete or not HTTP ({error})", passing=True) from error
        except httpcore.NetworkError as error:
            raise FetchError(f"cannot be reached ({error})", passing=True) from error
        except Exception as error:  # the libraries raise almost any type of error on invalid URLs and headers
            cause = escaped(str(error)) or type(error).__name__
            raise FetchError(f"{shown}: cannot be fetched ({cause}). Check the URL.") from error
        raise FetchError(f"{shown}: redirects more than {self._limits.redirects} times. Use its final URL.")

    def _read(
        self,
        shown: str,
        response: httpx.Response,
        parts: Iterable[bytes],
        known: Validators | None,
        file: BinaryIO | None,
    ) -> Fetched:
        status, headers = response.status_code, response.headers
        if status == 304 and known:
            return Fetched(None, known)
        if status != 200:
            said = f"answered {status} {response.reason_phrase}".rstrip()
            if status not in _PASSING:
                raise FetchError(f"{shown}: {said}. Correct the link, or remove it.", status=status)
            pause = retry_after(headers.get("retry-after", ""))
            raise FetchError(said, passing=True, status=status, pause=pause)
        if file is not None:  # an earlier try may have written a part
            file.seek(0)
            file.truncate()
        size = 0
        content = bytearray()
        # httpcore has checked that the length is a number
        packed = self._within(shown, parts, int(headers.get("content-length", 0)))
        for part in _decoded(packed, headers.get("content-encoding", "")):
            self._network.clock.left(None)
            size += len(part)
            if size > self._limits.max_bytes:
                raise self._too_large(shown)
            if file is None:
                content += part
            else:
                file.write(part)
        if not size:
            raise FetchError("the response is empty (0 bytes)", passing=True)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        validators = Validators(headers.get("etag"), headers.get("last-modified"))
        return Fetched(bytes(content), validators, media_type)

    def _within(self, shown: str, parts: Iterable[bytes], announced: int) -> Iterator[bytes]:
        """Yield the parts of a body while they are within the limit, before any decompression."""
        if announced > self._limits.max_bytes:
            raise self._too_large(shown)
        size = 0
        for number, part in enumerate(parts):
            size += len(part)
            self._network.clock.overhead -= 2 * len(part)
            if size > self._limits.max_bytes:
                raise self._too_large(shown)
            if number > _MAX_PARTS + size // 256:
                raise FetchError("the body arrives in too many parts", passing=True)
            yield part

    def _too_large(self, shown: str) -> FetchError:
        most = self._limits.max_bytes
        return FetchError(f"{shown}: over the limit of {most:,} bytes. Use a smaller file.")


def _decoded(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Decode a body in small steps, within the limit on its decoded size. Some hosts pack it unasked.

    Raises:
        FetchError: the body has another encoding or more than one, is damaged, or expands suspiciously.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        yield from parts
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchError(f"has the encoding '{encoding:.80}'. Serve it without, or with gzip or deflate.")
    decoder, received, size, members = None, 0, 0, 0
    for part in filter(None, parts):
        received += len(part)
        rest, step = part, b""
        while rest or len(step) == _STEP:  # after a full step, zlib may hold back more
            if decoder is None or decoder.eof:  # gzip may have several members, and zeros after them
                rest = rest.lstrip(b"\0") if decoder else rest
                if not rest or (decoder and encoding == "deflate"):
                    break
                raw = encoding == "deflate" and rest[0] & 15 != 8  # some hosts leave out the header of zlib
                decoder, members = zlib.decompressobj(-15 if raw else 47), members + 1
            try:
                step = decoder.decompress(rest, _STEP)
            except zlib.error as error:
                raise FetchError(f"the body is not valid {encoding} ({error})", passing=True) from error
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            size += len(step)
            if size > max(_UNPACKED_FREELY, _MAX_RATIO * received):
                raise FetchError(f"expands more than {_MAX_RATIO} times. Serve it without Content-Encoding.")
            if members > 1_000 + received // 1_000:
                raise FetchError(f"has {members:,} members of gzip. Serve it without Content-Encoding.")
            yield step
    if decoder is not None and not decoder.eof:
        raise FetchError("the response is incomplete", passing=True)


def _checked(url: str, asked: str) -> httpx.URL:
    """Return a URL that may be fetched. `asked` is the URL that was requested first."""
    place = escaped(asked) if url == asked else f"{escaped(asked)}: redirects to {escaped(url)}"
    try:
        parsed = httpx.URL(url)
        host = parsed.host
    except Exception as error:  # httpx also raises errors of idna and of Unicode
        raise FetchError(f"{place}: not a URL ({escaped(str(error))}). Correct the link.") from error
    if parsed.scheme not in ("http", "https") or not host:
        raise FetchError(f"{place}: not an http:// or https:// URL. Correct the link.")
    if parsed.userinfo:
        place = str(parsed.copy_with(username=None, password=None))
        raise FetchError(f"{place}: contains a password. Remove it from the URL.")
    return parsed.copy_with(fragment=None)


def host_of(url: str) -> str:
    """Return the host of a URL in lower case, as a fetch understands it.

    Raises:
        FetchError: the URL is malformed, or not of http or https.
    """
    return _checked(url, url).host.lower()


class _Clock(threading.local):
    """The limits of each thread's current fetch. They also end responses that arrive slowly or in tiny parts.

    `overhead` is the number of bytes received, minus twice the bytes of the body: parsing takes time too.
    """

    deadline = 0.0
    overhead = 0

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

    def __init__(self, connections: int, *, allow_private: bool) -> None:
        self._closed = False
        self._resolvers = ThreadPoolExecutor(connections, thread_name_prefix="resolver")
        self.clock = _Clock()
        self._network = httpcore.SyncBackend()
        self._allow_private = allow_private

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *rest: Any, **options: Any
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        resolving = self._resolvers.submit(addresses_of, host, port, allow_private=self._allow_private)
        try:
            addresses = resolving.result(self.clock.left(timeout))
        except TimeoutError as error:
            resolving.cancel()
            raise httpcore.ConnectTimeout("the name of the host") from error
        for address in addresses:
            try:
                stream = self._network.connect_tcp(address, port, self.clock.left(timeout), *rest, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                if self._closed:
                    stream.close()
                    raise httpcore.ConnectError("the fetcher is closed")
                return _TimedStream(stream, self.clock)
        raise failure

    def close(self) -> None:
        """Let no further connection open."""
        self._closed = True
        self._resolvers.shutdown(wait=False, cancel_futures=True)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._clock.overhead > _MAX_OVERHEAD:
            raise httpcore.RemoteProtocolError("its headers and chunks are far larger than its body")
        received = self._stream.read(min(max_bytes, _MAX_OVERHEAD), self._clock.left(timeout))
        self._clock.overhead += len(received)
        return received

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
