"""When a request is sent again: only where the server says that it may be answered later."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LATER = frozenset({429, 503})
"""Statuses after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """So many tries after the first one, with no pause between them longer than so many seconds."""

    retries: int
    longest: float

    def pause(self, tried: int, status: int, headers: Mapping[str, str]) -> float | None:
        """Return how many seconds to wait before the next try; None where there is to be none.

        That is what `Retry-After` says; where it says nothing, 0.5 seconds, doubled with each try.
        """
        if status not in LATER or tried > self.retries:
            return None
        seconds = _said(headers.get("retry-after", ""))
        if seconds is None:
            seconds = min(self.longest, 0.5 * 2 ** (tried - 1))
        return seconds if seconds <= self.longest else None


def _said(text: str) -> float | None:
    """The seconds that a `Retry-After` stands for, which may be a date; None where it is neither."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
