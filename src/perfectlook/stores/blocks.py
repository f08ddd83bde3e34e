"""One category's vectors as one array, searched exactly, changed without disturbing who reads it."""

from dataclasses import dataclass
from typing import NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray

IndexArray: TypeAlias = NDArray[np.intp]

_UNIT_ROUNDOFF = 2.0**-24
_GROUP = 64
_RECOMPUTE_ROWS = 16_384


class Nearest(NamedTuple):
    """Rows of a store [n] and their Euclidean distances [n], nearest first."""

    rows: IntArray
    distances: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Vectors [n, d] with their rows [n] (ascending) and squared lengths [n]; a removed one's is infinite.

    A block never changes. `extended` and `without` return the next one, which shares the vectors: what is
    appended lies behind the end that older blocks know of, so a search that still runs on an older block is
    not disturbed. Only the newest block may be extended.
    """

    rows: IntArray
    vectors: Float32Array
    squares: Float32Array
    size: int
    alive: int
    longest: float

    @classmethod
    def empty(cls, dimension: int, capacity: int = 0) -> Self:
        """Return a block without vectors that has room for `capacity` of them."""
        return cls(
            rows=np.empty(capacity, np.int64),
            vectors=np.empty((capacity, dimension), np.float32),
            squares=np.empty(capacity, np.float32),
            size=0,
            alive=0,
            longest=0.0,
        )

    def extended(self, rows: IntArray, vectors: Float32Array) -> "Block":
        """Return this block with more vectors at its end; `rows` are ascending and above those here."""
        size = self.size + len(rows)
        base = self if size <= len(self.rows) else self._grown(max(size, self.size + self.size // 2))
        lengths = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
        base.rows[self.size : size] = rows
        base.vectors[self.size : size] = vectors
        base.squares[self.size : size] = lengths
        longest = max(self.longest, float(np.sqrt(lengths.max(initial=0.0))))
        return Block(base.rows, base.vectors, base.squares, size, self.alive + len(rows), longest)

    def without(self, rows: IntArray) -> "Block":
        """Return this block less some rows; those that are not here are passed over."""
        places = self._places(rows)
        places = places[np.isfinite(self.squares[places])]
        if len(places) == 0:
            return self
        squares = self.squares.copy()
        squares[places] = np.inf
        smaller = Block(self.rows, self.vectors, squares, self.size, self.alive - len(places), self.longest)
        return smaller._compacted() if smaller.alive < self.size * 3 // 4 else smaller

    def nearest(self, queries: Float32Array, ks: list[int], hidden: list[IntArray]) -> list[Nearest]:
        """Return for each query [m, d] its k nearest vectors and all that are exactly as far as the k-th.

        The squared distances of one matrix product in float32 only choose candidates: whatever can be among
        the nearest within their rounding error is measured again in float64, by differences, so nothing
        cancels. `hidden` are rows not to be found, for each query.
        """
        if self.alive == 0 or len(queries) == 0:
            return [_NOTHING] * len(queries)
        vectors, squares = self.vectors[: self.size], self.squares[: self.size]
        products = queries @ vectors.T
        products *= -2.0
        products += squares
        return [
            self._nearest(query, k, gone, approximate)
            for query, k, gone, approximate in zip(queries, ks, hidden, products, strict=True)
        ]

    def _nearest(self, query: Float32Array, k: int, hidden: IntArray, approximate: Float32Array) -> Nearest:
        if len(hidden):
            approximate[self._places(hidden)] = np.inf
        places = _within(approximate, k, 2.0 * self._error(query))
        distances = _distances(self.vectors, places, query)
        if len(places) > k:
            keep = distances <= np.partition(distances, k - 1)[k - 1]
            places, distances = places[keep], distances[keep]
        order = np.argsort(distances, kind="stable")
        return Nearest(self.rows[places[order]], distances[order])

    def _error(self, query: Float32Array) -> float:
        """Bound the rounding error of ‖x‖² - 2x·q in float32 (Higham, Accuracy and Stability, 3.1)."""
        dimension = self.vectors.shape[1]
        length = float(np.linalg.norm(query.astype(np.float64)))
        bound = (dimension + 4) * _UNIT_ROUNDOFF * (self.longest**2 + 2.0 * self.longest * length)
        return float(bound)

    def _places(self, rows: IntArray) -> IndexArray:
        known = self.rows[: self.size]
        places = np.searchsorted(known, rows)
        inside = places < self.size
        places, rows = places[inside], rows[inside]
        found: IndexArray = places[known[places] == rows]
        return found

    def _grown(self, capacity: int) -> "Block":
        grown = Block.empty(self.vectors.shape[1], capacity)
        grown.rows[: self.size] = self.rows[: self.size]
        grown.vectors[: self.size] = self.vectors[: self.size]
        grown.squares[: self.size] = self.squares[: self.size]
        return grown

    def _compacted(self) -> "Block":
        keep: BoolArray = np.isfinite(self.squares[: self.size])
        compact = Block.empty(self.vectors.shape[1], int(keep.sum()))
        return compact.extended(self.rows[: self.size][keep], self.vectors[: self.size][keep])


_NOTHING = Nearest(np.empty(0, np.int64), np.empty(0, np.float64))


def _within(values: Float32Array, k: int, slack: float) -> IndexArray:
    """Return the places of the k smallest finite values, and of others within `slack` of the k-th.

    In a long array the k-th smallest minimum of groups bounds the k-th smallest value from above, and
    finding it costs one fast pass; only what lies under the bound is then ordered.
    """
    if len(values) > 4 * _GROUP * k:
        whole = len(values) // _GROUP * _GROUP
        minima = values[:whole].reshape(-1, _GROUP).min(axis=1)
        bound = float(np.partition(minima, k - 1)[k - 1])
        places = np.flatnonzero(values <= np.float32(bound + slack))
        if not np.isfinite(bound):
            places = places[np.isfinite(values[places])]
    else:
        places = np.flatnonzero(np.isfinite(values))
    near = values[places]
    if len(places) <= k:
        return places
    limit = float(np.partition(near, k - 1)[k - 1]) + slack
    chosen: IndexArray = places[near <= np.nextafter(np.float32(limit), np.float32(np.inf))]
    return chosen


def _distances(vectors: Float32Array, places: IndexArray, query: Float32Array) -> Float64Array:
    exact = np.empty(len(places), np.float64)
    target = query.astype(np.float64)
    for start in range(0, len(places), _RECOMPUTE_ROWS):
        part = places[start : start + _RECOMPUTE_ROWS]
        difference = vectors[part].astype(np.float64)
        difference -= target
        np.square(difference, out=difference)
        exact[start : start + _RECOMPUTE_ROWS] = np.sqrt(difference.sum(axis=1))
    return exact
