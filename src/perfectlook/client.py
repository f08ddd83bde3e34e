"""Clients of a running service: `Client`, and `AsyncClient` for asyncio.

They return the answers of `perfectlook.answers`. `Calls` describes each call once, for both clients.
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
from perfectlook.answers import Answer, CatalogueProduct, FeedbackEvent, Similar
from perfectlook.errors import FetchError, PictureError, ServerError, UsageError
from perfectlook.fetching import Retry, retry_after
from perfectlook.files import Closable
from perfectlook.images import Photo, open_picture, photo_name
from perfectlook.server_answers import (
    Categories,
    ChangedProducts,
    FeedbackStats,
    ProductPage,
    Ready,
    Sample,
    Stored,
)

KEY_VARIABLE = "PERFECTLOOK_API_KEY"
BUSY = (429, 503)
"""Statuses after which the same request may succeed."""

Result = TypeVar("Result")
Given = ParamSpec("Given")
Method = TypeVar("Method", bound=Callable[..., Any])


class ServerUsageError(ServerError, UsageError):
    """The server reports that the call itself is wrong."""


class ServerPictureError(ServerError, PictureError):
    """The server cannot read the picture that it received."""


class ServerFetchError(ServerError, FetchError):
    """The server cannot fetch a URL. `passing` says whether trying again later may help."""


_ABOUT_PHOTOS: dict[str, type[ServerError]] = {
    **dict.fromkeys(("bad_picture", "not_a_picture", "too_large"), ServerPictureError),
    **dict.fromkeys(("bad_url", "unreachable"), ServerFetchError),
}
"""Error codes about the photo, and the errors that they raise."""


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[Result]):
    """One request to the API.

    Attributes:
        method: HTTP method.
        path: path on the server.
        read: converts the body of the answer; raises ValueError for an unexpected body.
        query: query parameters.
        body: `json`, `data` or `files` of httpx.
        repeatable: whether to send it again when the server is busy.
        about: the photo that errors name.
    """

    method: str
    path: str
    read: Callable[[bytes], Result]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True
    about: str = ""


class Calls:
    """All calls of the API.

    A photo is a path, an http(s) address that the server fetches, bytes, a stream or a Pillow picture. A
    category is a whole path, a subtree or a single level. See docs/reference/filters.md, docs/how-to/api.md.
    """

    @staticmethod
    def complete(
        photo: Photo | None = None,
        categories: Sequence[str] | None = None,
        k: int = 10,
        where: str | None = None,
        *,
        product: str | None = None,
        sample: str | None = None,
        limit_categories: int | None = None,
        include_unavailable: bool = False,
        box: Sequence[float] | None = None,
        spread: float = 0.0,
        keep_in_scene: bool = False,
        attention: bool = False,
        look: bool = False,
        weight: float | None = None,
        budget: Decimal | int | str | None = None,
        locked: Mapping[str, str] | None = None,
        alternatives: int = 0,
        locale: str | None = None,
    ) -> ApiCall[Answer]:
        """Recommend products that go with a photo or a product, and compose a whole look on request.

        Args:
            photo: photo of a real scene. The server fetches it if it is an address.
            categories: categories to answer for; by default those most likely to complete the photo.
            k: maximum number of products per category.
            where: filter that products must match.
            product: id of a product of the catalogue, instead of a photo.
            sample: name of a sample scene of the server, instead of a photo.
            limit_categories: how many categories to answer for without `categories`: 8 by default, 0 for all.
            include_unavailable: also show products that are out of stock.
            box: left, top, right and bottom from 0 to 1; only this part of the photo is used.
            spread: 0 to 1: prefer products that differ from those ranked before them.
            keep_in_scene: also recommend products that the photo already shows.
            attention: also return the attention over the photo.
            look: also compose a whole look.
            weight: for the look: importance of the distances between its products.
            budget: for the look: maximum total price, 500 or "500 EUR".
            locked: for the look: products that keep their slots, by category.
            alternatives: for the look: how many other whole looks to compose, up to 5.
            locale: language of reasons, English by default.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: the product is unknown (`no_such_product`), or an option, a category or the filter is
                wrong. If no look is within the budget, its `details` have the cheapest.
            FetchError: the server cannot fetch the photo.
            ServerError: the server cannot be reached, or fails. It is the base of all errors from the server.
        """
        options = _photo_options(categories, k, where, sample, box, include_unavailable=include_unavailable)
        options |= {
            "product": product,
            "limit_categories": limit_categories,
            "spread": spread or None,
            "keep_in_scene": keep_in_scene or None,
            "attention": attention or None,
            "look": look or None,
            "weight": weight,
            "budget": None if budget is None else str(budget),
            "locked": [f"{category}={id_}" for category, id_ in (locked or {}).items()] or None,
            "alternatives": alternatives or None,
            "locale": locale,
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
        locale: str | None = None,
    ) -> ApiCall[Similar]:
        """Find products that look like a product of the catalogue (`id`), or like the product on a photo.

        Args:
            photo: photo of a product. The server fetches it if it is an address.
            categories: categories to search; by default the product's own, or those nearest to the photo.
            k: maximum number of products per category, and in total.
            where: filter that products must match.
            id: id of a product of the catalogue, instead of a photo.
            sample: name of a sample scene of the server, instead of a photo.
            include_unavailable: also show products that are out of stock.
            box: left, top, right and bottom from 0 to 1; only this part of the photo is used.
            locale: language of reasons, English by default.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: the product is unknown (`no_such_product`), or an option, a category or the filter is
                wrong.
            FetchError: the server cannot fetch the photo.
            ServerError: the server cannot be reached, or fails. It is the base of all errors from the server.
        """
        options = _photo_options(categories, k, where, sample, box, include_unavailable=include_unavailable)
        return _with_photo(
            "/v1/similar", Similar.model_validate_json, photo, {**options, "id": id, "locale": locale}
        )

    @staticmethod
    def categories() -> ApiCall[dict[str, int]]:
        """Return the number of products of each category, largest first.

        Raises:
            ServerError: the server cannot be reached, refuses or fails.
        """
        return ApiCall("GET", "/v1/categories", _read_counts)

    @staticmethod
    def products(
        category: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> ApiCall[ProductPage]:
        """Return one page of products, ordered by id.

        Args:
            category: a whole path, the top of a subtree or a single level; all categories by default.
            limit: maximum number of products: 50 by default, up to 500.
            after: `next` of the previous page.

        Raises:
            ServerError: the server cannot be reached, refuses or fails.
        """
        query = _without_none({"category": category, "limit": limit, "after": after})
        return ApiCall("GET", "/v1/products", ProductPage.model_validate_json, query)

    @staticmethod
    def product(id: str) -> ApiCall[CatalogueProduct]:  # noqa: A002
        """Return the catalogue's record of a product.

        Raises:
            UsageError: the product is unknown (`no_such_product`).
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
        """Add or change a product. When this returns, searches find it. Requires a key.

        Args:
            id: id of the product, new or existing.
            category: its whole path.
            title: its title.
            fields: price, availability, brand, link and other fields.
            picture: its picture. The server fetches it if it is an address. An existing product may keep its
                picture: leave this out.

        Raises:
            PictureError: the picture cannot be read.
            UsageError: the key is wrong or missing (`no_key`), or the product is invalid.
            FetchError: the server cannot fetch the picture.
            ServerError: the server cannot be reached, or fails. It is the base of all errors from the server.
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
    def change_product(id: str, **fields: str | None) -> ApiCall[CatalogueProduct]:  # noqa: A002
        """Change a product's price, sale or availability, without its picture. Requires a key.

        Args:
            id: id of the product.
            fields: price, sale_price, sale_price_effective_date and availability. None removes a field.

        Raises:
            UsageError: the key is wrong or missing (`no_key`), the product is unknown, or a field is invalid.
            ServerError: the server cannot be reached, or fails.
        """
        body = {"json": fields}
        return ApiCall("PATCH", _product_path(id), CatalogueProduct.model_validate_json, body=body)

    @staticmethod
    def change_products(changes: Mapping[str, Mapping[str, str | None]]) -> ApiCall[ChangedProducts]:
        """Change up to 1,000 products, as `change_product` does. The answer has the result of each.

        Args:
            changes: the fields to change, by id.

        Raises:
            UsageError: the key is wrong or missing (`no_key`), or a change is malformed.
            ServerError: the server cannot be reached, or fails.
        """
        body = {"json": {"products": [{**fields, "id": id_} for id_, fields in changes.items()]}}
        return ApiCall("PATCH", "/v1/products", ChangedProducts.model_validate_json, body=body)

    @staticmethod
    def delete_product(id: str) -> ApiCall[None]:  # noqa: A002
        """Delete a product from the catalogue. Requires a key.

        Raises:
            UsageError: the key is wrong or missing (`no_key`), or the product is unknown.
            ServerError: the server cannot be reached, or fails.
        """
        return ApiCall("DELETE", _product_path(id), _read_nothing)

    @staticmethod
    def picture(id: str, size: int | None = None) -> ApiCall[bytes]:  # noqa: A002
        """Return a product's picture as it is stored, or scaled into a square of about `size` pixels.

        Raises:
            UsageError: the product is unknown, or has no picture (`no_such_product`, `no_picture`).
            ServerError: the server cannot be reached, or fails.
        """
        return ApiCall("GET", f"{_product_path(id)}/picture", bytes, _without_none({"size": size}))

    @staticmethod
    def samples() -> ApiCall[list[Sample]]:
        """Return the sample scenes of the server.

        Raises:
            ServerError: the server cannot be reached, refuses or fails.
        """
        return ApiCall("GET", "/v1/samples", TypeAdapter(list[Sample]).validate_json)

    @staticmethod
    def feedback(
        answer: Answer | Similar | str, events: Iterable[FeedbackEvent], session: str | None = None
    ) -> ApiCall[int]:
        """Report what a shopper did with the products of an answer. When this returns, it is stored.

        An event that is sent again counts once.

        Args:
            answer: the answer, or its `request_id`. For `purchased`, it can be the id of the order.
            events: 1 to 1,000 events.
            session: id of the shopper's session, for the report of an experiment.

        Raises:
            UsageError: an event is invalid.
            ServerError: the server cannot be reached, or cannot store the events (`not_stored`): send them
                again later.
        """
        id_ = answer if isinstance(answer, str) else answer.request_id or ""
        sent = [each.model_dump() for each in events]
        body = {"json": {"request_id": id_, "events": sent} | ({"session": session} if session else {})}
        return ApiCall("POST", "/v1/feedback", _read_stored, body=body)

    @staticmethod
    def stats() -> ApiCall[FeedbackStats]:
        """Return the summary of all feedback.

        Raises:
            ServerError: the server cannot be reached, refuses or fails.
        """
        return ApiCall("GET", "/v1/stats", FeedbackStats.model_validate_json)

    @staticmethod
    def health() -> ApiCall[None]:
        """Check that the server is alive.

        Raises:
            ServerError: the server cannot be reached, or fails.
        """
        return ApiCall("GET", "/health", _read_nothing, repeatable=False)

    @staticmethod
    def ready() -> ApiCall[Ready]:
        """Check that the server can answer photos, and return its model.

        Raises:
            ServerError: the server cannot be reached, or its catalogue cannot be used (`unavailable`).
        """
        return ApiCall("GET", "/ready", Ready.model_validate_json, repeatable=False)

    @staticmethod
    def metrics() -> ApiCall[str]:
        """Return all metrics in the text format of Prometheus.

        Raises:
            ServerError: the server cannot be reached, or fails.
        """
        return ApiCall("GET", "/metrics", bytes.decode)


class Connection:
    """The address of a server, the key of its calls, and the limits on time and retries."""

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
        """Prepare the connection. The first call opens it.

        Args:
            url: address of `perfectlook serve`: http://127.0.0.1:8000.
            key: an API key; by default the value of PERFECTLOOK_API_KEY.
            timeout: seconds to wait for a connection, and for each part of an answer.
            retries: how often to send a call again if the server is busy (503, 429); 0 means never.
            longest_pause: maximum seconds to wait before a retry. If the server asks for more
                (`Retry-After`), the call is not sent again.

        Raises:
            UsageError: the address or the key is invalid.
        """
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise UsageError(f"{url}: invalid address ({error}). Write http://HOST:PORT.") from error
        if address.scheme not in ("http", "https") or not address.host:
            raise UsageError(f"{url}: invalid address. Write http://HOST:PORT or https://HOST.")
        self.url = _without_secrets(address)
        key = os.environ.get(KEY_VARIABLE) if key is None else key
        if key and not (key.isascii() and key.isprintable()):
            raise UsageError("The API key has invalid characters. Make one with `perfectlook keys new`.")
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
        query = call.query or None  # with an empty query, httpx would drop the query of the address
        request: httpx.Request = self._client.build_request(call.method, call.path, params=query, **call.body)
        return request

    def _pause(self, retry: Retry, call: ApiCall[Any], response: httpx.Response) -> float | None:
        """Return the seconds to wait before a retry, or None to accept the answer."""
        if not call.repeatable or response.status_code not in BUSY:
            return None
        asked = retry_after(response.headers.get("retry-after", ""))
        return retry.pause(asked) if asked <= self._longest_pause else None

    def _unreached(self, request: httpx.Request, error: httpx.HTTPError) -> ServerError:
        """Return the error for a server that does not answer."""
        place = _without_secrets(request.url)
        if isinstance(error, httpx.TimeoutException):
            return ServerError(f"{place}: timed out after {self._timeout:g} s. Raise the client's timeout.")
        why = str(error) or type(error).__name__
        return ServerError(f"{place}: cannot be reached ({why}). Check that `perfectlook serve` runs there.")


def _described(method: Method, described: Callable[..., Any]) -> Method:
    """Give a method the name, the docstring and, after `self`, the parameters of a call's description."""
    update_wrapper(method, described)
    own = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    function = signature(described)
    whole = function.replace(parameters=[own, *function.parameters.values()])
    method.__signature__ = whole  # type: ignore[attr-defined]
    return method


def _now(describe: Callable[Given, ApiCall[Result]]) -> Callable[Concatenate["Client", Given], Result]:
    """Make a method of `Client` from the description of a call."""

    def ask(client: "Client", /, *arguments: Given.args, **named: Given.kwargs) -> Result:
        return client._ask(describe(*arguments, **named))

    return _described(ask, describe)


class Client(Connection, Closable):
    """Calls a server. Several threads may share a client. Close it, or use `with Client(url) as client`.

    A call to a busy server is repeated after the pause that the server requests. Failures raise `ServerError`
    with the status, the code and the id of the request. Wrong use, pictures and addresses raise subclasses of
    `UsageError`, `PictureError` and `FetchError` too.
    """

    _http = httpx.Client
    _client: httpx.Client

    complete = _now(Calls.complete)
    similar = _now(Calls.similar)
    categories = _now(Calls.categories)
    products = _now(Calls.products)
    product = _now(Calls.product)
    put_product = _now(Calls.put_product)
    change_product = _now(Calls.change_product)
    change_products = _now(Calls.change_products)
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
    """Make a method of `AsyncClient` from the description of a call."""

    async def ask(client: "AsyncClient", /, *arguments: Given.args, **named: Given.kwargs) -> Result:
        call = await asyncio.to_thread(describe, *arguments, **named)  # this may read or encode a picture
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
    change_product = _later(Calls.change_product)
    change_products = _later(Calls.change_products)
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
    """Return the result of an answer, or raise the error that it reports."""
    strange = ServerError(
        f"{_without_secrets(response.request.url)}: unexpected answer to {call.method} (status "
        f"{response.status_code}). Check that `perfectlook serve` runs there, in the same version.",
        status=response.status_code,
        request_id=response.headers.get("x-request-id"),
    )
    if response.is_success:
        try:
            return call.read(response.content)
        except ValueError as error:
            raise strange from error
    try:
        failed = json.loads(response.content)["error"]
        details = failed.get("details")
        code, message, id_ = (str(failed[name]) for name in ("code", "message", "request_id"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise strange from error
    if code == "no_key":
        message = f"The API key is missing or unknown. Give the client a key, or set {KEY_VARIABLE}."
    if call.about and code in _ABOUT_PHOTOS:
        message = f"{call.about}: {message}"
    status = response.status_code
    usage = 400 <= status < 500 and status not in (408, 429)
    kind = _ABOUT_PHOTOS.get(code, ServerUsageError if usage else ServerError)
    text = f"{message} ({code}, request {id_})"
    failure = kind(text, status=status, code=code, request_id=id_, details=details)
    if isinstance(failure, ServerFetchError):
        failure.passing = code == "unreachable"
    raise failure


def _without_secrets(url: httpx.URL) -> str:
    """Return an address without user, password and query, which may hold secrets."""
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
    """Describe a call with a photo: as a file in a form, or as an address, sample or id in JSON."""
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
    """Ignore the answer, which only confirms the call."""


def _address_of(photo: Photo) -> str | None:
    """Return the address of a photo that the server fetches, or None for another photo."""
    return photo if isinstance(photo, str) and photo.lower().startswith(("http://", "https://")) else None


def _content_of(photo: Photo) -> bytes:
    """Return the bytes to send. A Pillow picture is sent as PNG, rotated by EXIF.

    Raises:
        PictureError: the file is missing or cannot be read.
    """
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, Path | str):
        try:
            return Path(photo).read_bytes()
        except FileNotFoundError as error:
            raise PictureError(f"{photo}: no such file. Check the path.") from error
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise PictureError(f"{photo}: cannot be read ({why}). Check its permissions.") from error
    if hasattr(photo, "read"):
        return photo.read()
    encoded = io.BytesIO()
    open_picture(photo).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _file_name(photo: Photo) -> str:
    """Return the photo's name in answers: the name of its file, without the folders of this machine."""
    name = Path(photo_name(photo)).name
    return "photo" if name[:1] in ("", "<") else name.encode("utf-8", "replace").decode()


def _name_of(photo: Photo | None) -> str:
    return "" if photo is None else photo_name(photo)
