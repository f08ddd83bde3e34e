"""Look-alikes: what an answer says of the products that look like one product or photo."""

from dataclasses import dataclass

from perfectlook.recommender.answer import DIGITS, Suggestion, noted, rounded, said_of


@dataclass(frozen=True, slots=True, eq=False)
class AlikeSection:
    """The look-alikes in one category, nearest first; `proven_exact` as in `Section`."""

    category: str
    proven_exact: bool
    products: list[Suggestion]

    def as_json(self, digits: int | None) -> dict[str, object]:
        """Return the section as the command line and the API say it."""
        return {
            "category": self.category,
            "proven_exact": self.proven_exact,
            "products": [_product(each, digits) for each in self.products],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Lookalikes:
    """Products that look like a product of the catalogue (`product` is it) or a photo.

    `notes` are as in `Answer`.
    """

    asked: str
    product: Suggestion | None
    model: str
    sections: list[AlikeSection]
    notes: tuple[str, ...] = ()

    def as_json(self, digits: int | None = DIGITS) -> dict[str, object]:
        """Return the answer as the command line and the API say it; `digits` None keeps full precision."""
        asked: dict[str, object] = {"photo": self.asked}
        if self.product is not None:
            asked = {"product": {"id": self.product.id, **said_of(self.product.record)}}
        sections = [section.as_json(digits) for section in self.sections]
        return {**asked, "model": self.model, "categories": sections, **noted(self.notes)}


def _product(product: Suggestion, digits: int | None) -> dict[str, object]:
    moved = {"rules": [rule.as_json() for rule in product.rules]} if product.rules else {}
    return {
        "rank": product.rank,
        "id": product.id,
        "distance": rounded(product.distance, digits),
        **said_of(product.record),
        **moved,
    }
