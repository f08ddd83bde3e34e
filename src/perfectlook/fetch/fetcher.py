"""Fetches what lies at a URL: tries again where that may help, and asks only for what has changed."""

import random
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from perfectlook import __version__
from perfectlook.errors import FetchError
from perfectlook.fetch.limits import DEFAULT_LIMITS, FetchLimits

if TYPE_CHECKING:
    import httpx

HTTP = ("http", "https")
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
    """What lay at a URL; `content` is None where it is as it was when the validators were given."""

    content: bytes | None
    validators: Validators


class Fetcher:
    """Fetches from several threads at once over shared connections; bounded by its limits.

    Only http and https; every address connected to is one that was checked, after each redirect too; no
    proxy is used; certificates are checked; no cookies, no credentials.
    """

    def __init__(self, limits: FetchLimits = DEFAULT_LIMITS) -> None:
        """Prepare; nothing is sent yet."""
        import httpx

        from perfectlook.fetch.transport import GuardedTransport

        self._limits = limits
        self._closed = threading.Event()
        self._transport = GuardedTransport(limits)
        self._client = httpx.Client(
            transport=self._transport, headers=_HEADERS, timeout=limits.seconds, trust_env=False
        )

    def fetch(self, url: str, known: Validators | None = None) -> Fetched:
        """Return what lies at a URL, or that it is still what it was when `known` was given.

        Raises:
            FetchError: the URL is refused, cannot be reached, or gives too much, too slowly or nothing.
        """
        pause = self._limits.first_pause
        for left in reversed(range(self._limits.tries)):
            try:
                with self._transport.clock.running(self._limits.seconds):
                    return self._fetch(url, known)
            except _Passing as failure:
                if not left:
                    tries = f", tried {self._limits.tries} times" if self._limits.tries > 1 else ""
                    raise FetchError(
                        f"{url}: {failure}{tries}; try again later",
                        passing=True,
                        status=failure.status,
                        pause=failure.pause,
                    ) from failure
                # at random, so that many that failed together do not all come back together
                asked = max(failure.pause, random.uniform(pause / 2, pause))
                self._pause(min(asked, self._limits.longest_pause))
                if self._closed.is_set():
                    raise FetchError(f"{url}: the fetch was broken off", passing=True) from failure
                pause *= 2
        raise ValueError("FetchLimits.tries must be at least 1")

    def close(self) -> None:
        """Close all connections; what is being fetched by other threads is broken off."""
        self._closed.set()
        self._client.close()

    def _pause(self, seconds: float) -> None:
        self._closed.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fetch(self, url: str, known: Validators | None) -> Fetched:
        """Follow redirects to an answer and read it; raises _Passing where trying again may help."""
        import httpcore
        import httpx

        place = _checked(url, url)
        try:
            for _ in range(self._limits.redirects + 1):
                with self._client.stream("GET", place, headers=_conditions(known)) as response:
                    if response.status_code not in _REDIRECTS:
                        return self._read(url, response, known)
                    place = _checked(str(place.join(response.headers.get("location", ""))), url)
        except FetchError as error:
            if error.passing:
                raise _Passing(str(error)) from error
            raise error if str(error).startswith(url) else FetchError(f"{url}: {error}") from error
        except (httpcore.TimeoutException, httpx.TimeoutException) as error:
            raise _Passing(f"does not answer within {self._limits.seconds:g} seconds") from error
        except (httpcore.RemoteProtocolError, httpx.RemoteProtocolError) as error:
            raise _Passing(f"its answer breaks off or is no HTTP ({error})") from error
        except (httpcore.NetworkError, httpx.NetworkError) as error:
            raise _Passing(f"cannot be reached ({error})") from error
        except (httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise FetchError(f"{url}: cannot be fetched ({error}); check it") from error
        raise FetchError(f"{url}: redirects more than {self._limits.redirects} times; give its last place")

    def _read(self, url: str, response: "httpx.Response", known: Validators | None) -> Fetched:
        status = response.status_code
        if status == 304 and known:
            return Fetched(None, known)
        if status in _PASSING:
            pause = _seconds(response.headers.get("retry-after", ""))
            raise _Passing(_said(response), pause, status)
        if status != 200:
            reason = f"{url}: {_said(response)}; mend the link, or remove the picture"
            raise FetchError(reason, status=status)
        most = self._limits.max_bytes
        if _number(response.headers.get("content-length", "")) > most:
            raise FetchError(f"{url}: over the limit of {most:,} bytes; offer a smaller one")
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes(2**16):
            parts.append(part)
            size += len(part)
            if size > most:
                raise FetchError(f"{url}: over the limit of {most:,} bytes; offer a smaller one")
        if not size:
            raise _Passing("gives nothing (0 bytes)")
        headers = response.headers
        return Fetched(b"".join(parts), Validators(headers.get("etag"), headers.get("last-modified")))


def fetch_picture(url: str, *, limits: FetchLimits = DEFAULT_LIMITS) -> bytes:
    """Return the bytes at a URL, once; whether they are a picture is `open_picture`'s to say.

    Raises:
        FetchError: the URL is refused, cannot be reached, or gives too much, too slowly or nothing.
    """
    with Fetcher(limits) as fetcher:
        content = fetcher.fetch(url).content
    assert content is not None  # no validators, so it cannot be unchanged
    return content


class _Passing(Exception):  # noqa: N818
    """A failure that may have passed by the next try; `pause` is what the server asks to wait, in seconds."""

    def __init__(self, reason: str, pause: float = 0.0, status: int | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
        self.status = status


def _checked(url: str, asked: str) -> "httpx.URL":
    """A URL that may be asked; `asked` is the one that led to it."""
    import httpx

    led = "" if url == asked else f" leads to {url}, which"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise FetchError(f"{asked}:{led} is no URL ({error}); mend it") from error
    if parsed.scheme not in HTTP or not parsed.host:
        raise FetchError(f"{asked}:{led} is no http:// or https:// URL; only these are fetched")
    if parsed.userinfo:
        raise FetchError(f"{parsed.copy_with(username=None, password=None)}: holds a password; leave it out")
    return parsed.copy_with(fragment=None)


def _conditions(known: Validators | None) -> dict[str, str]:
    if known is None:
        return {}
    said = {"if-none-match": known.etag, "if-modified-since": known.last_modified}
    return {name: value for name, value in said.items() if value}


def _said(response: "httpx.Response") -> str:
    return f"answers {response.status_code} {response.reason_phrase}".rstrip()


def _seconds(retry_after: str) -> float:
    """How long Retry-After asks to wait: a number of seconds, or a date."""
    if not retry_after or retry_after.isdigit():
        return float(_number(retry_after))
    try:
        return max(parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return 0.0


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
