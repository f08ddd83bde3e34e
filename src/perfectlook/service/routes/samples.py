"""`GET /v1/samples`: scenes to try."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request, Response

from perfectlook.service import bodies
from perfectlook.service.guards import cache_control, reading, service_of
from perfectlook.service.jsonanswer import json_answer
from perfectlook.service.pictures import type_of

router = APIRouter(tags=["samples"], dependencies=[Depends(reading)])


@router.get(
    "/v1/samples",
    summary="The sample scenes",
    responses=bodies.answers(
        [{"name": "living-room", "picture": "/v1/samples/living-room/picture", "title": "Living room"}]
    ),
)
async def samples(request: Request) -> Response:
    """Return the scenes that the service offers to try."""
    listed = [
        {
            "name": each.name,
            "picture": f"/v1/samples/{quote(each.name, safe='')}/picture",
            "title": each.title,
        }
        for each in service_of(request).samples
    ]
    return json_answer(listed)


@router.get(
    "/v1/samples/{name}/picture",
    summary="The picture of a sample scene",
    responses=bodies.picture_answers(),
    response_class=Response,
)
async def picture(request: Request, name: Annotated[str, Path(max_length=500)]) -> Response:
    """Return the bytes of a sample."""
    service = service_of(request)
    content = await service.samples.content(name)
    return Response(
        content,
        media_type=type_of(content) or "application/octet-stream",
        headers={"Cache-Control": cache_control(service)},
    )
