"""Puts the service together: every group of endpoints, what lies around them, and how it begins and ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from perfectlook import __version__
from perfectlook.service.envelope import Envelope
from perfectlook.service.failures import add_handlers
from perfectlook.service.routes import (
    categories,
    complete,
    feedback,
    health,
    jobs,
    products,
    samples,
    similar,
)
from perfectlook.service.routes.page import page_router
from perfectlook.service.service import Service

ROUTES = (complete, similar, products, jobs, categories, samples, feedback, health)
"""Every group of endpoints. `jobs` comes before nothing of `products` that its paths could be taken for."""


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
    for group in ROUTES:
        app.include_router(group.router)
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
