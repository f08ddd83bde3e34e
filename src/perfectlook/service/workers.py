"""Threads that do the work of requests, with a bounded queue that is fair to all callers."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from perfectlook.files import Closable
from perfectlook.service.errors import Refusal

Result = TypeVar("Result")

CALLER: ContextVar[str] = ContextVar("CALLER", default="")
"""Who sent the request that is being answered: an address or a key."""
_WEIGHT = 0.05
"""Weight of the latest duration in the running mean of durations."""

_SLOW, _RECENT, _MOST_SLOW = 1.0, 10.0, 1_000
"""A piece of more seconds is slow. Slow callers leave a thread free to the others, if any piece was quick in
the recent seconds. At most this many slow callers are known."""
_LEAST = 0.001
"""Every piece counts at least this many seconds when it is accepted."""


@dataclass(slots=True, eq=False)
class _Piece:
    """A piece of work that waits for a thread. Pieces with smaller tags go first."""

    work: Callable[[], Any]
    caller: str
    tag: float
    cost: float
    future: "Future[Any]"


class Workers(Closable):
    """Threads behind a bounded queue. Work beyond the bound is refused immediately, not answered late.

    If work takes long, fewer pieces may wait, which keeps the wait short. The first piece of each caller may
    wait even then. Callers take turns by the time that they have used. So one with many or slow requests does
    not hold up the others (start-time fair queueing; Goyal, Vin and Cheng, 1996). A piece that runs cannot be
    interrupted, so callers of slow pieces leave one thread to the others.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        places: int,
        longest: float = inf,
        share: float = inf,
        around: Callable[[Callable[[], Any]], Any] = lambda work: work(),
    ) -> None:
        """Start no thread yet. Threads start with the first work.

        Args:
            name: prefix of the threads' names.
            threads: number of threads.
            places: how many pieces of work may wait.
            longest: maximum expected wait in seconds, estimated from the latest durations.
            share: how many pieces a caller may have for each free place. So one caller, or a few, cannot
                take all places, and alone it may have many (Choudhury and Hahne, 1998).
            around: does each piece of work.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._most = threads + places
        self._longest = longest
        self._share = share
        self._around = around
        self._seconds = 0.0
        self._running: dict[int, float] = {}
        """When each running piece of work began, by the id of its thread."""
        self._waiting: list[_Piece] = []
        self._inside: Counter[str] = Counter()
        self._now = 0.0
        """The tag of the piece that began last: a clock of work, not of time."""
        self._used: dict[str, float] = {}
        """The tag of the next piece of each caller that has used its share up to `_now`."""
        self._slow: set[str] = set()
        self._slowly = 0
        """How many running pieces are of slow callers."""
        self._quick = -inf
        """When a quick piece ended last."""
        self._lock = threading.Lock()

    @property
    def inside(self) -> int:
        """How many pieces of work are running or waiting."""
        return self._inside.total()

    def check(self) -> None:
        """Raise a Refusal (503) if the queue is full. Call it before reading a request."""
        with self._lock:
            self._check(CALLER.get())

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run work in a thread, or raise a Refusal (503) if the queue is full."""
        caller = CALLER.get()
        with self._lock:
            self._check(caller)
            tag = max(self._now, self._used.get(caller, 0.0))
            cost = max(self._seconds, _LEAST)  # a guess, until it has ended
            self._used[caller] = tag + cost
            piece = _Piece(work, caller, tag, cost, Future())
            self._inside[caller] += 1
            self._waiting.append(piece)
        piece.future.add_done_callback(lambda _: self._leave(piece))
        try:
            self._pool.submit(self._take)
        except BaseException:
            piece.future.cancel()
            raise
        result: Result = await asyncio.wrap_future(piece.future)
        return result

    def _check(self, caller: str) -> None:
        inside, mine = self.inside, self._inside[caller]
        waiting = inside - self._threads
        now = time.monotonic()
        # Work that is slow counts while it runs: its end would tell too late.
        longest = max([self._seconds, *(now - began for began in list(self._running.values()))])
        expected = (waiting + 1) * longest / self._threads
        # One waiting piece per thread is always allowed, so that no thread is idle.
        is_long = waiting >= self._threads and expected > self._longest and mine > 0
        if inside >= self._most or is_long or (mine and mine >= self._share * (self._most - inside)):
            raise Refusal(503, "busy", "The server is busy. Try again in a second.", retry_after=1)

    def _release(self) -> None:
        """Finish the accepted work."""
        self._pool.shutdown(wait=True)

    def _take(self) -> None:
        """Do the piece of work whose turn it is, and those that had to wait for the end of a slow one."""
        while self._take_one():
            pass

    def _take_one(self) -> bool:
        """Do a piece, unless all must wait. Nothing is left to do if its client has left."""
        with self._lock:
            is_full = 0 < self._threads - 1 <= self._slowly and time.monotonic() < self._quick + _RECENT
            ready = [each for each in self._waiting if not (is_full and each.caller in self._slow)]
            if not ready:
                return False
            piece = min(ready, key=lambda each: each.tag)
            self._waiting.remove(piece)
            self._now = max(self._now, piece.tag)
            is_slow = piece.caller in self._slow
            self._slowly += is_slow
        self._do(piece)
        with self._lock:
            self._slowly -= is_slow
        return True

    def _do(self, piece: _Piece) -> None:
        if not piece.future.set_running_or_notify_cancel():
            return
        began = self._running[threading.get_ident()] = time.monotonic()
        try:
            result = self._around(piece.work)
        except BaseException as error:
            self._end(piece, began)
            piece.future.set_exception(error)
        else:
            self._end(piece, began)
            piece.future.set_result(result)

    def _end(self, piece: _Piece, began: float) -> None:
        with self._lock:
            self._running.pop(threading.get_ident(), None)
            seconds = time.monotonic() - began
            next_tag = self._used.get(piece.caller, piece.tag + piece.cost)
            self._used[piece.caller] = next_tag + seconds - piece.cost
            self._seconds += _WEIGHT * (seconds - self._seconds)
            if seconds > _SLOW:
                self._slow = {piece.caller, *(self._slow if len(self._slow) < _MOST_SLOW else ())}
            else:
                self._slow.discard(piece.caller)
                self._quick = time.monotonic()
            self._used = {caller: tag for caller, tag in self._used.items() if tag > self._now}

    def _leave(self, piece: _Piece) -> None:
        with self._lock:
            if piece in self._waiting:
                self._waiting.remove(piece)
            self._inside[piece.caller] -= 1
            if not self._inside[piece.caller]:
                del self._inside[piece.caller]
