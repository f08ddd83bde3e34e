"""A whole look: one product for each of several categories, and what else would fit."""

from dataclasses import dataclass

from perfectlook.recommender.answer import DIGITS, Suggestion, noted, rounded
from perfectlook.taxonomy import Resolution


@dataclass(frozen=True, slots=True, eq=False)
class Alternative:
    """Another product for a slot, and the objective of the look with it, all other slots as they are."""

    objective: float
    product: Suggestion

    def as_json(self, digits: int | None) -> dict[str, object]:
        """Return the alternative as the command line and the API say it."""
        return {"objective": rounded(self.objective, digits), **self.product.as_json(digits)}


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """The place of one category in a look; `locked` when its product was given, not chosen."""

    category: str
    resolution: Resolution
    suggested: float | None
    locked: bool
    product: Suggestion
    alternatives: list[Alternative]

    def as_json(self, digits: int | None) -> dict[str, object]:
        """Return the slot as the command line and the API say it."""
        said = {} if self.suggested is None else {"suggested": rounded(self.suggested, digits)}
        return {
            "category": self.category,
            **said,
            "resolved": {"category": self.resolution.category, "how": self.resolution.how},
            "locked": self.locked,
            "product": self.product.as_json(digits),
            "alternatives": [each.as_json(digits) for each in self.alternatives],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One product for each slot, and why these.

    `objective` = `distance`, the sum of the products' distances to the scene as rules weigh them, + `weight`
    · `apart`, the mean of ‖f_p - f_q‖ over the pairs of slots. No look of the catalogue has an objective
    under `lower_bound`; `proven_exact` says that none is better than this one. `price` is the sum of the
    prices where all products have one in one currency. `missing` are categories that no product was left in;
    `notes` as in `Answer`.
    """

    photo: str
    model: str
    slots: list[Slot]
    missing: list[str]
    weight: float
    distance: float
    apart: float
    objective: float
    lower_bound: float
    proven_exact: bool
    price: str | None = None
    budget: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def proof(self) -> str:
        """How good it is known to be, in words."""
        if not self.slots:
            return "no product is left for any category"
        if not self.proven_exact:
            return f"no look is below {self.lower_bound:.3f}"
        return "no look of these categories is better" if self.missing else "no look is better"

    def as_json(self, digits: int | None = DIGITS) -> dict[str, object]:
        """Return the look as the command line and the API say it; `digits` None keeps full precision."""
        look = {
            "objective": rounded(self.objective, digits),
            "distance": rounded(self.distance, digits),
            "apart": rounded(self.apart, digits),
            "weight": self.weight,
            "proven_exact": self.proven_exact,
            "lower_bound": rounded(self.lower_bound, digits),
            "price": self.price,
            "budget": self.budget,
            "slots": [slot.as_json(digits) for slot in self.slots],
            "missing": self.missing,
        }
        return {"photo": self.photo, "model": self.model, "look": look, **noted(self.notes)}
