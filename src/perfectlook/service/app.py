"""Puts the service together: every group of endpoints, what lies around them, and how it begins and ends."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from PIL import UnidentifiedImageError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from perfectlook import __version__
from perfectlook.errors import CatalogueInUseError, FetchError, PerfectLookError, PictureError, UsageError
from perfectlook.service.errors import Refusal, call_of, error_document
from perfectlook.service.metrics import LOGGER
from perfectlook.service.middleware import Envelope
from perfectlook.service.routes import operations, page, products, recommend
from perfectlook.service.routes.page import page_router
from perfectlook.service.service import Service

BREATH = 0.2
"""Seconds before those for whom there is no place are told so: callers who ask again at once would else take
the processors from those who have one."""

_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def add_handlers(app: FastAPI, hidden: tuple[str, ...]) -> None:
    """Register the answers to all failures; `hidden` are texts that no message may tell, such as folders."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error, Refusal):
            if error.code == "busy":
                await asyncio.sleep(BREATH)
            return _answer(request, error)
        code = _CODES.get(error.status_code, "error")
        refusal = Refusal(error.status_code, code, str(error.detail))
        refusal.headers = error.headers
        return _answer(request, refusal)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError | ValidationError)
        problems = [
            {"where": [str(part) for part in each["loc"]], "problem": each["msg"]} for each in error.errors()
        ]
        first = problems[0] if problems else {"where": [], "problem": ""}
        message = f"{'.'.join(first['where'])}: {first['problem']}"
        return _answer(request, Refusal(422, "invalid", message), problems)

    async def failed(request: Request, error: Exception) -> Response:
        assert isinstance(error, PerfectLookError)
        refusal = refusal_of(error, hidden)
        level = logging.WARNING if refusal.status_code >= 500 else logging.INFO
        LOGGER.log(
            level,
            "refused",
            extra={"request_id": call_of(request).id, "code": refusal.code, "reason": str(error)[:500]},
        )
        return _answer(request, refusal)

    async def gone(request: Request, _: Exception) -> Response:
        call_of(request).error = "client_gone"
        return Response(status_code=499)  # nobody reads it; the log does

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ValidationError, invalid)
    app.add_exception_handler(PerfectLookError, failed)
    app.add_exception_handler(ClientDisconnect, gone)


def refusal_of(error: PerfectLookError, hidden: tuple[str, ...] = ()) -> Refusal:
    """Say a failure to a client."""
    if isinstance(error, PictureError):
        return _of_picture(error)
    if isinstance(error, UsageError):
        return Refusal(400, "bad_request", _without(str(error), hidden))
    if isinstance(error, FetchError):  # why says what lies where: that is for the log
        if error.passing:
            return Refusal(502, "unreachable", "nothing could be fetched from that URL; try again later")
        return Refusal(400, "bad_url", "nothing can be fetched from that URL")
    if isinstance(error, CatalogueInUseError):
        return Refusal(503, "sync_at_work", "a sync is at work; try again when it has ended", retry_after=5)
    return Refusal(503, "unavailable", "the catalogue cannot be used now; try again later", retry_after=5)


def _of_picture(error: PictureError) -> Refusal:
    if isinstance(error.__cause__, UnidentifiedImageError):
        return Refusal(415, "not_a_picture", "not a picture of a known format")
    if "megapixels" in str(error) or "over the limit" in str(error):
        return Refusal(413, "too_large", "the picture has too many pixels; scale it down")
    if "empty" in str(error):
        return Refusal(400, "bad_picture", "the picture is empty")
    return Refusal(400, "bad_picture", "the picture is truncated or damaged")


def _without(message: str, hidden: tuple[str, ...]) -> str:
    for each in hidden:
        message = message.replace(each, "the catalogue")
    return message


def _answer(request: Request, refusal: Refusal, details: Any = None) -> Response:
    call = call_of(request)
    call.error = refusal.code
    document = error_document(refusal.code, refusal.message, call.id, details)
    return JSONResponse(document, refusal.status_code, dict(refusal.headers or {}))


ROUTES = (
    recommend.router,
    products.router_products,
    products.router,
    page.router,
    operations.router_feedback,
    operations.router,
)
"""Every group of endpoints."""


def create_app(service: Service) -> FastAPI:
    """Return the application of an open service, which it closes when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="Perfect the Look",
        version=__version__,
        description="Complete the look: products that go with the photo of a real scene.",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # their scripts come from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    for router in ROUTES:
        app.include_router(router)
    app.include_router(page_router())
    add_handlers(app, service.hidden)
    return app


def wrapped(service: Service) -> ASGIApp:
    """Return the application inside all that lies around it; what a server is to run."""
    settings = service.settings
    app: ASGIApp = create_app(service)
    if settings.allow_origin:
        from starlette.middleware.cors import CORSMiddleware

        app = CORSMiddleware(
            app,
            allow_origins=settings.allow_origin,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    return Envelope(app, settings, service.keys, service.metrics)
