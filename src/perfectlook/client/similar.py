"""Products that look like a product or a photo."""

from dataclasses import dataclass, field

from perfectlook.client.suggestion import Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike(Shown):
    """A product of some category that looks like what was asked for."""

    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeSection:
    """The look-alikes of one category, nearest first; `proven_exact` whether these are surely the nearest."""

    category: str
    proven_exact: bool
    products: list[Shown]


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """Look-alikes: the nearest of all categories that were looked in, and those of each.

    `timings` and `notes` are as in `Completed`.
    """

    request_id: str
    model: str
    timings: dict[str, float]
    products: list[Lookalike]
    categories: list[AlikeSection]
    notes: list[str] = field(default_factory=list)
