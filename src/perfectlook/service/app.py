"""The application: the routes of the API, the files of the page, and the middleware around them."""

import asyncio
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp

from perfectlook import __version__
from perfectlook.service.appearance import FOLDER, OWN, dressed
from perfectlook.service.errors import LoopErrors, add_handlers
from perfectlook.service.middleware import ServiceMiddleware
from perfectlook.service.routes import operations, products, recommend
from perfectlook.service.service import Service
from perfectlook.service.settings import Settings
from perfectlook.service.widget import widget_router

ROUTES = (
    recommend.router,
    products.router,
    operations.samples_router,
    operations.report_router,
    operations.feedback_router,
    operations.router,
)
"""The routers of all calls."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "img-src 'self' blob: data: https:; media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors "
)
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}


def create_app(service: Service) -> ASGIApp:
    """Return the application of an open service, inside its middleware. It closes the service at shutdown."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_exception_handler(LoopErrors())
        yield
        await asyncio.to_thread(service.close)

    routes = FastAPI(
        title="Perfect the Look",
        version=__version__,
        description="Complete the look: products that go with a photo of a real scene.",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its scripts are on another site
        redoc_url=None,
    )
    routes.state.service = service
    settings = service.settings
    page = files_router(FOLDER, settings.frame_ancestors, settings=settings)
    own = Path(settings.locale) if settings.locale.endswith(".js") else None
    kept = Path(settings.widgets) if settings.widgets else None
    for router in (*ROUTES, page, widget_router(own=own, kept=kept)):
        routes.include_router(router)
    if service.shop:
        routes.include_router(files_router(service.shop, prefix="/shop"))
        for place, page_ in (("/shop", "shop/product.html"), ("/shop/", "product.html")):
            routes.add_route(place, partial(_moved, page_), include_in_schema=False)
    hidden = {settings.model: "the model", settings.catalogue: "the catalogue"}
    add_handlers(routes, {**hidden, service.recommender.catalogue.location: "the catalogue"})
    return with_cors(ServiceMiddleware(routes, service), settings)  # so that pages can read refusals too


def with_cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Return an application that pages of the origins in the settings may call."""
    if not settings.allow_origin:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.allow_origin,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
        expose_headers=["X-Request-Id", "Retry-After"],
    )


async def _moved(address: str, _: Request) -> Response:
    """Redirect to an address relative to the present one: the service may be below a path of a proxy."""
    return RedirectResponse(address)


def files_router(
    folder: Path, ancestors: Sequence[str] = (), prefix: str = "", settings: Settings | None = None
) -> APIRouter:
    """Return a router with one route for each file of the page. No path of a request is ever opened.

    Pages of the origins in `ancestors` may show the page in a frame. With `settings`, the page has their
    language, name and colour.
    """
    policy = POLICY + (" ".join(ancestors) or "'none'")
    router = APIRouter(include_in_schema=False)
    files = {
        file.relative_to(folder).as_posix(): file
        for file in (sorted(folder.rglob("*")) if folder.is_dir() else ())
        if file.is_file() and not file.name.startswith(".")
    }
    if settings and settings.locale.endswith(".js"):
        files[f"locale/{OWN}.js"] = Path(settings.locale)
    for place, file in files.items():
        address = f"{prefix}/{'' if place == 'index.html' else place}"
        dress = settings if place == "index.html" else None
        router.add_api_route(address, _sender(file, policy, dress), methods=["GET", "HEAD"])
    return router


def _sender(file: Path, policy: str, settings: Settings | None):  # type: ignore[no-untyped-def]  # noqa: ANN202
    type_ = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"

    async def send(request: Request) -> Response:
        content = await asyncio.to_thread(file.read_bytes)
        if settings:
            content = dressed(content.decode(), settings.locale, settings.name, settings.accent).encode()
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": policy}
        headers["Permissions-Policy"] = "camera=(self), geolocation=(), microphone=()"
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=type_, headers=headers)

    return send
