"""Middleware around every request: id, key, rate limit, size limit, safe headers, log line and metrics."""

import asyncio
import logging
import re
import secrets
import time
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perfectlook.service.errors import LOGGER, Refusal, RequestState, error_answer, unexpected
from perfectlook.service.security import Rates
from perfectlook.service.service import Service

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_UNLIMITED = ("/health", "/ready", "/metrics")


class ServiceMiddleware:
    """The outermost layer, in plain ASGI. The application never sees a request that is over the limits."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        """Wrap the application of a service."""
        self._app = app
        self._service = service
        self._most = service.settings.max_upload + 2**16  # a photo and the other fields of its form
        self._rates = Rates(service.settings.rate, service.settings.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        state = RequestState(given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(12))
        scope["perfectlook.state"] = state
        body = Body(receive, self._most, self._service.settings.read_seconds, headers)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                await body.drain()
                status = message["status"]
                sent = MutableHeaders(scope=message)
                sent["X-Request-Id"] = state.id
                for name, value in _SAFE_HEADERS.items():
                    sent.setdefault(name, value)
                if not body.done:
                    sent["Connection"] = "close"
            await send(message)

        try:
            state.key = self._owner(headers)
            self._check(scope, headers, state)
            await self._app(scope, body.receive, answer)
        except Exception as error:
            if state.error == "internal":  # answered and logged; Starlette raises it again
                return
            answered = error_answer(error, state) if isinstance(error, Refusal) else unexpected(error, state)
            if not status:
                await answered(scope, receive, answer)
        finally:
            self._note(scope, state, status)

    def _owner(self, headers: Headers) -> str | None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return self._service.keys.owner(key.strip()) if scheme.lower() == "bearer" and key.strip() else None

    def _check(self, scope: Scope, headers: Headers, state: RequestState) -> None:
        """Refuse a request above the rate limit, or with a body that is announced as too large."""
        path: str = scope["path"]
        if path not in _UNLIMITED:
            address = (scope.get("client") or ("",))[0]
            caller = f"key {state.key}" if state.key else f"address {address}"
            cost = 1.0 if path.startswith("/v1/") and not path.endswith("/picture") else 0.1
            if wait := self._rates.wait(caller, cost):
                message = f"Too many requests. Try again in {wait} s, or raise the server's --rate."
                raise Refusal(429, "too_often", message, retry_after=wait)
        if (_length(headers) or 0) > self._most:
            raise too_large(self._most)

    def _note(self, scope: Scope, state: RequestState, status: int) -> None:
        seconds = time.perf_counter() - state.began
        pattern = getattr(scope.get("route"), "path", None)  # the path itself may hold private data
        route = pattern if isinstance(pattern, str) else "none"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._service.metrics.request(method, route, status, seconds, state.error)
        line = {"request_id": state.id, "method": method, "route": route, "status": status}
        line |= {"ms": round(1000 * seconds, 2), "key": state.key, "error": state.error}
        LOGGER.log(logging.INFO if status < 500 else logging.WARNING, "request", extra=line)


class Body:
    """Receives the body of a request, with a limit of bytes and a limit of seconds."""

    def __init__(self, receive: Receive, most: int, seconds: float, headers: Headers) -> None:
        """Wrap the `receive` of one request."""
        self._receive = receive
        self._most = most
        self._seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._size = 0
        self._announced = _length(headers)
        self.done = self._announced == 0
        """Whether the whole body has arrived."""

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            Refusal: the body is too large (413), or arrives too slowly (408).
        """
        if self.done and self._size:  # the only message that can follow is the end of the connection
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            late = f"The request timed out after {self._seconds:g} s. Send a smaller photo, or try again."
            raise Refusal(408, "too_slow", late) from None
        self._size += len(message.get("body", b""))
        self.done = not message.get("more_body", False)
        if self._size > self._most:
            self.done = False
            raise too_large(self._most)
        return message

    async def drain(self) -> None:
        """Read the rest of a body, up to the limit. A client that is still sending would miss the answer."""
        if self._announced is not None and self._announced > self._most:
            return
        with suppress(Refusal):
            while not self.done and self._size <= self._most:
                await self.receive()


def too_large(most: int) -> Refusal:
    """Return the refusal of a body that is too large."""
    return Refusal(413, "too_large", f"The body is larger than {most:,} bytes. Send a smaller photo.")


def _length(headers: Headers) -> int | None:
    """Return the announced length of a body, or None without an announcement."""
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 2**60
