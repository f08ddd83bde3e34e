"""Why products of a category are as near to a photo as they are: the parts of their distances."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.catalogue.manifest import Record
from perfectlook.errors import UsageError
from perfectlook.model.attribution import Attribution, attribute
from perfectlook.recommender.rules import Action, Rule
from perfectlook.stores import Hit
from perfectlook.taxonomy import Resolution
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Float32Array

if TYPE_CHECKING:
    from perfectlook.model.runtime import Model, SceneEmbedding
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


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedProduct:
    """A product at its rank among all products of the category, and what its distance is the sum of.

    `parts` are those of the distance, `relative` what they have over the same parts of the category's mean
    product: below zero pulls nearer. Both are attributions of this one product.
    """

    product: Suggestion
    parts: Attribution
    relative: Attribution

    def as_json(self, digits: int | None) -> dict[str, object]:
        """Return the product as the command line says it."""
        return {
            **self.product.as_json(digits),
            "regions": _rounded_regions(self.parts, digits),
            "relative": {
                "distance": rounded(float(self.relative.total[0]), digits),
                "distance_global": rounded(float(self.relative.whole[0]), digits),
                "distance_local": rounded(float(self.relative.regions.sum()), digits),
                "regions": _rounded_regions(self.relative, digits),
            },
        }


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Products of one category explained for one photo.

    `n_products` of the catalogue are of the category, and `mean_distance` is the mean of their distances;
    `attention` [49] are the weights of the photo's regions. `has_regions` is off for a model that looks at
    whole scenes only.
    """

    photo: str
    model: str
    category: str
    resolution: Resolution
    n_products: int
    mean_distance: float
    attention: Float32Array
    has_regions: bool
    products: list[ExplainedProduct]

    def as_json(self, digits: int | None = DIGITS) -> dict[str, object]:
        """Return the explanation as the command line says it; `digits` None keeps full precision."""
        return {
            "photo": self.photo,
            "model": self.model,
            "category": self.category,
            "resolved": {"category": self.resolution.category, "how": self.resolution.how},
            "n_products": self.n_products,
            "mean_distance": rounded(self.mean_distance, digits),
            "rows": REGION_ROWS,
            "columns": REGION_COLUMNS,
            "attention": [rounded(weight, digits) for weight in self.attention.tolist()],
            "products": [product.as_json(digits) for product in self.products],
        }


def explained(
    scene: "SceneEmbedding",
    hits: Sequence[Hit],
    model: "Model",
    category: str,
    *,
    photo: str,
    k: int,
    products: Sequence[str] | None,
) -> Explanation:
    """Explain products of a category: the `k` nearest, or those named.

    Args:
        scene: what the model makes of the photo.
        hits: all products of the category, in any order.
        model: whose distances they are.
        category: of the catalogue.
        photo: what the answer calls the photo.
        k: how many of the nearest, where none are named.
        products: ids.

    Raises:
        UsageError: k is below one, or a named product is not of the category.
    """
    if k < 1:
        raise UsageError(f"k is {k}: ask for at least one product")
    parts = attribute(scene, category, np.stack([hit.vector for hit in hits]))
    distances = parts.total
    order = sorted(range(len(hits)), key=lambda place: (distances[place], hits[place].id))
    rank_of = {hits[place].id: rank for rank, place in enumerate(order, 1)}
    for name in products or ():
        if name not in rank_of:
            raise UsageError(
                f"--product {name}: the catalogue has no such product in {category}; see `perfectlook "
                "complete --all` for ids"
            )
    ranks = [rank_of[name] for name in products] if products else range(1, min(k, len(hits)) + 1)
    mean = parts.mean
    shown = []
    for rank in ranks:
        place = order[rank - 1]
        own, hit = parts.row(place), hits[place]
        suggestion = Suggestion(
            rank,
            hit.id,
            float(own.total[0]),
            float(own.whole[0]),
            float(own.regions.sum()),
            Record.from_payload(hit.id, hit.payload),
        )
        shown.append(ExplainedProduct(suggestion, own, own.less(mean)))
    return Explanation(
        photo=photo,
        model=model.name,
        category=category,
        resolution=model.resolve(category),
        n_products=len(hits),
        mean_distance=float(mean.total[0]),
        attention=np.asarray(scene.attention(category), np.float32),
        has_regions=scene.regions is not None,
        products=shown,
    )


def _rounded_regions(parts: Attribution, digits: int | None) -> list[float]:
    return [rounded(value, digits) for value in parts.regions[0].tolist()]
