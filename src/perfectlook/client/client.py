"""Asks a server, for asyncio."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar

import httpx

from perfectlook.client import calls
from perfectlook.client.transport import (
    Call,
    ClientSettings,
    Patience,
    failure_of,
    of_method,
    sent,
    strange,
    unreached,
)

Answer = TypeVar("Answer")
Exchange: TypeAlias = Generator[Call[Any] | float, httpx.Response | None, Answer]


def asking(call: Call[Answer], patience: Patience) -> Exchange[Answer]:
    """Send a call, again where it may be, and read the answer.

    Raises:
        ServerError: the server refuses or fails.
    """
    tried = 0
    while True:
        response = yield call
        assert response is not None
        tried += 1
        pause = patience.pause(tried, response.status_code, response.headers) if call.repeatable else None
        if pause is None:
            return _answer(call, response)
        yield pause


def _answer(call: Call[Answer], response: httpx.Response) -> Answer:
    if not response.is_success:
        raise failure_of(call, response)
    try:
        return call.read(response.content)
    except ValueError as error:
        raise strange(call, response) from error


Given = ParamSpec("Given")
ClientAnswer = TypeVar("ClientAnswer")


def _now(
    describe: Callable[Given, Call[ClientAnswer]],
) -> Callable[Concatenate["Client", Given], ClientAnswer]:
    """Make a method of a call's description."""

    def ask(client: "Client", /, *arguments: Given.args, **named: Given.kwargs) -> ClientAnswer:
        return client._run(asking(describe(*arguments, **named), client._patience))

    return of_method(ask, describe)


class Client(ClientSettings):
    """Asks a server. It may be used by several threads, and is to be closed: `with Client(url) as client`.

    Busy servers are asked again after the pause that they ask for. Errors are those of the project:
    `ServerError` with the status, the code and the request's id; wrong use, pictures and addresses are
    `UsageError`, `PictureError` and `FetchError` as well.
    """

    complete = _now(calls.complete)
    similar = _now(calls.similar)
    categories = _now(calls.categories)
    products = _now(calls.products)
    product = _now(calls.product)
    put_product = _now(calls.put_product)
    delete_product = _now(calls.delete_product)
    picture = _now(calls.picture)
    samples = _now(calls.samples)
    feedback = _now(calls.feedback)
    stats = _now(calls.stats)
    health = _now(calls.health)
    ready = _now(calls.ready)
    metrics = _now(calls.metrics)

    def _open(self) -> None:
        self._client = httpx.Client(**self._http())

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, exchange: Exchange[ClientAnswer]) -> ClientAnswer:
        response = None
        while True:
            try:
                step = exchange.send(response)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Call):
                response = self._send(step)
            else:
                time.sleep(step)
                response = None

    def _send(self, call: Call[Any]) -> httpx.Response:
        request = sent(self._client, call)
        try:
            return self._client.send(request)
        except httpx.HTTPError as error:
            raise unreached(request, error, self._timeout) from error


AsyncclientGiven = ParamSpec("AsyncclientGiven")
AsyncclientAnswer = TypeVar("AsyncclientAnswer")


def _later(
    describe: Callable[AsyncclientGiven, Call[AsyncclientAnswer]],
) -> Callable[Concatenate["AsyncClient", AsyncclientGiven], Awaitable[AsyncclientAnswer]]:
    """Make a method of a call's description."""

    async def ask(
        client: "AsyncClient", /, *arguments: AsyncclientGiven.args, **named: AsyncclientGiven.kwargs
    ) -> AsyncclientAnswer:
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
    feedback = _later(calls.feedback)
    stats = _later(calls.stats)
    health = _later(calls.health)
    ready = _later(calls.ready)
    metrics = _later(calls.metrics)

    def _open(self) -> None:
        self._client = httpx.AsyncClient(**self._http())

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, exchange: Exchange[AsyncclientAnswer]) -> AsyncclientAnswer:
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
