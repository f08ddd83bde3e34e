"""Threads behind a bounded queue: what does not fit is refused at once, never answered late."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from typing import TypeVar

from perfectlook.service.errors import Refusal

Result = TypeVar("Result")

_WEIGHT = 0.05
"""Of the latest piece of work in the mean of how long they take."""


class Workers:
    """So many threads, and places to wait for them: fewer where work takes long, so that none waits long."""

    def __init__(self, name: str, threads: int, places: int, longest: float = inf) -> None:
        """Start no thread yet; they come with the work.

        Args:
            name: of the threads.
            threads: how many.
            places: how many pieces of work may wait.
            longest: seconds that a piece of work may be expected to wait, by how long others took lately.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._most = threads + places
        self._longest = longest
        self._seconds = 0.0
        self._inside = 0
        self._lock = threading.Lock()

    @property
    def inside(self) -> int:
        """How many pieces of work are being done or wait."""
        return self._inside

    def check(self) -> None:
        """Raise Refusal (503) where nothing more fits; so a request can be refused before it is read."""
        waiting = self._inside - self._threads
        expected = (waiting + 1) * self._seconds / self._threads
        # as many as there are threads may always wait, or these would run dry
        if self._inside >= self._most or (waiting >= self._threads and expected > self._longest):
            raise busy()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do work in a thread; Refusal (503) where nothing more fits."""
        with self._lock:
            self.check()
            self._inside += 1
        try:
            future = self._pool.submit(self._timed, work)
        except BaseException:
            self._leave()
            raise
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what was accepted."""
        self._pool.shutdown(wait=True)

    def _timed(self, work: Callable[[], Result]) -> Result:
        began = time.monotonic()
        try:
            return work()
        finally:
            self._seconds += _WEIGHT * (time.monotonic() - began - self._seconds)

    def _leave(self, _: Future[Result] | None = None) -> None:
        with self._lock:
            self._inside -= 1


def busy() -> Refusal:
    """What is said to those who do not fit."""
    return Refusal(503, "busy", "too many requests at once; try again in a second", retry_after=1)
