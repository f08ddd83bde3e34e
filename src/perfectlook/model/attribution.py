"""Split a distance into the part of the whole scene and the part of each region.

The hybrid distance (Kang et al. 2019) is a sum: d = w ‖f_s - f_p‖ + Σ_i (1 - w) a_i ‖f_i - f_p‖.
Its terms are the attribution. It is exact for both norms and needs no gradients.

A squared distance is also the sum of those in the coordinates of each part of the model: its network, its
memory, its mixture of closed forms.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from perfectlook.model.distances import distance
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, REGIONS, Float32Array, Float64Array, IntArray

if TYPE_CHECKING:
    from perfectlook.model.runtime import SceneEmbedding


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """The parts that add up to the distances of n products to a scene.

    Attributes:
        whole: w ‖f_s - f_p‖, the part of the whole scene, [n].
        regions: (1 - w) a_i ‖f_i - f_p‖, the part of each region, [n, R]; zeros if the model uses no regions.
        parts: the part of each part of the model, by name, [n] each. Like `whole` and `regions`, they add up
            to the distances. Empty if the parts are unknown.
    """

    whole: Float64Array
    regions: Float64Array
    parts: Mapping[str, Float64Array] = field(default_factory=dict)

    @property
    def total(self) -> Float64Array:
        """The sum of all parts, [n]: the distances, or the differences that `less` returns."""
        total: Float64Array = self.whole + self.regions.sum(axis=1)
        return total

    @property
    def mean(self) -> Self:
        """The parts of the mean distance, as an attribution of one product."""
        regions = self.regions.mean(axis=0, keepdims=True)
        return type(self)(
            self.whole.mean(keepdims=True), regions, self._each(lambda _, part: part.mean(keepdims=True))
        )

    def less(self, other: Self) -> Self:
        """Subtract another attribution part by part: [n] minus [n] or one.

        Subtract the `mean` of a category's products to see why a product is nearer than its category. A part
        below zero makes the product nearer. The parts add up to the difference of the two distances.
        """
        parts = self._each(lambda name, part: part - other.parts[name])
        return type(self)(self.whole - other.whole, self.regions - other.regions, parts)

    def row(self, product: int) -> Self:
        """The attribution of one product."""
        chosen = slice(product, product + 1)
        parts = self._each(lambda _, part: part[chosen])
        return type(self)(self.whole[chosen], self.regions[chosen], parts)

    def _each(self, change: Callable[[str, Float64Array], Float64Array]) -> dict[str, Float64Array]:
        return {name: change(name, part) for name, part in self.parts.items()}


def attribute(scene: "SceneEmbedding", category: str, vectors: Float32Array) -> Attribution:
    """Attribute the distances between a scene and products of a category, given their vectors f_p [n, d].

    The distances are those of `SceneEmbedding.distances`. The part of the whole scene stays as it is. The
    part of the regions is shared out in proportion to a_i ‖f_i - f_p‖, its terms.
    """
    found = scene.distances(category, vectors)
    whole, local = (np.asarray(part, np.float64) for part in (found.from_global, found.from_local))
    parts = _of_parts(scene, category, vectors, whole + local)
    if scene.regions is None:
        return Attribution(whole, np.zeros((len(vectors), REGIONS)), parts)
    products, attention = (np.asarray(each, np.float64) for each in (vectors, scene.attention(category)))
    terms = np.stack(
        [
            weight * distance(np.asarray(region, np.float64), products, scene.norm)
            for weight, region in zip(attention, scene.regions, strict=True)
        ],
        axis=1,
    )
    sums = terms.sum(axis=1, keepdims=True)
    shares = np.divide(terms, sums, out=np.tile(attention, (len(terms), 1)), where=sums > 0)
    return Attribution(whole, local[:, None] * shares, parts)


def _of_parts(
    scene: "SceneEmbedding", category: str, vectors: Float32Array, total: Float64Array
) -> dict[str, Float64Array]:
    """The squared distances in the coordinates of each part of the model, scaled to add up to `total`."""
    if len(scene.parts) < 2 or scene.norm != "squared_l2":
        return dict.fromkeys(scene.parts, total)
    found, start = [], 0
    for width in scene.parts.values():
        own = slice(start, start + width)
        regions = None if scene.regions is None else scene.regions[:, own]
        alone = replace(scene, scene=scene.scene[own], regions=regions)
        found.append(np.asarray(alone.distances(category, vectors[:, own]).total, np.float64))
        start += width
    sums = np.sum(found, axis=0)
    scale = np.divide(total, sums, out=np.ones_like(sums), where=sums > 0)
    return {name: part * scale for name, part in zip(scene.parts, found, strict=True)}


def strongest(parts: Float64Array, count: int) -> IntArray:
    """Return the regions with the largest parts of [R], largest first.

    At most `count` regions, and only regions with a part above zero. Ties keep reading order.
    """
    order = np.argsort(-parts, kind="stable")[:count]
    above: IntArray = order[parts[order] > 0]
    return above


def row_and_column(region: int) -> tuple[int, int]:
    """Row and column of a region, counted from 1 at the top left."""
    row, column = divmod(int(region), REGION_COLUMNS)
    return row + 1, column + 1


def place_of(region: int) -> str:
    """The place of a region in the picture, in words: "top left", "middle", "bottom"."""
    row, column = row_and_column(region)
    words = (
        _third(row, REGION_ROWS, ("top", "", "bottom")),
        _third(column, REGION_COLUMNS, ("left", "", "right")),
    )
    return " ".join(word for word in words if word) or "middle"


def _third(place: int, places: int, words: Sequence[str]) -> str:
    """Return the word for the third that `place` (from 1) is in; the middle third takes the remainder."""
    edge = places // 3
    return words[(place > edge) + (place > places - edge)]
