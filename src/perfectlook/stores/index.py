"""The vectors of one category as one array, searched exactly, or approximately with faiss (extra `ann`).

A block can change while it is searched. A search first selects candidates with a matrix product in float32 or
with an approximate index. Then it computes their distances in float64.
"""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from perfectlook.errors import MissingExtraError, UsageError
from perfectlook.files import Closable
from perfectlook.stores.base import Query
from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray

IndexArray: TypeAlias = NDArray[np.intp]


class Nearest(NamedTuple):
    """Rows of a store [n], their Euclidean distances [n] and vectors [n, d], nearest first."""

    rows: IntArray
    distances: Float64Array
    vectors: Float32Array

    @classmethod
    def joined(cls, parts: "Sequence[Nearest]", k: int) -> "Nearest":
        """Return the k nearest rows of several results, and all rows at the same distance as the k-th."""
        if len(parts) < 2:
            return parts[0] if parts else _NOTHING
        rows, distances, vectors = map(np.concatenate, zip(*parts, strict=True))
        order = distances.argsort(kind="stable")
        order = order[: _cut(distances[order], k)]
        return cls(rows[order], distances[order], vectors[order])


_NOTHING = Nearest(np.empty(0, np.int64), np.empty(0, np.float64), np.empty((0, 0), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Vectors [n, d] with their rows [n] (ascending) and squared lengths [n], which are inf if removed.

    A block never changes. `extended` and `without` return a new block with the same vectors. New vectors are
    written after the end of older blocks, so searches of older blocks can continue. Only the newest block may
    be extended. `only` returns the part that matches a filter. It can be searched but not extended. Its
    `places` lists the matching places if they are a small share.
    """

    rows: IntArray
    vectors: Float32Array
    squares: Float32Array
    size: int
    alive: int
    longest: float
    places: IndexArray | None = None

    @classmethod
    def empty(cls, dimension: int, capacity: int = 0) -> Self:
        """Return an empty block with space for `capacity` vectors."""
        vectors = np.empty((capacity, dimension), np.float32)
        return cls(np.empty(capacity, np.int64), vectors, np.empty(capacity, np.float32), 0, 0, 0.0)

    def extended(self, rows: IntArray, vectors: Float32Array) -> "Block":
        """Return this block with more vectors at its end. `rows` ascend, and are above its own rows."""
        size = self.size + len(rows)
        base = self
        if size > len(self.rows):
            base = Block.empty(self.vectors.shape[1], max(size, self.size + self.size // 2))
            base._write(0, self.rows[: self.size], self.vectors[: self.size], self.squares[: self.size])
        squares = np.vecdot(vectors, vectors)
        base._write(self.size, rows, vectors, squares)
        longest = max(self.longest, float(np.sqrt(squares.max(initial=0.0))))
        return replace(base, size=size, alive=self.alive + len(rows), longest=longest)

    def _write(self, start: int, rows: IntArray, vectors: Float32Array, squares: Float32Array) -> None:
        part = slice(start, start + len(rows))
        self.rows[part], self.vectors[part], self.squares[part] = rows, vectors, squares

    def without(self, rows: IntArray) -> "Block":
        """Return this block without some rows. Rows that are not in the block are ignored."""
        known = self.rows[: self.size]
        places = np.searchsorted(known, rows)
        inside = places < self.size
        places = places[inside]
        places = places[(known[places] == rows[inside]) & np.isfinite(self.squares[places])]
        if len(places) == 0:
            return self
        squares = self.squares.copy()
        squares[places] = np.inf
        smaller = replace(self, squares=squares, alive=self.alive - len(places))
        if smaller.alive >= self.size * 3 // 4:
            return smaller
        left = np.isfinite(squares[: self.size])
        packed = Block.empty(self.vectors.shape[1], smaller.alive)
        return packed.extended(known[left], self.vectors[: self.size][left])

    def only(self, kept: BoolArray) -> "Block":
        """Return the part of this block that a filter keeps. `kept` [n] has the result for each place."""
        squares = np.where(kept, self.squares[: self.size], np.float32(np.inf))
        places = np.flatnonzero(squares < np.inf)
        few = len(places) <= _SELECTIVE * self.size
        return replace(self, squares=squares, alive=len(places), places=places if few else None)

    def nearest(self, queries: Float32Array, ks: Sequence[int]) -> list[Nearest]:
        """Return for each query [m, d] its k nearest vectors, and all at the same distance as the k-th.

        One matrix product in float32 selects the candidates: all vectors that can be among the nearest within
        the rounding error. Their distances are then computed in float64 from differences, which avoids
        cancellation.
        """
        (found,) = search_all([(self, queries, ks, None)])
        return found

    def nearest_among(self, query: Float32Array, k: int, places: IndexArray) -> Nearest:
        """Return the k nearest of the vectors at some places [m], as `nearest` does for all vectors."""
        squares = self.squares.take(places)
        if len(places) <= _FEW:
            return self._measured(query, k, places[squares < np.inf])
        [values] = _compared(query[None], self.vectors.take(places, axis=0), squares)
        return self._measured(query, k, places[_smallest(values, k, self._slack(query))])

    def _measured(self, query: Float32Array, k: int, places: IndexArray) -> Nearest:
        """Compute distances in float64. Return the k nearest places, and all at the distance of the k-th."""
        target = query.astype(np.float64)
        distances = np.empty(len(places), np.float64)
        for start in range(0, len(places), _MEASURED_TOGETHER):  # in parts, because there may be many
            part = slice(start, start + _MEASURED_TOGETHER)
            difference = self.vectors.take(places[part], axis=0) - target
            np.square(difference, out=difference)
            difference.sum(axis=1, out=distances[part])
        np.sqrt(distances, out=distances)
        order = distances.argsort(kind="stable")
        distances = distances[order]
        count = _cut(distances, k)
        places = places[order[:count]]
        return Nearest(self.rows[places], distances[:count], self.vectors.take(places, axis=0))

    def _slack(self, query: Float32Array) -> float:
        """Twice the rounding error of ‖x‖² - 2x·q in float32 (Higham, Accuracy and Stability, 3.1)."""
        length = 1.001 * math.sqrt(float(np.dot(query, query)))  # the factor covers the error of float32
        dimension = int(self.vectors.shape[1])
        return (dimension + 4) * 2.0**-23 * self.longest * (self.longest + 2.0 * length)


Asked: TypeAlias = "tuple[Block, Float32Array, Sequence[int], ApproximateIndex | None]"
"""A block, its queries [m, d], how many vectors each wants, and an index of the block."""


def search_all(asked: Iterable[Asked]) -> list[list[Nearest]]:
    """Search several blocks, each for its own queries, as `Block.nearest` does.

    The matrix products of many blocks come first, and the small steps follow. The small steps are several
    times as fast if no vectors pass through the processor's caches in between.
    """
    found: list[list[Nearest]] = []
    waiting: list[tuple[Asked, Float32Array]] = []
    held = 0
    for each in asked:
        block, queries, _, index = each
        size = 0 if index is not None or block.places is not None else block.size
        waiting.append((each, _compared(queries, block.vectors[:size], block.squares[:size])))
        held += waiting[-1][1].size
        if held > _COMPARED_TOGETHER:
            found += [_chosen(*some) for some in waiting]
            waiting, held = [], 0
    return found + [_chosen(*some) for some in waiting]


def _chosen(asked: Asked, compared: Float32Array) -> list[Nearest]:
    block, queries, ks, index = asked
    if index is not None:
        return index.nearest(block, queries, ks)
    if block.places is not None:
        return [block.nearest_among(query, k, block.places) for query, k in zip(queries, ks, strict=True)]
    return [
        block._measured(query, k, _smallest(values, k, block._slack(query)))
        for query, k, values in zip(queries, ks, compared, strict=True)
    ]


def _compared(queries: Float32Array, vectors: Float32Array, squares: Float32Array) -> Float32Array:
    """Return ‖x‖² - 2x·q [m, n] in float32. This is ‖x - q‖² without ‖q‖², which is the same for all x."""
    products: Float32Array = np.matmul(queries * np.float32(-2.0), vectors.T, dtype=np.float32)
    products += squares
    return products


_COMPARED_TOGETHER = 2**24
_SELECTIVE = 0.4
"""If a filter keeps a smaller share, copying the kept vectors is faster than comparing all of them."""
_FEW = 256
_MEASURED_TOGETHER = 16_384
_GROUPS_FOR_EACH = 16


def _cut(distances: Float64Array, k: int) -> int:
    """Return how many of the ascending distances are at most the k-th."""
    if len(distances) <= k:
        return len(distances)
    return int(distances.searchsorted(distances[k - 1], side="right"))


def _smallest(values: Float32Array, k: int, slack: float) -> IndexArray:
    """Return the places of the k smallest finite values, of other values within `slack`, and of a few more.

    The k-th smallest minimum of groups is an upper bound of the k-th smallest value. It takes one fast pass
    over the values.
    """
    limit = math.inf
    if len(values) > k:
        groups = _GROUPS_FOR_EACH * k
        deep = len(values) // groups
        minima = values[: deep * groups].reshape(deep, groups).min(axis=0) if deep > 1 else values
        limit = float(np.partition(minima, k - 1)[k - 1]) + slack
        limit += abs(limit) * 2.0**-22  # at least the next float32
    near: IndexArray = (values <= np.float32(limit) if limit < math.inf else values < np.inf).nonzero()[0]
    return near


@dataclass(frozen=True, slots=True, eq=False)
class ApproximateIndex:
    """An index of the first `size` vectors of a block, as bytes in lists around centres.

    It only finds candidates, whose distances are then computed exactly. A search reads `visited` lists.
    `recall` is the measured share of the ten nearest products that it finds, compared with an exact scan. It
    was measured with query points halfway between random products, and with points far from all products.
    """

    lists: Any
    size: int
    last_row: int
    visited: int
    recall: float

    @classmethod
    def build(cls, block: Block) -> "ApproximateIndex":
        """Index a block. This takes seconds for 100,000 vectors, and half a minute or more for a million."""
        faiss = import_faiss()
        vectors = block.vectors[: block.size]
        count, dimension = vectors.shape
        number = max(1, int(2 * np.sqrt(count)))
        lists = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatL2(dimension), dimension, number, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2
        )
        lists.cp.max_points_per_centroid = _TRAINED_PER_LIST
        lists.cp.min_points_per_centroid = 1
        lists.train(vectors)
        lists.add(vectors)
        visited, recall = _tuned(lists, block)
        return cls(lists, block.size, int(block.rows[block.size - 1]), visited, recall)

    def serves(self, block: Block) -> bool:
        """Whether the block still begins with the indexed vectors."""
        return block.size >= self.size and int(block.rows[self.size - 1]) == self.last_row

    def nearest(self, block: Block, queries: Float32Array, ks: Sequence[int]) -> list[Nearest]:
        """Answer as `block.nearest` does, without the vectors that the index misses."""
        found = []
        for query, k in zip(queries, ks, strict=True):
            places = self.candidates(query, k, block)
            found += (
                block.nearest(query[None], [k]) if places is None else [block.nearest_among(query, k, places)]
            )
        return found

    def candidates(self, query: Float32Array, k: int, block: Block) -> IndexArray | None:
        """Return the places in the block that may be nearest, or None if a scan is faster.

        Vectors after the indexed part are always candidates.
        """
        is_filtered = block.alive < block.size * 3 // 4  # removals alone would have packed the block
        if k > _MOST or (is_filtered and block.alive < _WORTH_IT):
            return None
        kept = None if block.alive == block.size else block.squares[: block.size] < np.inf
        near = _near(self.lists, query, _CANDIDATES * k, self.visited, kept, self.size)
        tail = np.arange(self.size, block.size)
        return None if len(near) < k else np.concatenate([np.sort(near), tail])


class ApproximateIndexes(Closable):
    """The indexes of a store's largest blocks, built in the background. Until then, blocks are scanned."""

    def __init__(self, above: int) -> None:
        """Index blocks with more than `above` vectors. Raises MissingExtraError without faiss."""
        import_faiss()
        self._above = above
        self._built: dict[tuple[int, str], ApproximateIndex] = {}
        self._building: dict[tuple[int, str], Future[ApproximateIndex]] = {}
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="index")

    def of(self, collection: int, category: str, block: Block) -> ApproximateIndex | None:
        """Return the index of a category's block, or None until it is built. A missing index is started."""
        if block.size <= self._above:
            return None
        key = (collection, category)
        with self._lock:
            building = self._building.get(key)
            if building is not None and building.done():
                self._built[key] = self._building.pop(key).result()
            index = self._built.get(key)
            useful = index is not None and index.serves(block)
            stale = index is None or not useful or block.size - index.size > index.size // _TAIL
            if stale and key not in self._building:
                self._building[key] = self._worker.submit(ApproximateIndex.build, block)
        return index if useful else None

    def settle(self) -> Mapping[tuple[int, str], float]:
        """Wait for running builds. Return the measured recall by collection and category."""
        for key, building in list(self._building.items()):
            index = building.result()
            with self._lock:
                self._built[key] = index
                self._building.pop(key, None)
        return {key: index.recall for key, index in self._built.items()}

    def _release(self) -> None:
        """Cancel builds that have not started."""
        self._worker.shutdown(wait=False, cancel_futures=True)


_WANTED_RECALL = 0.97
_PROBES = 64
_K = 10
_CANDIDATES = 6
_WORTH_IT = 25_000
_MOST = 200
_TAIL = 8
_TRAINED_PER_LIST = 40


def import_faiss() -> Any:
    """Import faiss. Raises MissingExtraError if it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("approximate search", "ann") from error
    return faiss


def _near(
    lists: Any, query: Float32Array, count: int, visited: int, kept: BoolArray | None, size: int
) -> IndexArray:
    faiss = import_faiss()
    options = faiss.SearchParametersIVF(nprobe=visited)
    if kept is not None:
        share = np.count_nonzero(kept) / len(kept)
        bits = np.packbits(kept[:size], bitorder="little")
        wider = min(int(visited / share**0.5), lists.nlist)  # kept vectors are farther away
        options = faiss.SearchParametersIVF(nprobe=wider, sel=faiss.IDSelectorBitmap(bits))
    _, found = lists.search(query[None], count, params=options)
    places: IndexArray = found[0][found[0] >= 0]
    return places


def _tuned(lists: Any, block: Block) -> tuple[int, float]:
    """Return the number of lists to visit, and the recall.

    The number grows by half until the recall is reached. Then a binary search reduces it.
    """
    random = np.random.default_rng(0)
    pairs = block.vectors[random.integers(0, block.size, (_PROBES, 2))].mean(axis=1, dtype=np.float32)
    spread = block.vectors[random.integers(0, block.size, _PROBES * 8)].std(axis=0) / 2.0
    distant = spread * random.standard_normal(pairs.shape, dtype=np.float32)
    rows = block.rows[: block.size]

    def true_places(query: Float32Array) -> set[int]:
        return set(np.searchsorted(rows, block.nearest(query[None], [_K])[0].rows).tolist())

    probes = [[(query, true_places(query)) for query in each] for each in (pairs, distant)]

    def recall(visited: int) -> float:
        """Return the worse recall of the two kinds of query points."""
        return min(float(np.mean([share_found(visited, *probe) for probe in each])) for each in probes)

    def share_found(visited: int, query: Float32Array, true: set[int]) -> float:
        found = _near(lists, query, _CANDIDATES * _K, visited, None, lists.ntotal)
        return len(true & set(found.tolist())) / max(len(true), 1)

    few, visited = 1, min(4, lists.nlist)
    while (reached := recall(visited)) < _WANTED_RECALL and visited < lists.nlist:
        few, visited = visited, min(visited + visited // 2, lists.nlist)
    while reached >= _WANTED_RECALL and few + max(1, few // 8) < visited:
        between = (few + visited) // 2
        if (found := recall(between)) >= _WANTED_RECALL:
            visited, reached = between, found
        else:
            few = between
    return visited, reached


def check_vector(name: str, vector: Float32Array, dimension: int) -> Float32Array:
    """Return `vector` as contiguous float32 [dimension]. Raises UsageError for another shape or other values.

    Values must be finite. The length is at most 1e18, so that squared norms and products fit in float32.
    """
    array = np.ascontiguousarray(vector, dtype=np.float32)
    if array.shape != (dimension,):
        raise UsageError(f"{name}: expected a vector of shape ({dimension},), got {array.shape}.")
    exact = array.astype(np.float64)
    square = float(np.dot(exact, exact))
    if not square <= 1e36:  # also if it is nan
        raise UsageError(f"{name}: expected a vector of a length up to 1e18, got {math.sqrt(square):g}.")
    return array


def check_queries(queries: Sequence[Query], dimension: int) -> Float32Array:
    """Return the vectors [n, dimension] of queries. Raises UsageError for an invalid vector or k below 1."""
    for query in queries:
        if query.k < 1:
            raise UsageError(f"k {query.k}: must be at least 1.")
        if query.vector.shape != (dimension,):
            check_vector("the query", query.vector, dimension)
    if not queries:
        return np.empty((0, dimension), np.float32)
    vectors = np.array([query.vector for query in queries], np.float32)
    if not np.vdot(vectors, vectors) < 1e30:  # a cheap check of all vectors together, far below the limit
        for query in queries:
            check_vector("the query", query.vector, dimension)
    return vectors
