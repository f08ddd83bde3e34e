"""The widget: `/widget.js`, the same file at an address of its own, and JSON about both and about names."""

import base64
import gzip
import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response

from perfectlook import __version__
from perfectlook.service.appearance import FOLDER, LOCALES, names_of
from perfectlook.service.errors import json_answer

FILE = Path(__file__).with_name("widget.js")
FOREVER = "public, max-age=31536000, immutable"
_HEADERS = {  # pages of any origin may load it: it holds no secret
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
}


def widget_router(file: Path = FILE, own: Path | None = None) -> APIRouter:
    """Return the routes of the widget, whose file is read once. `own` is a shop's own file of texts.

    The immutable address contains a part of the file's hash. `/widget.json` has that address, relative to
    the service, and the value for the attribute `integrity` of a script.
    """
    content = file.read_bytes()
    packed = gzip.compress(content, 9, mtime=0)
    digest = hashlib.sha384(content).digest()
    name = f"widget-{digest.hex()[:16]}.js"
    integrity = f"sha384-{base64.b64encode(digest).decode()}"
    tag = f'<script type="module" crossorigin src="{name}" integrity="{integrity}"></script>'
    about = {"version": __version__, "address": name, "integrity": integrity, "bytes": len(content)}
    about |= {"bytes_gzip": len(packed), "tag": tag}
    names = {each: names_of(FOLDER / "locale" / f"{each}.js")[1] for each in LOCALES}
    if own:
        language, found = names_of(own)
        names[language] = names.get(language, {}) | found
    router = APIRouter(include_in_schema=False)

    def answer(request: Request, cache: str) -> Response:
        # the two encodings have different bytes, so a weak tag names both
        headers = {**_HEADERS, "ETag": f'W/"{digest.hex()[:32]}"', "Cache-Control": cache}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(content, media_type="text/javascript", headers=headers)
        return Response(packed, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})

    @router.api_route("/widget.js", methods=["GET", "HEAD"])
    async def current(request: Request) -> Response:
        return answer(request, "public, max-age=300")

    @router.api_route(f"/{name}", methods=["GET", "HEAD"])
    async def immutable(request: Request) -> Response:
        return answer(request, FOREVER)

    @router.get("/widget.json")
    async def described() -> Response:
        return json_answer(about)

    @router.get("/widget-names.json")
    async def named() -> Response:
        answer = json_answer(names)
        answer.headers.update({**_HEADERS, "Cache-Control": "public, max-age=300"})
        return answer

    return router
