"""`GET /v1/categories`: what the catalogue has."""

from fastapi import APIRouter, Depends, Request, Response

from perfectlook.service import bodies
from perfectlook.service.guards import reading, service_of
from perfectlook.service.jsonanswer import json_answer

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
