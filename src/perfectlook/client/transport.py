"""Methods that are made of functions: what `help` and editors say of them."""

import inspect
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, TypeAlias, TypeVar, Union, cast

import httpx
from pydantic import TypeAdapter

from perfectlook.errors import FetchError, PictureError, ServerError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image


Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """A request that may be sent again as it is, where it is `repeatable`.

    `read` makes the answer of its body, and raises ValueError where that is none; `query` stands in the
    address, `body` are httpx's `json`, `data`, `files`; `about` is the photo that failures are to name.
    """

    method: str
    path: str
    read: Callable[[bytes], Answer]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True
    about: str = ""


LATER = frozenset({429, 503})
"""Statuses after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """So many tries after the first one, with no pause between them longer than so many seconds."""

    retries: int
    longest: float

    def pause(self, tried: int, status: int, headers: Mapping[str, str]) -> float | None:
        """Return how many seconds to wait before the next try; None where there is to be none.

        That is what `Retry-After` says; where it says nothing, 0.5 seconds, doubled with each try.
        """
        if status not in LATER or tried > self.retries:
            return None
        seconds = _said(headers.get("retry-after", ""))
        if seconds is None:
            seconds = min(self.longest, 0.5 * 2 ** (tried - 1))
        return seconds if seconds <= self.longest else None


def _said(text: str) -> float | None:
    """The seconds that a `Retry-After` stands for, which may be a date; None where it is neither."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


SECONDS = 30.0
RETRIES, LONGEST = 3, 60.0


class ClientSettings:
    """A server's address, the key that calls carry, and how long and often to try."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = SECONDS,
        retries: int = RETRIES,
        longest_pause: float = LONGEST,
    ) -> None:
        """Open nothing yet; the first call connects.

        Args:
            url: where `perfectlook serve` answers: http://127.0.0.1:8000.
            key: an API key; by default what PERFECTLOOK_API_KEY says, if it is set.
            timeout: seconds that the server may take to connect, and to say anything at all.
            retries: how often a call is sent again that a busy server (503, 429) has not taken; 0 is never.
                Calls that would do something twice are never sent again.
            longest_pause: seconds; where a server wants more time (`Retry-After`), it is not asked again.

        Raises:
            UsageError: the address or the key is none.
        """
        address = _checked(url)
        self.url = shown(address)
        self._address = str(address).rstrip("/")
        self._key = os.environ.get(KEY_VARIABLE) if key is None else key
        if self._key and not (self._key.isascii() and self._key.isprintable()):
            raise UsageError("the API key is none: `perfectlook keys new` makes them of letters and digits")
        self._timeout = timeout
        self._patience = Patience(retries, longest_pause)
        self._open()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _open(self) -> None:
        """Make httpx's client."""
        raise NotImplementedError

    def _http(self) -> dict[str, Any]:
        """What httpx's client is made with."""
        from perfectlook import __version__

        headers = {"User-Agent": f"perfectlook/{__version__}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return {"base_url": self._address, "headers": headers, "timeout": self._timeout}


def sent(http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
    """Return the request that a call is sent as."""
    return http.build_request(call.method, call.path, params=_query(call.query), **call.body)


def _query(query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return query or None  # httpx takes an empty one for the wish to drop what the address has


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise UsageError(f"{url}: not the address of a server ({error})") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url}: not the address of a server; write http://HOST:PORT or https://HOST")
    return parsed


KEY_VARIABLE = "PERFECTLOOK_API_KEY"
_OF_PICTURES = ("bad_picture", "not_a_picture", "too_large")
_OF_URLS = ("bad_url", "unreachable")


class ServerUsageError(ServerError, UsageError):
    """A server says that the call itself is wrong."""


class ServerPictureError(ServerError, PictureError):
    """A server cannot read the picture it was sent."""


class ServerFetchError(ServerError, FetchError):
    """A server cannot fetch what lies at a URL; `passing` says whether trying again later may help."""


def failure_of(call: Call[Any], response: httpx.Response) -> ServerError:
    """Return what an answer that is no success says."""
    status = response.status_code
    try:
        said = json.loads(response.content)["error"]
        code, message, id_ = (str(said[name]) for name in ("code", "message", "request_id"))
    except (ValueError, TypeError, KeyError):
        return strange(call, response)
    if code == "no_key":
        message += f"; give the client a key, or set {KEY_VARIABLE}"
    about = f"{call.about}: " if call.about and code in (*_OF_PICTURES, *_OF_URLS) else ""
    failure = _kind(status, code)(
        f"{about}{message} ({code}, request {id_})", status=status, code=code, request_id=id_
    )
    if isinstance(failure, ServerFetchError):
        failure.passing = code == "unreachable"
    return failure


def strange(call: Call[Any], response: httpx.Response) -> ServerError:
    """Return what to say of an answer that no server of this project gives."""
    return ServerError(
        f"{shown(response.request.url)}: answers {call.method} with status {response.status_code} and "
        "nothing that is understood; is that the address of `perfectlook serve`, in this version?",
        status=response.status_code,
        request_id=response.headers.get("x-request-id"),
    )


def unreached(request: httpx.Request, error: httpx.HTTPError, seconds: float) -> ServerError:
    """Return what to say of a server that gives no answer."""
    place = shown(request.url)
    if isinstance(error, httpx.TimeoutException):
        return ServerError(f"{place}: no answer within {seconds:g} seconds; allow more, or ask for less")
    why = str(error) or type(error).__name__
    return ServerError(f"{place}: cannot be reached ({why}); is `perfectlook serve` running there?")


def shown(url: httpx.URL) -> str:
    """An address as it may be shown: without what may be secret in it."""
    return str(url.copy_with(username=None, password=None, query=None)).rstrip("/")


def _kind(status: int, code: str) -> type[ServerError]:
    if code in _OF_URLS:
        return ServerFetchError
    if code in _OF_PICTURES:
        return ServerPictureError
    return ServerUsageError if 400 <= status < 500 and status not in (408, 429) else ServerError


Photo: TypeAlias = Union[Path, str, bytes, BinaryIO, "Image"]
"""A path, an http(s) address that the server fetches, the bytes or a stream of a picture, or Pillow's."""


def address_of(photo: Photo) -> str | None:
    """Return the address of a photo that is given by one."""
    if isinstance(photo, str) and photo.lower().startswith(("http://", "https://")):
        return photo
    return None


def content_of(photo: Photo) -> bytes:
    """Return the bytes to send; a picture of Pillow's is sent upright, as PNG.

    Raises:
        PictureError: there is no such file, or it cannot be read.
    """
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, Path | str):
        try:
            return Path(photo).read_bytes()
        except (OSError, ValueError) as error:
            raise PictureError(
                f"{photo}: cannot be read ({_why(error)}); give the file of a picture"
            ) from error
    if hasattr(photo, "read"):
        return photo.read()
    from perfectlook.images import to_rgb

    encoded = io.BytesIO()
    to_rgb(photo, name_of(photo)).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def name_of(photo: Photo | None) -> str:
    """Return what messages call a photo: its path, or "" where it has none."""
    if isinstance(photo, Path | str):
        return str(photo)
    name = getattr(photo, "filename", None) or getattr(photo, "name", None)
    return name if isinstance(name, str) else ""


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


Kind = TypeVar("Kind")


def reads(kind: type[Kind]) -> Callable[[bytes], Kind]:
    """Return what reads JSON into a type; names that it does not know are passed over.

    It raises ValueError where the JSON is not of the type.
    """

    def read(content: bytes) -> Kind:
        found: Kind = _adapter(cast(Any, kind)).validate_json(content)
        return found

    return read


@lru_cache(64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made when it is first needed: that takes longer than a request."""
    return TypeAdapter(kind)


Method = TypeVar("Method", bound=Callable[..., Any])


def of_method(method: Method, described: Callable[..., Any]) -> Method:
    """Give a method the name, the text and, behind `self`, the parameters of the function it is made of."""
    update_wrapper(method, described)
    function = inspect.signature(described)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [own, *function.parameters.values()]
    method.__signature__ = function.replace(parameters=parameters)  # type: ignore[attr-defined]
    return method
