"""`POST /v1/complete` and `POST /v1/similar`: products for a photo, or for a product."""

from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from perfectlook.answers import Answer, Look, RankedProduct, Section, Similar
from perfectlook.recommender import EmbeddedPhoto
from perfectlook.recommender.scope import without_unknown
from perfectlook.service.errors import Refusal, described, json_answer, state_of
from perfectlook.service.experiment import Arm
from perfectlook.service.requests import (
    CompleteOptions,
    PhotoOptions,
    ReceivedFile,
    SimilarOptions,
    Stopwatch,
    described_question,
    embed_photo,
    read_question,
    unless_gone,
)
from perfectlook.service.security import reading
from perfectlook.service.service import OpenService, Service
from perfectlook.service.thumbnails import picture_address

router = APIRouter(tags=["recommend"], dependencies=[Depends(reading)])
Ranked = TypeVar("Ranked", bound=RankedProduct)


@router.post(
    "/v1/complete",
    openapi_extra=described_question(
        CompleteOptions, category=["Furniture|Chairs"], where="price <= 200 EUR"
    ),
    **described("Recommend products that complete a photo or a product", Answer, 404, 415, 422, 502),
)
async def complete(request: Request, service: OpenService) -> Response:
    """Return products for each category of a photo or a product, and a whole look if one is requested."""
    service.workers.check()  # a busy server refuses the request before reading it
    photo, options = await read_question(request, service, CompleteOptions)
    if photo is None and options.product is None:
        raise Refusal(
            400, "no_photo", "The photo is missing. Send it as 'photo', or send 'url', 'sample' or 'product'."
        )
    work = partial(_completed, service, photo, options, state_of(request).id)
    return await unless_gone(request, service.workers.run(work))


@router.post(
    "/v1/similar",
    openapi_extra=described_question(SimilarOptions),
    **described("Find products that look like a product or a photo", Similar, 404, 415, 422, 502),
)
async def similar(request: Request, service: OpenService) -> Response:
    """Return products that look like a product of the catalogue (`id`), or like the product on a photo."""
    service.workers.check()
    photo, options = await read_question(request, service, SimilarOptions)
    if photo is None and options.id is None:
        raise Refusal(400, "no_photo", "The photo is missing. Send 'id', 'photo', 'url' or 'sample'.")
    work = partial(_found, service, photo, options, state_of(request).id)
    return await unless_gone(request, service.workers.run(work))


def _completed(
    service: Service, file: ReceivedFile | None, options: CompleteOptions, request_id: str
) -> Response:
    watch = Stopwatch()
    arm = service.arm(options.session)
    recommender = arm.recommender
    usually = {name: each for name, each in arm.options.items() if name not in options.model_fields_set}
    options = options.model_copy(update=usually)
    asked, notes = _asked(arm, options)
    asked["keep_in_scene"] = options.keep_in_scene
    photo, size = None, None
    if file is not None:
        photo, size = embed_photo(service, recommender, file, options.box, watch)
    else:
        asked["product"] = _known(arm, options.product or "")
    limit = options.limit_categories or None
    answer = recommender.complete(photo, k=options.k, spread=options.spread, limit=limit, **asked)
    look = None
    if options.look:
        look = recommender.look(
            photo,
            weight=options.weight,
            budget=options.budget,
            locked=options.locked_ids,
            slots=service.slots,
            other_looks=options.alternatives,
            **asked,
        )
    sections = [_section(each, attention=options.attention) for each in answer.categories]
    more: dict[str, object] = {
        "request_id": request_id,
        "timings": watch.end("search"),
        "categories": sections,
        "look": look and _look(look),
        "in_scene": [
            each.model_copy(update={"picture": picture_address(each.id)}) for each in answer.in_scene
        ],
        "notes": list(dict.fromkeys([*notes, *answer.notes, *(look.notes if look else ())])),
    }
    if size:
        more["photo_size"] = size
    if arm.name:
        more["arm"] = arm.name
    if answer.product:
        more["product"] = answer.product.model_copy(update={"picture": picture_address(answer.product.id)})
    service.metrics.answer("complete", watch.timings, sum(len(each.products) for each in sections))
    return json_answer(answer.model_copy(update=more))


def _known(arm: Arm, id_: str) -> str:
    """Return the id of a product that the catalogue has. Refuse another id (404)."""
    if not arm.recommender.catalogue.get([id_], arm.recommender.model):
        raise Refusal(404, "no_such_product", f"product '{id_}': not in the catalogue. Check the id.")
    return id_


def _found(service: Service, file: ReceivedFile | None, options: SimilarOptions, request_id: str) -> Response:
    watch = Stopwatch()
    arm = service.arm(options.session)
    recommender = arm.recommender
    asked, notes = _asked(arm, options)
    id_ = options.id or ""
    like: str | EmbeddedPhoto = id_
    if file is not None:
        like, _ = embed_photo(service, recommender, file, options.box, watch)
    else:
        _known(arm, id_)
    found = recommender.similar(like, k=options.k, **asked)
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
    more: dict[str, object] = {"request_id": request_id, "products": products, "categories": sections}
    more["notes"] = [*notes, *found.notes]
    if found.product:
        more["product"] = found.product.model_copy(update={"picture": picture_address(found.product.id)})
    if arm.name:
        more["arm"] = arm.name
    more["timings"] = watch.end("search")
    service.metrics.answer("similar", watch.timings, len(products))
    return json_answer(found.model_copy(update=more))


def _asked(arm: Arm, options: PhotoOptions) -> tuple[dict[str, Any], list[str]]:
    """Return the recommender's arguments that complete, look and similar share, and notes on them.

    A page may name a category whose last product has left the shop. The others are answered.
    """
    counts = arm.recommender.catalogue.categories() if options.category else {}
    categories, notes = without_unknown(counts, options.category)
    return {
        "categories": categories or None,
        "where": options.filter,
        "rules": arm.rules,
        "include_unavailable": options.include_unavailable,
        "locale": options.locale,
    }, notes


def _product(product: Ranked) -> Ranked:
    """Return a product with the address of its picture."""
    return product.model_copy(update={"picture": picture_address(product.id)})


def _section(section: Section, *, attention: bool) -> Section:
    products = [_product(each) for each in section.products]
    weights = section.attention if attention else None
    return section.model_copy(update={"products": products, "attention": weights})


def _look(look: Look) -> Look:
    slots = []
    for slot in look.slots:
        product, *others = (_product(each) for each in (slot.product, *slot.alternatives))
        slots.append(slot.model_copy(update={"product": product, "alternatives": others}))
    # the answer around the look says what the photo shows
    update: dict[str, object] = {"slots": slots, "in_scene": [], "far_from_known": False}
    if look.alternatives:
        update["alternatives"] = [_look(each) for each in look.alternatives]
    return look.model_copy(update=update)
