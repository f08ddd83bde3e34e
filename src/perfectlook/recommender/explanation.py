"""Why products of a category are as near to a photo as they are: the parts of their distances."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.attribution import Attribution, attribute
from perfectlook.catalogue.records import Record
from perfectlook.errors import UsageError
from perfectlook.recommender.answer import DIGITS, Suggestion, rounded
from perfectlook.stores import Hit
from perfectlook.taxonomy import Resolution
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Float32Array

if TYPE_CHECKING:
    from perfectlook.bundle import Model, SceneEmbedding


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
