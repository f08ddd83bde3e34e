"""Variety: products that look the same appear once, and neighbours in a list may be asked to differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.model.distances import distance
from perfectlook.recommender.candidates import Ranked
from perfectlook.types import Float64Array

if TYPE_CHECKING:
    from perfectlook.model.distances import Norm

NEAR_IDENTICAL_BITS = 10
"""Pictures whose 256-bit difference hashes differ in at most so many bits are copies of each other."""

ALIKE = 1 / 8
"""Near-copies by outline look the same when the squared distance of their vectors is at most this share of
what unrelated (orthogonal) ones have: 0.5 apart for unit vectors. Two colours of one shoe are not."""

_COLOURS = ("color", "colour")


class Shown:
    """What a list shows already: tells whether one more product would repeat it."""

    def __init__(self, products: Iterable[Ranked] = ()) -> None:
        """Begin with some products."""
        self._products: list[Ranked] = []
        self._groups: set[str] = set()
        for each in products:
            self.add(each)

    def add(self, product: Ranked) -> None:
        """Show a product."""
        self._products.append(product)
        if group := _group(product):
            self._groups.add(group)

    def repeats(self, product: Ranked) -> bool:
        """Whether a variant of the product (`item_group_id`) or a copy of its picture is shown."""
        return _group(product) in self._groups or any(same_look(product, each) for each in self._products)


def same_look(one: Ranked, other: Ranked) -> bool:
    """Whether two products have the same picture, or near-identical ones in the same colours.

    Difference hashes know outlines and not colours: where they agree, the products' vectors must be close
    too, and their fields `color`, where both have one, must be equal.
    """
    if one.record.picture_sha256 == other.record.picture_sha256:
        return True
    near = (one.outline ^ other.outline).bit_count() <= NEAR_IDENTICAL_BITS
    return near and _close(one, other) and not _coloured_apart(one, other)


def distinct(products: Iterable[Ranked], count: int, *, shown: Iterable[Ranked] = ()) -> list[Ranked]:
    """The first `count` products that repeat neither an earlier one of them nor what is shown."""
    seen = Shown(shown)
    found: list[Ranked] = []
    for product in products:
        if len(found) == count:
            break
        if not seen.repeats(product):
            seen.add(product)
            found.append(product)
    return found


def spread_out(
    pool: Sequence[Ranked],
    count: int,
    spread: float,
    norm: "Norm",
    *,
    pins: Mapping[int, Ranked] | None = None,
) -> list[Ranked]:
    """Choose `count` products of a pool, one after the other: near the scene, and far from those before.

    Maximal marginal relevance (Carbonell and Goldstein 1998) on distances: next comes the product with the
    least (1 - spread) · place - spread · (distance to the nearest product before it), in the model's norm.
    The first is the one of the least place. `pins` stand at their ranks (from 1) whatever is nearer; where
    products run out before the rank of a pin, it comes last.
    """
    pins = pins or {}
    if not spread and not pins:
        return list(pool[:count])  # they lie in that order
    left = list(pool)
    nearest = np.full(len(left), np.inf)
    vectors = np.stack([each.vector for each in left]).astype(np.float64) if left else np.empty((0, 0))
    places = np.asarray([each.place for each in left])
    chosen: list[Ranked] = []
    for rank in range(1, count + 1):
        if (pinned := pins.get(rank)) is not None:
            chosen.append(pinned)
        elif np.isfinite(places).any():
            row = int(np.argmin(_marginal(places, nearest, spread)))
            chosen.append(left[row])
            places[row] = np.inf
        else:
            chosen += [product for at, product in sorted(pins.items()) if rank < at <= count]
            break
        if spread and left:
            apart = distance(vectors, chosen[-1].vector.astype(np.float64), norm)
            nearest = np.minimum(nearest, apart)
    return chosen


def _marginal(places: Float64Array, nearest: Float64Array, spread: float) -> Float64Array:
    if not spread or not np.isfinite(nearest).any():
        return places
    taken = np.isinf(places)
    weighed: Float64Array = (1 - spread) * np.where(taken, 0.0, places) - spread * nearest
    return np.where(taken, np.inf, weighed)


def _group(product: Ranked) -> str:
    return product.record.fields.get("item_group_id", "").strip()


def _close(one: Ranked, other: Ranked) -> bool:
    a, b = one.vector.astype(np.float64), other.vector.astype(np.float64)
    difference = a - b
    return float(difference @ difference) <= ALIKE * float(a @ a + b @ b)


def _coloured_apart(one: Ranked, other: Ranked) -> bool:
    for name in _COLOURS:
        a, b = (each.record.fields.get(name, "").strip().casefold() for each in (one, other))
        if a and b and a != b:
            return True
    return False
