"""What an embedded store asks of its database, and writes into it, within a transaction of the caller's."""

import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Self

from perfectlook.errors import CatalogueError, CatalogueInUseError

FILE_NAME = "catalogue.sqlite"
LOCK_NAME = "sync.lock"
APPLICATION_ID = 0x504C4F4B  # "PLOK"
FORMAT = 1
BUSY_SECONDS = 30.0

SCHEMA = """
CREATE TABLE state (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO state VALUES ('revision', 0), ('manifest', NULL), ('active', NULL), ('holder', NULL),
    ('horizon', 0);
CREATE TABLE collections (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL
);
CREATE TABLE categories (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE points (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL, id TEXT NOT NULL, category INTEGER NOT NULL, payload TEXT NOT NULL
);
CREATE UNIQUE INDEX points_by_id ON points (collection, id);
CREATE INDEX points_by_category ON points (collection, category);
CREATE TABLE vectors (
    row INTEGER PRIMARY KEY, collection INTEGER NOT NULL, category INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE TABLE removed (
    number INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, row INTEGER NOT NULL
);
"""
"""A point whose vector or category changes gets a new row, and its old one is noted in `removed`: what is new
since
a state is then `row > last row` and `number > last number`, which is all a reader's cache needs to catch
up. Old notes are forgotten; a reader that has not seen those up to `horizon` starts anew. Vectors lie apart
from payloads, so that loading them reads nothing else."""


class Database:
    """One writer at a time, any number of readers, each seeing one committed state (WAL)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._pool_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._watch_lock = threading.Lock()
        self._watcher: sqlite3.Connection | None = None

    @classmethod
    def open(cls, folder: Path, *, create: bool) -> Self:
        """Open the database in `folder`; with `create`, make one where there is none.

        Raises:
            CatalogueError: there is none, it is damaged, of a newer format, not a catalogue, or unreadable.
        """
        database = cls(folder)
        if not database.path.is_file():
            if not create:
                raise CatalogueError(
                    f"{folder}: no catalogue here; run `perfectlook catalogue sync` to make one"
                )
            _make_folder(folder)
        try:
            with database.translated():
                database._check_format(create=create)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A read transaction: everything read within it is of one committed state."""
        with self.translated(), self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def version(self) -> int:
        """Return a number that is another one after any commit, by whichever process or thread.

        Much cheaper than a transaction: it tells that nothing has changed, not what has.
        """
        with self._watch_lock:
            if self._watcher is None:
                with self.translated():
                    self._watcher = self._watching()
            try:
                return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise CatalogueError(
                    f"{self.folder}: {self._explanation(error)} (SQLite: {error})"
                ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it is on the disk when the context ends, or none of it."""
        with self._write_lock, self.translated(), self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("UPDATE state SET value = value + 1 WHERE key = 'revision'")
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Keep every other process from syncing; the system lets go when this one ends, however it ends."""
        with self.translated(), closing(self._lock_file(timeout=0.0)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if _kind(error) in _BUSY:
                    raise CatalogueInUseError(
                        f"{self.folder} is in use: {self._holder()}; wait until it has finished, or end it"
                    ) from error
                raise
            since = datetime.now(UTC).isoformat(timespec="seconds")
            self._note_holder(f"{purpose}, process {os.getpid()} on {socket.gethostname()}, since {since}")
            try:
                yield
            finally:
                with suppress(sqlite3.Error):  # on a full disk; a note nobody reads while nobody holds
                    self._note_holder(None)

    def close(self) -> None:
        """Close the connections; one that is in use closes when it comes back."""
        with self._pool_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        with self._watch_lock:
            watcher, self._watcher = self._watcher, None
        for connection in (*idle, *filter(None, [watcher])):
            connection.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn SQLite's failures into CatalogueErrors that say what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise CatalogueError(f"{self.folder}: {self._explanation(error)} (SQLite: {error})") from error

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._pool_lock:
            if self._closed:
                raise CatalogueError(f"{self.folder}: this catalogue has been closed")
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield connection
        finally:
            with self._pool_lock:
                keep = not self._closed
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _watching(self) -> sqlite3.Connection:
        with self._pool_lock:
            if self._closed:
                raise CatalogueError(f"{self.folder}: this catalogue has been closed")
        return self._connect()

    def _lock_file(self, timeout: float) -> sqlite3.Connection:
        """A database of nothing: locking it exclusively locks no reader out, no dead process keeps it."""
        return sqlite3.connect(self.folder / LOCK_NAME, timeout=timeout, isolation_level=None)

    def _check_format(self, *, create: bool) -> None:
        with self._connection() as connection:
            # the tables first: whoever sees them sees the identity that was committed with them
            empty = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
            if empty and application in (0, APPLICATION_ID):
                if not create:
                    raise CatalogueError(
                        f"{self.folder}: an empty catalogue; run `perfectlook catalogue sync` to fill it"
                    )
                self._initialise(connection)
            elif application != APPLICATION_ID:
                raise CatalogueError(
                    f"{self.path}: a SQLite database, but no catalogue; choose another folder"
                )
            elif version > FORMAT:
                raise CatalogueError(
                    f"{self.folder}: a catalogue of format {version}, and this version reads up to {FORMAT}; "
                    "upgrade perfectlook"
                )

    def _initialise(self, connection: sqlite3.Connection) -> None:
        with closing(self._lock_file(timeout=BUSY_SECONDS)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return  # somebody else was faster
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement in SCHEMA.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _note_holder(self, holder: str | None) -> None:
        with self._write_lock, self._connection() as connection:
            connection.execute("UPDATE state SET value = ? WHERE key = 'holder'", (holder,))

    def _holder(self) -> str:
        with self._connection() as connection:
            found = connection.execute("SELECT value FROM state WHERE key = 'holder'").fetchone()
        return str(found[0]) if found and found[0] else "another process is writing to it"

    def _explanation(self, error: sqlite3.Error) -> str:
        kind = _kind(error)
        if kind in _BUSY:
            return f"locked for {BUSY_SECONDS:.0f} s by another process that writes; wait for it, or end it"
        return _EXPLANATIONS.get(kind, "the catalogue's database failed")


_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_REBUILD = "move the folder away and run `perfectlook catalogue sync` to build it anew"
_EXPLANATIONS = {
    sqlite3.SQLITE_FULL: "the disk is full; nothing of this batch was written: free some space and run again",
    sqlite3.SQLITE_NOTADB: f"{FILE_NAME} is no catalogue, or its first page is damaged; {_REBUILD}",
    sqlite3.SQLITE_CORRUPT: f"{FILE_NAME} is damaged; {_REBUILD}",
    sqlite3.SQLITE_READONLY: "the catalogue cannot be written; check the folder's permissions",
    sqlite3.SQLITE_PERM: "the catalogue cannot be opened; check the folder's permissions",
    sqlite3.SQLITE_CANTOPEN: "the catalogue cannot be opened; check the folder and its permissions",
    sqlite3.SQLITE_IOERR: "the disk failed or is full; nothing of this batch was written: check it",
    sqlite3.SQLITE_ERROR: f"{FILE_NAME} has not the tables of a catalogue; {_REBUILD}",
}


def _kind(error: sqlite3.Error) -> int:
    """The primary result code: the low byte of an extended one."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strangers = sorted(e.name for e in folder.iterdir() if not e.name.startswith((FILE_NAME, LOCK_NAME)))
    except OSError as error:
        raise CatalogueError(f"{folder}: cannot make a catalogue here: {error.strerror or error}") from error
    if strangers:
        raise CatalogueError(
            f"{folder}: no catalogue, and not empty ({strangers[0]} ...); give a new or an empty folder"
        )


_REMOVED_KEPT = 200_000
_MOVED_AT_ONCE = 1000

SELECT_POINTS = (
    "SELECT p.row, p.id, c.name, p.payload, v.vector FROM points AS p "
    "JOIN categories AS c ON c.number = p.category JOIN vectors AS v ON v.row = p.row"
)
SELECT_RECORDS = (
    "SELECT p.row, p.id, c.name, p.payload, x'' FROM points AS p "
    "JOIN categories AS c ON c.number = p.category"
)


def state(connection: sqlite3.Connection, key: str) -> object:
    """Return what is noted under a key."""
    found = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if found is None else found[0]


def state_number(connection: sqlite3.Connection, key: str) -> int:
    """Return the number that is noted under a key."""
    return int(str(state(connection, key)))


def category_numbers(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the numbers of all categories by name, these among them."""
    connection.executemany("INSERT OR IGNORE INTO categories (name) VALUES (?)", [(name,) for name in names])
    return dict(connection.execute("SELECT name, number FROM categories").fetchall())


def rows_of(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> dict[str, int]:
    """Return the rows of those of the ids that are there."""
    return dict(
        connection.execute(
            "SELECT id, row FROM points WHERE collection = ? AND id IN (SELECT value FROM json_each(?))",
            (collection, json.dumps(list(ids))),
        ).fetchall()
    )


def remove(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> int:
    """Remove points and note their rows; returns how many there were."""
    rows = [(row,) for row in rows_of(connection, collection, ids).values()]
    connection.executemany("DELETE FROM vectors WHERE row = ?", rows)
    connection.executemany("DELETE FROM points WHERE row = ?", rows)
    connection.executemany(f"INSERT INTO removed (collection, row) VALUES ({collection}, ?)", rows)
    horizon = f"(SELECT seq - {_REMOVED_KEPT} FROM sqlite_sequence WHERE name = 'removed')"
    if rows and connection.execute(f"DELETE FROM removed WHERE number <= {horizon}").rowcount:
        connection.execute(f"UPDATE state SET value = {horizon} WHERE key = 'horizon'")
    return len(rows)


def payloads_of(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> dict[str, str]:
    """Return the payloads' texts of those of the ids that are there."""
    return dict(
        connection.execute(
            "SELECT id, payload FROM points WHERE collection = ? AND id IN (SELECT value FROM json_each(?))",
            (collection, json.dumps(list(ids))),
        ).fetchall()
    )


def move(connection: sqlite3.Connection, collection: int, payloads: Mapping[str, str]) -> None:
    """Give points new payloads in new rows: readers see them as removed and new, and read them anew."""
    rows = sorted(rows_of(connection, collection, payloads).items(), key=itemgetter(1))
    select = "SELECT category, vector FROM vectors WHERE row = ?"
    for start in range(0, len(rows), _MOVED_AT_ONCE):
        moving = rows[start : start + _MOVED_AT_ONCE]
        entries = []
        for id_, row in moving:
            category, vector = connection.execute(select, (row,)).fetchone()
            entries.append((id_, category, payloads[id_], vector))
        remove(connection, collection, [id_ for id_, _ in moving])
        insert(connection, collection, entries)


def insert(
    connection: sqlite3.Connection, collection: int, entries: Sequence[tuple[str, int, str, bytes]]
) -> None:
    """Add points (id, category, payload, vector), whose ids are not there, in rows never used before."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'points'").fetchone()
    first = 1 + (found[0] if found else 0)
    connection.executemany(
        "INSERT INTO points VALUES (?, ?, ?, ?, ?)",
        (
            (row, collection, id_, category, text)
            for row, (id_, category, text, _) in enumerate(entries, first)
        ),
    )
    connection.executemany(
        "INSERT INTO vectors VALUES (?, ?, ?, ?)",
        ((row, collection, category, vector) for row, (_, category, _, vector) in enumerate(entries, first)),
    )
