"""`/health`, `/ready` and `/metrics`: for those who run the service."""

from fastapi import APIRouter, Request, Response

from perfectlook.errors import PerfectLookError
from perfectlook.service import bodies
from perfectlook.service.guards import service_of
from perfectlook.service.jsonanswer import json_answer
from perfectlook.service.refusal import Refusal

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
