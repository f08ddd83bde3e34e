"""`AsyncClient` has the same calls and returns the same answers as `Client`."""

import asyncio
import inspect
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from perfectlook import AsyncClient, Client
from perfectlook.answers import Answer
from perfectlook.errors import ServerError
from serving import Running, Store
from web import fail, first, serve, web

Result = TypeVar("Result")


def run(asked: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in its own thread: the browser leaves a running event loop in the main thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asked).result()


def calls_of(kind: type) -> dict[str, object]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_") and name != "close"}


def test_both_clients_have_the_same_calls_with_the_same_help():
    own, others = calls_of(Client), calls_of(AsyncClient)
    assert own.keys() == others.keys()
    for name, call in own.items():
        assert inspect.signature(call).parameters == inspect.signature(others[name]).parameters
        assert inspect.getdoc(call) == inspect.getdoc(others[name])
        assert inspect.getdoc(call)
        assert next(iter(inspect.signature(call).parameters)) == "self"


def test_both_clients_return_the_same_answers(client: Client, shop: Running, store: Store):
    async def ask() -> list[Answer]:
        async with AsyncClient(shop.url) as own:
            await own.health()
            return await asyncio.gather(*(own.complete(photo, k=2) for photo in store.photos[:3]))

    for photo, answer in zip(store.photos, run(ask()), strict=False):
        other = client.complete(photo, k=2)
        own = {"request_id": "", "timings": {}}
        assert answer.model_copy(update=own) == other.model_copy(update=own)


def test_failures_raise_the_same_errors():
    async def ask(url: str) -> None:
        async with AsyncClient(url) as own:
            assert (await own.stats()).by_rank == []
            with pytest.raises(ServerError, match="unexpected answer to GET"):
                await own.categories()
        async with AsyncClient("http://127.0.0.1:9") as own:
            with pytest.raises(ServerError, match="cannot be reached"):
                await own.ready()

    with web() as server:
        later = fail(503, retry_after="0")
        server.answers["/v1/stats"] = first(later, later, serve(b'{"by_category": [], "by_rank": []}'))
        run(ask(server.url("")))
        assert server.paths == ["/v1/stats"] * 3 + ["/v1/categories"]
