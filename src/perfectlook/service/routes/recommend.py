"""`POST /v1/similar`: products that look like one of the catalogue, or like a photo."""

from fastapi import APIRouter, Depends, Request, Response

from perfectlook.answers import PhotoSize
from perfectlook.recommender import EmbeddedPhoto
from perfectlook.recommender.look import WEIGHT
from perfectlook.service import openapi as bodies
from perfectlook.service.answers import served_look, served_section, served_similar
from perfectlook.service.errors import Refusal, call_of, json_answer
from perfectlook.service.guards import reading, service_of
from perfectlook.service.requests import CompleteOptions, SimilarOptions, Stopwatch, asked, filter_of, see
from perfectlook.service.service import Service

router = APIRouter(tags=["recommend"], dependencies=[Depends(reading)])


@router.post(
    "/v1/complete",
    summary="Products that complete the look of a photo, by category",
    openapi_extra=bodies.photo_body(CompleteOptions, "complete"),
    responses=bodies.answers(bodies.COMPLETED, 400, 413, 415, 422, 502, 503),
)
async def complete(request: Request) -> Response:
    """Look at a photo and answer with products for each category, and with a whole look where asked to."""
    service = service_of(request)
    service.workers.check()  # before anything is read
    content, options = await asked(request, service, CompleteOptions)
    if content is None:
        raise Refusal(400, "no_photo", "there is no photo; send one as 'photo', or a url, or a sample")
    id_ = call_of(request).id
    photo = content
    return await service.workers.run(lambda: _completed(service, photo, options, id_))


def _completed(service: Service, content: bytes, options: CompleteOptions, request_id: str) -> Response:
    watch = Stopwatch()
    recommender = service.recommender
    where = filter_of(options)
    sight = see(recommender, content, options.part, service.limits, watch)
    categories = options.category or None
    answer = recommender.complete(
        sight.seen,
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
            sight.seen,
            categories,
            where,
            weight=WEIGHT if options.weight is None else options.weight,
            budget=options.budget,
            locked=options.locked_ids,
            rules=service.rules,
            include_unavailable=options.include_unavailable,
        )
    shown = [*answer.categories, *(look.slots if look else ())]
    usual = service.usual.parts(sight.seen.scene, list(dict.fromkeys(each.category for each in shown)))
    sections = [served_section(each, usual, attention=options.attention) for each in answer.categories]
    watch.stage("search")
    timings = watch.end()
    more = {
        "request_id": request_id,
        "photo_size": PhotoSize(width=sight.width, height=sight.height),
        "timings": timings,
        "categories": sections,
        "look": None if look is None else served_look(look, usual),
        "notes": list(dict.fromkeys([*answer.notes, *(look.notes if look else ())])),
    }
    service.metrics.answer("complete", timings, sum(len(each.products) for each in sections))
    return json_answer(answer.model_copy(update=more))


@router.post(
    "/v1/similar",
    summary="Products that look like a product or a photo",
    openapi_extra=bodies.photo_body(SimilarOptions, "similar"),
    responses=bodies.answers(bodies.SIMILAR, 404, 415, 422, 502),
)
async def similar(request: Request) -> Response:
    """Look for what looks like a product of the catalogue (`id`), or like the product on a photo."""
    service = service_of(request)
    service.workers.check()
    content, options = await asked(request, service, SimilarOptions)
    if content is None and options.id is None:
        raise Refusal(400, "no_photo", "there is neither an id nor a photo; send one of them")
    id_ = call_of(request).id
    return await service.workers.run(lambda: _found(service, content, options, id_))


def _found(service: Service, content: bytes | None, options: SimilarOptions, request_id: str) -> Response:
    watch = Stopwatch()
    recommender = service.recommender
    where = filter_of(options)
    like: str | EmbeddedPhoto
    if content is not None:
        like = see(recommender, content, options.part, service.limits, watch).seen
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
    shown = served_similar(found, options.k)
    watch.stage("search")
    timings = watch.end()
    service.metrics.answer("similar", timings, len(shown.products))
    return json_answer(shown.model_copy(update={"request_id": request_id, "timings": timings}))
