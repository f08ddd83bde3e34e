"""Feedback (`/v1/feedback`, `/v1/stats`) and the state of the server (`/health`, `/ready`, `/metrics`)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from perfectlook.answers import FeedbackEvent, FeedbackStats, Health, Ready, Stored
from perfectlook.errors import PerfectLookError
from perfectlook.service.errors import Refusal, described, json_answer
from perfectlook.service.security import reading
from perfectlook.service.service import service_of

router = APIRouter()


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


@router.post(
    "/v1/feedback",
    tags=["feedback"],
    dependencies=[Depends(reading)],
    **described("Say what a shopper did with an answer", Stored, 422, 507, status=202),
)
async def feedback(request: Request, body: Feedback) -> Response:
    """Store events. An event that is sent again counts once; 202 means that the disk has them all."""
    service = service_of(request)
    model = service.recommender.model.name
    await service.readers.run(lambda: service.feedback.add(body.request_id, model, body.events))
    return json_answer(Stored(stored=len(body.events)), 202)


@router.get(
    "/v1/stats",
    tags=["feedback"],
    dependencies=[Depends(reading)],
    **described("What all feedback says", FeedbackStats),
)
async def stats(request: Request) -> Response:
    """Return counts of events and click-through, by category and by rank."""
    service = service_of(request)
    return json_answer(await service.readers.run(service.feedback.stats))


@router.get("/health", tags=["running"], **described("Is the process alive?", Health))
async def health() -> Response:
    """Answer at once."""
    return json_answer(Health())


@router.get("/ready", tags=["running"], **described("Are photos answered?", Ready))
async def ready(request: Request) -> Response:
    """Count the catalogue's products; 503 if it cannot be used."""
    service = service_of(request)
    try:
        products = await service.readers.run(service.recommender.catalogue.count)
    except PerfectLookError as error:
        raise Refusal(503, "unavailable", "the catalogue cannot be used now", retry_after=5) from error
    return json_answer(Ready(model=service.recommender.model.name, products=products))


@router.get("/metrics", tags=["running"], **described("Metrics for Prometheus", kinds=("text/plain",)))
async def metrics(request: Request) -> Response:
    """Return all metrics as text."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
