"""A full queue refuses work immediately. Accepted work is finished."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from perfectlook.service.errors import Refusal
from perfectlook.service.requests import unless_gone
from perfectlook.service.service import Workers


def ran(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in its own thread: playwright keeps an event loop in the main thread."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def test_a_full_queue_refuses_work():
    workers = Workers("test", 1, 2)
    gate = threading.Event()

    async def work() -> None:
        accepted = [asyncio.ensure_future(workers.run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        assert workers.inside == 3
        with pytest.raises(Refusal) as refused:
            await workers.run(gate.wait)
        assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "1"})
        with pytest.raises(Refusal):
            workers.check()
        gate.set()
        assert await asyncio.gather(*accepted) == [True] * 3
        assert await workers.run(lambda: 7) == 7

    ran(work())
    workers.close()
    assert workers.inside == 0


def test_failed_work_frees_its_place():
    workers = Workers("test", 1, 0)

    def fail() -> None:
        raise ValueError("no")

    async def work() -> None:
        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                await workers.run(fail)

    ran(work())
    workers.close()
    assert workers.inside == 0


def test_fewer_pieces_may_wait_if_work_takes_long():
    workers = Workers("test", 1, 100, longest=0.5)
    workers._seconds = 0.2  # two waiting pieces take about half a second
    gate = threading.Event()

    async def work() -> None:
        accepted = [asyncio.ensure_future(workers.run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal):
            await workers.run(gate.wait)
        gate.set()
        await asyncio.gather(*accepted)

    ran(work())
    workers.close()


def test_very_long_work_is_still_accepted():
    workers = Workers("test", 2, 100, longest=0.5)
    workers._seconds = 60.0
    gate = threading.Event()

    async def work() -> None:
        accepted = [asyncio.ensure_future(workers.run(gate.wait)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal):
            workers.check()
        gate.set()
        assert len(await asyncio.gather(*accepted)) == 4

    ran(work())
    workers.close()


def test_slow_work_counts_while_it_runs():
    workers = Workers("test", threads=1, places=9, longest=0.05)
    gate = threading.Event()

    async def work() -> None:
        accepted = [asyncio.ensure_future(workers.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0.1)  # nothing has ended, but the running piece is already slower than allowed
        with pytest.raises(Refusal):
            await workers.run(gate.wait)
        gate.set()
        await asyncio.gather(*accepted)

    ran(work())
    workers.close()


class Leaving:
    """A request whose client sends nothing more, and leaves."""

    async def receive(self) -> dict[str, str]:
        return {"type": "http.disconnect"}


def test_a_client_that_leaves_frees_its_place():
    workers = Workers("test", threads=1, places=1)
    gate = threading.Event()

    async def work() -> None:
        running = asyncio.ensure_future(workers.run(gate.wait))
        await asyncio.sleep(0)
        with pytest.raises(ClientDisconnect):
            await unless_gone(Leaving(), workers.run(gate.wait))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        assert workers.inside == 1
        gate.set()
        assert await running

    ran(work())
    workers.close()
