"""Where a distance comes from: how much of it is the whole scene's, and how much each region's.

The hybrid distance (Kang et al. 2019, section 3.3) is a sum, d = w ‖f_s - f_p‖ + Σ_i (1 - w) a_i ‖f_i - f_p‖,
so its terms are an attribution that leaves nothing over, with either norm: no gradients, no approximation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from perfectlook.model.distances import distance
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, REGIONS, Float32Array, Float64Array, IntArray

if TYPE_CHECKING:
    from perfectlook.model.runtime import SceneEmbedding


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What the distances of n products to a scene are the sum of.

    Attributes:
        whole: w ‖f_s - f_p‖, the whole scene's part, [n].
        regions: (1 - w) a_i ‖f_i - f_p‖, each region's part, [n, R]; zeros where regions do not count.
    """

    whole: Float64Array
    regions: Float64Array

    @property
    def total(self) -> Float64Array:
        """The sum of all parts, [n]: the distance, or the difference that `less` makes."""
        total: Float64Array = self.whole + self.regions.sum(axis=1)
        return total

    @property
    def mean(self) -> Self:
        """The parts of the mean distance, as of one product."""
        return type(self)(self.whole.mean(keepdims=True), self.regions.mean(axis=0, keepdims=True))

    def less(self, other: Self) -> Self:
        """Part by part, what these distances have over another: [n] against [n] or one.

        Against the `mean` of a category's products it says what made a product nearer than they are:
        a part below zero pulls nearer. The parts add up to the difference of the two distances.
        """
        return type(self)(self.whole - other.whole, self.regions - other.regions)

    def row(self, product: int) -> Self:
        """The attribution of one product."""
        return type(self)(self.whole[product : product + 1], self.regions[product : product + 1])


def attribute(scene: "SceneEmbedding", category: str, vectors: Float32Array) -> Attribution:
    """Attribute the distances between a scene and products of a category, by their vectors f_p [n, d].

    The distances are those of `SceneEmbedding.distances`: its whole scene's part is kept, its regions' part
    goes to the regions in proportion to a_i ‖f_i - f_p‖, which is what it is the sum of.
    """
    found = scene.distances(category, vectors)
    whole, local = (np.asarray(part, np.float64) for part in (found.from_global, found.from_local))
    if scene.regions is None:
        return Attribution(whole, np.zeros((len(vectors), REGIONS)))
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
    return Attribution(whole, local[:, None] * shares)


def strongest(parts: Float64Array, count: int) -> IntArray:
    """The regions with the largest parts [R], largest first, `count` at most and none that is not above zero.

    Of equal ones the first in reading order comes first.
    """
    order = np.argsort(-parts, kind="stable")[:count]
    above: IntArray = order[parts[order] > 0]
    return above


def row_and_column(region: int) -> tuple[int, int]:
    """Row and column of a region, from 1 at the top left, as a person counts."""
    row, column = divmod(int(region), REGION_COLUMNS)
    return row + 1, column + 1


def place_of(region: int) -> str:
    """What part of the picture a region is in, in words: "top left", "middle", "bottom"."""
    row, column = row_and_column(region)
    words = (
        _third(row, REGION_ROWS, ("top", "", "bottom")),
        _third(column, REGION_COLUMNS, ("left", "", "right")),
    )
    return " ".join(word for word in words if word) or "middle"


def _third(place: int, places: int, words: Sequence[str]) -> str:
    """The word for the first, middle or last third that a place (from 1) is in; the middle one is largest."""
    edge = places // 3
    return words[(place > edge) + (place > places - edge)]
