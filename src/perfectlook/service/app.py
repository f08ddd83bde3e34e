"""The application: every group of routes, the answers of failures, and what lies around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from perfectlook import __version__
from perfectlook.service.errors import add_handlers
from perfectlook.service.middleware import ServiceMiddleware
from perfectlook.service.routes import operations, page, products, recommend
from perfectlook.service.service import Service

ROUTES = (recommend.router, products.router, page.router, operations.router)
"""The routers of all calls of the API."""


def create_app(service: Service) -> FastAPI:
    """Return the application of an open service, which it closes at its end."""

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
        docs_url=None,  # its scripts come from another site
        redoc_url=None,
    )
    app.state.service = service
    for router in (*ROUTES, page.files_router()):
        app.include_router(router)
    add_handlers(app, service.hidden)
    return app


def wrapped(service: Service) -> ASGIApp:
    """Return the application inside its middleware: what a server runs."""
    settings = service.settings
    app: ASGIApp = create_app(service)
    if settings.allow_origin:
        app = CORSMiddleware(
            app,
            allow_origins=settings.allow_origin,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    return ServiceMiddleware(app, settings, service.keys, service.metrics)
