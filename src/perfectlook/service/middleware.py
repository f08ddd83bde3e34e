"""Middleware around every request: id, key, rate limit, size limit, safe headers, log line and metrics."""

import asyncio
import logging
import re
import secrets
import threading
import time
from collections import Counter
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perfectlook.service.errors import LOGGER, Refusal, RequestState, error_answer, unexpected
from perfectlook.service.security import Key, Rates, missing_key, network_of
from perfectlook.service.service import Service
from perfectlook.service.workers import CALLER

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_UNLIMITED = ("/health", "/ready", "/metrics")
MAX_JSON = 2**16
"""Maximum bytes of a body without a picture."""
MAX_KEYED_JSON = 2**20
"""The same with an API key."""
FREE = MAX_JSON
"""The first bytes of each body are outside the budget. The number of connections limits them."""


class BodyBudget:
    """The memory of all bodies and fetched photos of requests, in bytes. Safe for several threads.

    One address may hold a quarter of it. So an address that fills its part does not stop the others.
    """

    def __init__(self, most: int) -> None:
        """Start with no bodies."""
        self._most = most
        self._held: Counter[str] = Counter()
        self.lock = threading.RLock()

    def take(self, address: str, count: int) -> bool:
        """Take bytes for an address. Return whether there were enough."""
        mine = self._held[address]
        enough = self._held.total() + count <= self._most and mine + count <= self._most // 4
        if enough:
            self._held[address] += count
        elif not mine:
            del self._held[address]
        return enough

    def give(self, address: str, count: int) -> None:
        """Return the bytes of an address."""
        self._held[address] -= count
        if not self._held[address]:
            del self._held[address]


class ServiceMiddleware:
    """The layer around the application. The application never sees a request that is over the limits."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        """Wrap the application of a service."""
        self._app = app
        self._service = service
        self._most = service.settings.max_upload + 2**16  # a photo and the other fields of its form
        self._safe = dict(SAFE_HEADERS)
        if service.settings.frame_ancestors:
            del self._safe["X-Frame-Options"]  # it cannot name an origin, and the policy can
        self._rates = Rates(service.settings.rate, service.settings.burst)
        self._budget = BodyBudget(max(service.settings.body_memory, 4 * self._most))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        state = RequestState(given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(12))
        scope["perfectlook.state"] = state
        address = network_of((scope.get("client") or ("",))[0])
        found = self._key(headers)
        if found is not None:
            state.key, state.scopes = found.name, found.scopes
        caller = f"address {address}" if state.is_public else f"key {state.key}"
        CALLER.set(caller)
        most = MAX_JSON if state.is_public else MAX_KEYED_JSON
        if _may_hold_picture(scope, headers):
            most = self._most
        body = Body(
            receive, most, self._service.settings.read_seconds, headers, self._budget, address, self._most
        )
        state.hold = body.hold
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                await body.drain()
                status = message["status"]
                sent = MutableHeaders(scope=message)
                sent["X-Request-Id"] = state.id
                for name, value in self._safe.items():
                    sent.setdefault(name, value)
                if not body.done:
                    sent["Connection"] = "close"
            await send(message)

        try:
            self._check(scope, headers, state, caller, most)
            await self._app(scope, body.receive, answer)
        except Exception as error:
            if state.error == "internal":  # answered and logged; Starlette raises it again
                return
            answered = error_answer(error, state) if isinstance(error, Refusal) else unexpected(error, state)
            if not status:
                await answered(scope, receive, answer)
        finally:
            body.release()
            self._note(scope, state, status)

    def _key(self, headers: Headers) -> Key | None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return self._service.keys.find(key.strip()) if scheme.lower() == "bearer" and key.strip() else None

    def _check(self, scope: Scope, headers: Headers, state: RequestState, caller: str, most: int) -> None:
        """Refuse a request above the rate limit, without a required key, or with a body of too many bytes."""
        path: str = scope["path"]
        if path not in _UNLIMITED:
            cost = 1.0 if path.startswith("/v1/") and not path.endswith("/picture") else 0.1
            if wait := self._rates.wait(caller, cost):
                message = f"Too many requests. Try again in {wait} s, or raise the server's --rate."
                raise Refusal(429, "too_often", message, retry_after=wait)
        is_call = path.startswith("/v1/") and path != "/v1/openapi.json"
        if is_call and self._service.settings.keyed_reading and state.key is None:
            raise missing_key(bool(self._service.settings.keys))  # before the body is read
        if (_length(headers) or 0) > most:
            raise too_large(most)

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
    """Receives the body of a request, with limits of bytes and seconds, and within the budget."""

    def __init__(
        self,
        receive: Receive,
        most: int,
        seconds: float,
        headers: Headers,
        budget: BodyBudget,
        address: str,
        drained: int,
    ) -> None:
        """Wrap the `receive` of one request."""
        self._receive = receive
        self._most = most
        self._seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._size = self._fetched = 0
        self._announced = _length(headers)
        self._budget = budget
        self._address = address
        self._drained = max(most, drained)
        self._held: int | None = 0
        """The bytes taken from the budget; None while the body is thrown away."""
        self.done = self._announced == 0
        """Whether the whole body has arrived."""

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            Refusal: the body is too large (413), arrives too slowly (408), or is over the budget (503).
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
        if self._size > self._most and self._held is not None:
            self.done = False
            raise too_large(self._most)
        try:
            self.hold(0)
        except Refusal:
            self.done = False
            raise
        return message

    def hold(self, count: int) -> None:
        """Count more bytes, such as those of a photo that is being fetched. Any thread may call this.

        Raises:
            Refusal: the budget has too few bytes (503), or the request has ended.
        """
        with self._budget.lock:
            if self._held is None and count:
                raise Refusal(499, "client_gone", "The client has left.")
            self._fetched += count
            if self._held is not None and (more := self._size + self._fetched - FREE - self._held) > 0:
                if not self._budget.take(self._address, more):
                    full = "The server receives too many bodies. Try again in a second."
                    raise Refusal(503, "busy", full, retry_after=1)
                self._held += more

    def release(self) -> None:
        """Return the bytes to the budget. Later ones take none."""
        with self._budget.lock:
            if self._held:
                self._budget.give(self._address, self._held)
            self._held = None

    async def drain(self) -> None:
        """Read the rest of a body, up to the limit. A client that is still sending would miss the answer."""
        if self._announced is not None and self._announced > self._drained:
            return
        if not self.done:
            self.release()
        with suppress(Refusal):
            while not self.done and self._size <= self._drained:
                await self.receive()


def too_large(most: int) -> Refusal:
    """Return the refusal of a body that is too large."""
    is_photo = most not in (MAX_JSON, MAX_KEYED_JSON)
    remedy = "Send a smaller photo, or raise the server's --max-upload" if is_photo else "Send less"
    return Refusal(413, "too_large", f"The body is larger than {most:,} bytes. {remedy}.")


def _may_hold_picture(scope: Scope, headers: Headers) -> bool:
    path: str = scope["path"]
    if scope["method"] == "PUT":
        return path.startswith("/v1/products/")
    is_json = headers.get("content-type", "").strip().lower().startswith("application/json")
    return path in ("/v1/complete", "/v1/similar") and not is_json


def _length(headers: Headers) -> int | None:
    """Return the announced length of a body, or None without an announcement."""
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 2**60
