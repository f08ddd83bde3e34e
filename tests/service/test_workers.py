"""A full queue refuses work immediately. Accepted work is finished."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from perfectlook.service.errors import Refusal
from perfectlook.service.requests import unless_gone
from perfectlook.service.workers import CALLER, Workers


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


async def of(caller: str, work: Coroutine[Any, Any, Any]) -> Any:
    """Await work as a caller."""
    CALLER.set(caller)
    return await work


def test_callers_take_turns():
    workers = Workers("test", threads=1, places=9)
    gate = threading.Event()
    done: list[str] = []

    async def work() -> None:
        many = [of("many", workers.run(lambda: done.append("many"))) for _ in range(4)]
        few = of("few", workers.run(lambda: done.append("few")))
        waiting = [asyncio.ensure_future(each) for each in (workers.run(gate.wait), *many, few)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*waiting)

    ran(work())
    workers.close()
    assert done == ["many", "few", "many", "many", "many"]


def test_callers_of_slow_work_wait_for_the_others():
    workers = Workers("test", threads=1, places=9)
    done: list[str] = []

    def do(name: str, seconds: float) -> None:
        time.sleep(seconds)
        done.append(name)

    async def work() -> None:
        pieces = [of("slow", workers.run(partial(do, "slow", 0.1))) for _ in range(2)]
        pieces += [of("fast", workers.run(partial(do, "fast", 0.001))) for _ in range(6)]
        await asyncio.gather(*pieces)  # the first slow piece runs, and is counted when it has ended
        pieces = [of("slow", workers.run(partial(do, "slow", 0))) for _ in range(1)]
        pieces += [of("fast", workers.run(partial(do, "fast", 0))) for _ in range(4)]
        gate = asyncio.ensure_future(workers.run(partial(time.sleep, 0.05)))
        await asyncio.gather(gate, *pieces)

    ran(work())
    workers.close()
    assert done[-5:] == ["fast"] * 4 + ["slow"]


def test_callers_of_slow_work_leave_a_thread_to_the_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("perfectlook.service.workers._SLOW", 0.01)
    workers = Workers("test", threads=2, places=9)
    gate, done = threading.Event(), list[str]()

    async def work() -> None:
        await of("quick", workers.run(lambda: None))
        for name in ("one", "two"):  # only now are these callers known as slow
            await of(name, workers.run(lambda: time.sleep(0.02)))
        waits = [
            of(name, workers.run(lambda: done.append(f"slow {gate.wait(10)}"))) for name in ("one", "two")
        ]
        slow = [asyncio.ensure_future(each) for each in waits]
        await asyncio.sleep(0)
        await asyncio.wait_for(of("quick", workers.run(lambda: done.append("quick"))), 10)
        gate.set()
        await asyncio.gather(*slow)

    ran(work())
    workers.close()
    assert done == ["quick", "slow True", "slow True"]


def test_the_first_piece_of_a_caller_may_wait_long():
    workers = Workers("test", threads=1, places=4, longest=0.5)
    workers._seconds = 60.0
    gate = threading.Event()

    async def work() -> None:
        pieces = [("one", 2), ("two", 1), ("three", 1), ("four", 1)]
        accepted = [
            asyncio.ensure_future(of(name, workers.run(gate.wait))) for name, n in pieces for _ in range(n)
        ]
        await asyncio.sleep(0)
        for caller in ("one", "five"):  # one has its place, and for five there is none left
            with pytest.raises(Refusal):
                await of(caller, workers.run(gate.wait))
        gate.set()
        assert len(await asyncio.gather(*accepted)) == 5

    ran(work())
    workers.close()
    assert workers.inside == 0


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
