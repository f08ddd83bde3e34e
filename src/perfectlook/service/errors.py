"""The answers of failed requests. They never reveal internal details."""

import asyncio
import errno
import json
import logging
import re
import sqlite3
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection

from perfectlook.errors import (
    BudgetError,
    CatalogueInUseError,
    FetchError,
    OtherModelError,
    PerfectLookError,
    PictureError,
    UsageError,
)
from perfectlook.server_answers import ErrorAnswer, ErrorDetail
from perfectlook.service.decoding import SmallBoxError
from perfectlook.service.settings import reason_of

LOGGER = logging.getLogger("perfectlook.service")
BUSY_DELAY = 0.2
"""Seconds that a busy server waits before it refuses a request. A client that retries immediately would
otherwise take processor time from accepted requests."""
MOST_DETAILS, MOST_TEXT = 20, 300
"""How many problems of a request an answer lists, and how many characters of a name it repeats."""
MOST_LISTED = 5_000
"""With more problems than this, an answer has only their number."""
PICTURES = ("image/jpeg", "image/png", "image/webp")
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class Refusal(HTTPException):
    """A refused request, with a status, a code for programs and a message for people."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        super().__init__(status, message, headers)
        self.code = code


@dataclass(slots=True)
class RequestState:
    """A request's id, its key's name and scopes, its start, its error's code and the host of its photo."""

    id: str
    key: str | None = None
    scopes: frozenset[str] = frozenset()
    began: float = field(default_factory=time.perf_counter)
    error: str | None = None
    host: str | None = None
    hold: Callable[[int], None] = lambda _: None
    """Takes bytes for this request from the budget of all bodies. Raises a Refusal (503) without enough."""

    @property
    def is_public(self) -> bool:
        """Whether the request has no key, or one that everyone can read in a page."""
        return self.key is None or "public" in self.scopes


def state_of(request: HTTPConnection) -> RequestState:
    """Return the state of a request, which the middleware has set."""
    return cast(RequestState, request.scope["perfectlook.state"])


def json_answer(document: object, status: int = 200) -> Response:
    """Serialise an answer and return its response."""
    try:
        content = to_json(document, inf_nan_mode="null")
    except PydanticSerializationError:  # an unpaired surrogate, which a broken feed may hold
        plain = document.model_dump() if isinstance(document, BaseModel) else document
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        content = text.encode("utf-8", "replace")
    return Response(content, status, media_type="application/json")


def error_answer(refusal: Refusal, state: RequestState, details: Any = None) -> Response:
    """Return the response of a refused request, and record its code for the log and the metrics."""
    state.error = refusal.code
    detail = ErrorDetail(code=refusal.code, message=refusal.detail, request_id=state.id, details=details)
    answer = json_answer(ErrorAnswer(error=detail), refusal.status_code)
    answer.headers.update(refusal.headers or {})
    return answer


_OPENAPI = json.loads((Path(__file__).parent / "openapi.json").read_text(encoding="utf-8"))
"""Examples of answers, by the names of their types, and what the statuses of failures mean."""


def described(
    summary: str, answer: Any = None, *failures: int, status: int = 200, kinds: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the OpenAPI description of an endpoint, as arguments of a router's methods.

    Args:
        summary: what the call does.
        answer: the type of its JSON answer; None if it sends something else.
        failures: statuses of its failures, in addition to those of every endpoint.
        status: status of its answer.
        kinds: media types that it sends instead of JSON.
    """
    keyed = {401, 403} if 401 in failures else set()
    statuses = sorted({*failures, *keyed, 400, 408, 413, 429, 500, 503})
    responses: dict[int, dict[str, Any]] = {
        each: {"model": ErrorAnswer, "description": _OPENAPI["failures"][str(each)]} for each in statuses
    }
    about = {"summary": summary, "response_model": answer, "status_code": status, "responses": responses}
    if not kinds:
        shown = {"application/json": {"example": _OPENAPI["answers"][answer.__name__]}}
        responses[status] = {"description": summary, "content": shown}
        return about
    content = {kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in kinds}
    responses[status] = {"description": summary, "content": content}
    return {**about, "response_class": Response}


def add_handlers(app: FastAPI, hidden: Mapping[str, str]) -> None:
    """Register the answers of all failures.

    Args:
        app: the application.
        hidden: paths and URLs that appear in no message, and what replaces each.
    """

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        refusal = error if isinstance(error, Refusal) else _of_framework(request, error)
        if refusal.code == "busy":
            await asyncio.sleep(BUSY_DELAY)
        return error_answer(refusal, state_of(request))

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ValidationError)
    async def invalid(request: Request, error: RequestValidationError | ValidationError) -> Response:
        details = [
            {"where": [str(part)[:MOST_TEXT] for part in each["loc"]], "problem": reason_of(each)}
            for each in _problems(error)[:MOST_DETAILS]
        ]
        message = f"{'.'.join(details[0]['where'])}: {details[0]['problem']}"
        return error_answer(Refusal(422, "invalid", message), state_of(request), details)

    @app.exception_handler(PerfectLookError)
    async def failed(request: Request, error: PerfectLookError) -> Response:
        refusal, state = refusal_of(error, hidden), state_of(request)
        level = logging.WARNING if refusal.status_code >= 500 else logging.INFO
        reason: dict[str, Any] = {"request_id": state.id, "code": refusal.code, "cause": cause_of(error)}
        if isinstance(error, FetchError):
            reason["host"] = state.host
        LOGGER.log(level, "refused", extra=reason)
        return error_answer(refusal, state, error.details if isinstance(error, BudgetError) else None)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        return unexpected(error, state_of(request))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, _: ClientDisconnect) -> Response:
        state_of(request).error = "client_gone"
        return Response(status_code=499)  # only the log reads it


def _problems(error: RequestValidationError | ValidationError) -> Sequence[Mapping[str, Any]]:
    """Return the problems, without what was sent. If they are thousands, listing them would take long."""
    if isinstance(error, RequestValidationError):
        return error.errors()
    if (count := error.error_count()) > MOST_LISTED:
        return [{"type": "many", "loc": ("body",), "msg": f"has {count:,} problems"}]
    return error.errors(include_url=False, include_input=False)


def unexpected(error: BaseException, state: RequestState) -> Response:
    """Log an unexpected error with its traceback, and return its response, which reveals no details."""
    LOGGER.error("failed", extra={"request_id": state.id}, exc_info=error)
    message = "The server failed. Its log has the cause by request id."
    return error_answer(Refusal(500, "internal", message), state)


def _of_framework(request: Request, error: HTTPException) -> Refusal:
    message, allowed = error.detail, (error.headers or {}).get("Allow")
    if error.status_code == 404:
        message = f"{request.url.path}: no such address. See /v1/openapi.json for all addresses."
    if error.status_code == 405:
        message = f"{request.url.path}: the method {request.method} is not allowed. Use {allowed}."
    refusal = Refusal(error.status_code, _CODES.get(error.status_code, "error"), message)
    refusal.headers = error.headers
    return refusal


def refusal_of(error: PerfectLookError, hidden: Mapping[str, str]) -> Refusal:  # noqa: PLR0911  (each kind)
    """Return the refusal for an error of the package."""
    if isinstance(error, PictureError):
        return _of_picture(error)
    if isinstance(error, SmallBoxError | UsageError):
        status, code = (422, "invalid") if isinstance(error, SmallBoxError) else (400, "bad_request")
        return Refusal(status, code, _without(str(error), hidden))
    if isinstance(error, FetchError):  # only the log gets the reason: it reveals what is at the address
        if error.passing:
            return Refusal(502, "unreachable", "The URL cannot be fetched now. Try again later.")
        return Refusal(400, "bad_url", "The URL cannot be fetched. Check the address.")
    if _is_of_full_disk(error):
        message = "The disk of the server is full, and nothing was stored. Try again later."
        return Refusal(507, "not_stored", message, retry_after=30)
    if isinstance(error, CatalogueInUseError):
        return Refusal(503, "sync_at_work", "A sync is running. Try again later.", retry_after=5)
    if isinstance(error, OtherModelError):
        message = "The catalogue has another model than the server. Start the server with that model."
        return Refusal(503, "unavailable", message, retry_after=5)
    return Refusal(503, "unavailable", "The catalogue cannot be used now. Try again later.", retry_after=5)


_NOT_WRITTEN = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
"""How SQLite reports a quota that is used up, and an index of its journal for which there is no room."""


def _is_of_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or the error that caused it, comes from a full disk."""
    while error is not None:
        code = getattr(error, "sqlite_errorcode", 0)
        if (
            code & 0xFF == sqlite3.SQLITE_FULL
            or code in _NOT_WRITTEN
            or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        ):
            return True
        error = error.__cause__
    return False


def cause_of(error: BaseException | None) -> str:
    """Return the types of an error and its causes, with the names of the system's errors, for the log.

    Messages are left out: they may repeat queries, ids, and URLs with tokens.
    """
    types: list[str] = []
    while error is not None and len(types) < 10:
        code = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
        types.append(f"{type(error).__name__} {getattr(error, 'sqlite_errorname', None) or code}".strip())
        error = error.__cause__
    return " < ".join(types)


def traceback_of(error: BaseException | None) -> str:
    """Return the places of an error and of the errors before it, for the log, without their messages."""
    parts: list[str] = []
    while error is not None and len(parts) < 10:
        places = "".join(traceback.format_tb(error.__traceback__))
        parts.insert(0, f"{places}{cause_of(error).split(' < ')[0]}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(parts)


def _without(message: str, hidden: Mapping[str, str]) -> str:
    """Replace hidden paths, and paths inside them. A bare name stays: it may be an ordinary word."""
    paths = {path.rstrip("/\\"): word for path, word in hidden.items() if re.search(r"[/\\].", path)}
    known = "|".join(map(re.escape, sorted(paths, key=len, reverse=True))) or "(?!)"  # matches nothing
    whole = rf"(?<![\w./\\-])({known})(?![\w.-]*\w)(?:[/\\](?:[^\s:,;'\"]*[^\s:,;'\".])?)?"
    return re.sub(whole, lambda found: paths[found[1]], message)


_MANY_PIXELS = "The picture has too many pixels. Scale it down, or raise the server's --max-megapixels."
_TOO_LARGE = {
    "megapixels": _MANY_PIXELS,
    "over the limit": _MANY_PIXELS,
    "a side": "A side of the picture is too long. Scale it down.",
    "to decode": "Decoding the picture takes too long. Scale it down, or raise the server's "
    "--decode-seconds.",
    "more memory": "The picture takes too much memory. Scale it down, or raise the server's --decode-memory.",
}
"""What errors of pictures say, and what is answered."""


def _of_picture(error: PictureError) -> Refusal:
    if "not a picture of a known format" in str(error):  # the cause stayed in the worker
        return Refusal(415, "not_a_picture", "The picture has an unknown format. Send a JPEG, PNG or WebP.")
    for part, reason in _TOO_LARGE.items():
        if part in str(error):
            return Refusal(413, "too_large", reason)
    if "empty" in str(error):
        return Refusal(400, "bad_picture", "The picture is empty. Send another one.")
    return Refusal(400, "bad_picture", "The picture is truncated or damaged. Send it again, or another one.")


class LoopErrors:
    """Logs the errors of the event loop, each kind at most once a second.

    Without file descriptors, the loop reports every connection that it cannot accept.
    """

    def __init__(self) -> None:
        """Start without errors."""
        self._last: dict[str, float] = {}

    def __call__(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Log an error, unless the same kind was logged in the last second."""
        message, error, now = str(context.get("message")), context.get("exception"), time.monotonic()
        if now - self._last.get(message, -1.0) < 1.0:
            return
        self._last[message] = now
        shown = None if isinstance(error, OSError) else error
        LOGGER.error("event loop", extra={"reason": message, "cause": cause_of(error)}, exc_info=shown)
