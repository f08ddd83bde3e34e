"""Around every request: its id, key and limits; the headers, the log line and the metrics of its answer."""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perfectlook.service.body import Body, too_large
from perfectlook.service.call import Call
from perfectlook.service.keys import Keys
from perfectlook.service.logs import LOGGER
from perfectlook.service.metrics import Metrics
from perfectlook.service.rates import Rates
from perfectlook.service.refusal import Refusal, error_document
from perfectlook.service.settings import Settings

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_FREE = ("/health", "/ready", "/metrics")
SYNC_PATH = "/v1/products:sync"


class Envelope:
    """The outermost layer, in plain ASGI: nothing behind it sees a request that is over its limits."""

    def __init__(
        self, app: ASGIApp, settings: Settings, keys: Keys, metrics: Metrics, rates: Rates | None = None
    ) -> None:
        """Wrap an application."""
        self._app = app
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._rates = rates or Rates(settings.rate, settings.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        call = Call(given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(12))
        scope["perfectlook.call"] = call
        body = Body(receive, self._most(scope), self._settings.read_seconds, headers)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                await body.drain()
                status = message["status"]
                said = MutableHeaders(scope=message)
                said["X-Request-Id"] = call.id
                for name, value in _SAFE.items():
                    said.setdefault(name, value)
                said.setdefault("Content-Security-Policy", API_POLICY)
                if not body.done:
                    said["Connection"] = "close"
            await send(message)

        try:
            call.key = self._owner(headers)
            self._check(scope, headers, call)
            await self._app(scope, body.receive, answer)
        except Refusal as refusal:
            if not status:
                await _refuse(refusal, call, answer)
        except (
            Exception
        ) as error:  # whatever it is, the client gets an answer that says nothing of the inside
            LOGGER.exception("failed", extra={"request_id": call.id}, exc_info=error)
            if not status:
                await _refuse(Refusal(500, "internal", "something went wrong here"), call, answer)
        finally:
            self._note(scope, call, status)

    def _owner(self, headers: Headers) -> str | None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return self._keys.owner(key.strip()) if scheme.lower() == "bearer" and key.strip() else None

    def _check(self, scope: Scope, headers: Headers, call: Call) -> None:
        """Refuse what comes too often or says that it is too large."""
        path: str = scope["path"]
        if path not in _FREE:
            address = (scope.get("client") or ("",))[0]
            caller = f"key {call.key}" if call.key else f"address {address}"
            cost = 1.0 if path.startswith("/v1/") and not path.endswith("/picture") else 0.1
            if wait := self._rates.wait(caller, cost):
                raise Refusal(429, "too_often", "too many requests; slow down", retry_after=wait)
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and (len(length) > 15 or int(length) > self._most(scope)):
            raise too_large(self._most(scope))

    def _most(self, scope: Scope) -> int:
        """Bytes that a request may have: besides a photo, its form's fields."""
        if scope["path"] == SYNC_PATH:
            return self._settings.max_feed
        return self._settings.max_upload + 2**16

    def _note(self, scope: Scope, call: Call, status: int) -> None:
        seconds = time.perf_counter() - call.began
        route = _route(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.request(method, route, status, seconds)
        if call.error:
            self._metrics.error(call.error)
        LOGGER.log(
            logging.INFO if status < 500 else logging.WARNING,
            "request",
            extra={
                "request_id": call.id,
                "method": method,
                "route": route,
                "status": status,
                "ms": round(1000 * seconds, 2),
                "key": call.key,
                "error": call.error,
            },
        )


_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


def _route(scope: Scope) -> str:
    """The pattern of the route that answered: what was asked for is nobody's business."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "none"


async def _refuse(refusal: Refusal, call: Call, send: Callable[[Message], object]) -> None:
    from starlette.responses import Response

    call.error = refusal.code
    body = json.dumps(error_document(refusal.code, refusal.message, call.id)).encode()
    response = Response(body, refusal.status_code, refusal.headers, "application/json")
    await response({"type": "http", "method": "POST"}, _nothing, send)  # type: ignore[arg-type]


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
