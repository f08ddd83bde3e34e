"""Asks a server, for asyncio."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from perfectlook.client import calls
from perfectlook.client.call import Call
from perfectlook.client.exchange import Exchange, asking, waiting
from perfectlook.client.failure import unreached
from perfectlook.client.job import Job
from perfectlook.client.settings import EVERY, ClientSettings, sent
from perfectlook.client.signature import of_method

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _later(
    describe: Callable[Given, Call[Answer]],
) -> Callable[Concatenate["AsyncClient", Given], Awaitable[Answer]]:
    """Make a method of a call's description."""

    async def ask(client: "AsyncClient", /, *arguments: Given.args, **named: Given.kwargs) -> Answer:
        call = await asyncio.to_thread(describe, *arguments, **named)  # it may read or encode a picture
        return await client._run(asking(call, client._patience))

    return of_method(ask, describe)


class AsyncClient(ClientSettings):
    """`Client` for asyncio: the same calls, awaited. `async with AsyncClient(url) as client` closes it."""

    complete = _later(calls.complete)
    similar = _later(calls.similar)
    categories = _later(calls.categories)
    products = _later(calls.products)
    product = _later(calls.product)
    put_product = _later(calls.put_product)
    delete_product = _later(calls.delete_product)
    picture = _later(calls.picture)
    samples = _later(calls.samples)
    sync = _later(calls.sync)
    job = _later(calls.job)
    feedback = _later(calls.feedback)
    stats = _later(calls.stats)
    health = _later(calls.health)
    ready = _later(calls.ready)
    metrics = _later(calls.metrics)

    def _open(self) -> None:
        self._client = httpx.AsyncClient(**self._http())

    async def wait_for(
        self,
        job: Job | str,
        every: float = EVERY,
        seconds: float | None = None,
        tell: Callable[[Job], object] | None = None,
    ) -> Job:
        """Look after a job every so many seconds, `tell` how far it is, and return it when it is done.

        Raises:
            ServerError: it failed (`sync_failed`), or had not ended after so many seconds (`not_ended`).
        """
        return await self._run(waiting(job, self._patience, every, seconds, tell))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, exchange: Exchange[Answer]) -> Answer:
        response = None
        while True:
            try:
                step = exchange.send(response)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Call):
                response = await self._send(step)
            else:
                await asyncio.sleep(step)
                response = None

    async def _send(self, call: Call[Any]) -> httpx.Response:
        request = sent(self._client, call)
        try:
            return await self._client.send(request)
        except httpx.HTTPError as error:
            raise unreached(request, error, self._timeout) from error
