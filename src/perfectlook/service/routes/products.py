"""`/v1/products`: list, read, put and delete products and their pictures; `/v1/categories`."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as PathParameter
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from perfectlook.answers import CatalogueProduct, details_of
from perfectlook.catalogue import Record
from perfectlook.catalogue.changes import change_products, delete_products
from perfectlook.errors import CatalogueError, PerfectLookError, PictureError
from perfectlook.feeds import PictureCache
from perfectlook.feeds.columns import field_names
from perfectlook.feeds.fields import Cleaning, unusable_id
from perfectlook.feeds.pictures import PUT_FOLDER
from perfectlook.feeds.readers import as_text
from perfectlook.files import write_file
from perfectlook.server_answers import (
    CatalogueFacets,
    Categories,
    CategoryCount,
    ChangedProduct,
    ChangedProducts,
    Deleted,
    ProductPage,
)
from perfectlook.service.errors import PICTURES, Refusal, described, json_answer, state_of
from perfectlook.service.middleware import MAX_KEYED_JSON
from perfectlook.service.requests import (
    content_type,
    described_body,
    read_body,
    read_form,
    read_json,
    unless_gone,
)
from perfectlook.service.security import reading, writing
from perfectlook.service.service import OpenService, Service
from perfectlook.service.thumbnails import picture_address, tag_of
from perfectlook.taxonomy import matching, normalise
from perfectlook.texts import clean_line
from perfectlook.types import Problem, Product

router = APIRouter(tags=["catalogue"], dependencies=[Depends(reading)])
SYNC_WAIT = 10.0
"""Seconds that a write waits for a running sync."""

Id = Annotated[
    str,
    AfterValidator(lambda id_: unicodedata.normalize("NFC", id_).strip()),  # as in feeds
    PathParameter(max_length=500, description="id of a product, as in answers", examples=["b6a5"]),
]


def _worded(value: object) -> object:
    """Return a number or a Boolean as the text that it is in a feed of JSON."""
    return as_text(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_worded), StringConstraints(max_length=10_000)]


class NewProduct(BaseModel):
    """A product to add or change. A new product requires a picture."""

    model_config = ConfigDict(extra="forbid")

    category: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    title: Annotated[str, StringConstraints(max_length=1_000)] | None = None
    fields: dict[Annotated[str, StringConstraints(min_length=1, max_length=100)], Text] = Field(
        {}, max_length=100, description="price, availability, brand, link and other fields"
    )
    picture_url: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    picture_base64: str | None = None


class LiveChange(BaseModel):
    """A change without a picture. null removes a field; fields that are not named stay."""

    model_config = ConfigDict(extra="forbid")

    price: Text | None = Field(None, description="the price, such as 49.90 EUR")
    sale_price: Text | None = Field(None, description="the price while a sale lasts")
    sale_price_effective_date: Text | None = Field(None, description="the dates of the sale: START/END")
    availability: Text | None = Field(None, description="in_stock, out_of_stock, preorder or backorder")


class LiveChangeOf(LiveChange):
    """A change of one product."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class LiveChanges(BaseModel):
    """Changes of up to 1,000 products."""

    model_config = ConfigDict(extra="forbid")

    products: Annotated[list[LiveChangeOf], Field(min_length=1, max_length=1_000)]


_EXAMPLE = {
    "category": "Furniture|Chairs",
    "title": "Oak chair",
    "picture_url": "https://shop.example/oak-chair.jpg",
    "fields": {"price": "49.90 EUR", "brand": "Acme"},
}
_FORM = {
    "product": {"type": "string", "description": "the product as JSON"},
    "picture": {"type": "string", "format": "binary"},
}
_PUT_BODY = {
    "application/json": {"schema": NewProduct.model_json_schema(), "example": _EXAMPLE},
    "multipart/form-data": {"schema": {"type": "object", "required": [*_FORM], "properties": _FORM}},
}


@router.get("/v1/categories", **described("List the catalogue's categories", Categories))
async def categories(service: OpenService) -> Response:
    """Return the number of products of each category, largest first."""

    def answer() -> Response:
        counts = service.recommender.catalogue.categories()
        largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        found = [CategoryCount(category=name, products=count) for name, count in largest]
        return json_answer(Categories(categories=found))

    return await service.readers.run(answer)


@router.get("/v1/facets", **described("List the values to filter by", CatalogueFacets))
async def facets(service: OpenService) -> Response:
    """Return how many products have each value of `availability`, `brand`, `color` and `material`.

    A field has its 50 most common values. Counts are kept for five minutes, or until the number of products
    changes.
    """
    return json_answer(await service.facets.read(service.recommender.catalogue, service.readers))


@router.get("/v1/products", **described("List products", ProductPage, 422))
async def products(
    service: OpenService,
    category: Annotated[str | None, Query(max_length=500, description="a path, or a level of it")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[str | None, Query(max_length=500, description="`next` of the previous page")] = None,
) -> Response:
    """Return products, ordered by id. `next` is the `after` of the next page, and null on the last page."""
    return await service.readers.run(lambda: json_answer(_page(service, category, limit, after)))


@router.get(
    "/v1/products/{id:path}/picture",
    **described("Get the picture of a product", None, 404, 422, kinds=PICTURES),
)
async def picture(
    request: Request,
    service: OpenService,
    id: Id,  # noqa: A002
    size: Annotated[
        int | None, Query(ge=16, le=1024, description="fit into a square of about this many pixels")
    ] = None,
) -> Response:
    """Return the stored picture, or a thumbnail."""
    known = request.headers.get("if-none-match")

    def answer() -> Response:
        record = _record(service, id)
        headers = {"ETag": tag_of(record, size), "Cache-Control": service.cache_control}
        if known == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        content, type_ = service.thumbnails.picture(record, size)
        return Response(content, media_type=type_, headers=headers)

    return await service.readers.run(answer)


@router.get("/v1/products/{id:path}", **described("Read a product", CatalogueProduct, 404, 422))
async def product(service: OpenService, id: Id) -> Response:  # noqa: A002
    """Return the catalogue's record of a product."""
    return json_answer(await service.readers.run(lambda: _product(id, _record(service, id))))


@router.put(
    "/v1/products/{id:path}",
    dependencies=[Depends(writing)],
    openapi_extra={"requestBody": {"required": True, "content": _PUT_BODY}},
    **described("Add or change a product", CatalogueProduct, 401, 404, 415, 422, 502, 507),
)
async def put(request: Request, service: OpenService, id: Id) -> Response:  # noqa: A002
    """Embed a product and store it in the catalogue. After the answer, searches find it."""
    if reason := unusable_id(id):
        raise Refusal(422, "invalid", f"id: {reason}")
    text, content = await _body(request, service)
    new = await service.parsers.run(lambda: NewProduct.model_validate(read_json(text)))
    if content is None and new.picture_url is not None:
        content = await unless_gone(request, service.fetched(new.picture_url, state_of(request)))
    if content is None and new.picture_base64 is not None:
        try:
            decode = partial(base64.b64decode, new.picture_base64, validate=True)
            content = await service.parsers.run(decode)
        except ValueError as error:
            raise Refusal(422, "invalid", "picture_base64: malformed. Send base64.") from error
    await service.writers.run(lambda: _put(service, id, new, content))
    return json_answer(await service.readers.run(lambda: _product(id, _record(service, id))))


@router.patch(
    "/v1/products/{id:path}",
    dependencies=[Depends(writing)],
    openapi_extra=described_body(LiveChange),
    **described("Change the price, sale or availability of a product", CatalogueProduct, 401, 404, 422),
)
async def patch(request: Request, service: OpenService, id: Id) -> Response:  # noqa: A002
    """Change a product without its picture. After the answer, searches show the change."""
    change = await read_body(request, service, LiveChange)
    await service.readers.run(lambda: _record(service, id))
    (reason,) = await _change(service, [(id, change)])
    if reason:
        raise Refusal(422, "invalid", reason)
    return json_answer(await service.readers.run(lambda: _product(id, _record(service, id))))


@router.patch(
    "/v1/products",
    dependencies=[Depends(writing)],
    openapi_extra=described_body(LiveChanges),
    **described("Change the price, sale or availability of many products", ChangedProducts, 401, 422),
)
async def patch_many(request: Request, service: OpenService) -> Response:
    """Change up to 1,000 products without their pictures. A change that cannot be made says why."""
    changes = await read_body(request, service, LiveChanges)
    reasons = await _change(service, [(each.id, each) for each in changes.products])
    answers = [
        ChangedProduct(id=each.id, error=reason or None)
        for each, reason in zip(changes.products, reasons, strict=True)
    ]
    return json_answer(ChangedProducts(changed=reasons.count(""), products=answers))


@router.delete(
    "/v1/products/{id:path}",
    dependencies=[Depends(writing)],
    **described("Delete a product", Deleted, 401, 404, 422),
)
async def delete(service: OpenService, id: Id) -> Response:  # noqa: A002
    """Delete a product from the catalogue."""
    await service.writers.run(lambda: _delete(service, id))
    return json_answer(Deleted(deleted=id))


async def _change(service: Service, changes: list[tuple[str, LiveChange]]) -> list[str]:
    texts = [(id_, each.model_dump(exclude_unset=True, exclude={"id"})) for id_, each in changes]
    return await service.writers.run(lambda: change_products(service.recommender.catalogue.store, texts))


async def _body(request: Request, service: Service) -> tuple[bytes | str, bytes | None]:
    """Return the product's JSON, and its picture if the body is a form."""
    type_ = content_type(request)
    if type_ == "application/json":
        return await request.body(), None
    if type_ != "multipart/form-data":
        raise Refusal(
            415, "unsupported_type", "Send JSON, or a form with 'product' (JSON) and a file 'picture'."
        )
    texts, files = await read_form(request, service, "picture", MAX_KEYED_JSON)
    picture = files.get("picture")
    return dict(texts).get("product", ""), picture and picture.content


@dataclass(frozen=True, slots=True)
class OneProduct:
    """One product as the source of a sync."""

    product: Product
    name: str = "the request"
    problems: list[Problem] = field(default_factory=list)
    unavailable: frozenset[str] | None = None

    def products(self) -> Iterator[Product]:
        """Yield the product."""
        yield self.product


def _put(service: Service, id_: str, new: NewProduct, content: bytes | None) -> None:
    category = normalise(new.category)
    if not category:
        raise Refusal(422, "invalid", f"category '{new.category}': invalid. Write it as Furniture|Chairs.")
    fields = {"image_link": new.picture_url} if new.picture_url else {}
    fields |= field_names(new.fields)
    if problem := next(Cleaning().clean(fields), None):
        raise Refusal(422, "invalid", f"fields.{problem[1]}: {problem[2]}")
    known = _records(service, [id_]).get(id_)
    if content is not None:
        picture = _stored(service, id_, content)
    elif known:
        picture = Path(known.picture)
    else:
        raise Refusal(422, "invalid", "A new product requires a picture. Send picture_url or picture_base64.")
    source = OneProduct(Product(id_, category, picture, clean_line(new.title or "") or None, fields))
    recommender = service.recommender
    recommender.catalogue.check(recommender.model)  # a sync with another model would switch the catalogue
    try:
        report = recommender.catalogue.sync(source, recommender.model, wait=SYNC_WAIT, workers=1)
    finally:
        with suppress(PerfectLookError, OSError):
            for each in {picture, Path(known.picture) if known else picture}:
                _remove_unused(service, id_, each)
    if report.failed:
        raise PictureError(report.failed[0].reason)
    recommender.usual.forget()


def _delete(service: Service, id_: str) -> None:
    picture = Path(_record(service, id_).picture)
    delete_products(service.recommender.catalogue.store, [id_])
    _remove_unused(service, id_, picture)


def _stored(service: Service, id_: str, content: bytes) -> Path:
    """Store a product's picture, which no other product has. No file name comes from a request.

    A worker decodes it first as the sync does, which has no limits of time and memory.
    """
    service.decoder.decode(content, fit=service.recommender.backbone.description.input_size)
    picture = _folder(service) / f"{_hash(id_.encode())}{_hash(content)}"
    if not picture.exists():
        write_file(picture, content, durable=True, error=CatalogueError)
    return picture


def _remove_unused(service: Service, id_: str, picture: Path) -> None:
    """Remove a picture that was stored for a product, unless vectors of the product still have it."""
    if picture.parent != _folder(service) or not re.fullmatch(
        f"{_hash(id_.encode())}[0-9a-f]{{32}}", picture.name
    ):
        return
    store = service.recommender.catalogue.store
    found = (each for name in store.collections() for each in store.get([id_], collection=name).values())
    if all(Record.from_payload(id_, each.payload).picture != str(picture) for each in found):
        picture.unlink(missing_ok=True)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _folder(service: Service) -> Path:
    return PictureCache.of(service.recommender.catalogue.location).folder / PUT_FOLDER


def _page(service: Service, category: str | None, limit: int, after: str | None) -> ProductPage:
    found = list(service.recommender.catalogue.store.excerpts())
    within = None if category is None else set(matching({of for _, of in found if of}, category))
    ids = sorted(
        str(id_)
        for id_, of in found
        if (within is None or of in within) and (after is None or str(id_) > after)
    )
    listed = ids[:limit]
    records = _records(service, listed)
    return ProductPage(
        products=[_product(id_, records[id_]) for id_ in listed if id_ in records],
        next=listed[-1] if len(ids) > limit else None,
    )


def _record(service: Service, id_: str) -> Record:
    if record := _records(service, [id_]).get(id_):
        return record
    raise Refusal(404, "no_such_product", f"product '{id_}': not in the catalogue. Check the id.")


def _records(service: Service, ids: Iterable[str]) -> dict[str, Record]:
    wanted, found = set(ids), dict[str, Record]()
    for place in dict.fromkeys((service.recommender, *(each.recommender for each in service.arms))):
        points = place.catalogue.get(sorted(wanted - found.keys()), place.model)
        found |= {id_: Record.from_payload(id_, each.payload, each.category) for id_, each in points.items()}
    return found


def _product(id_: str, record: Record) -> CatalogueProduct:
    details = details_of(record.title, picture_address(id_), record.fields)
    others = {name: text for name, text in record.fields.items() if name not in details}
    return CatalogueProduct(id=id_, category=record.category, **details, fields=others)
