"""`POST /v1/complete` and `POST /v1/similar`: products for a photo, or for a product."""

from typing import TypeVar

from fastapi import APIRouter, Depends, Request, Response

from perfectlook.answers import Answer, Look, RankedProduct, Section, Similar
from perfectlook.recommender import EmbeddedPhoto
from perfectlook.recommender.explain import why
from perfectlook.recommender.look import WEIGHT
from perfectlook.service.errors import Refusal, described, json_answer, state_of
from perfectlook.service.requests import (
    CompleteOptions,
    SimilarOptions,
    Stopwatch,
    described_question,
    embed_photo,
    read_question,
)
from perfectlook.service.security import reading
from perfectlook.service.service import Service, service_of
from perfectlook.service.thumbnails import picture_address

router = APIRouter(tags=["recommend"], dependencies=[Depends(reading)])
Ranked = TypeVar("Ranked", bound=RankedProduct)
Parts = dict[str, tuple[float, float]]


@router.post(
    "/v1/complete",
    openapi_extra=described_question(
        CompleteOptions, category=["Furniture|Chairs"], where="price <= 200 EUR"
    ),
    **described("Products that complete the look of a photo, by category", Answer, 415, 422, 502),
)
async def complete(request: Request) -> Response:
    """Return products for each category of a photo, and a whole look if asked for."""
    service = service_of(request)
    service.workers.check()  # before anything is read
    content, options = await read_question(request, service, CompleteOptions)
    if content is None:
        raise Refusal(400, "no_photo", "there is no photo; send one as 'photo', or a url, or a sample")
    photo, id_ = content, state_of(request).id
    return await service.workers.run(lambda: _completed(service, photo, options, id_))


@router.post(
    "/v1/similar",
    openapi_extra=described_question(SimilarOptions),
    **described("Products that look like a product or a photo", Similar, 404, 415, 422, 502),
)
async def similar(request: Request) -> Response:
    """Return products that look like a product of the catalogue (`id`), or like the product on a photo."""
    service = service_of(request)
    service.workers.check()
    content, options = await read_question(request, service, SimilarOptions)
    if content is None and options.id is None:
        raise Refusal(400, "no_photo", "there is neither an id nor a photo; send one of them")
    id_ = state_of(request).id
    return await service.workers.run(lambda: _found(service, content, options, id_))


def _completed(service: Service, content: bytes, options: CompleteOptions, request_id: str) -> Response:
    watch = Stopwatch()
    recommender = service.recommender
    where = options.filter
    photo, size = embed_photo(service, content, options.part, watch)
    categories = options.category or None
    answer = recommender.complete(
        photo,
        categories,
        options.k,
        where,
        spread=options.spread,
        rules=service.rules,
        include_unavailable=options.include_unavailable,
        limit=options.limit_categories or None,
    )
    look = None
    if options.look:
        look = recommender.look(
            photo,
            categories,
            where,
            weight=WEIGHT if options.weight is None else options.weight,
            budget=options.budget,
            locked=options.locked_ids,
            rules=service.rules,
            include_unavailable=options.include_unavailable,
        )
    shown = [*answer.categories, *(look.slots if look else ())]
    usual = service.usual.parts(photo.scene, list(dict.fromkeys(each.category for each in shown)))
    sections = [_section(each, usual, attention=options.attention) for each in answer.categories]
    watch.stage("search")
    timings = watch.end()
    more = {
        "request_id": request_id,
        "photo_size": size,
        "timings": timings,
        "categories": sections,
        "look": look and _look(look, usual),
        "notes": list(dict.fromkeys([*answer.notes, *(look.notes if look else ())])),
    }
    service.metrics.answer("complete", timings, sum(len(each.products) for each in sections))
    return json_answer(answer.model_copy(update=more))


def _found(service: Service, content: bytes | None, options: SimilarOptions, request_id: str) -> Response:
    watch = Stopwatch()
    recommender = service.recommender
    where = options.filter
    like: str | EmbeddedPhoto
    if content is not None:
        like, _ = embed_photo(service, content, options.part, watch)
    else:
        assert options.id is not None
        like = options.id
        if not recommender.catalogue.get([like], recommender.model):
            raise Refusal(404, "no_such_product", "the catalogue has no product of that id")
    found = recommender.similar(
        like,
        options.category or None,
        options.k,
        where,
        rules=service.rules,
        include_unavailable=options.include_unavailable,
    )
    sections = [
        each.model_copy(update={"products": [_product(product) for product in each.products]})
        for each in found.categories
    ]
    nearest = sorted(
        ((section.category, product) for section in sections for product in section.products),
        key=lambda each: each[1].distance,
    )
    products = [
        product.model_copy(update={"rank": rank, "category": category})
        for rank, (category, product) in enumerate(nearest[: options.k], 1)
    ]
    watch.stage("search")
    timings = watch.end()
    more: dict[str, object] = {
        "request_id": request_id,
        "timings": timings,
        "products": products,
        "categories": sections,
    }
    if found.product:
        more["product"] = found.product.model_copy(update={"picture": picture_address(found.product.id)})
    service.metrics.answer("similar", timings, len(products))
    return json_answer(found.model_copy(update=more))


def _product(product: Ranked, usual: tuple[float, float] | None = None) -> Ranked:
    """Return a product with the address of its picture; and why it is near, if its distance has parts."""
    update: dict[str, object] = {"picture": picture_address(product.id)}
    if product.distance_global is not None and product.distance_local is not None:
        update["why"] = why(usual, product.distance_global, product.distance_local)
    return product.model_copy(update=update)


def _section(section: Section, usual: Parts, *, attention: bool) -> Section:
    parts = usual.get(section.category)
    update: dict[str, object] = {"products": [_product(each, parts) for each in section.products]}
    if not attention:
        update["attention"] = None
    return section.model_copy(update=update)


def _look(look: Look, usual: Parts) -> Look:
    slots = []
    for slot in look.slots:
        parts = usual.get(slot.category)
        others = [_product(each, parts) for each in slot.alternatives]
        update = {"product": _product(slot.product, parts), "alternatives": others}
        slots.append(slot.model_copy(update=update))
    return look.model_copy(update={"slots": slots})
