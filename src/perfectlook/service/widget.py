"""The widget: `/widget.js`, the same file at an address of its own, and JSON about both and about names."""

import base64
import gzip
import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response

from perfectlook import __version__
from perfectlook.errors import UsageError
from perfectlook.files import write_file
from perfectlook.service.appearance import FOLDER, LOCALES, names_of
from perfectlook.service.errors import Refusal, error_answer, json_answer, state_of

FILE = Path(__file__).with_name("widget.js")
FOREVER = "public, max-age=31536000, immutable"
_HEADERS = {  # pages of any origin may load it: it holds no secret
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
}


def widget_router(file: Path = FILE, own: Path | None = None, kept: Path | None = None) -> APIRouter:
    """Return the routes of the widget, whose file is read once.

    The immutable address contains a part of the file's hash. `/widget.json` has that address, relative to
    the service, and the value for the attribute `integrity` of a script.

    Args:
        file: the widget.
        own: a shop's own file of texts.
        kept: the folder of the widgets of this and of earlier versions, whose addresses stay. The file is
            added to it.

    Raises:
        UsageError: the folder cannot be read or written.
    """
    content = file.read_bytes()
    digest = hashlib.sha384(content).digest()
    name = _named(content)
    integrity = f"sha384-{base64.b64encode(digest).decode()}"
    tag = f'<script type="module" crossorigin src="{name}" integrity="{integrity}"></script>'
    about = {"version": __version__, "address": name, "integrity": integrity, "bytes": len(content)}
    about |= {"bytes_gzip": len(gzip.compress(content, 9)), "tag": tag}
    files = (_kept(content, kept) if kept else {}) | {name: content}
    packed = {each: gzip.compress(text, 9, mtime=0) for each, text in files.items()}
    names = {each: names_of(FOLDER / "locale" / f"{each}.js")[1] for each in LOCALES}
    if own:
        language, found = names_of(own)
        names[language] = names.get(language, {}) | found
    router = APIRouter(include_in_schema=False)

    def answer(request: Request, each: str, cache: str) -> Response:
        # the two encodings have different bytes, so a weak tag names both
        headers = {**_HEADERS, "ETag": f'W/"{each}"', "Cache-Control": cache}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(files[each], media_type="text/javascript", headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(packed[each], media_type="text/javascript", headers=headers)

    @router.api_route("/widget.js", methods=["GET", "HEAD"])
    async def current(request: Request) -> Response:
        return answer(request, name, "public, max-age=300")

    @router.api_route("/widget-{part}.js", methods=["GET", "HEAD"])
    async def immutable(request: Request, part: str) -> Response:
        if f"widget-{part}.js" in files:
            return answer(request, f"widget-{part}.js", FOREVER)
        said = f"widget-{part}.js: not the widget of this version, nor in --widgets. Use {tag}"
        return error_answer(Refusal(404, "not_found", said), state_of(request))

    @router.get("/widget.json")
    async def described() -> Response:
        return json_answer(about)

    @router.get("/widget-names.json")
    async def named() -> Response:
        answer = json_answer(names)
        answer.headers.update({**_HEADERS, "Cache-Control": "public, max-age=300"})
        return answer

    return router


def _named(content: bytes) -> str:
    return f"widget-{hashlib.sha384(content).hexdigest()[:16]}.js"


def _kept(content: bytes, folder: Path) -> dict[str, bytes]:
    """Add a widget to a folder, and return those of the folder by name, without files that were changed."""
    try:
        if not (folder / _named(content)).is_file():
            write_file(folder / _named(content), content)
        found = {each.name: each.read_bytes() for each in folder.glob("widget-*.js")}
    except OSError as error:
        raise UsageError(
            f"--widgets {folder}: {error.strerror}. Name a folder that can be written."
        ) from error
    return {name: text for name, text in found.items() if _named(text) == name}
