"""Diversity: products that look the same appear once, and neighbours in a list may be asked to differ."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from perfectlook.answers import RankedProduct, details_of
from perfectlook.catalogue.manifest import Record
from perfectlook.model.distances import distance
from perfectlook.recommender.rules import Rule
from perfectlook.stores.base import Described
from perfectlook.types import Float32Array, Float64Array

if TYPE_CHECKING:
    from perfectlook.model.distances import Norm

NEAR_IDENTICAL_BITS = 10
"""Pictures whose 256-bit difference hashes differ in at most this many bits are copies of each other."""

ALIKE = 1 / 8
"""Near-copies by outline look the same when the squared distance of their vectors is at most this share of
what unrelated (orthogonal) ones have: 0.5 apart for unit vectors. Two colours of one shoe are not."""

_COLOURS = ("color", "colour")


@dataclass(slots=True, eq=False)
class Candidate:
    """A product and its distance, the sum of its two parts; `place` is that distance as rules weigh it.

    Its record is read when it is first asked for: many more products are measured than shown.
    """

    product: Described
    vector: Float32Array
    place: float
    total: float
    from_global: float
    from_local: float
    rules: tuple[Rule, ...] = ()
    _record: Record | None = field(default=None, init=False, repr=False)

    @property
    def id(self) -> str:
        """Its id."""
        return self.product.id

    @property
    def record(self) -> Record:
        """What the catalogue keeps of it; CatalogueError when that is no record."""
        if self._record is None:
            self._record = Record.from_payload(self.id, self.product.payload)
        return self._record

    @property
    def outline(self) -> int:
        """The bits of its picture's difference hash."""
        return int(self.record.dhash, 16)

    @property
    def order(self) -> tuple[float, str]:
        """What products are sorted by."""
        return self.place, self.id

    def answer(
        self, rank: int, moved: Sequence[tuple[Rule, int | None]] = (), *, parts: bool = True
    ) -> RankedProduct:
        """Return the product as an answer names it, with the rules that moved it and from which ranks."""
        given: dict[str, Any] = details_of(self.record)
        if parts:
            given |= {"distance_global": self.from_global, "distance_local": self.from_local}
        if moved:
            given["rules"] = [rule.applied(from_rank) for rule, from_rank in moved]
        return RankedProduct(rank=rank, id=self.id, distance=self.total, **given)


def distinct(
    products: Iterable[Candidate], count: int, *, shown: Iterable[Candidate] = ()
) -> list[Candidate]:
    """Return the first `count` products that repeat neither an earlier one of them nor what is shown.

    A product repeats another if it is a variant of it (`item_group_id`) or looks the same.
    """
    seen = list(shown)
    groups = {_group(each) for each in seen}
    pictures = {each.record.picture_sha256 for each in seen}
    outlines = [each.outline for each in seen]
    found: list[Candidate] = []
    for product in products:
        if len(found) == count:
            break
        group, picture, outline = _group(product), product.record.picture_sha256, product.outline
        if (group and group in groups) or picture in pictures:
            continue
        near = [
            place
            for place, each in enumerate(outlines)
            if (outline ^ each).bit_count() <= NEAR_IDENTICAL_BITS
        ]
        if any(same_look(product, seen[place]) for place in near):
            continue
        found.append(product)
        seen.append(product)
        groups.add(group)
        pictures.add(picture)
        outlines.append(outline)
    return found


def same_look(one: Candidate, other: Candidate) -> bool:
    """Whether two products have the same picture, or near-identical ones in the same colours.

    Difference hashes know outlines and not colours: where they agree, the products' vectors must be close
    too, and their fields `color`, where both have one, must be equal.
    """
    if one.record.picture_sha256 == other.record.picture_sha256:
        return True
    near = (one.outline ^ other.outline).bit_count() <= NEAR_IDENTICAL_BITS
    return near and _close(one, other) and not _coloured_apart(one, other)


def spread_out(
    pool: Sequence[Candidate],
    count: int,
    spread: float,
    norm: "Norm",
    *,
    pins: Mapping[int, Candidate] | None = None,
) -> list[Candidate]:
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
    chosen: list[Candidate] = []
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


def _group(product: Candidate) -> str:
    return product.record.fields.get("item_group_id", "").strip()


def _close(one: Candidate, other: Candidate) -> bool:
    a, b = one.vector.astype(np.float64), other.vector.astype(np.float64)
    difference = a - b
    return float(difference @ difference) <= ALIKE * float(a @ a + b @ b)


def _coloured_apart(one: Candidate, other: Candidate) -> bool:
    for name in _COLOURS:
        a, b = (each.record.fields.get(name, "").strip().casefold() for each in (one, other))
        if a and b and a != b:
            return True
    return False
