"""One category's vectors as one array, searched exactly, changed without disturbing who reads it."""

import json
import math
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from perfectlook.stores.base import Payload
from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray

_KEPT = 10_000
_ASKED_ONE_BY_ONE = 200


class NotInMemory(Exception):  # noqa: N818  (no failure: it sends a search to the database)
    """What is asked for has to be read, and no connection was given."""


class Record(NamedTuple):
    """What a row says besides its vector; it never changes: a product that changes gets a new row."""

    id: str
    payload: Payload


class Records:
    """The records of the rows last asked for, and a way to those that are not among them."""

    def __init__(self, parse: Callable[[str, str], Payload]) -> None:
        """Start with none; `parse` reads one payload, given its id and its text, or says what is wrong."""
        self._parse = parse
        self._known: dict[int, Record] = {}

    def of(self, connection: sqlite3.Connection | None, rows: Iterable[int]) -> dict[int, Record]:
        """Return the records by row, which are all there in the state that the connection sees.

        Without a connection, NotInMemory when one has to be read.
        """
        known = self._known
        wanted = set(rows)
        records = {row: known[row] for row in wanted if row in known}
        if len(records) < len(wanted):
            missing = list(wanted - records.keys())
            if connection is None:
                raise NotInMemory
            entries = _entries(connection, missing)
            read = {
                row: Record(id_, payload)
                for (row, id_, _), payload in zip(entries, self._parsed(entries), strict=True)
            }
            records |= read
            kept = known if len(known) + len(read) <= _KEPT else {}
            self._known = kept | read if len(read) <= _KEPT else {}
        return records

    def _parsed(self, entries: Sequence[tuple[int, str, str]]) -> list[Payload]:
        try:  # one text is parsed faster than many
            payloads: list[Payload] = json.loads(f"[{','.join([text for _, _, text in entries])}]")
        except ValueError:
            payloads = []
        if len(payloads) == len(entries) and all(isinstance(each, dict) for each in payloads):
            return payloads
        return [self._parse(id_, text) for _, id_, text in entries]


def _entries(connection: sqlite3.Connection, rows: list[int]) -> list[tuple[int, str, str]]:
    within, asked = ", ".join("?" * len(rows)), tuple[object, ...](rows)
    if len(rows) > _ASKED_ONE_BY_ONE:
        within, asked = "SELECT value FROM json_each(?)", (json.dumps(rows),)
    select = f"SELECT row, id, payload FROM points WHERE row IN ({within})"
    return connection.execute(select, asked).fetchall()


IndexArray: TypeAlias = NDArray[np.intp]

_UNIT_ROUNDOFF = 2.0**-24
_GROUP = 64
_LONG = 16_384
_MEASURED_TOGETHER = 16_384
_FEW = 256


_SELECTIVE = 0.4
"""Where a filter keeps a smaller share, copying what it keeps costs less than measuring everything."""


class _Scratch(threading.local):
    """Memory that each thread uses again and again: what is new to it costs a page fault every 4 kB."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.float32)

    def array(self, rows: int, columns: int) -> Float32Array:
        """Return an array [rows, columns] of whatever was there."""
        size = rows * columns
        if size > _MOST_KEPT:
            return np.empty((rows, columns), np.float32)
        if size > len(self._memory):
            self._memory = np.empty(size, np.float32)
        return self._memory[:size].reshape(rows, columns)


_SCRATCH = _Scratch()
_MOST_KEPT = 2**22


class Nearest(NamedTuple):
    """Rows of a store [n], their Euclidean distances [n] and vectors [n, d], nearest first."""

    rows: IntArray
    distances: Float64Array
    vectors: Float32Array


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
        lengths = np.vecdot(vectors, vectors)
        base.rows[self.size : size] = rows
        base.vectors[self.size : size] = vectors
        base.squares[self.size : size] = lengths
        longest = max(self.longest, float(np.sqrt(lengths.max(initial=0.0))))
        return Block(base.rows, base.vectors, base.squares, size, self.alive + len(rows), longest)

    def without(self, rows: IntArray) -> "Block":
        """Return this block less some rows; those that are not here are passed over."""
        places = self.places_of(rows)
        places = places[np.isfinite(self.squares[places])]
        if len(places) == 0:
            return self
        squares = self.squares.copy()
        squares[places] = np.inf
        smaller = Block(self.rows, self.vectors, squares, self.size, self.alive - len(places), self.longest)
        return smaller._compacted() if smaller.alive < self.size * 3 // 4 else smaller

    def nearest(
        self,
        queries: Float32Array,
        ks: Sequence[int],
        hidden: Sequence[IntArray],
        kept: Sequence[BoolArray | None],
    ) -> list[Nearest]:
        """Return for each query [m, d] its k nearest vectors and all that are exactly as far as the k-th.

        The squared distances of one matrix product in float32 only choose candidates: whatever can be among
        the nearest within their rounding error is measured again in float64, by differences, so nothing
        cancels. For each query, `hidden` are rows not to be found, and `kept` says for each place whether a
        filter keeps it (None: all).
        """
        found = [_NOTHING] * len(queries)
        if self.alive == 0:
            return found
        whole: list[int] = []
        for i, mask in enumerate(kept):
            if mask is None or np.count_nonzero(mask) > _SELECTIVE * self.size:
                whole.append(i)
            else:
                found[i] = self.nearest_among(queries[i], ks[i], hidden[i], mask.nonzero()[0])
        if whole:
            chosen = queries if len(whole) == len(queries) else queries[whole]
            products = self._approximate(chosen, self.vectors[: self.size], self.squares[: self.size])
            for i, approximate in zip(whole, products, strict=True):
                if (mask := kept[i]) is not None:
                    approximate[~mask] = np.inf
                if len(hidden[i]):
                    approximate[self.places_of(hidden[i])] = np.inf
                found[i] = self._measured(queries[i], ks[i], approximate, None)
        return found

    def nearest_among(self, query: Float32Array, k: int, hidden: IntArray, places: IndexArray) -> Nearest:
        """Return the k nearest of some places [m] (ascending), as `nearest` does of all."""
        if len(hidden):
            places = places[~np.isin(places, self.places_of(hidden))]
        squares = self.squares.take(places)
        if len(places) <= _FEW:
            return self._ordered(query, k, places[squares < np.inf])
        [approximate] = self._approximate(query[None], self.vectors.take(places, axis=0), squares)
        return self._measured(query, k, approximate, places)

    @staticmethod
    def _approximate(queries: Float32Array, vectors: Float32Array, squares: Float32Array) -> Float32Array:
        """Return ‖x‖² - 2x·q [m, n] in float32: ‖x - q‖² but for what is the same for all x.

        The array is this thread's scratch: its next call writes over it.
        """
        scaled = queries * np.float32(-2.0)  # exact, and cheaper here than on all products
        products = _SCRATCH.array(len(queries), len(vectors))
        np.dot(scaled, vectors.T, out=products)
        np.add(products, squares, out=products)
        return products

    def _measured(
        self, query: Float32Array, k: int, approximate: Float32Array, within: IndexArray | None
    ) -> Nearest:
        """Measure again what can be among the k nearest; `within` are the places that `approximate` is of."""
        places = _within(approximate, k, 2.0 * self._error(query))
        return self._ordered(query, k, places if within is None else within[places])

    def _ordered(self, query: Float32Array, k: int, places: IndexArray) -> Nearest:
        """Measure some places in float64: return the k nearest, and all that are just as far as the k-th."""
        distances = _distances(self.vectors, places, query)
        order = distances.argsort(kind="stable")
        if len(order) > k:
            farthest = distances[order[k - 1]]
            order = order[: k + np.count_nonzero(distances[order[k:]] <= farthest)]
        places = places[order]
        return Nearest(self.rows[places], distances[order], self.vectors.take(places, axis=0))

    def _error(self, query: Float32Array) -> float:
        """Bound the rounding error of ‖x‖² - 2x·q in float32 (Higham, Accuracy and Stability, 3.1)."""
        dimension = int(self.vectors.shape[1])
        length = 1.001 * math.sqrt(float(np.dot(query, query)))  # in float32: a little more than it says
        return (dimension + 4) * _UNIT_ROUNDOFF * self.longest * (self.longest + 2.0 * length)

    def places_of(self, rows: IntArray) -> IndexArray:
        """Return the places of some rows; those that are not here are passed over."""
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


_NOTHING = Nearest(np.empty(0, np.int64), np.empty(0, np.float64), np.empty((0, 0), np.float32))


def _within(values: Float32Array, k: int, slack: float) -> IndexArray:
    """Return the places of the k smallest finite values, and of others within `slack` of the k-th.

    In a long array the k-th smallest minimum of groups bounds the k-th smallest value from above, and
    finding it costs one fast pass; only what lies under the bound is then ordered.
    """
    places: IndexArray | None = None
    near = values
    if len(values) > max(_LONG, 4 * _GROUP * k):
        whole = len(values) // _GROUP * _GROUP
        minima = values[:whole].reshape(-1, _GROUP).min(axis=1)
        bound = float(np.partition(minima, k - 1)[k - 1])
        places = np.flatnonzero(values <= np.float32(bound + slack))
        near = values[places]
    limit = math.inf
    if len(near) > k:  # the next float32 above it, at least
        limit = float(np.partition(near, k - 1)[k - 1]) + slack
        limit += abs(limit) * 2.0**-22
    chosen: IndexArray = (near <= np.float32(limit) if limit < math.inf else near < np.inf).nonzero()[0]
    return chosen if places is None else places[chosen]


def _distances(vectors: Float32Array, places: IndexArray, query: Float32Array) -> Float64Array:
    """Distances of the vectors at some places; few are copied at a time, for the places may be all."""
    squares = np.empty(len(places), np.float64)
    target = query.astype(np.float64)
    for start in range(0, len(places), _MEASURED_TOGETHER):
        part = slice(start, start + _MEASURED_TOGETHER)
        difference = vectors.take(places[part], axis=0) - target
        np.square(difference, out=difference)
        difference.sum(axis=1, out=squares[part])
    return np.sqrt(squares, out=squares)
