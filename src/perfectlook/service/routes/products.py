"""`/v1/products`: list, read, put and delete products, and their pictures."""

import base64
import binascii
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.datastructures import UploadFile

from perfectlook.catalogue import Record
from perfectlook.service import openapi as bodies
from perfectlook.service.answers import catalogue_product
from perfectlook.service.errors import Refusal, json_answer
from perfectlook.service.guards import cache_control, reading, service_of, writing
from perfectlook.service.products import NewProduct, put_product, remove_product
from perfectlook.service.requests import parsed_form
from perfectlook.service.service import Service
from perfectlook.service.thumbnails import tag_of

router = APIRouter(tags=["catalogue"], dependencies=[Depends(reading)])


@router.get(
    "/v1/categories",
    summary="The catalogue's categories",
    responses=bodies.answers({"categories": [{"category": "Furniture|Chairs", "products": 121}]}),
)
async def categories(request: Request) -> Response:
    """Return how many products each category has, largest first."""
    service = service_of(request)
    counts = await service.readers.run(service.recommender.catalogue.categories)
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return json_answer({"categories": [{"category": name, "products": n} for name, n in largest]})


router_products = APIRouter(tags=["catalogue"])
Id = Annotated[str, Path(max_length=500, description="a product's id, as answers say it", examples=["b6a5"])]
_RECORD = {
    "id": "b6a5",
    "category": "Furniture|Chairs",
    "title": "Oak chair",
    "picture": "/v1/products/b6a5/picture",
    "price": "49.90 EUR",
    "sale_price": None,
    "availability": "in_stock",
    "brand": "Acme",
    "link": "https://shop.example/oak-chair",
    "item_group_id": None,
    "fields": {"gender": "unisex"},
}


@router_products.get(
    "/v1/products",
    dependencies=[Depends(reading)],
    summary="List products",
    responses=bodies.answers({"products": [_RECORD], "next": "b6a5"}, 422),
)
async def products(
    request: Request,
    category: Annotated[str | None, Query(max_length=500, description="a whole path")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[str | None, Query(max_length=500, description="`next` of the list before")] = None,
) -> Response:
    """Return products in the order of ids; `next` is where to go on, null at the end."""
    service = service_of(request)
    return json_answer(await service.readers.run(lambda: _listed(service, category, limit, after)))


@router_products.get(
    "/v1/products/{id:path}/picture",
    dependencies=[Depends(reading)],
    summary="The picture of a product",
    responses=bodies.picture_answers(),
    response_class=Response,
)
async def picture(
    request: Request,
    id: Id,  # noqa: A002
    size: Annotated[
        int | None, Query(ge=16, le=1024, description="fit a square of about so many pixels")
    ] = None,
) -> Response:
    """Return the picture as it is stored, or a thumbnail."""
    service = service_of(request)
    known = request.headers.get("if-none-match")

    def answer() -> Response:
        _, record = _record(service, id)
        headers = {"ETag": tag_of(record, size), "Cache-Control": cache_control(service)}
        if known == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        shown = service.pictures.shown(record, size)
        return Response(shown.content, media_type=shown.type, headers=headers)

    return await service.readers.run(answer)


@router_products.get(
    "/v1/products/{id:path}",
    dependencies=[Depends(reading)],
    summary="Read a product",
    responses=bodies.answers(_RECORD, 404, 422),
)
async def product(request: Request, id: Id) -> Response:  # noqa: A002
    """Return what the catalogue knows of a product."""
    service = service_of(request)
    category, record = await service.readers.run(lambda: _record(service, id))
    return json_answer(catalogue_product(id, category, record))


@router_products.put(
    "/v1/products/{id:path}",
    dependencies=[Depends(writing)],
    summary="Add or change a product",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": NewProduct.model_json_schema(),
                    "example": {
                        "category": "Furniture|Chairs",
                        "title": "Oak chair",
                        "picture_url": "https://shop.example/oak-chair.jpg",
                        "fields": {"price": "49.90 EUR", "brand": "Acme"},
                    },
                },
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["product", "picture"],
                        "properties": {
                            "product": {"type": "string", "description": "the JSON of the product"},
                            "picture": {"type": "string", "format": "binary"},
                        },
                    }
                },
            },
        }
    },
    responses=bodies.answers(_RECORD, 401, 404, 415, 422, 502),
)
async def put(request: Request, id: Id) -> Response:  # noqa: A002
    """Embed a product and put it into the catalogue; the answer comes when searches find it."""
    service = service_of(request)
    document, content = await _put_body(request)
    new = NewProduct.model_validate(document)
    if new.picture_url is not None and content is None:
        content = await service.fetched(new.picture_url)
    if new.picture_base64 is not None and content is None:
        content = _decoded(new.picture_base64)
    await service.writers.run(lambda: put_product(service, id, new, content))
    category, record = await service.readers.run(lambda: _record(service, id))
    return json_answer(catalogue_product(id, category, record))


@router_products.delete(
    "/v1/products/{id:path}",
    dependencies=[Depends(writing)],
    summary="Delete a product",
    responses=bodies.answers({"deleted": "b6a5"}, 401, 404, 422),
)
async def delete(request: Request, id: Id) -> Response:  # noqa: A002
    """Take a product out of the catalogue."""
    service = service_of(request)
    if not await service.writers.run(lambda: remove_product(service, id)):
        raise _no_product()
    return json_answer({"deleted": id})


def _record(service: Service, id_: str) -> tuple[str, Record]:
    recommender = service.recommender
    point = recommender.catalogue.get([id_], recommender.model).get(id_)
    if point is None:
        raise _no_product()
    return point.category, Record.from_payload(id_, point.payload)


def _listed(service: Service, category: str | None, limit: int, after: str | None) -> dict[str, object]:
    recommender = service.recommender
    ids = sorted(
        str(id_)
        for id_, of in recommender.catalogue.store.excerpts()
        if (category is None or of == category) and (after is None or str(id_) > after)
    )
    shown = ids[:limit]
    points = recommender.catalogue.get(shown, recommender.model)
    found = [
        catalogue_product(id_, points[id_].category, Record.from_payload(id_, points[id_].payload))
        for id_ in shown
        if id_ in points
    ]
    return {"products": found, "next": shown[-1] if len(ids) > limit else None}


async def _put_body(request: Request) -> tuple[Any, bytes | None]:
    type_ = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if type_ == "application/json":
        return _json(await request.body()), None
    if type_ != "multipart/form-data":
        raise Refusal(
            415, "unsupported_type", "send JSON, or a form with 'product' (JSON) and the file 'picture'"
        )
    form = await parsed_form(request)
    try:
        product, picture = form.get("product"), form.get("picture")
        content = await picture.read() if isinstance(picture, UploadFile) else None
        return _json(product if isinstance(product, str) else ""), content
    finally:
        await form.close()


def _json(text: bytes | str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_json", "the product is not JSON") from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Refusal(422, "invalid", "picture_base64: not base64") from error


def _no_product() -> Refusal:
    return Refusal(404, "no_such_product", "the catalogue has no product of that id")
