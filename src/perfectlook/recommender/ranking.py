"""The nearest products of one category by the hybrid distance, out of searches for one query point."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perfectlook.catalogue.records import Record
from perfectlook.stores import Hit, Query
from perfectlook.types import Float64Array

if TYPE_CHECKING:
    from perfectlook.bundle import SceneEmbedding
    from perfectlook.distances import Norm

_FIRST = {"squared_l2": 8, "l2": 48}
_GROWTH = 4
_ROUNDING = 1e-4
"""Distances are computed in float32: bounds are believed up to this."""


class Ranked(NamedTuple):
    """A product and its distance, the sum of its two parts."""

    total: float
    id: str
    from_global: float
    from_local: float
    record: Record


class Ranking:
    """Finds the `k` products nearest to a scene in a category, exactly when the searches are.

    Products are retrieved by their distance r to the query point q, more and more of them, and measured by
    the hybrid distance. With squared norms that is r² plus a constant of the scene and the category; with
    plain norms it is at least r (triangle inequality, since q is the weighted mean of the points that
    distances are taken to). So no product that has not been retrieved can be nearer than what the largest r
    allows, and once the k-th is nearer than that, the first k are final.
    """

    def __init__(
        self, scene: "SceneEmbedding", category: str, k: int, *, norm: "Norm", variety: bool
    ) -> None:
        """Begin: `category` is the catalogue's; `variety` passes over copies of products that are shown."""
        self.category = category
        self.products: list[Ranked] = []
        self.done = False
        self._scene = scene
        self._k = k
        self._norm = norm
        self._variety = variety
        self._asked = k + _FIRST[norm]
        self._point = scene.query_point(category)

    @property
    def query(self) -> Query:
        """What to search for next."""
        return Query(self._point, self._asked, frozenset({self.category}))

    def take(self, hits: list[Hit]) -> None:
        """Take what the search for `query` found, which replaces what earlier ones found."""
        exhausted = len(hits) < self._asked
        ranked = self._measured(hits)
        self.products = _distinct(ranked, self._k) if self._variety else ranked[: self._k]
        complete = len(self.products) == self._k
        if exhausted or (complete and self.products[-1].total + _ROUNDING < self._least_unseen(hits, ranked)):
            self.done = True
        self._asked *= _GROWTH

    def _measured(self, hits: list[Hit]) -> list[Ranked]:
        if not hits:
            return []
        # Equal vectors are measured once: a matrix product may round equal rows differently; they must tie.
        distinct = {hit.vector.tobytes(): hit.vector for hit in hits}
        place_of = {content: place for place, content in enumerate(distinct)}
        places = [place_of[hit.vector.tobytes()] for hit in hits]
        distances = self._scene.distances(self.category, np.stack(list(distinct.values())))
        columns: list[Float64Array] = [np.asarray(part, np.float64)[places] for part in distances]
        parts = zip(hits, *(column.tolist() for column in columns), strict=True)
        return sorted(
            Ranked(total, hit.id, from_global, from_local, Record.from_payload(hit.id, hit.payload))
            for hit, total, from_global, from_local in parts
        )

    def _least_unseen(self, hits: list[Hit], ranked: list[Ranked]) -> float:
        """The least distance that a product behind the last hit can have."""
        farthest = hits[-1].distance
        if self._norm == "l2":
            return farthest
        constant = ranked[0].total - next(hit.distance for hit in hits if hit.id == ranked[0].id) ** 2
        return farthest**2 + constant


def _distinct(ranked: list[Ranked], k: int) -> list[Ranked]:
    """The first k products that are no copies of an earlier one of them."""
    shown: list[Ranked] = []
    for candidate in ranked:
        if len(shown) == k:
            break
        if not any(candidate.record.is_copy_of(other.record) for other in shown):
            shown.append(candidate)
    return shown
