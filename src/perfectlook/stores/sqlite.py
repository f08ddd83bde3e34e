"""The default store: a SQLite database, with its vectors in memory for searching."""

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np

from perfectlook.errors import CatalogueError
from perfectlook.files import Closable
from perfectlook.stores import database as sql
from perfectlook.stores.base import Hits, Payload, Point, Query, Store, parsed
from perfectlook.stores.cache import VECTOR_DTYPE, Cache, Connect
from perfectlook.stores.database import REBUILD, Damage, Database, StateChanged, check_record, state
from perfectlook.stores.database import check_vector as check_stored_vector
from perfectlook.stores.index import ApproximateIndexes, Nearest, check_queries, check_vector


class EmbeddedStore(Closable, Store):
    """A store on this machine. Searches are exact unless an approximate index is requested.

    A search uses the blocks of vectors in memory. First they catch up with the commits of other connections
    and processes. The search reads everything else from the same state of the database as the blocks.
    """

    def __init__(self, database: Database, approximate_above: int | None = None) -> None:
        """Use an open database. `EmbeddedStore.open` opens one."""
        self.indexes = None if approximate_above is None else ApproximateIndexes(approximate_above)
        self._database, self.location = database, str(database.folder)
        self._cache: Cache | None = None
        # the last results, each with the database's version before reading and the requested collection
        self._seen: tuple[tuple[int, str | None], Cache] | None = None
        self._counted: tuple[tuple[int, str | None], dict[str, int]] | None = None
        self._refreshing = threading.Lock()
        self._records: dict[int, Point] = {}
        self._epoch = 0

    @classmethod
    def open(cls, folder: Path, *, create: bool = False, approximate_above: int | None = None) -> Self:
        """Open the store in a folder. With `create`, make an empty one if there is none.

        With `approximate_above`, categories with more products than this are searched with an approximate
        index (extra `ann`). It is built in the background when the category is first searched.

        Raises:
            CatalogueError: there is no catalogue, or it is damaged, unreadable or has a newer format.
            MissingExtraError: `approximate_above` is given, but the extra `ann` is not installed.
        """
        return cls(Database.open(folder, create=create), approximate_above)

    @property
    def epoch(self) -> int:
        """How often another database has taken the place of the open one."""
        return self._database.epoch

    @property
    def exact(self) -> bool:
        """Whether every category is scanned. With approximate indexes, no answer counts as exact."""
        return self.indexes is None

    def manifest(self) -> Payload | None:
        """Return the last document. Raises CatalogueError if it is damaged."""
        with self._database.reading() as connection:
            text = state(connection, "manifest")
            document, checked, check = str(text).rpartition(_CHECK)
            if checked and check != f"{zlib.crc32(document.encode())}}}":
                raise Damage("the manifest")
        found = f"{document}}}" if checked else str(text)
        return None if text is None else parsed(found, "the manifest", self.location, REBUILD)

    def write_manifest(self, document: Payload, *, active: str | None) -> None:
        """Replace the manifest and the active collection in one transaction."""
        text = json.dumps(document)
        text = f"{text[:-1]}{_CHECK}{zlib.crc32(text[:-1].encode())}}}"
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
        """Return the dimensions of the collections by name."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT name, dimension FROM collections ORDER BY name")
            return dict(found.fetchall())

    def create_collection(self, name: str, dimension: int) -> None:
        """Make an empty collection."""
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM collections WHERE name = ?", (name,)).fetchone():
                raise CatalogueError(f"{self.location}: collection '{name}' already exists. Drop it first.")
            connection.execute("INSERT INTO collections (name, dimension) VALUES (?, ?)", (name, dimension))

    def drop_collection(self, name: str) -> None:
        """Remove a collection that is not active."""
        with self._database.writing() as connection:
            if state(connection, "active") == name:
                what = f"collection '{name}' is active. Switch to another first."
                raise CatalogueError(f"{self.location}: {what}")
            number, _ = self._named(connection, name)
            rows = "SELECT row FROM points WHERE collection = ?"
            connection.execute(f"DELETE FROM main.checks WHERE row IN ({rows})", (number,))
            for table in ("vectors", "points", "removed"):
                connection.execute(f"DELETE FROM {table} WHERE collection = ?", (number,))
            connection.execute("DELETE FROM collections WHERE number = ?", (number,))

    def upsert(self, points: Sequence[Point], *, collection: str | None = None) -> None:
        """Add or replace points in one transaction."""
        with self._database.writing() as connection:
            number, dimension = self._named(connection, collection)
            latest = {point.id: point for point in points}
            vectors = [check_vector(point.id, point.vector, dimension) for point in latest.values()]
            categories = sql.category_numbers(connection, {point.category for point in latest.values()})
            sql.remove(connection, number, latest)
            entries = [
                (
                    point.id,
                    categories[point.category],
                    json.dumps(point.payload, ensure_ascii=False),
                    vector.astype(VECTOR_DTYPE, copy=False).tobytes(),
                )
                for point, vector in zip(latest.values(), vectors, strict=True)
            ]
            sql.insert(connection, number, entries)

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> None:
        """Replace payloads in one transaction. A point whose payload changes gets a new row."""
        texts = {id_: json.dumps(payload, ensure_ascii=False) for id_, payload in payloads.items()}
        with self._database.writing() as connection:
            number, _ = self._named(connection, collection)
            sql.move(connection, number, texts)

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> None:
        """Remove points in one transaction."""
        with self._database.writing() as connection:
            number, _ = self._named(connection, collection)
            sql.remove(connection, number, ids)

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return points by id."""
        with self._database.reading() as connection:
            number, _ = self._named(connection, collection)
            found = sql.selected(connection, sql.SELECT_POINTS, number, ids)
            return {point.id: point for point in map(self._point, found)}

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[Hits]:
        """Answer all queries from one state: one matrix product for each block, then the records found."""
        while True:
            cache = self._current(collection)
            vectors = check_queries(queries, cache.dimension)
            with suppress(StateChanged), self._database.reading_if_needed(cache.revision) as connect:
                near = cache.scan(connect, queries, vectors, self.indexes)
                rows = [each.rows.tolist() for each in near]
                records = self._read(connect, list(chain.from_iterable(rows)))
                return [
                    _hits(query.k, each, [records[row] for row in some])
                    for query, each, some in zip(queries, near, rows, strict=True)
                ]

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Count points."""
        counts = self.categories(collection=collection)
        return sum(counts.values()) if category is None else counts.get(category, 0)

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Count points by category. The counts are kept until the next commit."""
        asked, counted = (self._database.version(), collection), self._counted
        if counted is None or counted[0] != asked:
            with self._database.reading() as connection:
                number, _ = self._named(connection, collection)
                found = connection.execute(sql.COUNT_BY_CATEGORY, (number,)).fetchall()
            self._counted = counted = asked, dict(found)
        return dict(counted[1])

    def scroll(
        self, batch: int = 1000, *, collection: str | None = None, vectors: bool = True
    ) -> Iterator[list[Point]]:
        """Yield all points in batches, each read in its own transaction."""
        select = sql.SELECT_POINTS if vectors else sql.SELECT_RECORDS
        for found in self._batches(select, batch, collection):
            with self._database.translated():
                points = [self._point(entry) for entry in found]
            yield points

    def excerpts(self, *names: str, collection: str | None = None) -> Iterator[tuple[str | None, ...]]:
        """Yield the id, the category and some entries of each payload. SQLite extracts them from the JSON."""
        entries = "".join(f", json_extract(p.payload, '$.{name}')" for name in names)
        select = sql.SELECT_EXCERPTS.replace(" FROM", f"{entries} FROM", 1)
        for found in self._batches(select, 10_000, collection):
            yield from (entry[1:] for entry in found)

    def hold(self, purpose: str) -> AbstractContextManager[None]:
        """Keep other processes and threads from syncing."""
        return self._database.hold(purpose)

    def together(self) -> AbstractContextManager[None]:
        """Make the reads by id and the writes of this thread one transaction."""
        return self._database.together()

    def _release(self) -> None:
        """Close the connections, and drop the blocks."""
        self._database.close()
        if self.indexes is not None:
            self.indexes.close()
        self._cache = self._seen = None

    def _named(self, connection: sqlite3.Connection, name: str | None) -> tuple[int, int]:
        """Return the number and the dimension of a collection, by default the active one."""
        wanted = state(connection, "active") if name is None else name
        if wanted is None:
            remedy = "Run `perfectlook catalogue sync`, and let it finish."
            raise CatalogueError(f"{self.location}: no finished sync. {remedy}")
        select = "SELECT number, dimension FROM collections WHERE name = ?"
        found: tuple[int, int] | None = connection.execute(select, (wanted,)).fetchone()
        if found is None:
            raise CatalogueError(f"{self.location}: no collection '{wanted}'. Open the catalogue again.")
        return found

    def _batches(self, select: str, size: int, collection: str | None) -> Iterator[list[Any]]:
        last = 0
        while True:
            with self._database.reading() as connection:
                number, _ = self._named(connection, collection)
                # the + keeps SQLite from using an index, with which it would sort all rows for every batch
                found = connection.execute(
                    f"{select} WHERE p.row > ? AND +p.collection = ? ORDER BY p.row LIMIT ?",
                    (last, number, size),
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield found

    def _current(self, collection: str | None) -> Cache:
        """Return the blocks of the last committed state. One thread updates them, and others wait for it."""
        asked, seen = (self._database.version(), collection), self._seen
        if seen is not None and seen[0] == asked:
            return seen[1]
        with self._refreshing, self._database.reading() as connection:
            number, dimension = self._named(connection, collection)
            revision, horizon = (sql.number(connection, key) for key in ("revision", "horizon"))
            cache = self._cache
            if self._epoch != self._database.epoch:
                self._epoch, cache, self._records = self._database.epoch, None, {}
            if cache is None or cache.collection != number or cache.last_removed < horizon:
                cache = Cache.load(connection, number, dimension, revision)
            elif cache.revision != revision:
                cache = cache.refreshed(connection, revision)
            self._cache, self._seen = cache, (asked, cache)
        return cache

    def _read(self, connect: Connect, rows: Sequence[int]) -> dict[int, Point]:
        """Return the records of rows. Recently read records are kept in memory."""
        known = self._records
        found = {row: record for row in rows if (record := known.get(row)) is not None}
        if missing := [row for row in rows if row not in found]:
            read = {}
            for row, *record in connect().execute(_SELECT_ROWS, (json.dumps(missing),)):
                check_record(*record)
                id_, category, text, _ = record
                read[row] = Point(id_, category, _NO_VECTOR, _LazyPayload(text, self._place_of(id_)))
            if lost := next((row for row in missing if row not in read), None):
                raise Damage(f"the record of row {lost} is missing")
            if len(known) + len(read) > _RECORDS_KEPT:
                self._records = known = {}
            if len(read) <= _RECORDS_KEPT:
                known.update(read)
            found |= read
        return found

    def _point(self, entry: tuple[Any, ...]) -> Point:
        _, *record, number, vector, check = entry if len(entry) > 5 else (*entry, None, b"", None)
        check_record(*record)
        id_, category, payload, _ = record
        check_stored_vector(f"product '{id_}'", number, vector, check)
        array = np.frombuffer(vector, VECTOR_DTYPE).astype(np.float32, copy=False)
        return Point(id_, category, array, parsed(payload, *self._place_of(id_), REBUILD))

    def _place_of(self, id_: str) -> tuple[str, str]:
        return f"the record of product '{id_}'", self.location


_CHECK = ', "check": '
_RECORDS_KEPT = 10_000
_NO_VECTOR = np.empty(0, np.float32)
_SELECT_ROWS = f"{sql.SELECT_RECORDS} WHERE p.row IN (SELECT value FROM json_each(?))"


class _LazyPayload(Mapping[str, object]):
    """A payload whose JSON is parsed on first use. Raises CatalogueError if it is damaged."""

    __slots__ = ("_document", "_place", "_text")

    def __init__(self, text: str, place: tuple[str, str]) -> None:
        self._text = text
        self._place = place
        self._document: Payload | None = None

    @property
    def _read(self) -> Payload:
        if self._document is None:
            self._document = parsed(self._text, *self._place, REBUILD)
        return self._document

    def __getitem__(self, name: str) -> object:
        return self._read[name]

    def keys(self) -> KeysView[str]:
        """Return the names as a view of the dict, because it compares fast."""
        return self._read.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def _hits(k: int, near: Nearest, records: list[Point]) -> Hits:
    """Return the k nearest points, ties in order of ids."""
    _, distances, vectors = near
    if (distances[1:] == distances[:-1]).any():
        order = sorted(range(len(records)), key=lambda place: (distances[place], records[place].id))
        records, distances, vectors = [records[place] for place in order], distances[order], vectors[order]
    return Hits(records[:k], distances[:k], vectors[:k])
