"""A request that is answered with an error, and what that answer looks like."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Response
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection


@dataclass(slots=True)
class Call:
    """A request's id, the name of the key that it came with, and when it began."""

    id: str
    key: str | None = None
    began: float = field(default_factory=time.perf_counter)
    error: str | None = None


def call_of(request: HTTPConnection) -> Call:
    """Return the call of a request; `Envelope` has put it there."""
    call: Call = request.scope["perfectlook.call"]
    return call


def json_answer(document: object, status: int = 200) -> Response:
    """Return a document as an answer."""
    return Response(_encoded(document), status, media_type="application/json")


def _encoded(document: object) -> bytes:
    try:
        return to_json(document, inf_nan_mode="null")
    except PydanticSerializationError:  # half of a surrogate pair, as a broken feed may hold
        plain = document.model_dump() if isinstance(document, BaseModel) else document
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8", "replace")


class Refusal(HTTPException):
    """A request is refused: with a status, a code for programs and a message for people."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        super().__init__(status, message, headers)
        self.code = code
        self.message = message


def error_document(
    code: str, message: str, request_id: str, details: object = None
) -> Mapping[str, Mapping[str, object]]:
    """Return what every error is answered with."""
    error: dict[str, object] = {"code": code, "message": message, "request_id": request_id}
    if details is not None:
        error["details"] = details
    return {"error": error}
