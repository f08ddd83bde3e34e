"""Try again after failures that may pass, with pauses that grow."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from perfectlook.errors import FetchError

Result = TypeVar("Result")


@dataclass(slots=True)
class Retry:
    """When to try again, and when to give up: exponential back-off with jitter, for one piece of work.

    `call` does everything for a function that raises `FetchError`. Code that waits in its own way (asyncio, a
    generator) asks `pause` after each failure.

    Attributes:
        tries: how often to try in all; at least once.
        first_pause: seconds before the second try; each further pause is twice as long.
        longest_pause: seconds; no pause is longer, also where a server asks for more.
        seconds: give up when the next try would start more than this after the first one.
        clock: seconds since any moment, never going back.
        jitter: a number between its two arguments, so that clients that failed together do not all come back
            together.
        tried: how many tries have failed.
    """

    tries: int = 3
    first_pause: float = 0.5
    longest_pause: float = 20.0
    seconds: float = float("inf")
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[float, float], float] = random.uniform
    tried: int = field(default=0, init=False)
    _started: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def pause(self, asked: float = 0.0) -> float | None:
        """Return how many seconds to wait after a failure before the next try; None to give up.

        Args:
            asked: the least that the server asks for (`retry_after`).
        """
        self.tried += 1
        if self.tried >= self.tries:
            return None
        longest = self.first_pause * 2.0 ** (self.tried - 1)
        pause = min(max(asked, self.jitter(longest / 2, longest)), self.longest_pause)
        return pause if self.clock() + pause - self._started <= self.seconds else None

    def call(self, attempt: Callable[[], Result], sleep: Callable[[float], object] = time.sleep) -> Result:
        """Return what a function returns, calling it again after failures that may pass.

        Raises:
            FetchError: from the function, if trying again does not help or the tries are used up.
        """
        while True:
            try:
                return attempt()
            except FetchError as error:
                pause = self.pause(error.pause) if error.passing else None
                if pause is None:
                    raise
                sleep(pause)


def retry_after(header: str) -> float:
    """Return the seconds that a `Retry-After` header asks to wait: a number or a date; 0 if it is neither."""
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
