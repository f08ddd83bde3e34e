"""`POST /v1/complete`: products that go with a photo, and a whole look."""

from fastapi import APIRouter, Depends, Request, Response

from perfectlook.recommender.stylist import WEIGHT
from perfectlook.service import bodies
from perfectlook.service.answers import answer_json, look_json
from perfectlook.service.call import call_of
from perfectlook.service.guards import reading, service_of
from perfectlook.service.jsonanswer import json_answer
from perfectlook.service.options import CompleteOptions, filter_of
from perfectlook.service.photos import asked
from perfectlook.service.refusal import Refusal
from perfectlook.service.seeing import Stopwatch, see
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
    shown = [*answer.sections, *(look.slots if look else ())]
    usual = service.usual.parts(sight.seen.scene, list(dict.fromkeys(each.category for each in shown)))
    sections = answer_json(answer, usual, attention=options.attention)
    watch.stage("search")
    timings = watch.end()
    document = {
        "request_id": request_id,
        "model": answer.model,
        "photo": {"width": sight.width, "height": sight.height},
        "timings": timings,
        "categories": sections,
        "look": None if look is None else look_json(look, usual),
        "unused_rules": [rule.as_json() for rule in answer.unused_rules],
        "notes": list(dict.fromkeys([*answer.notes, *(look.notes if look else ())])),
    }
    service.metrics.answer("complete", timings, sum(len(each.products) for each in answer.sections))
    return json_answer(document)
