"""What a photo is answered with: for each category, products in order, and where the model looked."""

from dataclasses import dataclass

from perfectlook.catalogue.records import Record
from perfectlook.taxonomy import Resolution
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Float32Array

DIGITS = 6
"""Decimal places of distances and weights for people; all of them in a bare answer."""

SAID = ("price", "availability", "brand", "link")
"""Fields of a source that an answer repeats where the product has them."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A product at its rank (from 1): its distance, which is the sum of the global and the local part."""

    rank: int
    id: str
    distance: float
    distance_global: float
    distance_local: float
    record: Record

    def as_json(self, digits: int | None) -> dict[str, object]:
        """Return the product as the command line and the API say it."""
        return {
            "rank": self.rank,
            "id": self.id,
            "distance": rounded(self.distance, digits),
            "distance_global": rounded(self.distance_global, digits),
            "distance_local": rounded(self.distance_local, digits),
            "title": self.record.title,
            "picture": self.record.picture,
            **{name: self.record.fields[name] for name in SAID if name in self.record.fields},
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
    """The products that go with a photo, category by category."""

    photo: str
    model: str
    sections: list[Section]

    def as_json(self, digits: int | None = DIGITS) -> dict[str, object]:
        """Return the answer as the command line and the API say it; `digits` None keeps full precision."""
        return {
            "photo": self.photo,
            "model": self.model,
            "categories": [section.as_json(digits) for section in self.sections],
        }


def rounded(value: float, digits: int | None) -> float:
    """Return a number as answers say it: to so many places, or as it is."""
    return value if digits is None else round(value, digits)
