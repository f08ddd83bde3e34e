"""Rank the products of one category by distance and rules, without repeating a look, spread out on request.

A search retrieves more and more products by their distance r to the query point q. Then their hybrid
distances are computed. With squared norms the hybrid distance is r² plus a constant of the scene and the
category. With plain norms it is at least r: q is the weighted mean of the points that distances are measured
to, so this is the triangle inequality. Therefore the largest r bounds the distances of all products that have
not been retrieved.

Boosted products have their own searches. Rules can only lengthen the distances of all other products, so
every search has a close bound for what it has not retrieved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from perfectlook.answers import RankedProduct, UnusedRule, details_of
from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import RECORD_NAMES, Record
from perfectlook.model.distances import distance
from perfectlook.recommender.rules import NO_RULES, Rule, Rules
from perfectlook.recommender.scope import all_of, any_of
from perfectlook.stores import Hits, Point, Query
from perfectlook.stores.base import fields_of
from perfectlook.stores.filters import Filter, Not, matches
from perfectlook.taxonomy import matches as is_under
from perfectlook.types import BoolArray, Float32Array, Float64Array

if TYPE_CHECKING:
    from perfectlook.model.distances import Norm
    from perfectlook.model.runtime import Model, SceneEmbedding
    from perfectlook.recommender.explain import Explainer

ROUNDING = 1e-4
"""Tolerance of bounds, because distances are computed in float32."""
_GROWTH = 4
_FIRST = {"squared_l2": 8, "l2": 48}
"""How many more products than needed the first search retrieves, by the norm of the distances."""
_COUNTED = 1000
"""How many products are retrieved at most to find the rank of a product before a rule moved it."""


NEAR_IDENTICAL_BITS = 10
"""Pictures are near-copies if their 256-bit difference hashes differ in at most this many bits."""

ALIKE = 1 / 8
"""Near-copies look the same if the squared distance of their vectors is at most this share of that of
orthogonal vectors. For unit vectors this is a distance of 0.5. Two colours of one shoe are farther
apart."""

_COLOURS = ("color", "colour")
_KEPT = frozenset(RECORD_NAMES)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Products of one category and their distances to a scene, as columns.

    Attributes:
        products: the catalogue's points [n]. Their records are read only when they are needed, because far
            more products are measured than shown.
        vectors: the products' vectors [n, d].
        places: the distances [n] after boost and bury rules. They decide the order.
        distances: the hybrid distances [n].
        wholes: the parts [n] of the distances from the whole scene.
        regions: the parts [n] of the distances from the regions.
        rules: the boost and bury rules that match each product [n].
    """

    products: Sequence[Point]
    vectors: Float32Array
    places: Float64Array
    distances: Float64Array
    wholes: Float64Array
    regions: Float64Array
    rules: Sequence[tuple[Rule, ...]]

    def __len__(self) -> int:
        return len(self.products)

    @property
    def ids(self) -> list[str]:
        """The products' ids [n]."""
        return [each.id for each in self.products]

    def take(self, rows: Sequence[int]) -> Self:
        """Return the products of some rows, in the order of `rows`."""
        at = np.asarray(rows, np.intp)
        arrays: dict[str, Any] = {name: getattr(self, name)[at] for name in _ARRAYS}
        products, rules = [self.products[row] for row in rows], [self.rules[row] for row in rows]
        return replace(self, products=products, rules=rules, **arrays)

    def followed_by(self, other: Self) -> Self:
        """Return these products followed by those of `other`, which were measured with the same rules."""
        if not len(other):
            return self
        if not len(self):
            return other
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _ARRAYS
        }
        products, rules = [*self.products, *other.products], [*self.rules, *other.rules]
        return replace(self, products=products, rules=rules, **arrays)

    def in_order(self) -> Self:
        """Return the products sorted by place, then by id."""
        order = self.places.argsort(kind="stable")
        sorted_places = self.places[order]
        if (sorted_places[1:] == sorted_places[:-1]).any():
            places = self.places.tolist()
            order = np.asarray(sorted(range(len(self)), key=lambda row: (places[row], self.products[row].id)))
        return self if (np.diff(order) == 1).all() else self.take(order.tolist())

    def record(self, row: int) -> Mapping[str, Any]:
        """Return the record of a product (see `Record`). Raises CatalogueError if it has no record."""
        product = self.products[row]
        if not product.payload.keys() >= _KEPT:
            Record.from_payload(product.id, product.payload)  # raises an error that names what is missing
        return product.payload

    def answer(
        self, row: int, rank: int, explainer: "Explainer", moved: Sequence[tuple[Rule, int | None]] = ()
    ) -> RankedProduct:
        """Return a product of an answer, with the rules that moved it and the ranks they moved it from."""
        record, product = self.record(row), self.products[row]
        given: dict[str, Any] = details_of(record["title"], record["picture"], record["fields"])
        given |= explainer.of(product.category, record, float(self.wholes[row]), float(self.regions[row]))
        if moved:
            given["rules"] = [rule.applied(from_rank) for rule, from_rank in moved]
        return RankedProduct(rank=rank, id=product.id, distance=float(self.distances[row]), **given)


def _nothing_measured() -> Measured:
    none = np.empty(0, np.float64)
    return Measured([], np.empty((0, 0), np.float32), none, none, none, none, [])


_ARRAYS = ("vectors", "places", "distances", "wholes", "regions")


class Ranking:
    """Finds the `k` products to show for a category. The result is exact if the searches are exact.

    With a spread, the products are chosen among the nearest `spread_pool(k)` that look different.
    """

    def __init__(
        self,
        scene: "SceneEmbedding",
        category: str,
        k: int,
        *,
        norm: "Norm",
        variety: bool = True,
        spread: float = 0.0,
        where: Filter | None = None,
        rules: Rules = NO_RULES,
        pins: Sequence[tuple[Rule, Point]] = (),
        shown: Sequence[Point] = (),
    ) -> None:
        """Start without any products.

        Args:
            scene: the embedded scene.
            category: a category of the catalogue.
            k: how many products to find.
            norm: the norm of the distances.
            variety: skip products that look the same as a product that is shown.
            spread: from 0 to 1; see `spread_out`.
            where: the filter of the products. It includes the exclude rules.
            rules: the boost and bury rules.
            pins: the pinned products of the category, each with its rule.
            shown: other products that count as shown for `variety`.
        """
        self.category = category
        self.rows: list[int] = []
        self._k = k
        self._norm = norm
        self._variety = variety
        self._spread = spread
        self._pool = spread_pool(k) if spread else k
        self.search = CategorySearch(
            scene, category, norm=norm, first=self._pool + _FIRST[norm], where=where, rules=rules
        )
        self._given = self.search.measure([*(point for _, point in pins), *shown])
        self.measured = self._given
        self._pins: dict[int, int] = {}  # rank: row of `_given`
        for row, (rule, _) in enumerate(pins):
            rank = rule.rank
            while rank in self._pins:  # the rank of an earlier rule
                rank += 1
            self._pins[rank] = row
        self._shown = [
            *range(len(pins), len(self._given)),
            *(row for rank, row in self._pins.items() if rank <= k),
        ]
        self._rule_of = {point.id: rule for rule, point in pins}
        self._is_steered = bool(pins or rules.weighing)

    def update(self) -> bool:
        """Rank the retrieved products. Return whether more must be retrieved."""
        found = self.search.found
        first = len(found)  # the row where pins and shown products begin
        self.measured = found.followed_by(self._given)
        free: Sequence[int] = range(first)
        if self._pins:
            free = [row for row in free if found.products[row].id not in self._rule_of]
        if self._variety:
            shown = [first + row for row in self._shown]
            pool = distinct(self.measured, free, self._pool, shown=shown)
        else:
            pool = list(free[: self._pool])
        pins = {rank: first + row for rank, row in self._pins.items()}
        self.rows = spread_out(self.measured, pool, self._k, self._spread, self._norm, pins=pins)
        last = float(self.measured.places[pool[-1]]) if len(pool) == self._pool else inf
        return self.search.want(last) or self._counts_on()

    def moved(self, row: int) -> list[tuple[Rule, int | None]]:
        """Return the rules that moved a product, each with the rank by distance, None if it is not known."""
        if not self._is_steered:
            return []
        pin = self._rule_of.get(self.measured.products[row].id)
        rules = [*self.measured.rules[row], *([] if pin is None else [pin])]
        rank = self.search.bare_rank(self.measured, row) if rules else None
        return [(rule, rank) for rule in rules]

    def answers(self, explainer: "Explainer") -> list[RankedProduct]:
        """Return the products of an answer, each with the reason for it."""
        return [
            self.measured.answer(row, rank, explainer, self.moved(row))
            for rank, row in enumerate(self.rows, 1)
        ]

    def _counts_on(self) -> bool:
        """Ask for more, up to a limit, if the rank of a product before a rule moved it is not known."""
        if not self._is_steered:
            return False
        unknown = any(rank is None for row in self.rows for _, rank in self.moved(row))
        return unknown and self.search.asked < _COUNTED and self.search.want(inf)


def finish(catalogue: Catalogue, model: "Model", rankings: Sequence[Ranking]) -> None:
    """Search for all rankings together, until each has its products."""
    left = list(rankings)
    while left:
        retrieve(catalogue, model, [each.search for each in left])
        left = [each for each in left if each.update()]


def spread_pool(k: int) -> int:
    """Return how many of the nearest products a spread list of `k` products is chosen from."""
    return max(50, 5 * k)


_NONE_FOUND = Hits.of([], [])


@dataclass(slots=True, eq=False)
class _Stream:
    """A search that is repeated for more products. `factor` and `offset` are their least, after rules."""

    where: Filter | None
    asked: int
    factor: float = 1.0
    offset: float = 0.0
    exhausted: bool = False
    least: float = 0.0
    hits: Hits = _NONE_FOUND

    @property
    def unseen(self) -> float:
        """A lower bound of the places of the products that it has not found yet."""
        return inf if self.exhausted else self.factor * self.least + self.offset


class CategorySearch:
    """Searches for the products of a category that match a filter, and applies rules to their distances."""

    def __init__(
        self,
        scene: "SceneEmbedding",
        category: str,
        *,
        norm: "Norm",
        first: int,
        where: Filter | None = None,
        rules: Rules = NO_RULES,
    ) -> None:
        """Start without any products. The first search asks for `first` products of the category."""
        self.category = category
        self.found = _nothing_measured()
        self._scene = scene
        self._norm = norm
        self._rules = rules
        self._point = scene.query_point(category)
        self._streams = _streams(where, rules, first)
        self._wanting = list(self._streams)

    @property
    def queries(self) -> list[Query]:
        """The next queries, empty if no more products are wanted."""
        return [
            Query(self._point, each.asked, frozenset({self.category}), where=each.where)
            for each in self._wanting
        ]

    def take(self, found: Sequence[Hits]) -> None:
        """Replace the products by the results of `queries`."""
        for stream, hits in zip(self._wanting, found, strict=True):
            stream.hits = hits
            stream.exhausted = len(hits.products) < stream.asked
        hits = self._streams[0].hits
        if len(self._streams) > 1:
            hits = _joined([stream.hits for stream in self._streams])
        apart = bool((np.diff(hits.distances) > 0).all())  # equal vectors have equal distances
        measured = self.measure(hits.products, hits.vectors, apart=apart)
        added = 0.0
        if len(measured):
            # The hybrid distance minus the squared distance to the query point is the same for all products.
            added = float(measured.distances[0]) - float(hits.distances[0]) ** 2
        self.found = measured.in_order()
        for stream in self._streams:
            if stream.hits.products:
                stream.least = float(stream.hits.distances[-1])
                if self._norm == "squared_l2":
                    stream.least = max(0.0, stream.least**2 + added)
        self._wanting = []

    def want(self, below: float) -> bool:
        """Ask for more if products with smaller places may be left. Return whether this is so."""
        self._wanting = [
            each for each in self._streams if not each.exhausted and each.unseen <= below + ROUNDING
        ]
        for stream in self._wanting:
            stream.asked *= _GROWTH
        return bool(self._wanting)

    @property
    def unseen(self) -> float:
        """A lower bound of the places of products not retrieved yet, infinite if all are retrieved."""
        return min(each.unseen for each in self._streams)

    @property
    def asked(self) -> int:
        """The largest number of products that one search asks for."""
        return max(each.asked for each in self._streams)

    def bare_rank(self, measured: Measured, row: int) -> int | None:
        """Return the rank of a product by distance, None if nearer products may not be retrieved yet."""
        known = min((inf if each.exhausted else each.least) for each in self._streams)
        total, id_ = float(measured.distances[row]), measured.products[row].id
        if total + ROUNDING >= known:
            return None
        others = list(zip(self.found.distances.tolist(), self.found.ids, strict=True))
        own = next((each for each in others if each[1] == id_), (total, id_))
        return 1 + sum(each < own for each in others)

    def measure(
        self, products: Sequence[Point], vectors: Float32Array | None = None, *, apart: bool = False
    ) -> Measured:
        """Compute the distances of products, in their order. `apart` promises that all vectors differ."""
        if not products:
            return _nothing_measured()
        vectors = np.stack([point.vector for point in products]) if vectors is None else vectors
        parts = [np.asarray(part, np.float64) for part in self._scene.distances(self.category, vectors)]
        if not apart:
            # Equal vectors must have equal distances, but a matrix product may round them differently.
            first: dict[bytes, int] = {}
            same = [first.setdefault(vector.tobytes(), row) for row, vector in enumerate(vectors)]
            parts = [part[same] for part in parts]
        distances, wholes, regions = parts
        if not self._rules.weighing:
            return Measured(products, vectors, distances, distances, wholes, regions, [()] * len(products))
        rules = [self._rules_of(product) for product in products]
        places = np.array(list(map(_weighed, distances.tolist(), rules)), np.float64)
        return Measured(products, vectors, places, distances, wholes, regions, rules)

    def _rules_of(self, product: Point) -> tuple[Rule, ...]:
        fields = fields_of(product.payload)
        return tuple(
            rule
            for rule in self._rules.weighing
            if rule.where is None or matches(rule.where, product.id, product.category, fields)
        )


def _joined(found: Sequence[Hits]) -> Hits:
    """Join the results of several searches, each product once."""
    rows = {
        product.id: (product, distance, vector)
        for hits in found
        for product, distance, vector in zip(hits.products, hits.distances, hits.vectors, strict=True)
    }
    if not rows:
        return _NONE_FOUND
    products, distances, vectors = zip(*rows.values(), strict=True)
    return Hits(products, np.array(distances), np.stack(vectors))


def _weighed(distance: float, rules: Sequence[Rule]) -> float:
    """Apply rules to a distance."""
    if not rules:
        return distance
    return distance * prod(rule.factor for rule in rules) + sum(rule.offset for rule in rules)


def retrieve(catalogue: Catalogue, model: "Model", searches: Sequence[CategorySearch]) -> None:
    """Run the queries of several categories in one search."""
    queries = [each.queries for each in searches]
    found = iter(catalogue.search([query for some in queries for query in some], model))
    for search, some in zip(searches, queries, strict=True):
        search.take([next(found) for _ in some])


def _streams(where: Filter | None, rules: Rules, first: int) -> list[_Stream]:
    """Return one search for all products that no rule boosts, and one for the products of each boost."""
    parts = [] if where is None else [where]
    boosted = [rule.where for rule in rules.boosts if rule.where is not None]
    joined = any_of(boosted)
    others = all_of([*parts, Not(joined)] if joined is not None else parts)
    factor = prod(rule.factor for rule in rules.boosts)
    offset = sum(rule.offset for rule in rules.boosts)
    streams = [_Stream(others, first)]
    return streams + [_Stream(all_of([*parts, each]), first, factor, offset) for each in boosted]


def find_pins(
    catalogue: Catalogue, model: "Model", rules: Rules, where: Filter | None
) -> tuple[list[tuple[Rule, Point]], list[UnusedRule]]:
    """Look up the pinned products. A pinned product that does not match `where` is not shown.

    Returns:
        The pins that apply, each with its product, and the pins that do not.
    """
    points = catalogue.get({rule.id for rule in rules.pins}, model) if rules.pins else {}
    usable: dict[str, tuple[Rule, Point]] = {}
    unused = []
    for rule in rules.pins:
        point = points.get(rule.id)
        if point is None:
            unused.append(rule.unused(f"product '{rule.id}': not in the catalogue. Check the id."))
        elif rule.id in usable:
            first = usable[rule.id][0].number
            unused.append(
                rule.unused(f"product '{rule.id}': already pinned by rule {first}. Remove one of the two.")
            )
        elif rule.category is not None and not is_under(point.category, rule.category):
            unused.append(
                rule.unused(
                    f"product '{rule.id}': in the category {point.category}, not in {rule.category}. "
                    "Correct the category of the rule."
                )
            )
        elif where is not None and not matches(where, point.id, point.category, fields_of(point.payload)):
            unused.append(
                rule.unused(f"product '{rule.id}': out of stock, excluded by a rule, or filtered out.")
            )
        else:
            usable[rule.id] = (rule, point)
    return list(usable.values()), unused


def distinct(measured: Measured, rows: Iterable[int], count: int, *, shown: Sequence[int] = ()) -> list[int]:
    """Return the first `count` rows with products that repeat no earlier product and no shown product.

    A product repeats another if it is its variant (`item_group_id`) or looks the same.
    """
    seen = [(row, *_look_of(measured.record(row))) for row in shown]
    found: list[int] = []
    for row in rows:
        if len(found) == count:
            break
        group, picture, outline = _look_of(measured.record(row))
        if not any(
            (group and group == other_group)
            or picture == other_picture
            or (
                (outline ^ other_outline).bit_count() <= NEAR_IDENTICAL_BITS
                and same_look(measured, row, other)
            )
            for other, other_group, other_picture, other_outline in seen
        ):
            found.append(row)
            seen.append((row, group, picture, outline))
    return found


def repeating(measured: Measured, row: int) -> BoolArray:
    """Return which products repeat a product, or are it: [n]."""
    return np.array([not distinct(measured, [each], 1, shown=[row]) for each in range(len(measured))], bool)


def same_look(measured: Measured, one: int, other: int) -> bool:
    """Whether two products have the same picture, or near-copies of it in the same colours.

    Difference hashes compare outlines, not colours. If the hashes agree, the vectors must also be close. If
    both products have a field `color` or `colour`, the values must be equal.
    """
    first, second = measured.record(one), measured.record(other)
    (_, picture, outline), (_, other_picture, other_outline) = _look_of(first), _look_of(second)
    return picture == other_picture or (
        (outline ^ other_outline).bit_count() <= NEAR_IDENTICAL_BITS
        and _close(measured.vectors[one], measured.vectors[other])
        and not _coloured_apart(first, second)
    )


def spread_out(
    measured: Measured,
    pool: Sequence[int],
    count: int,
    spread: float,
    norm: "Norm",
    *,
    pins: Mapping[int, int] | None = None,
) -> list[int]:
    """Choose `count` rows of a pool that are near the scene and far from each other.

    This is maximal marginal relevance (Carbonell and Goldstein 1998) on distances. The next product has the
    least (1 - spread) · place - spread · (distance to the nearest product before it), in the model's norm.
    The first product has the smallest place. `pins` maps ranks (from 1) to the rows that are pinned there. If
    there are not enough products before the rank of a pin, the pin comes last.
    """
    pins = pins or {}
    if not spread and not pins:
        return list(pool[:count])  # the pool is in order of place
    left = list(pool)
    nearest = np.full(len(left), np.inf)
    vectors = measured.vectors[left].astype(np.float64)
    places = measured.places[left]
    chosen: list[int] = []
    for rank in range(1, count + 1):
        if (pinned := pins.get(rank)) is not None:
            chosen.append(pinned)
        elif np.isfinite(places).any():
            at = int(np.argmin(_marginal(places, nearest, spread)))
            chosen.append(left[at])
            places[at] = np.inf
        else:
            chosen += [row for later, row in sorted(pins.items()) if rank < later <= count]
            break
        if spread and left:
            apart = distance(vectors, measured.vectors[chosen[-1]].astype(np.float64), norm)
            nearest = np.minimum(nearest, apart)
    return chosen


def _marginal(places: Float64Array, nearest: Float64Array, spread: float) -> Float64Array:
    if not spread or not np.isfinite(nearest).any():
        return places
    taken = np.isinf(places)
    weighed: Float64Array = (1 - spread) * np.where(taken, 0.0, places) - spread * nearest
    return np.where(taken, np.inf, weighed)


def _look_of(record: Mapping[str, Any]) -> tuple[str, str, int]:
    """A product's `item_group_id` (or ""), the hash of its picture, and the bits of its difference hash."""
    group = str(record["fields"].get("item_group_id", "")).strip()
    return group, record["picture_sha256"], int(record["dhash"], 16)


def _close(one: Float32Array, other: Float32Array) -> bool:
    a, b = one.astype(np.float64), other.astype(np.float64)
    difference = a - b
    return float(difference @ difference) <= ALIKE * float(a @ a + b @ b)


def _coloured_apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    for name in _COLOURS:
        a, b = (record["fields"].get(name, "").strip().casefold() for record in (one, other))
        if a and b and a != b:
            return True
    return False
