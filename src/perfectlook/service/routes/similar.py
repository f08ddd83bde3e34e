"""`POST /v1/similar`: products that look like one of the catalogue, or like a photo."""

from fastapi import APIRouter, Depends, Request, Response

from perfectlook.recommender import Seen
from perfectlook.service import bodies
from perfectlook.service.answers import nearest_json, similar_json
from perfectlook.service.call import call_of
from perfectlook.service.guards import reading, service_of
from perfectlook.service.jsonanswer import json_answer
from perfectlook.service.options import SimilarOptions, filter_of
from perfectlook.service.photos import asked
from perfectlook.service.refusal import Refusal
from perfectlook.service.seeing import Stopwatch, see
from perfectlook.service.service import Service

router = APIRouter(tags=["recommend"], dependencies=[Depends(reading)])


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
    like: str | Seen
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
    products = nearest_json(found, options.k)
    sections = similar_json(found)
    watch.stage("search")
    timings = watch.end()
    service.metrics.answer("similar", timings, len(products))
    return json_answer(
        {
            "request_id": request_id,
            "model": found.model,
            "timings": timings,
            "products": products,
            "categories": sections,
            "notes": list(found.notes),
        }
    )
