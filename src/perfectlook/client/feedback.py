"""What shoppers did with answers, and what that says."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class FeedbackEvent:
    """What happened to one product of an answer, which was at this rank of its category."""

    product: str
    category: str
    rank: int
    event: Literal["shown", "clicked", "kept", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How often products of a category, or at a rank, met with each event; clicks over shown."""

    shown: int
    clicked: int
    kept: int
    rejected: int
    click_through: float | None
    category: str | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What all feedback says, by category and by rank."""

    by_category: list[Counted]
    by_rank: list[Counted]
