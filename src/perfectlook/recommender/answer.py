"""What a photo is answered with: for each category, products in order, and where the model looked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfectlook.catalogue.records import Record
from perfectlook.recommender.rules import Action, Rule
from perfectlook.taxonomy import Resolution
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Float32Array

if TYPE_CHECKING:
    from perfectlook.recommender.candidates import Ranked

DIGITS = 6
"""Decimal places of distances and weights for people; all of them in a bare answer."""

SAID = ("price", "sale_price", "availability", "brand", "link", "item_group_id")
"""Fields of a source that an answer repeats where the product has them."""


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule that moved a product, and the product's rank by distance alone.

    That counts every product that filters and exclusions let through; it is None where the product is so far
    behind that nobody counted.
    """

    number: int
    action: Action
    name: str | None
    from_rank: int | None

    @classmethod
    def of(cls, rule: Rule, from_rank: int | None) -> "AppliedRule":
        """Say that a rule moved a product from a rank."""
        return cls(rule.number, rule.action, rule.name, from_rank)

    def as_json(self) -> dict[str, object]:
        """Return the rule as the command line and the API say it."""
        named = {} if self.name is None else {"name": self.name}
        return {"rule": self.number, **named, "action": self.action, "from_rank": self.from_rank}

    def __str__(self) -> str:
        name = f" '{self.name}'" if self.name else ""
        rank = "far behind" if self.from_rank is None else f"rank {self.from_rank}"
        return f"rule {self.number}{name}: {self.action} from {rank}"


@dataclass(frozen=True, slots=True)
class UnusedRule:
    """A rule that could not be followed, and why."""

    number: int
    action: Action
    name: str | None
    reason: str

    def as_json(self) -> dict[str, object]:
        """Return the rule as the command line and the API say it."""
        named = {} if self.name is None else {"name": self.name}
        return {"rule": self.number, **named, "action": self.action, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A product at its rank (from 1): its distance, which is the sum of the global and the local part."""

    rank: int
    id: str
    distance: float
    distance_global: float
    distance_local: float
    record: Record
    rules: tuple[AppliedRule, ...] = ()

    @classmethod
    def of(cls, rank: int, product: "Ranked") -> "Suggestion":
        """Say a product that was ranked."""
        return cls(rank, product.id, product.total, product.from_global, product.from_local, product.record)

    def as_json(self, digits: int | None) -> dict[str, object]:
        """Return the product as the command line and the API say it."""
        moved = {"rules": [rule.as_json() for rule in self.rules]} if self.rules else {}
        return {
            "rank": self.rank,
            "id": self.id,
            "distance": rounded(self.distance, digits),
            "distance_global": rounded(self.distance_global, digits),
            "distance_local": rounded(self.distance_local, digits),
            **said_of(self.record),
            **moved,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """The answer in one category of the catalogue.

    `resolution` says which category of the model stood in for it, `attention` [49] are the weights of the
    photo's regions, `proven_exact` whether these are surely the nearest products of all. `suggested` is the
    probability that a product of the category completes the photo, None where the model cannot say.
    """

    category: str
    resolution: Resolution
    proven_exact: bool
    products: list[Suggestion]
    attention: Float32Array
    suggested: float | None = None

    def as_json(self, digits: int | None) -> dict[str, object]:
        """Return the section as the command line and the API say it."""
        said = {} if self.suggested is None else {"suggested": rounded(self.suggested, digits)}
        return {
            "category": self.category,
            **said,
            "resolved": {"category": self.resolution.category, "how": self.resolution.how},
            "proven_exact": self.proven_exact,
            "products": [product.as_json(digits) for product in self.products],
            "attention": {
                "rows": REGION_ROWS,
                "columns": REGION_COLUMNS,
                "weights": [rounded(weight, digits) for weight in self.attention.tolist()],
            },
        }


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The products that go with a photo, category by category, and the rules that could not be followed.

    `notes` say what may be wrong with the question where fewer products were found than asked for.
    """

    photo: str
    model: str
    sections: list[Section]
    unused_rules: tuple[UnusedRule, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self, digits: int | None = DIGITS) -> dict[str, object]:
        """Return the answer as the command line and the API say it; `digits` None keeps full precision."""
        unused = {"unused_rules": [rule.as_json() for rule in self.unused_rules]} if self.unused_rules else {}
        return {
            "photo": self.photo,
            "model": self.model,
            "categories": [section.as_json(digits) for section in self.sections],
            **unused,
            **noted(self.notes),
        }


def said_of(record: Record) -> dict[str, object]:
    """What answers say of a product beside its id and distance."""
    fields = {name: record.fields[name] for name in SAID if name in record.fields}
    return {"title": record.title, "picture": record.picture, **fields}


def noted(notes: Sequence[str]) -> dict[str, object]:
    """What answers say of their notes: nothing where there are none."""
    return {"notes": list(notes)} if notes else {}


def rounded(value: float, digits: int | None) -> float:
    """Return a number as answers say it: to so many places, or as it is."""
    return value if digits is None else round(value, digits)
