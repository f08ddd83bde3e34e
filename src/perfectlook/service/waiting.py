"""The application of a server whose store is away at the start: it answers 503 until the store is there."""

import asyncio
import secrets
import threading
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from perfectlook.errors import CatalogueError
from perfectlook.server_answers import Health
from perfectlook.service.app import create_app, with_cors
from perfectlook.service.errors import LOGGER, LoopErrors, Refusal, RequestState, error_answer, json_answer
from perfectlook.service.middleware import SAFE_HEADERS
from perfectlook.service.service import Service
from perfectlook.service.settings import Settings

AGAIN_SECONDS = 2.0
"""Seconds between two tries to open the service."""


class Waiting:
    """Tries to open the service again and again, and passes requests on once it is open.

    Attributes:
        give_up: called if the service can never be opened.
        failure: why it cannot be opened.
    """

    def __init__(self, opened: Callable[[], Service], settings: Settings, away: Exception | None) -> None:
        """Take what opens the service, and why it could not be opened before."""
        self.give_up: Callable[[], None] = lambda: None
        self.failure: Exception | None = None
        self._opened = opened
        self._service: Service | None = None
        self._app: ASGIApp = with_cors(_refuse, settings)
        self._closing = threading.Event()
        self._reason = ""
        self._note(away)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or open and close the service with the server."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        asyncio.get_running_loop().set_exception_handler(LoopErrors())
        opening = threading.Thread(target=self._open, name="open", daemon=True)
        opening.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._closing.set()
        await asyncio.to_thread(opening.join, 10.0)
        if self._service is not None:
            await asyncio.to_thread(self._service.close)
        await send({"type": "lifespan.shutdown.complete"})

    def _open(self) -> None:
        while not self._closing.wait(AGAIN_SECONDS):
            try:
                service = self._opened()
                self._app, self._service = create_app(service), service
            except CatalogueError as error:  # such as a catalogue that the next sync makes
                self._note(error)
            except Exception as error:
                self.failure = error
                self.give_up()
                return
            else:
                return

    def _note(self, error: Exception | None) -> None:
        """Log why the service cannot be opened, unless the same was logged before."""
        if self._reason != str(error):
            self._reason = str(error)
            LOGGER.warning("waiting", extra={"reason": self._reason})


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    state = RequestState(secrets.token_hex(12))
    message = "The catalogue cannot be used now. Try again later."
    answer = error_answer(Refusal(503, "unavailable", message, retry_after=5), state)
    if scope["path"] == "/health":
        answer = json_answer(Health())
    answer.headers.update(SAFE_HEADERS | {"X-Request-Id": state.id})
    await answer(scope, receive, send)
