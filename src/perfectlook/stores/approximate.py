"""An approximate index beside a block too large to scan, for who asks for it: faiss, extra `ann`."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from perfectlook.errors import MissingExtraError
from perfectlook.stores.exact_index import Block, IndexArray
from perfectlook.types import BoolArray, Float32Array

DEFAULT_ABOVE = 100_000
"""Vectors in a category above which a scan costs more than about 10 ms."""

_WANTED_RECALL = 0.97
_PROBES = 64
_K = 10
_CANDIDATES = 6
_FEW = 25_000
_MOST = 200
_TAIL = 8
_TRAINED_PER_LIST = 40


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """The first `size` vectors of a block in lists around centres, as bytes; what it finds is measured again.

    `visited` lists are looked through: as many as it took for `recall` of the ten nearest, measured against
    the exact scan on query points halfway between random products, and on others far from all of them.
    """

    lists: Any
    size: int
    last_row: int
    visited: int
    recall: float

    @classmethod
    def build(cls, block: Block) -> "Index":
        """Index all of a block: seconds for 100,000 vectors, half a minute or more for a million."""
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
        """Whether the block still begins with what is indexed here."""
        return block.size >= self.size and int(block.rows[self.size - 1]) == self.last_row

    def candidates(
        self, query: Float32Array, k: int, kept: BoolArray | None, block: Block
    ) -> IndexArray | None:
        """Return the places in the block that may be the nearest; None where its scan costs less.

        What was added behind the indexed part is always among them.
        """
        if k > _MOST or (kept is not None and np.count_nonzero(kept) < _FEW):
            return None
        near = _near(self.lists, query, _CANDIDATES * k, self.visited, kept, self.size)
        if len(near) < k:
            return None
        tail = np.arange(self.size, block.size)
        if kept is not None:
            tail = tail[kept[self.size : block.size]]
        return np.concatenate([np.sort(near), tail])


class Indexes:
    """The indexes of a store's largest blocks, built in the background; until then, blocks are scanned."""

    def __init__(self, above: int = DEFAULT_ABOVE) -> None:
        """Index blocks of more than `above` vectors; MissingExtraError without faiss."""
        import_faiss()
        self._above = above
        self._built: dict[tuple[int, str], Index] = {}
        self._building: dict[tuple[int, str], Future[Index]] = {}
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="index")

    def of(self, collection: int, category: str, block: Block) -> Index | None:
        """Return the index of a category's block, None while there is none; a missing one is begun."""
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
                self._building[key] = self._worker.submit(Index.build, block)
        return index if useful else None

    def settle(self) -> Mapping[tuple[int, str], float]:
        """Wait for what is being built; returns the measured recall by collection and category."""
        for key, building in list(self._building.items()):
            index = building.result()
            with self._lock:
                self._built[key] = index
                self._building.pop(key, None)
        return {key: index.recall for key, index in self._built.items()}

    def close(self) -> None:
        """Build no more."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def import_faiss() -> Any:
    """faiss; MissingExtraError without it."""
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
        wider = min(int(visited / share**0.5), lists.nlist)  # what is kept lies farther away
        options = faiss.SearchParametersIVF(nprobe=wider, sel=faiss.IDSelectorBitmap(bits))
    _, found = lists.search(query[None], count, params=options)
    places: IndexArray = found[0][found[0] >= 0]
    return places


def _tuned(lists: Any, block: Block) -> tuple[int, float]:
    """Visit half as many lists again until the recall is what is wanted, then narrow that last step."""
    random = np.random.default_rng(0)
    pairs = block.vectors[random.integers(0, block.size, (_PROBES, 2))].mean(axis=1, dtype=np.float32)
    spread = block.vectors[random.integers(0, block.size, _PROBES * 8)].std(axis=0) / 2.0
    strangers = spread * random.standard_normal(pairs.shape, dtype=np.float32)
    probes = (pairs, strangers)
    true = [[_true_places(block, query) for query in queries] for queries in probes]

    def recall(visited: int) -> float:
        """The recall of the two kinds of query points, whichever is worse."""
        return min(
            float(np.mean([_recall(near, lists, query, visited) for near, query in zip(*each, strict=True)]))
            for each in zip(true, probes, strict=True)
        )

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


def _true_places(block: Block, query: Float32Array) -> set[int]:
    rows = block.nearest(query[None], [_K], [np.empty(0, np.int64)], [None])[0].rows
    return set(block.places_of(np.sort(rows)).tolist())


def _recall(true: set[int], lists: Any, query: Float32Array, visited: int) -> float:
    found = _near(lists, query, _CANDIDATES * _K, visited, None, lists.ntotal)
    return len(true & set(found.tolist())) / max(len(true), 1)
