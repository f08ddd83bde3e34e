"""Every call of the API, described once: what both clients can be asked for.

Photos are `Photo`s: paths, addresses, bytes, streams, pictures of Pillow's. Categories are whole paths,
subtrees or single levels, and filters as in docs/filters.md. What an option means is said in docs/api.md.
"""

import json as json_
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

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
from perfectlook.client.transport import Call, Photo, address_of, content_of, name_of, reads


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
) -> Call[Answer]:
    """Ask for products that go with a photo, category by category, and for a whole look.

    Args:
        photo: of a real scene; the server fetches it where it is an address.
        categories: by default those that are likeliest to complete the photo.
        k: products of a category, at most.
        where: what products must match.
        sample: the name of one of the server's samples, instead of a photo.
        limit_categories: where no categories are named, how many to answer for: 8 by default, 0 is all.
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
        ServerError: the server cannot be reached, or fails. What the server says is always one of these.
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
    return _with_photo("/v1/complete", reads(Answer), photo, options)


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
) -> Call[Similar]:
    """Ask for products that look like one of the catalogue (`id`), or like the product on a photo.

    Args:
        photo: of a product; the server fetches it where it is an address.
        categories: by default that of the product, or those that the photo looks most like.
        k: products of a category, and in all, at most.
        where: what products must match.
        id: a product of the catalogue, instead of a photo.
        sample: the name of one of the server's samples, instead of a photo.
        include_unavailable: also show products that are out of stock.
        box: left, top, right and bottom from 0 to 1: only that part of the photo counts.

    Raises:
        PictureError: the photo cannot be read.
        UsageError: there is no such product (`no_such_product`), or an option, a category or the filter is
            wrong.
        FetchError: the server cannot fetch the photo.
        ServerError: the server cannot be reached, or fails. What the server says is always one of these.
    """
    options = _photo_options(categories, k, where, sample, box, include_unavailable=include_unavailable)
    return _with_photo("/v1/similar", reads(Similar), photo, {**options, "id": id})


def categories() -> Call[dict[str, int]]:
    """Ask how many products each category of the catalogue has, largest first.

    Raises:
        ServerError: the server cannot be reached, or refuses or fails.
    """
    return Call("GET", "/v1/categories", _counts)


def products(
    category: str | None = None, *, limit: int | None = None, after: str | None = None
) -> Call[ProductPage]:
    """Ask for some products in the order of their ids.

    Args:
        category: a whole path; all by default.
        limit: how many at most: 50 by default, up to 500.
        after: `next` of the page before.

    Raises:
        ServerError: the server cannot be reached, or refuses or fails.
    """
    query = _given({"category": category, "limit": limit, "after": after})
    return Call("GET", "/v1/products", reads(ProductPage), query)


def product(id: str) -> Call[CatalogueProduct]:  # noqa: A002
    """Ask for what the catalogue knows of a product.

    Raises:
        UsageError: there is no such product (`no_such_product`).
        ServerError: the server cannot be reached, or fails.
    """
    return Call("GET", _place(id), reads(CatalogueProduct))


def put_product(
    id: str,  # noqa: A002
    category: str,
    *,
    title: str | None = None,
    fields: Mapping[str, str] | None = None,
    picture: Photo | None = None,
) -> Call[CatalogueProduct]:
    """Add or change a product, which searches find when this returns. Needs a key.

    Args:
        id: the product's, new or known.
        category: its whole path.
        title: its title.
        fields: price, availability, brand, link and whatever else there is.
        picture: the server fetches it where it is an address; without one, a known product keeps its own.

    Raises:
        PictureError: the picture cannot be read.
        UsageError: the key is wrong or missing (`no_key`), or the product is none.
        FetchError: the server cannot fetch the picture.
        ServerError: the server cannot be reached, or fails. What the server says is always one of these.
    """
    address = None if picture is None else address_of(picture)
    new = {"category": category, "title": title, "fields": dict(fields or {}), "picture_url": address}
    body: dict[str, Any] = {"json": _given(new)}
    if picture is not None and address is None:
        body = {"data": {"product": json_.dumps(_given(new))}, "files": {"picture": content_of(picture)}}
    return Call("PUT", _place(id), reads(CatalogueProduct), body=body, about=name_of(picture))


def delete_product(id: str) -> Call[None]:  # noqa: A002
    """Take a product out of the catalogue. Needs a key.

    Raises:
        UsageError: the key is wrong or missing (`no_key`), or there is no such product.
        ServerError: the server cannot be reached, or fails.
    """
    return Call("DELETE", _place(id), _nothing)


def picture(id: str, size: int | None = None) -> Call[bytes]:  # noqa: A002
    """Ask for a product's picture as it is stored, or fitted into a square of about `size` pixels.

    Raises:
        UsageError: there is no such product, or it has no picture (`no_such_product`, `no_picture`).
        ServerError: the server cannot be reached, or fails.
    """
    return Call("GET", f"{_place(id)}/picture", bytes, _given({"size": size}))


def samples() -> Call[list[Sample]]:
    """Ask for the scenes that the server offers to try.

    Raises:
        ServerError: the server cannot be reached, or refuses or fails.
    """
    return Call("GET", "/v1/samples", reads(list[Sample]))


def feedback(answer: Answer | Similar | str, events: Iterable[FeedbackEvent]) -> Call[int]:
    """Say what a shopper did with the products of an answer; the disk has it when this returns.

    Events that are sent again count once.

    Args:
        answer: what was answered, or its `request_id`.
        events: what happened, 1 to 1,000 of them.

    Raises:
        UsageError: an event is none.
        ServerError: the server cannot be reached, or cannot store it (`not_stored`): send it again later.
    """
    id_ = answer if isinstance(answer, str) else answer.request_id or ""
    said = [each.model_dump() for each in events]
    return Call("POST", "/v1/feedback", _stored, body={"json": {"request_id": id_, "events": said}})


def stats() -> Call[FeedbackStats]:
    """Ask what all feedback says.

    Raises:
        ServerError: the server cannot be reached, or refuses or fails.
    """
    return Call("GET", "/v1/stats", reads(FeedbackStats))


def health() -> Call[None]:
    """Make sure that the server lives.

    Raises:
        ServerError: it cannot be reached, or fails.
    """
    return Call("GET", "/health", _nothing, repeatable=False)


def ready() -> Call[Ready]:
    """Make sure that the server answers photos, and say with what.

    Raises:
        ServerError: it cannot be reached, or its catalogue cannot be used (`unavailable`).
    """
    return Call("GET", "/ready", reads(Ready), repeatable=False)


def metrics() -> Call[str]:
    """Ask for all that is counted, in the text format of Prometheus.

    Raises:
        ServerError: the server cannot be reached, or fails.
    """
    return Call("GET", "/metrics", bytes.decode)


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


def _with_photo(path: str, read: Any, photo: Photo | None, options: Mapping[str, Any]) -> Call[Any]:
    """A photo goes as a file in a form; what the server fetches or has is named in JSON."""
    given = _given(options)
    address = None if photo is None else address_of(photo)
    if photo is None or address is not None:
        body: dict[str, Any] = {"json": _given({"url": address, **given})}
    else:
        body = {"data": given, "files": {"photo": content_of(photo)}}
    return Call("POST", path, read, body=body, about=name_of(photo))


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _place(id_: str) -> str:
    return f"/v1/products/{quote(id_, safe='')}"


def _counts(content: bytes) -> dict[str, int]:
    return {each.category: each.products for each in reads(Categories)(content).categories}


def _stored(content: bytes) -> int:
    return reads(Stored)(content).stored


def _nothing(_: bytes) -> None:
    """What is said is only that it was done."""
