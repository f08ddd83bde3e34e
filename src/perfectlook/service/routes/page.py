"""`GET /`: the page, whose files are part of the package; `GET /v1/samples`: scenes to try on it."""

import asyncio
import hashlib
import mimetypes
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Path as PathParameter

from perfectlook.answers import Sample
from perfectlook.service.errors import PICTURES, described, json_answer
from perfectlook.service.security import reading
from perfectlook.service.service import service_of
from perfectlook.service.thumbnails import type_of

router = APIRouter(tags=["samples"], dependencies=[Depends(reading)])


@router.get("/v1/samples", **described("The sample scenes", list[Sample]))
async def samples(request: Request) -> Response:
    """Return the scenes that the server offers to try."""
    return json_answer(service_of(request).samples.listed())


@router.get("/v1/samples/{name}/picture", **described("A sample's picture", None, 404, 422, kinds=PICTURES))
async def sample_picture(request: Request, name: Annotated[str, PathParameter(max_length=500)]) -> Response:
    """Return the bytes of a sample."""
    service = service_of(request)
    content = await service.samples.content(name)
    return Response(
        content,
        media_type=type_of(content) or "application/octet-stream",
        headers={"Cache-Control": service.cache_control},
    )


FOLDER = Path(__file__).parents[1] / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "img-src 'self' blob: data: https:; media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}


def files_router(folder: Path = FOLDER) -> APIRouter:
    """Return a router with one route for each file of the page: no path of a request is ever opened."""
    router = APIRouter(include_in_schema=False)
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.is_file() and not file.name.startswith("."):
            place = file.relative_to(folder).as_posix()
            router.add_api_route(
                "/" if place == "index.html" else f"/{place}", _sender(file), methods=["GET", "HEAD"]
            )
    return router


def _sender(file: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202
    type_ = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"

    async def send(request: Request) -> Response:
        content = await asyncio.to_thread(file.read_bytes)
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        headers["Permissions-Policy"] = "camera=(self), geolocation=(), microphone=()"
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=type_, headers=headers)

    return send
