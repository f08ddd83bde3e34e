"""The default store: a SQLite database, which is the truth, and its vectors in memory for searching."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, Self, TypeAlias

import numpy as np

from perfectlook.errors import CatalogueError
from perfectlook.stores.approximate import Indexes
from perfectlook.stores.base import Hit, Payload, Point, Query, check_queries, check_vector
from perfectlook.stores.cache import VECTOR_DTYPE, Cache, Found
from perfectlook.stores.database import (
    SELECT_POINTS,
    SELECT_RECORDS,
    Database,
    category_numbers,
    insert,
    move,
    payloads_of,
    remove,
    rows_of,
    state,
    state_number,
)
from perfectlook.stores.exact_index import NotInMemory, Records
from perfectlook.types import Float32Array, IntArray

_EXCERPTS_TOGETHER = 10_000


class _Collection(NamedTuple):
    number: int
    dimension: int


class _Seen(NamedTuple):
    """A collection's blocks, what it was asked by, and the database's version before they were read."""

    version: int
    asked: str | None
    collection: _Collection
    cache: Cache


class _Counted(NamedTuple):
    """How many points each category has, what was asked for, and the database's version before."""

    version: int
    asked: str | None
    counts: dict[str, int]


_Near: TypeAlias = tuple[float, int, str, Float32Array]
"""Distance, row, category and vector of what a block found."""


class EmbeddedStore:
    """Search of a catalogue that lies on this machine, exact unless asked otherwise.

    A search runs inside one read transaction: it compares the database's revision with that of the blocks
    in memory, catches up with what other connections or processes have committed since, and reads the
    payloads of what it found from the very same state.
    """

    def __init__(self, database: Database, approximate_above: int | None = None) -> None:
        """Serve an open database; `EmbeddedStore.open` is the way in."""
        self.indexes = None if approximate_above is None else Indexes(approximate_above)
        self._database = database
        self._cache: Cache | None = None
        self._seen: _Seen | None = None
        self._refreshing = threading.Lock()
        self._counted: _Counted | None = None
        self._records = Records(self._record)

    @classmethod
    def open(cls, folder: Path, *, create: bool = False, approximate_above: int | None = None) -> Self:
        """Open the store in a folder; with `create`, make an empty one where there is none.

        With `approximate_above`, categories of more products are searched by an approximate index (extra
        `ann`), which is built in the background when such a category is first asked for.

        Raises:
            CatalogueError: there is none, or it is damaged, of a newer format or not a catalogue.
            MissingExtraError: `approximate_above` without the extra `ann`.
        """
        return cls(Database.open(folder, create=create), approximate_above)

    @property
    def exact(self) -> bool:
        """Whether every category is scanned; where indexes were asked for, no answer is called exact."""
        return self.indexes is None

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._database.folder)

    def manifest(self) -> Payload | None:
        """Return the document last written; CatalogueError when it is damaged."""
        with self._database.reading() as connection:
            text = state(connection, "manifest")
        return None if text is None else self._parsed(text, "its manifest")

    def write_manifest(self, document: Payload, *, active: str | None) -> None:
        """Replace the manifest and the active collection in one transaction."""
        text = json.dumps(document, ensure_ascii=False)
        with self._database.writing() as connection:
            if active is not None:
                self._named(connection, active)
            update = "UPDATE state SET value = ? WHERE key = ?"
            connection.executemany(update, [(text, "manifest"), (active, "active")])

    def active(self) -> str | None:
        """Return the active collection's name."""
        with self._database.reading() as connection:
            name = state(connection, "active")
        return None if name is None else str(name)

    def collections(self) -> dict[str, int]:
        """Return dimensions by name."""
        with self._database.reading() as connection:
            return dict(
                connection.execute("SELECT name, dimension FROM collections ORDER BY name").fetchall()
            )

    def create_collection(self, name: str, dimension: int) -> None:
        """Make an empty collection."""
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM collections WHERE name = ?", (name,)).fetchone():
                raise CatalogueError(f"{self.location} already has a collection '{name}'")
            connection.execute("INSERT INTO collections (name, dimension) VALUES (?, ?)", (name, dimension))

    def drop_collection(self, name: str) -> None:
        """Remove a collection that is not active."""
        with self._database.writing() as connection:
            if state(connection, "active") == name:
                raise CatalogueError(f"{self.location}: collection '{name}' is active and cannot be dropped")
            number = self._named(connection, name).number
            for table in ("vectors", "points", "removed"):
                connection.execute(f"DELETE FROM {table} WHERE collection = ?", (number,))
            connection.execute("DELETE FROM collections WHERE number = ?", (number,))

    def upsert(self, points: Sequence[Point], *, collection: str | None = None) -> None:
        """Add or replace points in one transaction."""
        with self._database.writing() as connection:
            number, dimension = self._named(connection, collection)
            latest = {point.id: point for point in points}
            vectors = [check_vector(point.id, point.vector, dimension) for point in latest.values()]
            categories = category_numbers(connection, {point.category for point in latest.values()})
            remove(connection, number, latest)
            entries = [
                (
                    point.id,
                    categories[point.category],
                    json.dumps(point.payload, ensure_ascii=False),
                    vector.astype(VECTOR_DTYPE, copy=False).tobytes(),
                )
                for point, vector in zip(latest.values(), vectors, strict=True)
            ]
            insert(connection, number, entries)

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> int:
        """Replace payloads in one transaction; a point whose payload changes gets a new row."""
        with self._database.writing() as connection:
            number = self._named(connection, collection).number
            known = payloads_of(connection, number, payloads)
            texts = {id_: json.dumps(payloads[id_], ensure_ascii=False) for id_ in known}
            move(connection, number, {id_: text for id_, text in texts.items() if text != known[id_]})
            return len(known)

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> int:
        """Remove points in one transaction."""
        with self._database.writing() as connection:
            return remove(connection, self._named(connection, collection).number, ids)

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return points by id."""
        with self._database.reading() as connection:
            found = connection.execute(
                f"{SELECT_POINTS} WHERE p.collection = ? AND p.id IN (SELECT value FROM json_each(?))",
                (self._named(connection, collection).number, json.dumps(list(ids))),
            ).fetchall()
        return {point.id: point for point in map(self._point, found)}

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[list[Hit]]:
        """Answer all queries from one state: one matrix product a block, then the winners' records."""
        version = self._database.version()
        seen, near = self._seen, None
        if seen is not None and (seen.version, seen.asked) == (version, collection):
            with suppress(NotInMemory):
                near = self._near(None, seen, queries)
                return self._hits(None, queries, near)
        while True:
            with self._database.reading() as connection:
                named, revision = self._named_now(connection, collection)
                check_queries(queries, named.dimension)  # before the first vector is read
                cache = self._current(connection, named, revision)
                if cache is not None:
                    if near is None or seen is None or seen.cache is not cache:
                        self._seen = seen = _Seen(version, collection, named, cache)
                        near = self._near(connection, seen, queries)
                    return self._hits(connection, queries, near)

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Count points."""
        counts = self.categories(collection=collection)
        return sum(counts.values()) if category is None else counts.get(category, 0)

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Count points by category; counted once as long as nothing is committed."""
        version, counted = self._database.version(), self._counted
        if counted is None or (counted.version, counted.asked) != (version, collection):
            self._counted = counted = _Counted(version, collection, self._count_by_category(collection))
        return dict(counted.counts)

    def _count_by_category(self, collection: str | None) -> dict[str, int]:
        with self._database.reading() as connection:
            counts = connection.execute(
                "SELECT c.name, p.n FROM (SELECT category, count(*) AS n FROM points WHERE collection = ? "
                "GROUP BY category) AS p JOIN categories AS c ON c.number = p.category ORDER BY c.name",
                (self._named(connection, collection).number,),
            )
            return dict(counts.fetchall())

    def scroll(
        self, batch: int = 1000, *, collection: str | None = None, vectors: bool = True
    ) -> Iterator[list[Point]]:
        """Yield all points in batches, each read in a transaction of its own."""
        last = 0
        select = SELECT_POINTS if vectors else SELECT_RECORDS
        while True:
            with self._database.reading() as connection:
                number = self._named(connection, collection).number
                # the + keeps SQLite from an index that would have it sort all rows again for every batch
                found = connection.execute(
                    f"{select} WHERE p.row > ? AND +p.collection = ? ORDER BY p.row LIMIT ?",
                    (last, number, batch),
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield [self._point(entry) for entry in found]

    def excerpts(self, *names: str, collection: str | None = None) -> Iterator[tuple[str | None, ...]]:
        """Yield ids, categories and entries of payloads, which SQLite picks out of the JSON."""
        entries = "".join(f", json_extract(payload, '$.{name}')" for name in names)
        last = 0
        while True:
            with self._database.reading() as connection:
                number = self._named(connection, collection).number
                categories = dict(connection.execute("SELECT number, name FROM categories").fetchall())
                found = connection.execute(
                    f"SELECT row, id, category{entries} FROM points "
                    "WHERE row > ? AND +collection = ? ORDER BY row LIMIT ?",
                    (last, number, _EXCERPTS_TOGETHER),
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            for _, id_, category, *values in found:
                yield id_, categories[category], *values

    def hold(self, purpose: str) -> AbstractContextManager[None]:
        """Keep other processes and threads from syncing."""
        return self._database.hold(purpose)

    def close(self) -> None:
        """Close the connections and forget the blocks."""
        self._database.close()
        if self.indexes is not None:
            self.indexes.close()
        self._cache = self._seen = None

    def _named(self, connection: sqlite3.Connection, name: str | None) -> _Collection:
        wanted = state(connection, "active") if name is None else name
        if wanted is None:
            raise CatalogueError(
                f"{self.location} has no finished sync yet: run `perfectlook catalogue sync` to its end"
            )
        found = connection.execute(
            "SELECT number, dimension FROM collections WHERE name = ?", (wanted,)
        ).fetchone()
        if found is None:
            raise CatalogueError(f"{self.location} has no collection '{wanted}'")
        return _Collection(*found)

    def _near(
        self, connection: sqlite3.Connection | None, seen: "_Seen", queries: Sequence[Query]
    ) -> list[list[_Near]]:
        vectors = check_queries(queries, seen.collection.dimension)
        hidden = _hidden(connection, seen.collection.number, queries)
        found = seen.cache.scan(connection, queries, vectors, hidden, self.indexes)
        return [_nearest(query, each) for query, each in zip(queries, found, strict=True)]

    def _named_now(self, connection: sqlite3.Connection, name: str | None) -> tuple[_Collection, int]:
        """Return a collection and the database's revision, in one question."""
        found = connection.execute(
            "SELECT number, dimension, (SELECT value FROM state WHERE key = 'revision') FROM collections "
            "WHERE name = COALESCE(?, (SELECT value FROM state WHERE key = 'active'))",
            (name,),
        ).fetchone()
        if found is None:
            return self._named(connection, name), 0  # which says what is missing
        number, dimension, revision = found
        return _Collection(number, dimension), revision

    def _current(
        self, connection: sqlite3.Connection, collection: _Collection, revision: int
    ) -> Cache | None:
        """Return the blocks of the state this transaction sees; one thread catches up, others wait.

        None when another thread has caught up with a later state in the meantime: look again from there.
        """
        cache = self._cache
        if _is_of(cache, collection, revision):
            return cache
        with self._refreshing:
            cache = self._cache
            if cache is not None and cache.collection == collection.number and cache.revision > revision:
                return None
            if not _is_of(cache, collection, revision):
                self._cache = cache = self._caught_up(connection, collection, revision)
            return cache

    def _caught_up(self, connection: sqlite3.Connection, collection: _Collection, revision: int) -> Cache:
        cache = self._cache
        if (
            cache is None
            or cache.collection != collection.number
            or cache.last_removed < state_number(connection, "horizon")
        ):
            return Cache.load(connection, *collection, revision)
        return cache.refreshed(connection, revision)

    def _hits(
        self, connection: sqlite3.Connection | None, queries: Sequence[Query], near: Sequence[list[_Near]]
    ) -> list[list[Hit]]:
        """Read the records of what was found; of equal distances the first by id come first, then k stay."""
        records = self._records.of(connection, [row for found in near for _, row, _, _ in found])
        hits = []
        for query, found in zip(queries, near, strict=True):
            found.sort(key=lambda each: (each[0], records[each[1]].id))
            hits.append(
                [
                    Hit(records[row].id, category, distance, vector, records[row].payload)
                    for distance, row, category, vector in found[: query.k]
                ]
            )
        return hits

    def _point(self, entry: tuple[int, str, str, str, bytes]) -> Point:
        _, id_, category, payload, vector = entry
        array = np.frombuffer(vector, VECTOR_DTYPE).astype(np.float32, copy=False)
        return Point(id_, category, array, self._record(id_, payload))

    def _record(self, id_: str, text: str) -> Payload:
        return self._parsed(text, f"the record of product '{id_}'")

    def _parsed(self, text: object, what: str) -> Payload:
        try:
            document = json.loads(str(text))
        except ValueError as error:
            document = error
        if not isinstance(document, dict):
            raise CatalogueError(
                f"{self.location} is damaged: {what} is not readable; move the folder away and run "
                "`perfectlook catalogue sync` to build it anew"
            )
        return document


def _is_of(cache: Cache | None, collection: _Collection, revision: int) -> bool:
    return cache is not None and (cache.collection, cache.revision) == (collection.number, revision)


_NO_ROWS = np.empty(0, np.int64)


def _hidden(
    connection: sqlite3.Connection | None, collection: int, queries: Sequence[Query]
) -> list[IntArray]:
    excluded = {id_ for query in queries for id_ in query.exclude}
    if not excluded:
        return [_NO_ROWS] * len(queries)
    if connection is None:
        raise NotInMemory
    rows = rows_of(connection, collection, excluded)
    return [np.sort(np.array([rows[i] for i in query.exclude if i in rows], np.int64)) for query in queries]


def _nearest(query: Query, found: Sequence[Found]) -> list[_Near]:
    """Merge what the blocks returned: the k nearest and all that are exactly as far as the k-th."""
    near: list[_Near] = []
    for category, block in found:
        near += zip(block.distances.tolist(), block.rows.tolist(), repeat(category), block.vectors)
    if len(found) > 1 and len(near) > query.k:
        near.sort(key=itemgetter(0))
        limit = near[query.k - 1][0]
        near = [entry for entry in near if entry[0] <= limit]
    return near
