"""The body of a request as it arrives: bounded in size and time, whatever it says of itself."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from perfectlook.service.refusal import Refusal


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
