"""`POST /v1/feedback` and `GET /v1/stats`: what shoppers did with what they were shown."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from perfectlook.answers import FeedbackEvent
from perfectlook.errors import PerfectLookError
from perfectlook.service import openapi as bodies
from perfectlook.service.errors import Refusal, json_answer
from perfectlook.service.feedback import Seen
from perfectlook.service.guards import reading, service_of

router = APIRouter(tags=["running"])


@router.get("/health", summary="Whether the process lives", responses=bodies.answers({"status": "alive"}))
async def health() -> Response:
    """Answer, which is all there is to it."""
    return json_answer({"status": "alive"})


@router.get(
    "/ready",
    summary="Whether photos are answered",
    responses=bodies.answers({"status": "ready", "model": "default", "products": 38111}),
)
async def ready(request: Request) -> Response:
    """Ask the catalogue; 503 where it does not answer."""
    service = service_of(request)
    try:
        products = await service.readers.run(service.recommender.catalogue.count)
    except PerfectLookError as error:
        raise Refusal(503, "unavailable", "the catalogue cannot be used now", retry_after=5) from error
    return json_answer({"status": "ready", "model": service.recommender.model.name, "products": products})


@router.get(
    "/metrics",
    summary="What is counted, for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def metrics(request: Request) -> Response:
    """Return all metrics as text."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


router_feedback = APIRouter(tags=["feedback"], dependencies=[Depends(reading)])


class Feedback(BaseModel):
    """What happened to the products of one answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "request_id": "9f1c2ab47d60e5b83a91f0c2",
                "events": [
                    {"product": "b6a5", "category": "Furniture|Chairs", "rank": 1, "event": "clicked"}
                ],
            }
        },
    )

    request_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    events: list[FeedbackEvent] = Field(min_length=1, max_length=1_000)


@router_feedback.post(
    "/v1/feedback",
    status_code=202,
    summary="Say what a shopper did with an answer",
    responses=bodies.answers({"stored": 1}, 422, 507, status=202),
)
async def feedback(request: Request, body: Feedback) -> Response:
    """Keep events. An event that is sent again counts once; 202 says that the disk has them all."""
    service = service_of(request)
    events = [Seen(each.product, each.category, each.rank, each.event) for each in body.events]
    model = service.recommender.model.name
    await service.readers.run(lambda: service.feedback.add(body.request_id, model, events))
    return json_answer({"stored": len(events)}, 202)


_ROW = {"shown": 100, "clicked": 7, "kept": 3, "rejected": 1, "click_through": 0.07}


@router_feedback.get(
    "/v1/stats",
    summary="What feedback says",
    responses=bodies.answers(
        {"by_category": [{"category": "Furniture|Chairs", **_ROW}], "by_rank": [{"rank": 1, **_ROW}]}
    ),
)
async def stats(request: Request) -> Response:
    """Return counts of events and click-through, by category and by rank."""
    service = service_of(request)
    return json_answer(await service.readers.run(service.feedback.stats))
