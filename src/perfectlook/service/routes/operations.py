"""Sample scenes (`/v1/samples`), feedback (`/v1/feedback`, `/v1/stats`) and the state of the server."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from perfectlook.answers import FeedbackEvent
from perfectlook.server_answers import FeedbackStats, Health, Ready, Sample, Stored
from perfectlook.service.errors import PICTURES, Refusal, described, json_answer
from perfectlook.service.requests import Session, described_body, read_body
from perfectlook.service.security import reading, reporting, selling
from perfectlook.service.service import OpenService
from perfectlook.service.thumbnails import type_of

router = APIRouter(tags=["running"])
samples_router = APIRouter(tags=["samples"], dependencies=[Depends(reading)])
report_router = APIRouter(tags=["feedback"], dependencies=[Depends(reporting)])
feedback_router = APIRouter(tags=["feedback"], dependencies=[Depends(reading)])


@samples_router.get("/v1/samples", **described("List the sample scenes", list[Sample]))
async def samples(service: OpenService) -> Response:
    """Return the sample scenes of the server."""
    return json_answer(service.samples.listed())


@samples_router.get(
    "/v1/samples/{name}/picture", **described("Get the picture of a sample", None, 404, 422, kinds=PICTURES)
)
async def sample_picture(
    service: OpenService, name: Annotated[str, PathParameter(max_length=500)]
) -> Response:
    """Return the bytes of a sample's picture."""
    content = await service.samples.content(name)
    headers = {"Cache-Control": service.cache_control}
    return Response(content, media_type=type_of(content) or "application/octet-stream", headers=headers)


_CLICK: JsonDict = {"product": "b6a5", "category": "Furniture|Chairs", "rank": 1, "event": "clicked"}
_EXAMPLE: JsonDict = {"request_id": "9f1c2ab47d60e5b83a91f0c2", "events": [_CLICK]}


class Feedback(BaseModel):
    """What a shopper did with the products of one answer."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": _EXAMPLE}, use_attribute_docstrings=True
    )

    request_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    """The id of the answer; for `purchased`, it can be the id of the order."""
    session: Session | None = None
    """The session of the shopper, which was sent with the request too."""
    events: list[FeedbackEvent] = Field(min_length=1, max_length=1_000)


@report_router.post(
    "/v1/feedback",
    openapi_extra=described_body(Feedback),
    **described("Report what a shopper did with an answer", Stored, 401, 422, 507, status=202),
)
async def feedback(request: Request, service: OpenService) -> Response:
    """Store events. An event that is sent again counts once. With 202, all events are on the disk.

    Only a server's key may report `purchased`: one with the scope `feedback` that is not public.
    """
    found = await read_body(request, service, Feedback)
    if any(each.event == "purchased" for each in found.events):
        await selling(request)
    arm, session = service.arm(found.session), found.session
    model = arm.recommender.model.name
    store = partial(service.feedback.add, found.request_id, model, found.events, session, arm.name)
    await service.readers.run(store)
    return json_answer(Stored(stored=len(found.events)), 202)


@feedback_router.get("/v1/stats", **described("Summarise all feedback", FeedbackStats))
async def stats(service: OpenService) -> Response:
    """Return the counts of events and the click-through rates, by category and by rank.

    The 500 categories and ranks with the most events are listed.
    """
    return json_answer(await service.readers.run(service.feedback.stats))


@router.get("/health", **described("Check that the process is alive", Health))
async def health() -> Response:
    """Answer 200 while the process runs."""
    return json_answer(Health())


@router.get("/ready", **described("Check that the server can answer photos", Ready))
async def ready(service: OpenService) -> Response:
    """Return the model and the number of products.

    It answers 503 if the catalogue, or that of an arm of an experiment, cannot be read or was synced with
    another model.
    """
    products, name = await service.ready()
    notes = [problem] if (problem := service.keys.check()) else []
    if notes and service.settings.keyed_reading and not service.keys.any:
        raise Refusal(503, "unavailable", f"No request can be answered: {notes[0]}.", retry_after=5)
    return json_answer(Ready(model=name, products=products, notes=notes))


@router.get("/metrics", **described("Get the metrics for Prometheus", kinds=("text/plain",)))
async def metrics(service: OpenService) -> Response:
    """Return all metrics as text."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
