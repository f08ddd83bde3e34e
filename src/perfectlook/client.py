"""Clients of a running service: `Client`, and `AsyncClient` for asyncio.

Answers are those of `perfectlook.answers`. `Calls` describes every call once, and both clients send it.
"""

import asyncio
import io
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import update_wrapper
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from perfectlook import __version__
from perfectlook.answers import (
    Answer,
    CatalogueProduct,
    Categories,
    FeedbackEvent,
    FeedbackStats,
    ProductPage,
    Ready,
    Sample,
    Similar,
    Stored,
)
from perfectlook.errors import FetchError, PictureError, ServerError, UsageError
from perfectlook.fetching import Retry, retry_after
from perfectlook.files import Closable
from perfectlook.images import Photo, open_picture, photo_name

KEY_VARIABLE = "PERFECTLOOK_API_KEY"
BUSY = (429, 503)
"""Statuses after which the same request may succeed."""

Result = TypeVar("Result")
Given = ParamSpec("Given")
Method = TypeVar("Method", bound=Callable[..., Any])


class ServerUsageError(ServerError, UsageError):
    """A server says that the call itself is wrong."""


class ServerPictureError(ServerError, PictureError):
    """A server cannot read the picture it was sent."""


class ServerFetchError(ServerError, FetchError):
    """A server cannot fetch what lies at a URL; `passing` says whether trying again later may help."""


_ABOUT_PHOTOS: dict[str, type[ServerError]] = {
    **dict.fromkeys(("bad_picture", "not_a_picture", "too_large"), ServerPictureError),
    **dict.fromkeys(("bad_url", "unreachable"), ServerFetchError),
}
"""The codes of failures that are about the photo, and what they are raised as."""


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[Result]):
    """One request to the API.

    Attributes:
        method: of HTTP.
        path: on the server.
        read: makes the result of the answer's body; ValueError if it is no such answer.
        query: what stands in the address.
        body: httpx's `json`, `data` or `files`.
        repeatable: send it again when the server is busy.
        about: the photo that failures name.
    """

    method: str
    path: str
    read: Callable[[bytes], Result]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True
    about: str = ""


class Calls:
    """Every call of the API, described once.

    Photos are paths, http(s) addresses that the server fetches, bytes, streams or Pillow's pictures.
    Categories are whole paths, subtrees or single levels. See docs/reference/filters.md, docs/how-to/api.md.
    """

    @staticmethod
    def complete(
        photo: Photo | None = None,
        categories: Sequence[str] | None = None,
        k: int = 10,
        where: str | None = None,
        *,
        sample: str | None = None,
        limit_categories: int | None = None,
        include_unavailable: bool = False,
        box: Sequence[float] | None = None,
        spread: float = 0.0,
        attention: bool = False,
        look: bool = False,
        weight: float | None = None,
        budget: Decimal | int | str | None = None,
        locked: Mapping[str, str] | None = None,
    ) -> ApiCall[Answer]:
        """Ask for products that go with a photo, category by category, and for a whole look.

        Args:
            photo: of a real scene; the server fetches it if it is an address.
            categories: by default those that are likeliest to complete the photo.
            k: products of a category, at most.
            where: what products must match.
            sample: the name of one of the server's samples, instead of a photo.
            limit_categories: how many to answer for if none are named: 8 by default, 0 is all.
            include_unavailable: also show products that are out of stock.
            box: left, top, right and bottom from 0 to 1: only that part of the photo is the scene.
            spread: 0 to 1: how much products should differ from those before them.
            attention: also say where in the photo the model looked.
            look: compose a whole look as well.
            weight: of the look: how much its products should go with each other.
            budget: of the look: what all may cost together, 500 or "500 EUR".
            locked: of the look: products that keep their slots, by category.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: an option, a category or the filter is wrong.
            FetchError: the server cannot fetch the photo.
            ServerError: the server cannot be reached, or fails; the base of what the server reports.
        """
        options = _photo_options(categories, k, where, sample, box, include_unavailable=include_unavailable)
        options |= {
            "limit_categories": limit_categories,
            "spread": spread or None,
            "attention": attention or None,
            "look": look or None,
            "weight": weight,
            "budget": None if budget is None else str(budget),
            "locked": [f"{category}={id_}" for category, id_ in (locked or {}).items()] or None,
        }
        return _with_photo("/v1/complete", Answer.model_validate_json, photo, options)

    @staticmethod
    def similar(
        photo: Photo | None = None,
        categories: Sequence[str] | None = None,
        k: int = 10,
        where: str | None = None,
        *,
        id: str | None = None,  # noqa: A002
        sample: str | None = None,
        include_unavailable: bool = False,
        box: Sequence[float] | None = None,
    ) -> ApiCall[Similar]:
        """Ask for products that look like one of the catalogue (`id`), or like the product on a photo.

        Args:
            photo: of a product; the server fetches it if it is an address.
            categories: by default that of the product, or those that the photo looks most like.
            k: products of a category, and in all, at most.
            where: what products must match.
            id: a product of the catalogue, instead of a photo.
            sample: the name of one of the server's samples, instead of a photo.
            include_unavailable: also show products that are out of stock.
            box: left, top, right and bottom from 0 to 1: only that part of the photo counts.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: there is no such product (`no_such_product`); an option, a category or the filter is
                wrong.
            FetchError: the server cannot fetch the photo.
            ServerError: the server cannot be reached, or fails; the base of what the server reports.
        """
        options = _photo_options(categories, k, where, sample, box, include_unavailable=include_unavailable)
        return _with_photo("/v1/similar", Similar.model_validate_json, photo, {**options, "id": id})

    @staticmethod
    def categories() -> ApiCall[dict[str, int]]:
        """Ask how many products each category of the catalogue has, largest first.

        Raises:
            ServerError: the server cannot be reached, or refuses or fails.
        """
        return ApiCall("GET", "/v1/categories", _read_counts)

    @staticmethod
    def products(
        category: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> ApiCall[ProductPage]:
        """Ask for some products in the order of their ids.

        Args:
            category: a whole path; all by default.
            limit: how many at most: 50 by default, up to 500.
            after: `next` of the page before.

        Raises:
            ServerError: the server cannot be reached, or refuses or fails.
        """
        query = _without_none({"category": category, "limit": limit, "after": after})
        return ApiCall("GET", "/v1/products", ProductPage.model_validate_json, query)

    @staticmethod
    def product(id: str) -> ApiCall[CatalogueProduct]:  # noqa: A002
        """Ask for what the catalogue knows of a product.

        Raises:
            UsageError: there is no such product (`no_such_product`).
            ServerError: the server cannot be reached, or fails.
        """
        return ApiCall("GET", _product_path(id), CatalogueProduct.model_validate_json)

    @staticmethod
    def put_product(
        id: str,  # noqa: A002
        category: str,
        *,
        title: str | None = None,
        fields: Mapping[str, str] | None = None,
        picture: Photo | None = None,
    ) -> ApiCall[CatalogueProduct]:
        """Add or change a product; searches find it when this returns. Needs a key.

        Args:
            id: the product's, new or known.
            category: its whole path.
            title: its title.
            fields: price, availability, brand, link and whatever else there is.
            picture: the server fetches it if it is an address; without one, a known product keeps its own.

        Raises:
            PictureError: the picture cannot be read.
            UsageError: the key is wrong or missing (`no_key`), or the product is invalid.
            FetchError: the server cannot fetch the picture.
            ServerError: the server cannot be reached, or fails; the base of what the server reports.
        """
        address = None if picture is None else _address_of(picture)
        new = {"category": category, "title": title, "fields": dict(fields or {}), "picture_url": address}
        body: dict[str, Any] = {"json": _without_none(new)}
        if picture is not None and address is None:
            product = {"product": json.dumps(_without_none(new))}
            body = {"data": product, "files": {"picture": _content_of(picture)}}
        about = _name_of(picture)
        return ApiCall("PUT", _product_path(id), CatalogueProduct.model_validate_json, body=body, about=about)

    @staticmethod
    def delete_product(id: str) -> ApiCall[None]:  # noqa: A002
        """Take a product out of the catalogue. Needs a key.

        Raises:
            UsageError: the key is wrong or missing (`no_key`), or there is no such product.
            ServerError: the server cannot be reached, or fails.
        """
        return ApiCall("DELETE", _product_path(id), _read_nothing)

    @staticmethod
    def picture(id: str, size: int | None = None) -> ApiCall[bytes]:  # noqa: A002
        """Ask for a product's picture as it is stored, or fitted into a square of about `size` pixels.

        Raises:
            UsageError: there is no such product, or it has no picture (`no_such_product`, `no_picture`).
            ServerError: the server cannot be reached, or fails.
        """
        return ApiCall("GET", f"{_product_path(id)}/picture", bytes, _without_none({"size": size}))

    @staticmethod
    def samples() -> ApiCall[list[Sample]]:
        """Ask for the scenes that the server offers to try.

        Raises:
            ServerError: the server cannot be reached, or refuses or fails.
        """
        return ApiCall("GET", "/v1/samples", TypeAdapter(list[Sample]).validate_json)

    @staticmethod
    def feedback(answer: Answer | Similar | str, events: Iterable[FeedbackEvent]) -> ApiCall[int]:
        """Say what a shopper did with the products of an answer. It is on the disk when this returns.

        Events that are sent again count once.

        Args:
            answer: what was answered, or its `request_id`.
            events: what happened, 1 to 1,000 of them.

        Raises:
            UsageError: an event is invalid.
            ServerError: the server cannot be reached, or cannot store it (`not_stored`): send it again later.
        """
        id_ = answer if isinstance(answer, str) else answer.request_id or ""
        said = [each.model_dump() for each in events]
        body = {"json": {"request_id": id_, "events": said}}
        return ApiCall("POST", "/v1/feedback", _read_stored, body=body)

    @staticmethod
    def stats() -> ApiCall[FeedbackStats]:
        """Ask for the sums of all feedback.

        Raises:
            ServerError: the server cannot be reached, or refuses or fails.
        """
        return ApiCall("GET", "/v1/stats", FeedbackStats.model_validate_json)

    @staticmethod
    def health() -> ApiCall[None]:
        """Check that the server is alive.

        Raises:
            ServerError: it cannot be reached, or fails.
        """
        return ApiCall("GET", "/health", _read_nothing, repeatable=False)

    @staticmethod
    def ready() -> ApiCall[Ready]:
        """Check that the server answers photos, and with which model.

        Raises:
            ServerError: it cannot be reached, or its catalogue cannot be used (`unavailable`).
        """
        return ApiCall("GET", "/ready", Ready.model_validate_json, repeatable=False)

    @staticmethod
    def metrics() -> ApiCall[str]:
        """Ask for all that is counted, in the text format of Prometheus.

        Raises:
            ServerError: the server cannot be reached, or fails.
        """
        return ApiCall("GET", "/metrics", bytes.decode)


class Connection:
    """A server's address, the key that calls carry, and how long and how often to try."""

    _http: Callable[..., Any]
    _client: Any

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: int = 3,
        longest_pause: float = 60.0,
    ) -> None:
        """Open nothing yet; the first call connects.

        Args:
            url: where `perfectlook serve` answers: http://127.0.0.1:8000.
            key: an API key; by default the value of PERFECTLOOK_API_KEY, if it is set.
            timeout: seconds that the server may take to connect, and for every silence.
            retries: how often to send a call again that a busy server (503, 429) has not taken; 0 is never.
            longest_pause: seconds; if a server asks for more (`Retry-After`), the call is not sent again.

        Raises:
            UsageError: the address or the key is invalid.
        """
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise UsageError(f"{url}: not the address of a server ({error})") from error
        if address.scheme not in ("http", "https") or not address.host:
            raise UsageError(f"{url}: not the address of a server; write http://HOST:PORT or https://HOST")
        self.url = _without_secrets(address)
        key = os.environ.get(KEY_VARIABLE) if key is None else key
        if key and not (key.isascii() and key.isprintable()):
            raise UsageError(
                "the API key has characters that keys never have; make one with `perfectlook keys new`"
            )
        self._timeout = timeout
        self._retries = retries
        self._longest_pause = longest_pause
        headers = {"User-Agent": f"perfectlook/{__version__}"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._client = self._http(base_url=str(address).rstrip("/"), headers=headers, timeout=timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _retry(self) -> Retry:
        return Retry(tries=self._retries + 1, longest_pause=self._longest_pause)

    def _request(self, call: ApiCall[Any]) -> httpx.Request:
        query = call.query or None  # httpx takes an empty one for the wish to drop what the address has
        request: httpx.Request = self._client.build_request(call.method, call.path, params=query, **call.body)
        return request

    def _pause(self, retry: Retry, call: ApiCall[Any], response: httpx.Response) -> float | None:
        """How many seconds to wait before sending a call again; None to take the answer as it is."""
        if not call.repeatable or response.status_code not in BUSY:
            return None
        asked = retry_after(response.headers.get("retry-after", ""))
        return retry.pause(asked) if asked <= self._longest_pause else None

    def _unreached(self, request: httpx.Request, error: httpx.HTTPError) -> ServerError:
        """Return what to say of a server that gives no answer."""
        place = _without_secrets(request.url)
        if isinstance(error, httpx.TimeoutException):
            return ServerError(
                f"{place}: no answer within {self._timeout:g} seconds; allow more, or ask for less"
            )
        why = str(error) or type(error).__name__
        return ServerError(f"{place}: cannot be reached ({why}); is `perfectlook serve` running there?")


def _described(method: Method, described: Callable[..., Any]) -> Method:
    """Give a method the name, the text and, behind `self`, the parameters of the function it is made of."""
    update_wrapper(method, described)
    own = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    function = signature(described)
    whole = function.replace(parameters=[own, *function.parameters.values()])
    method.__signature__ = whole  # type: ignore[attr-defined]
    return method


def _now(
    describe: Callable[Given, ApiCall[Result]],
) -> Callable[Concatenate["Client", Given], Result]:
    """Make a method of a call's description."""

    def ask(client: "Client", /, *arguments: Given.args, **named: Given.kwargs) -> Result:
        return client._ask(describe(*arguments, **named))

    return _described(ask, describe)


class Client(Connection, Closable):
    """Asks a server. Several threads may share a client. Close it, or use `with Client(url) as client`.

    A busy server is asked again after the pause that it asks for. Failures are errors of the project:
    `ServerError` with the status, the code and the request's id; wrong use, pictures and addresses are
    `UsageError`, `PictureError` and `FetchError` as well.
    """

    _http = httpx.Client
    _client: httpx.Client

    complete = _now(Calls.complete)
    similar = _now(Calls.similar)
    categories = _now(Calls.categories)
    products = _now(Calls.products)
    product = _now(Calls.product)
    put_product = _now(Calls.put_product)
    delete_product = _now(Calls.delete_product)
    picture = _now(Calls.picture)
    samples = _now(Calls.samples)
    feedback = _now(Calls.feedback)
    stats = _now(Calls.stats)
    health = _now(Calls.health)
    ready = _now(Calls.ready)
    metrics = _now(Calls.metrics)

    def _release(self) -> None:
        self._client.close()

    def _ask(self, call: ApiCall[Result]) -> Result:
        retry = self._retry()
        while True:
            request = self._request(call)
            try:
                response = self._client.send(request)
            except httpx.HTTPError as error:
                raise self._unreached(request, error) from error
            pause = self._pause(retry, call, response)
            if pause is None:
                return _result(call, response)
            time.sleep(pause)


def _later(
    describe: Callable[Given, ApiCall[Result]],
) -> Callable[Concatenate["AsyncClient", Given], Awaitable[Result]]:
    """Make a method of a call's description."""

    async def ask(client: "AsyncClient", /, *arguments: Given.args, **named: Given.kwargs) -> Result:
        call = await asyncio.to_thread(describe, *arguments, **named)  # it may read or encode a picture
        return await client._ask(call)

    return _described(ask, describe)


class AsyncClient(Connection):
    """`Client` for asyncio: the same calls, awaited. `async with AsyncClient(url) as client` closes it."""

    _http = httpx.AsyncClient
    _client: httpx.AsyncClient

    complete = _later(Calls.complete)
    similar = _later(Calls.similar)
    categories = _later(Calls.categories)
    products = _later(Calls.products)
    product = _later(Calls.product)
    put_product = _later(Calls.put_product)
    delete_product = _later(Calls.delete_product)
    picture = _later(Calls.picture)
    samples = _later(Calls.samples)
    feedback = _later(Calls.feedback)
    stats = _later(Calls.stats)
    health = _later(Calls.health)
    ready = _later(Calls.ready)
    metrics = _later(Calls.metrics)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, call: ApiCall[Result]) -> Result:
        retry = self._retry()
        while True:
            request = self._request(call)
            try:
                response = await self._client.send(request)
            except httpx.HTTPError as error:
                raise self._unreached(request, error) from error
            pause = self._pause(retry, call, response)
            if pause is None:
                return _result(call, response)
            await asyncio.sleep(pause)


def _result(call: ApiCall[Result], response: httpx.Response) -> Result:
    """Read an answer; ServerError if it says that the call failed, or is no answer of this API."""
    strange = ServerError(
        f"{_without_secrets(response.request.url)}: answers {call.method} with status {response.status_code} "
        "and nothing that is understood; is that the address of `perfectlook serve`, in this version?",
        status=response.status_code,
        request_id=response.headers.get("x-request-id"),
    )
    if response.is_success:
        try:
            return call.read(response.content)
        except ValueError as error:
            raise strange from error
    try:
        said = json.loads(response.content)["error"]
        code, message, id_ = (str(said[name]) for name in ("code", "message", "request_id"))
    except (ValueError, TypeError, KeyError) as error:
        raise strange from error
    if code == "no_key":
        message += f"; give the client a key, or set {KEY_VARIABLE}"
    if call.about and code in _ABOUT_PHOTOS:
        message = f"{call.about}: {message}"
    status = response.status_code
    usage = 400 <= status < 500 and status not in (408, 429)
    kind = _ABOUT_PHOTOS.get(code, ServerUsageError if usage else ServerError)
    failure = kind(f"{message} ({code}, request {id_})", status=status, code=code, request_id=id_)
    if isinstance(failure, ServerFetchError):
        failure.passing = code == "unreachable"
    raise failure


def _without_secrets(url: httpx.URL) -> str:
    """An address as it may be shown: without user, password and query."""
    return str(url.copy_with(username=None, password=None, query=None)).rstrip("/")


def _photo_options(
    categories: Sequence[str] | None,
    k: int,
    where: str | None,
    sample: str | None,
    box: Sequence[float] | None,
    *,
    include_unavailable: bool,
) -> dict[str, Any]:
    return {
        "category": list(categories) if categories else None,
        "k": k,
        "where": where,
        "sample": sample,
        "box": None if box is None else ",".join(f"{edge:.9g}" for edge in box),
        "include_unavailable": include_unavailable or None,
    }


def _with_photo(path: str, read: Any, photo: Photo | None, options: Mapping[str, Any]) -> ApiCall[Any]:
    """A photo goes as a file in a form; what the server fetches or has is named in JSON."""
    given = _without_none(options)
    address = None if photo is None else _address_of(photo)
    if photo is None or address is not None:
        body: dict[str, Any] = {"json": _without_none({"url": address, **given})}
    else:
        body = {"data": given, "files": {"photo": (_file_name(photo), _content_of(photo))}}
    return ApiCall("POST", path, read, body=body, about=_name_of(photo))


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _product_path(id_: str) -> str:
    return f"/v1/products/{quote(id_, safe='')}"


def _read_counts(content: bytes) -> dict[str, int]:
    return {each.category: each.products for each in Categories.model_validate_json(content).categories}


def _read_stored(content: bytes) -> int:
    return Stored.model_validate_json(content).stored


def _read_nothing(_: bytes) -> None:
    """The answer only says that the call is done."""


def _address_of(photo: Photo) -> str | None:
    """The address of a photo that the server is to fetch; None for other photos."""
    return photo if isinstance(photo, str) and photo.lower().startswith(("http://", "https://")) else None


def _content_of(photo: Photo) -> bytes:
    """The bytes to send; a picture of Pillow's is sent upright, as PNG.

    Raises:
        PictureError: there is no such file, or it cannot be read.
    """
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, Path | str):
        try:
            return Path(photo).read_bytes()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise PictureError(f"{photo}: cannot be read ({why}); give the file of a picture") from error
    if hasattr(photo, "read"):
        return photo.read()
    encoded = io.BytesIO()
    open_picture(photo).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _file_name(photo: Photo) -> str:
    """What answers will call the photo: the name of its file, without the folders of this machine."""
    name = Path(photo_name(photo)).name
    return "photo" if name[:1] in ("", "<") else name.encode("utf-8", "replace").decode()


def _name_of(photo: Photo | None) -> str:
    return "" if photo is None else photo_name(photo)
