"""How often each caller may ask: token buckets."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

CALLERS = 20_000
"""Buckets that are remembered; those of callers that have been silent longest are forgotten."""


class Rates:
    """One bucket a caller, which holds `burst` tokens and gains `rate` a second. For one thread."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Set rate (0: no limit) and burst."""
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str, cost: float = 1.0) -> int:
        """Take tokens; returns 0, or the seconds after which there will be enough, and takes none."""
        if not self._rate:
            return 0
        now = self._clock()
        tokens, then = self._buckets.pop(caller, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        enough = tokens >= cost
        self._buckets[caller] = (tokens - cost if enough else tokens, now)
        if len(self._buckets) > CALLERS:
            self._buckets.popitem(last=False)
        return 0 if enough else math.ceil((cost - tokens) / self._rate)
