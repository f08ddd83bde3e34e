"""The products of one category that may answer, nearest first, out of searches for one query point.

Products are retrieved by their distance r to the query point q, more and more of them, and measured by the
hybrid distance. With squared norms that is r² plus a constant of the scene and the category; with plain norms
it is at least r (triangle inequality, since q is the weighted mean of the points that distances are taken
to). So no product that has not been retrieved can be nearer than what the largest r allows.

Where rules bring some products forward, those are searched for by themselves: all others can then only be
farther than their distance says, and what has not been retrieved stays bounded, closely, in both searches.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from perfectlook.answers import RankedProduct, details_of
from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import Record
from perfectlook.recommender.filters import either, every
from perfectlook.recommender.rules import NO_RULES, Rule, Rules
from perfectlook.stores import Hit, Point, Query
from perfectlook.stores.base import Payload, fields_of
from perfectlook.stores.filters import Filter, Not, matches
from perfectlook.types import Float32Array

if TYPE_CHECKING:
    from perfectlook.model.distances import Norm
    from perfectlook.model.runtime import Model, SceneEmbedding

ROUNDING = 1e-4
"""Distances are computed in float32: bounds are believed up to this."""

_GROWTH = 4


@dataclass(frozen=True, eq=False)
class Ranked:
    """A product and its distance, the sum of its two parts; `place` is that distance as rules weigh it.

    Its record is read when it is first asked for: many more products are ranked than shown.
    """

    place: float
    id: str
    total: float
    from_global: float
    from_local: float
    payload: Payload
    vector: Float32Array
    rules: tuple[Rule, ...] = ()

    @cached_property
    def record(self) -> Record:
        """What the catalogue keeps of it; CatalogueError when that is none."""
        return Record.from_payload(self.id, self.payload)

    @cached_property
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
        said: dict[str, Any] = details_of(self.record)
        if parts:
            said |= {"distance_global": self.from_global, "distance_local": self.from_local}
        if moved:
            said["rules"] = [rule.applied(from_rank) for rule, from_rank in moved]
        return RankedProduct(rank=rank, id=self.id, distance=self.total, **said)


@dataclass(slots=True, eq=False)
class _Stream:
    """One search, again and again for more; `factor` and `offset` are the least its products can get."""

    where: Filter | None
    asked: int
    factor: float = 1.0
    offset: float = 0.0
    exhausted: bool = False
    least: float = 0.0
    hits: Sequence[Hit] = field(default_factory=list)

    @property
    def unseen(self) -> float:
        """No product that it has not found yet has a smaller place."""
        return inf if self.exhausted else self.factor * self.least + self.offset


class Candidates:
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
        self.ranked: list[Ranked] = []
        self._scene = scene
        self._norm = norm
        self._rules = rules
        self._point = scene.query_point(category)
        self._streams = _streams(where, rules, first)
        self._wanting = list(self._streams)

    @property
    def queries(self) -> list[Query]:
        """What to search for next; nothing where no more is wanted."""
        return [
            Query(self._point, each.asked, frozenset({self.category}), where=each.where)
            for each in self._wanting
        ]

    def take(self, found: Sequence[Sequence[Hit]]) -> None:
        """Take what the searches for `queries` found, which replaces what earlier ones found."""
        for stream, hits in zip(self._wanting, found, strict=True):
            stream.hits = hits
            stream.exhausted = len(hits) < stream.asked
        retrieved = {hit.id: hit for stream in self._streams for hit in stream.hits}
        self.ranked = self.measured(retrieved.values())
        totals = {each.id: each.total for each in self.ranked}
        for stream in self._streams:
            if stream.hits:
                stream.least = self._least_behind(stream.hits, totals)
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

    def bare_rank(self, product: Ranked) -> int | None:
        """The rank of a product by distance alone; None where products nearer than it may be left."""
        known = min((inf if each.exhausted else each.least) for each in self._streams)
        if product.total + ROUNDING >= known:
            return None
        own = next((each for each in self.ranked if each.id == product.id), product)
        return 1 + sum((each.total, each.id) < (own.total, own.id) for each in self.ranked)

    def measured(self, points: Iterable[Hit | Point]) -> list[Ranked]:
        """Measure products, and sort them."""
        points = list(points)
        if not points:
            return []
        # Equal vectors are measured once: a matrix product may round equal rows differently; they must tie.
        contents = [point.vector.tobytes() for point in points]
        row_of = {content: row for row, content in enumerate(dict.fromkeys(contents))}
        vectors = np.frombuffer(b"".join(row_of), np.float32).reshape(len(row_of), -1)
        rows = [row_of[content] for content in contents]
        distances = self._scene.distances(self.category, vectors)
        columns = (np.asarray(part, np.float64)[rows].tolist() for part in distances)
        parts = zip(points, *columns, strict=True)
        return sorted((self._ranked(*each) for each in parts), key=lambda each: each.order)

    def _ranked(self, point: Hit | Point, total: float, from_global: float, from_local: float) -> Ranked:
        place, rules = total, []
        for rule in self._rules.weighing:
            if rule.where is None or matches(rule.where, point.id, point.category, fields_of(point.payload)):
                rules.append(rule)
        if rules:
            place = total * prod(rule.factor for rule in rules) + sum(rule.offset for rule in rules)
        return Ranked(
            place, point.id, total, from_global, from_local, point.payload, point.vector, tuple(rules)
        )

    def _least_behind(self, hits: Sequence[Hit], totals: dict[str, float]) -> float:
        """The least distance that a product behind the last hit can have."""
        farthest = hits[-1].distance
        if self._norm == "l2":
            return farthest
        constant = totals[hits[0].id] - hits[0].distance ** 2
        return max(0.0, farthest**2 + constant)


class Asking(Protocol):
    """Something that takes what is found for its queries."""

    @property
    def queries(self) -> list[Query]:
        """What to search for."""

    def take(self, found: Sequence[Sequence[Hit]]) -> None:
        """Take what was found, for each query."""


def retrieve(catalogue: Catalogue, model: "Model", asking: Sequence[Asking]) -> None:
    """Search once for all that several categories ask for."""
    queries = [each.queries for each in asking]
    found = iter(catalogue.search([query for some in queries for query in some], model))
    for each, some in zip(asking, queries, strict=True):
        each.take([next(found) for _ in some])


def _streams(where: Filter | None, rules: Rules, first: int) -> list[_Stream]:
    """One search for all that no rule brings forward, and one for those that each boost does."""
    parts = [] if where is None else [where]
    boosted = [rule.where for rule in rules.boosts if rule.where is not None]
    joined = either(boosted)
    others = every([*parts, Not(joined)] if joined is not None else parts)
    factor = prod(rule.factor for rule in rules.boosts)
    offset = sum(rule.offset for rule in rules.boosts)
    streams = [_Stream(others, first)]
    return streams + [_Stream(every([*parts, each]), first, factor, offset) for each in boosted]
