"""Evaluate complements: how well a product of a scene finds the scene's products of other categories.

Every ordered pair of two products of a scene, of different categories, is a question. The candidates are the
products of the second one's category that share no scene with the first one. Figures are those of
`evaluation.protocol`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from perfectlook.errors import DatasetError
from perfectlook.evaluation.protocol import (
    EvaluatedSplit,
    Interval,
    mean_interval,
    paired_difference,
    scenes_of_split,
)
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.distances import unit_rows
from perfectlook.model.runtime import Model
from perfectlook.types import Float64Array, IntArray

_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
Distances = Callable[[int, IntArray], Float64Array]
"""(row of a product, rows of products) -> one distance per product; lower is better."""


class ProductPair(NamedTuple):
    """Two products of a scene: the rows of the product asked for, and of its complement."""

    scene: str
    product: int
    other: int


def scene_products(features: SetFeatures) -> dict[str, list[int]]:
    """The rows of the known products of every scene, ascending."""
    row = {product: number for number, product in enumerate(features.product_ids)}
    known = features.dataset.positives
    return {scene: sorted(row[each] for each in products if each in row) for scene, products in known.items()}


def product_pairs(features: SetFeatures, scenes: Collection[str]) -> list[ProductPair]:
    """All ordered pairs of two products of one scene, of different categories."""
    categories = features.product_categories
    return [
        ProductPair(scene, one, other)
        for scene, rows in sorted(scene_products(features).items())
        if scene in scenes
        for one in rows
        for other in rows
        if categories[one] != categories[other]
    ]


def place_products(
    features: SetFeatures, pairs: Sequence[ProductPair], ways: Sequence[Distances]
) -> Float64Array:
    """The share of the candidates that are farther than the true product, by several distances.

    Ties count half.

    Returns:
        The shares, [ways, pairs]; NaN for a pair without candidates.
    """
    categories = np.asarray(features.product_categories)
    related: dict[int, set[int]] = defaultdict(set)
    for known in scene_products(features).values():
        for row in known:
            related[row].update(known)
    asked: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        asked[pair.product, categories[pair.other]].append(place)
    of_category = {name: np.flatnonzero(categories == name) for name in {name for _, name in asked}}
    shares = np.full((len(ways), len(pairs)), np.nan)
    for (product, name), places in asked.items():
        rows = of_category[name]
        free = ~np.isin(rows, list(related[product]))
        at = np.searchsorted(rows, [pairs[place].other for place in places])
        if not free.any():
            continue
        for way, distances in enumerate(ways):
            found = distances(product, rows)
            candidates, true = np.sort(found[free]), found[at]
            nearer, not_farther = (np.searchsorted(candidates, true, side) for side in _SIDES)
            shares[way, places] = 1 - (nearer + not_farther) / 2 / len(candidates)
    return shares


def cosine(features: SetFeatures) -> Distances:
    """Minus the cosine of standardised features less their categories' means: similarity, nothing learned."""
    batch = features.products.batch(slice(None))
    categories = np.asarray(features.product_categories)
    blocks = []
    for block in (batch.global_vectors, batch.style_statistics):
        values = block.astype(np.float64)
        values -= values.mean(axis=0)
        deviation = values.std(axis=0)
        scale = np.where(deviation > 1e-6 * deviation.max(), deviation, np.inf)
        blocks.append(values / scale / np.sqrt(values.shape[1]))
    vectors = np.concatenate(blocks, axis=1)
    for name in set(features.product_categories):
        vectors[categories == name] -= vectors[categories == name].mean(axis=0)
    vectors = unit_rows(vectors)
    return lambda product, rows: -(vectors[rows] @ vectors[product])


def complement_distances(model: Model, features: SetFeatures) -> Distances:
    """The squared distances of products to the query points of products.

    Raises:
        ModelError: the model has no complements.
    """
    complements = model.require_complements()
    vectors = model.product_vectors(features)
    points, vectors = complements.points(vectors).astype(np.float64), vectors.astype(np.float64)
    return lambda product, rows: ((vectors[rows] - points[product]) ** 2).sum(axis=1)


@dataclass(frozen=True, slots=True)
class ComplementFigures:
    """The binary accuracy of complements on a split, next to that of the cosine.

    Attributes:
        n_pairs: number of ordered pairs with candidates.
        n_scenes: number of their scenes.
        complements: binary accuracy of the learned map.
        cosine: binary accuracy of the cosine of features.
        gain: the paired difference.
    """

    n_pairs: int
    n_scenes: int
    complements: Interval
    cosine: Interval
    gain: Interval

    def to_dict(self) -> dict[str, Any]:
        """The content of "products" in `evaluate --json`."""
        figures = {name: getattr(self, name).to_dict() for name in ("complements", "cosine", "gain")}
        return {"n_pairs": self.n_pairs, "n_scenes": self.n_scenes} | figures

    def to_text(self) -> str:
        """The figures as text for a terminal."""
        rows = [("complements", self.complements, ""), ("cosine", self.cosine, ""), ("gain", self.gain, "+")]
        lines = [f"  {name:<18} {figure:{sign}.4f}".replace(" [", "  [") for name, figure, sign in rows]
        head = f"product to product: {self.n_pairs:,} ordered pairs of {self.n_scenes:,} scenes"
        return "\n".join([head, "", *lines])


def complement_figures(model: Model, features: SetFeatures, split: EvaluatedSplit) -> ComplementFigures:
    """Measure the complements of a model on the scenes of a split.

    Raises:
        ModelError: the model has no complements.
        DatasetError: no scene of the split has products of two categories, with candidates.
    """
    pairs = product_pairs(features, scenes_of_split(features, split))
    ours, theirs = place_products(features, pairs, [complement_distances(model, features), cosine(features)])
    usable = np.flatnonzero(~np.isnan(ours))
    if not len(usable):
        raise DatasetError(
            f"{features.dataset.name}: no scene of the split '{split}' has products of two categories to "
            "compare. Choose another split."
        )
    scenes = [pairs[place].scene for place in usable]
    return ComplementFigures(
        len(usable),
        len(set(scenes)),
        mean_interval(ours[usable], scenes),
        mean_interval(theirs[usable], scenes),
        paired_difference(ours[usable], theirs[usable], scenes),
    )
