"""The first products of one category: by distance and rules, each look once, as spread out as asked.

Products are retrieved by their distance r to the query point q, more and more of them, and measured by the
hybrid distance. With squared norms that is r² plus a constant of the scene and the category; with plain norms
it is at least r (triangle inequality, since q is the weighted mean of the points that distances are taken
to). So no product that has not been retrieved can be nearer than what the largest r allows.

Products that rules bring forward are searched for separately: all others can then only be farther than their
distance says, and both searches keep a close bound on what they have not retrieved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from math import inf, prod
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from perfectlook.answers import RankedProduct, UnusedRule, details_of
from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import RECORD_NAMES, Record
from perfectlook.model.distances import distance
from perfectlook.recommender.rules import NO_RULES, Rule, Rules
from perfectlook.recommender.scope import all_of, any_of
from perfectlook.stores import Hit, Point, Query
from perfectlook.stores.base import Described, Hits, fields_of
from perfectlook.stores.filters import Filter, Not, matches
from perfectlook.taxonomy import matches as is_under
from perfectlook.types import Float32Array, Float64Array

if TYPE_CHECKING:
    from perfectlook.model.distances import Norm
    from perfectlook.model.runtime import Model, SceneEmbedding

ROUNDING = 1e-4
"""Distances are computed in float32: bounds are trusted up to this."""
_GROWTH = 4
_FIRST = {"squared_l2": 8, "l2": 48}
"""How many more products than needed are retrieved first, by the norm of the distances."""
_COUNTED = 1000
"""How many products are retrieved to find the rank that a rule moved one from."""


NEAR_IDENTICAL_BITS = 10
"""Pictures whose 256-bit difference hashes differ in at most this many bits are copies of each other."""

ALIKE = 1 / 8
"""Near-copies by outline look the same when the squared distance of their vectors is at most this share of
what unrelated (orthogonal) ones have: 0.5 apart for unit vectors. Two colours of one shoe are not."""

_COLOURS = ("color", "colour")
_KEPT = frozenset(RECORD_NAMES)


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
    _record: Mapping[str, Any] | None = field(default=None, init=False, repr=False)

    @property
    def id(self) -> str:
        """Its id."""
        return self.product.id

    @property
    def record(self) -> Mapping[str, Any]:
        """What the catalogue keeps of it (see `Record`); CatalogueError when that is no record."""
        if self._record is None:
            self._record = self.product.payload
            if not self._record.keys() >= _KEPT:
                Record.from_payload(self.id, self._record)  # says what is missing
        return self._record

    @property
    def outline(self) -> int:
        """The bits of its picture's difference hash."""
        return int(self.record["dhash"], 16)

    @property
    def order(self) -> tuple[float, str]:
        """What products are sorted by."""
        return self.place, self.id

    def answer(
        self, rank: int, moved: Sequence[tuple[Rule, int | None]] = (), *, parts: bool = True
    ) -> RankedProduct:
        """Return the product as an answer names it, with the rules that moved it and from which ranks."""
        record = self.record
        given: dict[str, Any] = details_of(record["title"], record["picture"], record["fields"])
        if parts:
            given |= {"distance_global": self.from_global, "distance_local": self.from_local}
        if moved:
            given["rules"] = [rule.applied(from_rank) for rule, from_rank in moved]
        return RankedProduct(rank=rank, id=self.id, distance=self.total, **given)


class Ranking:
    """Finds the `k` products that answer for a category, exactly when the searches are exact.

    With a spread, they are chosen among the nearest `spread_pool(k)` that look different.
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
        """Begin with nothing retrieved.

        Args:
            scene: what distances are to.
            category: the catalogue's.
            k: how many products.
            norm: of the distances.
            variety: pass over products that look the same as one that is shown.
            spread: 0 to 1; see `spread_out`.
            where: what products must match.
            rules: boost and bury; what they exclude is in `where`.
            pins: products of the category with the rule that pins each.
            shown: products that variety does not repeat.
        """
        self.category = category
        self.products: list[Candidate] = []
        self._k = k
        self._norm = norm
        self._variety = variety
        self._spread = spread
        self._pool = spread_pool(k) if spread else k
        self.search = CategorySearch(
            scene, category, norm=norm, first=self._pool + _FIRST[norm], where=where, rules=rules
        )
        self._pins: dict[int, Candidate] = {}
        for rule, point in pins:
            rank = rule.rank
            while rank in self._pins:  # an earlier rule has taken it
                rank += 1
            (self._pins[rank],) = self.search.measured([point])
        pinned = [each for rank, each in self._pins.items() if rank <= k]
        self._shown = [*self.search.measured(shown), *pinned]
        self._rule_of = {point.id: rule for rule, point in pins}
        self._is_steered = bool(pins or rules.weighing)

    def update(self) -> bool:
        """Rank what has been retrieved; returns whether more has to be."""
        pinned = {each.id for each in self._pins.values()}
        found = self.search.found
        free = [each for each in found if each.id not in pinned] if pinned else found
        pool = distinct(free, self._pool, shown=self._shown) if self._variety else free[: self._pool]
        self.products = spread_out(pool, self._k, self._spread, self._norm, pins=self._pins)
        last = pool[-1].place if len(pool) == self._pool else inf
        return self.search.want(last) or self._counts_on()

    def moved(self, product: Candidate) -> list[tuple[Rule, int | None]]:
        """The rules that moved a product, with its rank by distance alone; None where that is far behind."""
        if not self._is_steered:
            return []
        rules = [*product.rules, *([self._rule_of[product.id]] if product.id in self._rule_of else [])]
        rank = self.search.bare_rank(product) if rules else None
        return [(rule, rank) for rule in rules]

    def answers(self, *, parts: bool = True) -> list[RankedProduct]:
        """The products as an answer names them; `parts` says whether their distances have two parts."""
        return [
            product.answer(rank, self.moved(product), parts=parts)
            for rank, product in enumerate(self.products, 1)
        ]

    def _counts_on(self) -> bool:
        """Go on retrieving, within bounds, where the rank that a rule moved a product from is not known."""
        if not self._is_steered:
            return False
        unknown = any(rank is None for each in self.products for _, rank in self.moved(each))
        return unknown and self.search.asked < _COUNTED and self.search.want(inf)


def finish(catalogue: Catalogue, model: "Model", rankings: Sequence[Ranking]) -> None:
    """Search for all rankings at once, again and again, until each is done."""
    left = list(rankings)
    while left:
        retrieve(catalogue, model, [each.search for each in left])
        left = [each for each in left if each.update()]


def spread_pool(k: int) -> int:
    """How many of the nearest products a spread list of `k` is chosen from."""
    return max(50, 5 * k)


NONE_FOUND = Hits.of([])


@dataclass(slots=True, eq=False)
class _Stream:
    """One search, again and again for more; `factor` and `offset` are the least its products can get."""

    where: Filter | None
    asked: int
    factor: float = 1.0
    offset: float = 0.0
    exhausted: bool = False
    least: float = 0.0
    hits: Hits = NONE_FOUND

    @property
    def unseen(self) -> float:
        """No product that it has not found yet has a smaller place."""
        return inf if self.exhausted else self.factor * self.least + self.offset


class CategorySearch:
    """Products of a category that a filter lets through, with what rules make of their distances."""

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
        """Begin with nothing retrieved; `category` is the catalogue's; `first` are asked for first."""
        self.category = category
        self.found: list[Candidate] = []
        self._scene = scene
        self._norm = norm
        self._rules = rules
        self._point = scene.query_point(category)
        self._streams = _streams(where, rules, first)
        self._wanting = list(self._streams)

    @property
    def queries(self) -> list[Query]:
        """What to search for next; empty where no more is wanted."""
        return [
            Query(self._point, each.asked, frozenset({self.category}), where=each.where)
            for each in self._wanting
        ]

    def take(self, found: Sequence[Hits]) -> None:
        """Take what the searches for `queries` found, which replaces what earlier ones found."""
        for stream, hits in zip(self._wanting, found, strict=True):
            stream.hits = hits
            stream.exhausted = len(hits.products) < stream.asked
        hits = self._streams[0].hits
        if len(self._streams) > 1:
            hits = Hits.of(list({hit.id: hit for stream in self._streams for hit in stream.hits}.values()))
        apart = bool((np.diff(hits.distances) > 0).all())  # equal vectors have equal distances
        self.found = self._measured(hits.products, hits.vectors, apart=apart) if hits.products else []
        for stream in self._streams:
            if stream.hits.products:
                stream.least = float(stream.hits.distances[-1])
                if self._norm == "squared_l2":
                    stream.least = max(0.0, stream.least**2 + self._added(hits))
        self._wanting = []

    def want(self, below: float) -> bool:
        """Ask for more wherever a product with a smaller place may be left; returns whether there is any."""
        self._wanting = [
            each for each in self._streams if not each.exhausted and each.unseen <= below + ROUNDING
        ]
        for stream in self._wanting:
            stream.asked *= _GROWTH
        return bool(self._wanting)

    @property
    def unseen(self) -> float:
        """No product that has not been retrieved has a smaller place; infinite when all have been."""
        return min(each.unseen for each in self._streams)

    @property
    def asked(self) -> int:
        """The most products that one search asks for."""
        return max(each.asked for each in self._streams)

    def bare_rank(self, product: Candidate) -> int | None:
        """The rank of a product by distance alone; None where products nearer than it may be left."""
        known = min((inf if each.exhausted else each.least) for each in self._streams)
        if product.total + ROUNDING >= known:
            return None
        own = next((each for each in self.found if each.id == product.id), product)
        return 1 + sum((each.total, each.id) < (own.total, own.id) for each in self.found)

    def measured(self, points: Sequence[Hit | Point]) -> list[Candidate]:
        """Measure products, and sort them."""
        return self._measured(points, np.stack([point.vector for point in points])) if points else []

    def _measured(
        self, products: Sequence[Described], vectors: Float32Array, *, apart: bool = False
    ) -> list[Candidate]:
        """Measure products; `apart` says that all vectors differ."""
        distances = [np.asarray(part, np.float64) for part in self._scene.distances(self.category, vectors)]
        if not apart:
            # A matrix product may round equal rows differently, and they must tie.
            first: dict[bytes, int] = {}
            same = [first.setdefault(vector.tobytes(), row) for row, vector in enumerate(vectors)]
            distances = [part[same] for part in distances]
        parts = [part.tolist() for part in distances]
        rules = [self._rules_of(product) for product in products] if self._rules.weighing else repeat(())
        places = list(map(_weighed, parts[0], rules)) if self._rules.weighing else parts[0]
        found = list(map(Candidate, products, vectors, places, *parts, rules))
        found.sort(key=attrgetter("order"))
        return found

    def _added(self, hits: Hits) -> float:
        """What hybrid distances have over squared ones to the query point: the same for all products."""
        total = next(each.total for each in self.found if each.product is hits.products[0])
        return total - float(hits.distances[0]) ** 2

    def _rules_of(self, product: Described) -> tuple[Rule, ...]:
        fields = fields_of(product.payload)
        return tuple(
            rule
            for rule in self._rules.weighing
            if rule.where is None or matches(rule.where, product.id, product.category, fields)
        )


def _weighed(distance: float, rules: Sequence[Rule]) -> float:
    """A distance as rules weigh it."""
    if not rules:
        return distance
    return distance * prod(rule.factor for rule in rules) + sum(rule.offset for rule in rules)


def retrieve(catalogue: Catalogue, model: "Model", searches: Sequence[CategorySearch]) -> None:
    """Search once for all that several categories ask for."""
    queries = [each.queries for each in searches]
    found = iter(catalogue.search([query for some in queries for query in some], model))
    for search, some in zip(searches, queries, strict=True):
        search.take([next(found) for _ in some])


def _streams(where: Filter | None, rules: Rules, first: int) -> list[_Stream]:
    """One search for all that no rule brings forward, and one for those that each boost does."""
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
    """Look up the pinned products. Those that `where` does not let through are not shown, pinned or not.

    Returns:
        The rules that can be followed, each with its product, and those that cannot.
    """
    points = catalogue.get({rule.id for rule in rules.pins}, model) if rules.pins else {}
    usable: dict[str, tuple[Rule, Point]] = {}
    unused = []
    for rule in rules.pins:
        point = points.get(rule.id)
        if point is None:
            unused.append(rule.unused(f"the catalogue has no product '{rule.id}'"))
        elif rule.id in usable:
            first = usable[rule.id][0].number
            unused.append(rule.unused(f"rule {first} pins product '{rule.id}' already"))
        elif rule.category is not None and not is_under(point.category, rule.category):
            unused.append(rule.unused(f"product '{rule.id}' is of {point.category}, not of {rule.category}"))
        elif where is not None and not matches(where, point.id, point.category, fields_of(point.payload)):
            unused.append(
                rule.unused(f"product '{rule.id}' is not available, excluded, or left out by the filter")
            )
        else:
            usable[rule.id] = (rule, point)
    return list(usable.values()), unused


def distinct(
    products: Iterable[Candidate], count: int, *, shown: Iterable[Candidate] = ()
) -> list[Candidate]:
    """Return the first `count` products that repeat neither an earlier one of them nor what is shown.

    A product repeats another if it is a variant of it (`item_group_id`) or looks the same.
    """
    seen = list(shown)
    groups = {_group(each) for each in seen}
    pictures = {each.record["picture_sha256"] for each in seen}
    outlines = [each.outline for each in seen]
    found: list[Candidate] = []
    for product in products:
        if len(found) == count:
            break
        group, picture, outline = _group(product), product.record["picture_sha256"], product.outline
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
    if one.record["picture_sha256"] == other.record["picture_sha256"]:
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
    return str(product.record["fields"].get("item_group_id", "")).strip()


def _close(one: Candidate, other: Candidate) -> bool:
    a, b = one.vector.astype(np.float64), other.vector.astype(np.float64)
    difference = a - b
    return float(difference @ difference) <= ALIKE * float(a @ a + b @ b)


def _coloured_apart(one: Candidate, other: Candidate) -> bool:
    for name in _COLOURS:
        a, b = (each.record["fields"].get(name, "").strip().casefold() for each in (one, other))
        if a and b and a != b:
            return True
    return False
