"""The default store: a SQLite database, which is the truth, and its vectors in memory for searching."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from perfectlook.errors import CatalogueError
from perfectlook.stores.base import Hit, Payload, Point, Query, check_queries, check_vector
from perfectlook.stores.blocks import Nearest
from perfectlook.stores.cache import VECTOR_DTYPE, Cache
from perfectlook.stores.database import Database
from perfectlook.types import IntArray

_REMOVED_KEPT = 200_000


class _Collection(NamedTuple):
    number: int
    dimension: int


class EmbeddedStore:
    """Exact search of a catalogue that lies on this machine.

    A search runs inside one read transaction: it compares the database's revision with that of the blocks
    in memory, catches up with what other connections or processes have committed since, and reads the
    payloads of what it found from the very same state.
    """

    exact = True

    def __init__(self, database: Database) -> None:
        """Serve an open database; `EmbeddedStore.open` is the way in."""
        self._database = database
        self._cache: Cache | None = None
        self._refreshing = threading.Lock()

    @classmethod
    def open(cls, folder: Path, *, create: bool = False) -> Self:
        """Open the store in a folder; with `create`, make an empty one where there is none.

        Raises:
            CatalogueError: there is none, or it is damaged, of a newer format or not a catalogue.
        """
        return cls(Database.open(folder, create=create))

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._database.folder)

    def manifest(self) -> Payload | None:
        """Return the document last written; CatalogueError when it is damaged."""
        with self._database.reading() as connection:
            text = _state(connection, "manifest")
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
            name = _state(connection, "active")
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
            if _state(connection, "active") == name:
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
            categories = _category_numbers(connection, {point.category for point in latest.values()})
            _remove(connection, number, latest)
            for point, vector in zip(latest.values(), vectors, strict=True):
                category = categories[point.category]
                row = connection.execute(
                    "INSERT INTO points (collection, id, category, payload) VALUES (?, ?, ?, ?)",
                    (number, point.id, category, json.dumps(point.payload, ensure_ascii=False)),
                ).lastrowid
                connection.execute(
                    "INSERT INTO vectors VALUES (?, ?, ?, ?)",
                    (row, number, category, vector.astype(VECTOR_DTYPE, copy=False).tobytes()),
                )

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> int:
        """Replace payloads in one transaction; vectors in memory stay as they are."""
        with self._database.writing() as connection:
            number = self._named(connection, collection).number
            cursor = connection.executemany(
                "UPDATE points SET payload = ? WHERE collection = ? AND id = ?",
                [(json.dumps(p, ensure_ascii=False), number, id_) for id_, p in payloads.items()],
            )
            return cursor.rowcount if payloads else 0

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> int:
        """Remove points in one transaction."""
        with self._database.writing() as connection:
            return _remove(connection, self._named(connection, collection).number, ids)

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return points by id."""
        with self._database.reading() as connection:
            found = connection.execute(
                f"{_SELECT_POINTS} WHERE p.collection = ? AND p.id IN (SELECT value FROM json_each(?))",
                (self._named(connection, collection).number, json.dumps(list(ids))),
            ).fetchall()
        return {point.id: point for point in map(self._point, found)}

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[list[Hit]]:
        """Answer all queries from one state: one matrix product a block, then the winners' records."""
        while True:
            with self._database.reading() as connection:
                named = self._named(connection, collection)
                vectors = check_queries(queries, named.dimension)
                cache = self._current(connection, named)
                if cache is not None:
                    found = cache.scan(queries, vectors, _hidden(connection, named.number, queries))
                    return self._hits(connection, _winners(connection, queries, found))

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Count points."""
        counts = self.categories(collection=collection)
        return sum(counts.values()) if category is None else counts.get(category, 0)

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Count points by category."""
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
        select = _SELECT_POINTS if vectors else _SELECT_RECORDS
        while True:
            with self._database.reading() as connection:
                number = self._named(connection, collection).number
                found = connection.execute(
                    f"{select} WHERE p.row > ? AND p.collection = ? ORDER BY p.row LIMIT ?",
                    (last, number, batch),
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield [self._point(entry) for entry in found]

    def hold(self, purpose: str) -> AbstractContextManager[None]:
        """Keep other processes and threads from syncing."""
        return self._database.hold(purpose)

    def close(self) -> None:
        """Close the connections and forget the blocks."""
        self._database.close()
        self._cache = None

    def _named(self, connection: sqlite3.Connection, name: str | None) -> _Collection:
        wanted = _state(connection, "active") if name is None else name
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

    def _current(self, connection: sqlite3.Connection, collection: _Collection) -> Cache | None:
        """Return the blocks of the state this transaction sees; one thread catches up, others wait.

        None when another thread has caught up with a later state in the meantime: look again from there.
        """
        revision = _number(connection, "revision")
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
            or cache.last_removed < _number(connection, "horizon")
        ):
            return Cache.load(connection, *collection, revision)
        return cache.refreshed(connection, revision)

    def _hits(
        self, connection: sqlite3.Connection, winners: Sequence[Sequence[tuple[float, str, int]]]
    ) -> list[list[Hit]]:
        rows = sorted({row for found in winners for _, _, row in found})
        entries = connection.execute(
            f"{_SELECT_POINTS} WHERE p.row IN (SELECT value FROM json_each(?))", (json.dumps(rows),)
        )
        points = {entry[0]: self._point(entry) for entry in entries}
        return [
            [
                Hit(id_, points[row].category, distance, points[row].vector, points[row].payload)
                for distance, id_, row in found
            ]
            for found in winners
        ]

    def _point(self, entry: tuple[int, str, str, str, bytes]) -> Point:
        _, id_, category, payload, vector = entry
        array = np.frombuffer(vector, VECTOR_DTYPE).astype(np.float32, copy=False)
        return Point(id_, category, array, self._parsed(payload, f"the record of product '{id_}'"))

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


_SELECT_POINTS = (
    "SELECT p.row, p.id, c.name, p.payload, v.vector FROM points AS p "
    "JOIN categories AS c ON c.number = p.category JOIN vectors AS v ON v.row = p.row"
)
_SELECT_RECORDS = (
    "SELECT p.row, p.id, c.name, p.payload, x'' FROM points AS p "
    "JOIN categories AS c ON c.number = p.category"
)


def _state(connection: sqlite3.Connection, key: str) -> object:
    found = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if found is None else found[0]


def _number(connection: sqlite3.Connection, key: str) -> int:
    return int(str(_state(connection, key)))


def _is_of(cache: Cache | None, collection: _Collection, revision: int) -> bool:
    return cache is not None and (cache.collection, cache.revision) == (collection.number, revision)


def _category_numbers(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
    connection.executemany("INSERT OR IGNORE INTO categories (name) VALUES (?)", [(name,) for name in names])
    return dict(connection.execute("SELECT name, number FROM categories").fetchall())


def _rows(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> dict[str, int]:
    return dict(
        connection.execute(
            "SELECT id, row FROM points WHERE collection = ? AND id IN (SELECT value FROM json_each(?))",
            (collection, json.dumps(list(ids))),
        ).fetchall()
    )


def _remove(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> int:
    rows = [(row,) for row in _rows(connection, collection, ids).values()]
    connection.executemany("DELETE FROM vectors WHERE row = ?", rows)
    connection.executemany("DELETE FROM points WHERE row = ?", rows)
    connection.executemany(f"INSERT INTO removed (collection, row) VALUES ({collection}, ?)", rows)
    horizon = f"(SELECT seq - {_REMOVED_KEPT} FROM sqlite_sequence WHERE name = 'removed')"
    if rows and connection.execute(f"DELETE FROM removed WHERE number <= {horizon}").rowcount:
        connection.execute(f"UPDATE state SET value = {horizon} WHERE key = 'horizon'")
    return len(rows)


def _hidden(connection: sqlite3.Connection, collection: int, queries: Sequence[Query]) -> list[IntArray]:
    excluded: set[str] = set().union(*(query.exclude for query in queries))
    rows = _rows(connection, collection, excluded) if excluded else {}
    return [np.sort(np.array([rows[i] for i in query.exclude if i in rows], np.int64)) for query in queries]


def _winners(
    connection: sqlite3.Connection, queries: Sequence[Query], found: Sequence[Sequence[Nearest]]
) -> list[list[tuple[float, str, int]]]:
    """Merge what the blocks returned: the k nearest of each query as (distance, id, row), ties by id."""
    rows = sorted({row for blocks in found for near in blocks for row in near.rows.tolist()})
    select = "SELECT row, id FROM points WHERE row IN (SELECT value FROM json_each(?))"
    ids = dict(connection.execute(select, (json.dumps(rows),)).fetchall())
    return [
        sorted(
            (distance, ids[row], row)
            for near in blocks
            for row, distance in zip(near.rows.tolist(), near.distances.tolist(), strict=True)
        )[: query.k]
        for query, blocks in zip(queries, found, strict=True)
    ]
