"""A whole look: one product for each of several categories."""

from dataclasses import dataclass

from perfectlook.client.resolved import Resolved
from perfectlook.client.suggestion import Suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative(Suggestion):
    """Another product for a slot, and the objective of the look with it, all other slots as they are."""

    objective: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of one category in a look; `locked` where its product was given, not chosen."""

    category: str
    resolved: Resolved
    locked: bool
    product: Suggestion
    alternatives: list[Alternative]
    suggested: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One product for each slot, and how good that is: see docs/looks.md.

    `objective` = `distance` + `weight` · `apart`; no look is below `lower_bound`. `price` is the sum where
    all products have a price in one currency. `missing` are categories that no product was left in.
    """

    objective: float
    distance: float
    apart: float
    weight: float
    proven_exact: bool
    lower_bound: float
    price: str | None
    budget: str | None
    slots: list[Slot]
    missing: list[str]
