"""The first products of one category: by distance and rules, each look once, as spread out as asked.

Products are retrieved by their distance r to the query point q, more and more of them, and measured by the
hybrid distance. With squared norms that is r² plus a constant of the scene and the category; with plain norms
it is at least r (triangle inequality, since q is the weighted mean of the points that distances are taken
to). So no product that has not been retrieved can be nearer than what the largest r allows.

Products that rules bring forward are searched for separately: all others can then only be farther than their
distance says, and both searches keep a close bound on what they have not retrieved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from math import inf, prod
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.answers import RankedProduct, UnusedRule
from perfectlook.catalogue import Catalogue
from perfectlook.recommender.diversity import Candidate, distinct, spread_out
from perfectlook.recommender.rules import NO_RULES, Rule, Rules
from perfectlook.recommender.scope import all_of, any_of
from perfectlook.stores import Hit, Point, Query
from perfectlook.stores.base import Described, Hits, fields_of
from perfectlook.stores.filters import Filter, Not, matches
from perfectlook.taxonomy import matches as is_under
from perfectlook.types import Float32Array

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
            spread: 0 to 1; see `diversity.spread_out`.
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


@dataclass(slots=True, eq=False)
class _Stream:
    """One search, again and again for more; `factor` and `offset` are the least its products can get."""

    where: Filter | None
    asked: int
    factor: float = 1.0
    offset: float = 0.0
    exhausted: bool = False
    least: float = 0.0
    hits: Hits = field(default_factory=lambda: Hits.of([]))

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

    def take(self, found: Sequence[Sequence[Hit]]) -> None:
        """Take what the searches for `queries` found, which replaces what earlier ones found."""
        for stream, hits in zip(self._wanting, found, strict=True):
            stream.hits = Hits.of(hits)
            stream.exhausted = len(hits) < stream.asked
        hits = self._streams[0].hits
        if len(self._streams) > 1:
            hits = Hits.of(list({hit.id: hit for stream in self._streams for hit in stream.hits}.values()))
        apart = bool((np.diff(hits.distances) > 0).all())  # equal vectors have equal distances
        self.found = self._measured(hits.products, hits.vectors, apart=apart) if hits else []
        for stream in self._streams:
            if stream.hits:
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
