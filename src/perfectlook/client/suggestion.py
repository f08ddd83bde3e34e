"""A product as answers show it: at its rank, and why it is there."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What makes a product nearer than usual: the shares of the whole scene and of the regions.

    They sum to 1, and are both 0 where it is not nearer.
    """

    whole: float
    regions: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRule:
    """A rule of the shop that moved a product, and the product's rank without it."""

    rule: int
    action: Literal["pin", "boost", "bury", "exclude"]
    from_rank: int | None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedRule:
    """A rule of the shop that could not be followed, and why."""

    rule: int
    action: Literal["pin", "boost", "bury", "exclude"]
    reason: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What every product of an answer has: lower distances are better, within one category.

    `picture` is an address on the server: `Client.picture(id)` gets it.
    """

    rank: int
    id: str
    distance: float
    title: str | None
    picture: str
    price: str | None
    sale_price: str | None
    availability: str | None
    brand: str | None
    link: str | None
    item_group_id: str | None
    rules: list[AppliedRule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion(Shown):
    """A product that goes with a photo; its distance is the sum of the two parts."""

    distance_global: float
    distance_local: float
    why: Why
