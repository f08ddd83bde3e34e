"""One collection of an embedded store in memory: a block per category, kept up with the database."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from perfectlook.errors import CatalogueError
from perfectlook.filters import Filter
from perfectlook.stores.approximate import Index, Indexes
from perfectlook.stores.base import Query
from perfectlook.stores.blocks import Block, Nearest
from perfectlook.stores.facets import Facets
from perfectlook.types import BoolArray, Float32Array, IntArray

VECTOR_DTYPE = np.dtype("<f4")
_FETCH = 8_192
_SELECT_BATCH = (
    "SELECT max(row), group_concat(row), group_concat(category), CAST(group_concat(vector, '') AS BLOB) "
    "FROM (SELECT row, category, vector FROM vectors WHERE row > ? AND collection = ? ORDER BY row LIMIT ?)"
)


class Found(NamedTuple):
    """What one category's block has nearest to a query."""

    category: str
    nearest: Nearest


@dataclass(frozen=True, slots=True, eq=False)
class Cache:
    """The blocks of a collection by category, as of a revision of the database.

    A cache never changes: `refreshed` returns the next, and a search that still uses this one is not
    disturbed.
    """

    collection: int
    dimension: int
    revision: int
    last_row: int
    last_removed: int
    blocks: Mapping[str, Block]
    facets: Mapping[str, Facets]

    @classmethod
    def load(cls, connection: sqlite3.Connection, collection: int, dimension: int, revision: int) -> "Cache":
        """Read all vectors of a collection, within the connection's read transaction."""
        counts = connection.execute(
            "SELECT c.name, p.n FROM (SELECT category, count(*) AS n FROM points WHERE collection = ? "
            "GROUP BY category) AS p JOIN categories AS c ON c.number = p.category",
            (collection,),
        )
        blocks = {name: Block.empty(dimension, count) for name, count in counts}
        _, last_removed = _last(connection)
        return cls(collection, dimension, revision, 0, last_removed, blocks, {}).refreshed(
            connection, revision
        )

    def refreshed(self, connection: sqlite3.Connection, revision: int) -> "Cache":
        """Return the cache of the state that the connection's read transaction sees."""
        last_row, last_removed = _last(connection)
        blocks = dict(self.blocks)
        self._append(connection, blocks)
        self._drop(connection, blocks)
        facets = {
            name: self.facets[name].inherited() if name in self.facets else Facets(self.collection, name)
            for name in blocks
        }
        return Cache(self.collection, self.dimension, revision, last_row, last_removed, blocks, facets)

    def scan(
        self,
        connection: sqlite3.Connection | None,
        queries: Sequence[Query],
        vectors: Float32Array,
        hidden: Sequence[IntArray],
        indexes: Indexes | None = None,
    ) -> list[list[Found]]:
        """Search each category once for all queries that want it; returns each query's finds, block by block.

        `vectors` [n, d] are the queries', `hidden` the rows each must not find, ascending. The connection's
        read transaction sees the state that this cache is of; without one, NotInMemory when a filter needs
        it.
        With `indexes`, large blocks are searched approximately.
        """
        found: list[list[Found]] = [[] for _ in queries]
        for category, asking in self._asked(queries).items():
            block = self.blocks[category]
            kept = [self._kept(connection, category, queries[i].where) for i in asking]
            index = None if indexes is None else indexes.of(self.collection, category, block)
            ask = block.nearest if index is None else partial(_nearest_by, index, block)
            near = ask(vectors[asking], [queries[i].k for i in asking], [hidden[i] for i in asking], kept)
            for i, nearest in zip(asking, near, strict=True):
                if len(nearest.rows):
                    found[i].append(Found(category, nearest))
        return found

    def _asked(self, queries: Sequence[Query]) -> dict[str, list[int]]:
        """Return the queries that want each category."""
        asked: dict[str, list[int]] = {}
        for i, query in enumerate(queries):
            wanted = self.blocks if query.categories is None else query.categories
            for category in wanted:
                if category in self.blocks:
                    asked.setdefault(category, []).append(i)
        return asked

    def _kept(
        self, connection: sqlite3.Connection | None, category: str, where: Filter | None
    ) -> BoolArray | None:
        if where is None:
            return None
        return self.facets[category].mask(connection, self.blocks[category], where)

    def _append(self, connection: sqlite3.Connection, blocks: dict[str, Block]) -> None:
        names = dict(connection.execute("SELECT number, name FROM categories").fetchall())
        for rows, categories, vectors in self._batches(connection):
            order = np.argsort(categories, kind="stable")
            numbers, starts = np.unique(categories[order], return_index=True)
            for category, chosen in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
                block = blocks.get(names[category]) or Block.empty(self.dimension)
                blocks[names[category]] = block.extended(rows[chosen], vectors[chosen])

    def _batches(self, connection: sqlite3.Connection) -> Iterator[tuple[IntArray, IntArray, Float32Array]]:
        """Yield rows [n], numbers of categories [n] and vectors [n, d] behind the last row, ascending.

        SQLite puts a batch together, in one step that needs no Python: half the time of row by row, and the
        next batch is read while this one is worked on.
        """

        def read(after: int) -> tuple[int | None, str, str, bytes]:
            found: tuple[int | None, str, str, bytes] = connection.execute(
                _SELECT_BATCH, (after, self.collection, _FETCH)
            ).fetchone()
            return found

        with ThreadPoolExecutor(1, thread_name_prefix="vectors") as beside:
            last, rows, categories, vectors = read(self.last_row)
            while last is not None:
                following = beside.submit(read, last)
                yield _integers(rows), _integers(categories), self._decoded(vectors, rows.count(",") + 1)
                last, rows, categories, vectors = following.result()

    def _drop(self, connection: sqlite3.Connection, blocks: dict[str, Block]) -> None:
        removed = connection.execute(
            "SELECT row FROM removed WHERE number > ? AND collection = ?",
            (self.last_removed, self.collection),
        ).fetchall()
        rows: IntArray = np.sort(np.array([row for (row,) in removed], np.int64))
        for category, block in blocks.items():
            blocks[category] = block.without(rows)

    def _decoded(self, data: bytes, count: int) -> Float32Array:
        if len(data) != count * self.dimension * VECTOR_DTYPE.itemsize:
            raise CatalogueError(
                f"the catalogue is damaged: a vector is not of the collection's dimension {self.dimension}; "
                "move its folder away and run `perfectlook catalogue sync` to build it anew"
            )
        return np.frombuffer(data, VECTOR_DTYPE).astype(np.float32, copy=False).reshape(count, -1)


def _integers(listed: str) -> IntArray:
    return np.fromstring(listed, np.int64, sep=",")


def _nearest_by(
    index: Index,
    block: Block,
    queries: Float32Array,
    ks: Sequence[int],
    hidden: Sequence[IntArray],
    kept: Sequence[BoolArray | None],
) -> list[Nearest]:
    """Answer as `Block.nearest` does, but for what the index misses."""
    found = []
    for query, k, gone, mask in zip(queries, ks, hidden, kept, strict=True):
        places = index.candidates(query, k + len(gone), mask, block)
        if places is None:
            found += block.nearest(query[None], [k], [gone], [mask])
        else:
            found.append(block.nearest_among(query, k, gone, places))
    return found


def _last(connection: sqlite3.Connection) -> tuple[int, int]:
    """The highest row and the highest number of a removal that were ever given out."""
    last = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    return int(last.get("points", 0)), int(last.get("removed", 0))
