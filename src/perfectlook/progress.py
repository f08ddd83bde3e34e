"""Progress of long work: one updating line on a terminal, occasional plain lines elsewhere."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO, TypeAlias

REDRAW_SECONDS = 0.1
PLAIN_SHARE = 0.1
PLAIN_SECONDS = (1.0, 30.0)


Progress: TypeAlias = Callable[[int, int, int], None]
"""A function that long work calls often, with the number of items done, in total, and failed."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number and its noun for a message: "1 scene", "1,234 scenes"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


class ProgressOf(Protocol):
    """Creates a `Progress` for one named part of the work. `ProgressLine` is a `ProgressOf`."""

    def __call__(self, what: str, unit: str = "pictures", /) -> Progress:
        """Start a part of the work that counts `unit`."""


def no_progress(_what: str, _unit: str = "pictures") -> Progress:
    """A `ProgressOf` that shows nothing."""
    return lambda *_: None


class ProgressLine:
    """Writes progress as text, by default to standard error.

    On a terminal it redraws a single line. To a file or a pipe it writes whole lines: the first and the last,
    one after every tenth of the work (at most one a second), and one after 30 seconds without a line.
    """

    def __init__(
        self,
        what: str,
        unit: str = "pictures",
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._unit = unit
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._started: float | None = None
        self._done_at_start = 0
        self._shown_at = 0.0
        self._shown_done = 0
        self._shown_width = 0

    def __call__(self, done: int, total: int, failed: int) -> None:
        """Show the progress if enough has changed since the last time. The first and the last always show."""
        now = self._clock()
        if self._started is None:
            self._started, self._done_at_start = now, done
        elif done < total and not self._is_due(now, done, total):
            return
        self._shown_at, self._shown_done = now, done
        self._show(self._text(now, done, total, failed), last=done >= total)

    def _is_due(self, now: float, done: int, total: int) -> bool:
        waited = now - self._shown_at
        if self._terminal:
            return waited >= REDRAW_SECONDS
        least, most = PLAIN_SECONDS
        return waited >= most or (waited >= least and done - self._shown_done >= PLAIN_SHARE * total)

    def _text(self, now: float, done: int, total: int, failed: int) -> str:
        assert self._started is not None
        elapsed = now - self._started
        text = f"{self._what}: {done:,} of {total:,} {self._unit}" + (
            f", {failed:,} failed" if failed else ""
        )
        fresh = done - self._done_at_start
        if elapsed > 0 and fresh > 0:
            rate = fresh / elapsed
            seconds, left = ((total - done) / rate, " left") if done < total else (elapsed, "")
            text += f", {rate:,.1f} a second, {duration(seconds)}{left}"
        return text

    def _show(self, text: str, *, last: bool) -> None:
        if self._terminal:
            text = text[: shutil.get_terminal_size().columns - 1]  # a wrapped line cannot be redrawn
            blank = " " * max(0, self._shown_width - len(text))
            self._stream.write("\r" + text + blank + ("\n" if last else ""))
            self._shown_width = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    """Format seconds in readable units: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
