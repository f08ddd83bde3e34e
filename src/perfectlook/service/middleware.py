"""Around every request: its id, key and limits; the headers, the log line and the metrics of its answer."""

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perfectlook.service.errors import Call, Refusal, error_document
from perfectlook.service.metrics import LOGGER, Metrics
from perfectlook.service.security import Keys, Rates
from perfectlook.service.settings import Settings


class Body:
    """Receives so many bytes within so many seconds, and refuses more."""

    def __init__(self, receive: Receive, most: int, seconds: float, headers: Headers) -> None:
        """Wrap what receives the messages of one request."""
        self._receive = receive
        self._most = most
        self._seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._size = 0
        self._said = _length(headers)
        self._broken = False
        self.done = self._said == 0
        """Whether all of it has arrived."""

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            Refusal: it is too large (413), or does not arrive in time (408).
        """
        if self.done and self._size:  # what comes now is only whether the client is still there
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self._broken = True
            raise Refusal(
                408, "too_slow", f"the request did not arrive within {self._seconds:g} seconds"
            ) from None
        self._size += len(message.get("body", b""))
        self.done = not message.get("more_body", False)
        if self._size > self._most:
            self._broken, self.done = True, False
            raise too_large(self._most)
        return message

    async def drain(self) -> None:
        """Read what is left of a body of bearable size: who still sends would not see the answer."""
        if self._said is not None and self._said > self._most:
            return
        with suppress(Refusal):
            while not self.done and not self._broken:
                await self.receive()


def too_large(most: int) -> Refusal:
    """What is said to those who send more."""
    return Refusal(413, "too_large", f"over the limit of {most:,} bytes; send a smaller one")


def _length(headers: Headers) -> int | None:
    """How long a body says that it is; None where it does not say."""
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 2**60


_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_FREE = ("/health", "/ready", "/metrics")


class Envelope:
    """The outermost layer, in plain ASGI: nothing behind it sees a request that is over its limits."""

    def __init__(
        self, app: ASGIApp, settings: Settings, keys: Keys, metrics: Metrics, rates: Rates | None = None
    ) -> None:
        """Wrap an application."""
        self._app = app
        self._settings = settings
        self._most = settings.max_upload + 2**16  # a photo, and the other fields of its form
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
        body = Body(receive, self._most, self._settings.read_seconds, headers)
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
        if length.isascii() and length.isdigit() and (len(length) > 15 or int(length) > self._most):
            raise too_large(self._most)

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
