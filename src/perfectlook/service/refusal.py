"""A request that is answered with an error, and what that answer looks like."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException


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
