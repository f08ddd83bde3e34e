"""`POST /v1/products:sync` and `GET /v1/jobs/{id}`: bring the catalogue into step with a feed."""

import asyncio
import json
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from perfectlook.feeds import FORMATS
from perfectlook.service import openapi as bodies
from perfectlook.service.errors import Refusal, json_answer
from perfectlook.service.guards import service_of, writing
from perfectlook.service.jobs import Job
from perfectlook.service.requests import parsed_form

router = APIRouter(tags=["catalogue"], dependencies=[Depends(writing)])


class SyncOptions(BaseModel):
    """Where the feed is."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(min_length=8, max_length=2_000, description="the http(s) address of a feed")
    format: str | None = Field(None, description=f"one of {', '.join(FORMATS)}, where the name does not tell")


_JOB = {
    "id": "0c9d",
    "state": "running",
    "progress": {"done": 512, "total": 2066},
    "report": None,
    "error": None,
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": SyncOptions.model_json_schema(),
                "example": {"source": "https://shop.example/feed.xml"},
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["feed"],
                    "properties": {
                        "feed": {"type": "string", "format": "binary"},
                        "format": {"type": "string"},
                    },
                }
            },
        },
    }
}


@router.post(
    "/v1/products:sync",
    status_code=202,
    summary="Sync the catalogue from a feed",
    openapi_extra=_BODY,
    responses=bodies.answers({"job": "0c9d"}, 401, 415, 422, 507, status=202),
)
async def sync(request: Request) -> Response:
    """Accept a feed, by its URL or as a file; the job says how far its sync is."""
    type_ = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if type_ == "multipart/form-data":
        job = await _from_form(request)
    elif type_ == "application/json":
        job = await _from_json(request)
    else:
        raise Refusal(415, "unsupported_type", "send JSON with 'source', or a form with the file 'feed'")
    return json_answer({"job": job.id}, 202)


@router.get(
    "/v1/jobs/{id}",
    summary="How far a sync is",
    responses=bodies.answers(_JOB, 401, 404, 422),
)
async def job(request: Request, id: Annotated[str, Path(max_length=100)]) -> Response:  # noqa: A002
    """Return the state, the progress and, at the end, the report of a sync."""
    found = service_of(request).jobs.get(id)
    if found is None:
        raise Refusal(404, "no_such_job", "there is no such job, or it was done long ago")
    return json_answer(found.as_json())


async def _from_json(request: Request) -> Job:
    try:
        document = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_json", "the body is not JSON") from error
    options = SyncOptions.model_validate(document)
    if not options.source.lower().startswith(("http://", "https://")):
        raise Refusal(400, "bad_url", "source: only http:// and https:// are fetched")
    try:
        name = urlsplit(options.source).path
    except ValueError as error:
        raise Refusal(400, "bad_url", "source: not a URL") from error
    suffix = _suffix(options.format, name)
    return await asyncio.to_thread(service_of(request).jobs.sync, suffix, url=options.source)


async def _from_form(request: Request) -> Job:
    form = await parsed_form(request)
    try:
        feed, format_ = form.get("feed"), form.get("format")
        if not isinstance(feed, UploadFile):
            raise Refusal(422, "invalid", "feed: there is no such file in the form")
        suffix = _suffix(format_ if isinstance(format_, str) and format_ else None, feed.filename or "")
        content = await feed.read()
        return await asyncio.to_thread(service_of(request).jobs.sync, suffix, content=content)
    finally:
        await form.close()


def _suffix(format_: str | None, name: str) -> str:
    """The suffix that says a feed's format: of all that a client names a file, this alone is used."""
    if format_ is not None:
        if format_ not in FORMATS:
            raise Refusal(422, "invalid", f"format: choose one of {', '.join(FORMATS)}")
        return FORMATS[format_].suffixes[0]
    for each in FORMATS.values():
        if name.lower().endswith(each.suffixes):
            return each.suffixes[0]
    raise Refusal(422, "invalid", f"the name tells no format; give 'format': {', '.join(FORMATS)}")
