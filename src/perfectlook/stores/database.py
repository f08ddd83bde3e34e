"""The SQLite database of an embedded store: transactions, error messages and SQL."""

import os
import socket
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from perfectlook.errors import CatalogueError, CatalogueInUseError
from perfectlook.files import Closable
from perfectlook.types import IntArray

FILE_NAME = "catalogue.sqlite"
LOCK_NAME = "sync.lock"
OWN = (FILE_NAME, LOCK_NAME, "feedback.sqlite", "pictures")
"""How the names of a catalogue's own files begin."""
APPLICATION_ID = 0x504C4F4B  # "PLOK"
FORMAT = 1
BUSY_SECONDS = 30.0
CHECKED_BYTES = 64 * 2**20
"""Databases of at most this size are checked when they are opened: pages, indexes and required values."""

_CHECKS = "TABLE IF NOT EXISTS {}.checks (row INTEGER PRIMARY KEY, vector INTEGER, record INTEGER)"
"""The checksum of each row's vector, and that of its record."""


class StateChanged(Exception):  # noqa: N818  (not an error: the search starts again)
    """The database has changed since the expected revision."""


class Database(Closable):
    """One writer and any number of readers at a time. Each reader sees one committed state (WAL mode)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.epoch = 0
        """How often another database has taken the place of the open one."""
        self._file: tuple[int, ...] | None = None
        self._idle: list[sqlite3.Connection] = []
        self._pool_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._watch_lock = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        self._local = threading.local()

    @classmethod
    def open(cls, folder: Path, *, create: bool) -> Self:
        """Open the database in `folder`. With `create`, make one if there is none.

        Raises:
            CatalogueError: there is no catalogue, or it is damaged, unreadable or has a newer format.
        """
        database = cls(folder)
        if not database.path.is_file():
            if not create:
                remedy = "Make one with `perfectlook catalogue sync`."
                raise CatalogueError(f"{folder}: no catalogue here. {remedy}")
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
        """A read transaction. All reads in it see one committed state."""
        if own := self._own():
            yield own
            return
        with self.translated(), self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def reading_if_needed(self, revision: int) -> Iterator[Callable[[], sqlite3.Connection]]:
        """Yield a function that begins a read transaction when it is first called.

        It raises StateChanged if the database has another revision.
        """
        with ExitStack() as stack:

            @cache
            def connect() -> sqlite3.Connection:
                connection = stack.enter_context(self.reading())
                if state(connection, "revision") != revision:
                    raise StateChanged
                return connection

            yield connect

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction. When the context ends, all of it is on the disk, or nothing."""
        if own := self._own():
            yield own
            return
        with self._write_lock, self.translated(), self._transaction("BEGIN IMMEDIATE") as connection:
            epoch = self.epoch
            connection.execute("DROP TABLE IF EXISTS temp.checks")
            connection.execute(f"CREATE {_CHECKS.format('main')}")
            yield connection
            connection.execute("UPDATE state SET value = value + 1 WHERE key = 'revision'")
            self._notice_replacement()
            if self.epoch != epoch:
                raise CatalogueError(f"{self.folder}: {FILE_NAME} was replaced during a write. Try again.")
            connection.execute("COMMIT")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all reads and writes of this thread one write transaction."""
        with self.writing() as connection:
            self._local.connection = connection
            try:
                yield
            finally:
                self._local.connection = None

    def version(self) -> int:
        """Return a number that changes with every commit of any process or thread.

        This is much cheaper than a transaction. It shows whether anything has changed, but not what.
        """
        self._notice_replacement()
        with self._watch_lock, self.translated():
            if self._watcher is None:
                self._watcher = self._connect()
            return (self.epoch << 32) + _pragma(self._watcher, "data_version")

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Keep other processes from syncing. The system releases the lock when this process ends or dies."""
        with self.translated(), closing(self._lock_file(timeout=0.0)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.DatabaseError as error:
                if _kind(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    what = f"{self.folder / LOCK_NAME}: damaged (SQLite: {error}). Remove this file"
                    raise CatalogueError(f"{what}; the next sync makes it again.") from error
                if _kind(error) not in _BUSY:
                    raise
                with self._connection() as connection:
                    holder = state(connection, "holder") or "another process"
                remedy = "Wait until it has finished, or run the sync with --wait SECONDS."
                raise CatalogueInUseError(f"{self.folder}: in use by {holder}. {remedy}") from error
            since = datetime.now(UTC).isoformat(timespec="seconds")
            self._note_holder(f"{purpose}, process {os.getpid()} on {socket.gethostname()}, since {since}")
            try:
                yield
            finally:
                # An error (e.g. a full disk) does not matter: the note is read only while the lock is held.
                with suppress(sqlite3.Error):
                    self._note_holder(None)

    def _release(self) -> None:
        """Close the connections. A connection in use closes when it is returned."""
        with self._pool_lock, self._watch_lock:
            for connection in (*self._idle, *filter(None, [self._watcher])):
                connection.close()
            self._idle, self._watcher = [], None

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn damage and errors of SQLite into CatalogueErrors with a remedy."""
        try:
            yield
        except (Damage, UnicodeError) as error:  # SQLite repeats damaged bytes in its messages
            raise CatalogueError(f"{self.folder}: {FILE_NAME} is damaged ({error}). {REBUILD}") from error
        except sqlite3.Error as error:
            what, remedy = _EXPLANATIONS.get(_kind(error), ("the database failed", _RUN_AGAIN))
            if "decode to UTF-8" in str(error):
                what, remedy = _EXPLANATIONS[sqlite3.SQLITE_CORRUPT]
            raise CatalogueError(f"{self.folder}: {what} (SQLite: {error}). {remedy}") from error

    def _own(self) -> sqlite3.Connection | None:
        """Return the connection of this thread's `together`."""
        return getattr(self._local, "connection", None)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """A transaction that is rolled back unless it is committed."""
        with self._connection() as connection:
            connection.execute(begin)
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self._notice_replacement()
        with self._pool_lock:
            connection, epoch = (self._idle.pop() if self._idle else None), self.epoch
        connection = connection or self._connect()
        try:
            yield connection
        finally:
            with self._pool_lock:
                if self._is_closed or self.epoch != epoch:
                    connection.close()
                else:
                    self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        if self._is_closed:
            raise CatalogueError(f"{self.folder}: the catalogue is closed. Open it again.")
        address = f"{self.path.absolute().as_uri()}?{self._mode}"
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'checks'").fetchone():
                connection.execute(f"CREATE {_CHECKS.format('temp')}")  # empty: nothing can be checked
        except BaseException:
            connection.close()
            raise
        return connection

    @cached_property
    def _is_read_only(self) -> bool:
        return self.path.exists() and not (os.access(self.folder, os.W_OK) and os.access(self.path, os.W_OK))

    @property
    def _mode(self) -> str:
        """The mode of SQLite. Without a log, a database that is not writable does not change."""
        if not self._is_read_only:
            return "mode=rwc"
        log = self.path.with_name(f"{FILE_NAME}-wal")
        return "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"

    def _notice_replacement(self) -> None:
        """Close the connections if another file has taken the place of the database."""
        if self._is_closed:
            return
        try:
            status = self.path.stat()
        except OSError as error:
            if self._file is None:
                return  # it is being made
            what = f"{FILE_NAME} is missing ({error.strerror}). Restore it, or sync again."
            raise CatalogueError(f"{self.folder}: {what}") from error
        changes = (status.st_mtime_ns, status.st_size) if self._is_read_only else ()
        file = (status.st_dev, status.st_ino, *changes)
        if file == self._file:
            return
        with self._pool_lock, self._watch_lock:
            if self._file is not None and file != self._file:
                self.epoch += 1
                for connection in (*self._idle, *filter(None, [self._watcher])):
                    connection.close()
                self._idle, self._watcher = [], None
            self._file = file

    def _lock_file(self, timeout: float) -> sqlite3.Connection:
        """Open an empty database that is the lock. Readers do not use it, and a dead process frees it."""
        return sqlite3.connect(self.folder / LOCK_NAME, timeout=timeout, isolation_level=None)

    def _check_format(self, *, create: bool) -> None:
        with self._connection() as connection:
            # read the tables first: the identity was committed together with them
            empty = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
            if self.path.stat().st_size <= CHECKED_BYTES:
                (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
                if found != "ok":
                    raise Damage(" ".join(found.split()))
        if empty and application in (0, APPLICATION_ID):
            if not create:
                what = "an empty catalogue. Fill it with `perfectlook catalogue sync`."
                raise CatalogueError(f"{self.folder}: {what}")
            self._initialise()
        elif application != APPLICATION_ID:
            what = "a SQLite database, but not a catalogue. Choose another folder."
            raise CatalogueError(f"{self.path}: {what}")
        elif version > FORMAT:
            raise CatalogueError(
                f"{self.folder}: has format {version}, but this version reads formats up to {FORMAT}. "
                "Upgrade perfectlook."
            )

    def _initialise(self) -> None:
        schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
        with closing(self._lock_file(timeout=BUSY_SECONDS)) as lock, self._connection() as connection:
            lock.execute("BEGIN EXCLUSIVE")
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return  # another process has made the tables
            connection.execute("PRAGMA journal_mode = WAL")
            with self._transaction("BEGIN IMMEDIATE") as writing:
                for statement in schema.split(";\n"):
                    writing.execute(statement)
                writing.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                writing.execute(f"PRAGMA user_version = {FORMAT}")
                writing.execute("COMMIT")

    def _note_holder(self, holder: str | None) -> None:
        with self._write_lock, self._connection() as connection:
            connection.execute("UPDATE state SET value = ? WHERE key = 'holder'", (holder,))


REBUILD = "Move the catalogue away, and make it again with `perfectlook catalogue sync`."
_RUN_AGAIN = "Check the disk, and run the same command again."
_PERMISSIONS = "Check its permissions and the disk."
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_LOCKED = (
    f"locked for {BUSY_SECONDS:.0f} s by another process that writes",
    "Wait until it has finished, or stop it.",
)
_EXPLANATIONS = {
    **dict.fromkeys(_BUSY, _LOCKED),
    sqlite3.SQLITE_FULL: (
        "the disk is full, and this batch was not written",
        "Free some space, and run the same command again.",
    ),
    sqlite3.SQLITE_NOTADB: (f"{FILE_NAME} is damaged or not a catalogue", REBUILD),
    sqlite3.SQLITE_CORRUPT: (f"{FILE_NAME} is damaged", REBUILD),
    sqlite3.SQLITE_READONLY: ("cannot be written", _PERMISSIONS),
    sqlite3.SQLITE_PERM: ("cannot be opened", _PERMISSIONS),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", _PERMISSIONS),
    sqlite3.SQLITE_IOERR: ("the disk failed or is full, and this batch was not written", _RUN_AGAIN),
    sqlite3.SQLITE_ERROR: (f"{FILE_NAME} does not have the tables of a catalogue", REBUILD),
}


def _kind(error: sqlite3.Error) -> int:
    """Return the primary result code, which is the low byte of an extended one."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(each.name for each in folder.iterdir() if not each.name.startswith(OWN))
    except OSError as error:
        raise CatalogueError(
            f"{folder}: cannot be made ({error.strerror or error}). Check its permissions, or choose another "
            "folder."
        ) from error
    if others:
        raise CatalogueError(
            f"{folder}: not a catalogue, and not empty ({others[0]} ...). Choose a new or an empty folder."
        )


_FROM = "FROM points AS p JOIN categories AS c ON c.number = p.category"
_CHECKED = f"{_FROM} LEFT JOIN checks AS k ON k.row = p.row"
SELECT_EXCERPTS = f"SELECT p.row, p.id, c.name {_FROM}"
SELECT_RECORDS = f"SELECT p.row, p.id, c.name, p.payload, k.record {_CHECKED}"
SELECT_POINTS = (
    "SELECT p.row, p.id, c.name, p.payload, k.record, v.category, v.vector, k.vector "
    f"{_CHECKED} JOIN vectors AS v ON v.row = p.row"
)
COUNT_BY_CATEGORY = (
    "SELECT c.name, p.n FROM (SELECT category, count(*) AS n FROM points WHERE collection = ? "
    "GROUP BY category) AS p JOIN categories AS c ON c.number = p.category ORDER BY c.name"
)
_REMOVED_KEPT = 200_000
_MOVED_AT_ONCE = 1000
_ASKED_TOGETHER = 500


def state(connection: sqlite3.Connection, key: str) -> object:
    """Return the value of a key in the table `state`."""
    found = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if found is None else found[0]


def number(connection: sqlite3.Connection, key: str) -> int:
    """Return a number in the table `state`."""
    value = state(connection, key)
    if not isinstance(value, int):
        raise Damage(f"the {key}")
    return value


def category_numbers(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the numbers of all categories by name. Missing ones of `names` are added."""
    connection.executemany("INSERT OR IGNORE INTO categories (name) VALUES (?)", [(name,) for name in names])
    return dict(connection.execute("SELECT name, number FROM categories").fetchall())


def stored(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Return the row and the payload's text of the ids that exist, in the order of rows."""
    found = selected(connection, "SELECT id, row, payload FROM points AS p", collection, ids)
    return {id_: (row, payload) for id_, row, payload in sorted(found, key=itemgetter(1))}


def selected(
    connection: sqlite3.Connection, select: str, collection: int, ids: Iterable[str]
) -> list[tuple[Any, ...]]:
    """Return what a SELECT of points `p` finds for some ids. As parameters, ids may hold any characters."""
    wanted, found = list(ids), []
    for start in range(0, len(wanted), _ASKED_TOGETHER):
        some = wanted[start : start + _ASKED_TOGETHER]
        where = f"WHERE p.collection = ? AND p.id IN ({', '.join('?' * len(some))})"
        found += connection.execute(f"{select} {where}", (collection, *some)).fetchall()
    return found


def remove(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> None:
    """Remove points, and record their rows in `removed`."""
    rows = [(row,) for row, _ in stored(connection, collection, ids).values()]
    connection.executemany("DELETE FROM vectors WHERE row = ?", rows)
    connection.executemany("DELETE FROM points WHERE row = ?", rows)
    connection.executemany("DELETE FROM main.checks WHERE row = ?", rows)
    connection.executemany(f"INSERT INTO removed (collection, row) VALUES ({collection}, ?)", rows)
    horizon = f"(SELECT seq - {_REMOVED_KEPT} FROM sqlite_sequence WHERE name = 'removed')"
    if rows and connection.execute(f"DELETE FROM removed WHERE number <= {horizon}").rowcount:
        connection.execute(f"UPDATE state SET value = {horizon} WHERE key = 'horizon'")


def move(connection: sqlite3.Connection, collection: int, payloads: Mapping[str, str]) -> None:
    """Move points with changed payloads to new rows.

    Readers see a changed point as one removed and one new point, and read it again.
    """
    known = stored(connection, collection, payloads)
    changed = [(id_, row) for id_, (row, text) in known.items() if text != payloads[id_]]
    select = (
        "SELECT v.category, v.vector, k.vector FROM vectors AS v LEFT JOIN main.checks AS k USING (row) "
        "WHERE v.row = ?"
    )
    for start in range(0, len(changed), _MOVED_AT_ONCE):
        moving = changed[start : start + _MOVED_AT_ONCE]
        entries: list[tuple[str, int, str, bytes]] = []
        for id_, row in moving:
            category, vector, check = connection.execute(select, (row,)).fetchone() or (0, b"", 0)
            check_vector(f"product '{id_}'", category, vector, check)
            entries.append((id_, category, payloads[id_], vector))
        remove(connection, collection, [id_ for id_, _ in moving])
        insert(connection, collection, entries)


def insert(
    connection: sqlite3.Connection, collection: int, entries: Sequence[tuple[str, int, str, bytes]]
) -> None:
    """Add points (id, category, payload, vector) with new ids, in rows that were never used before."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'points'").fetchone()
    first = 1 + (found[0] if found else 0)
    numbered = list(enumerate(entries, first))
    connection.executemany(
        "INSERT INTO points VALUES (?, ?, ?, ?, ?)",
        ((row, collection, id_, category, text) for row, (id_, category, text, _) in numbered),
    )
    connection.executemany(
        "INSERT INTO vectors VALUES (?, ?, ?, ?)",
        ((row, collection, category, vector) for row, (_, category, _, vector) in numbered),
    )
    names = dict(connection.execute("SELECT number, name FROM categories").fetchall())
    numbers = np.array([category for _, category, _, _ in entries], np.int64)
    vectors = b"".join(vector for _, _, _, vector in entries)
    sums = vector_checks(vectors, len(vectors) // (4 * len(entries)), numbers).tolist() if entries else []
    connection.executemany(
        "INSERT OR REPLACE INTO main.checks VALUES (?, ?, ?)",
        (
            (row, total, record_check(id_, names[category], text))
            for (row, (id_, category, text, _)), total in zip(numbered, sums, strict=True)
        ),
    )


class Damage(Exception):  # noqa: N818  (it becomes a CatalogueError, with the place and the remedy)
    """What the database holds is not what was written."""


def vector_checks(vectors: bytes, dimension: int, categories: IntArray) -> NDArray[np.uint64]:
    """Return the checksums [n] of vectors [n, dimension] in categories [n]: the sums of their words."""
    words = np.frombuffer(vectors, "<u4").reshape(-1, dimension)
    sums: NDArray[np.uint64] = words.sum(axis=1, dtype=np.uint64)
    return sums + categories.astype(np.uint64) * np.uint64(0x9E3779B1)


def check_vector(name: str, category: object, vector: object, check: int | None) -> None:
    """Raise Damage if a vector, or the number of its category, is not what was written."""
    if check is None:
        return
    if isinstance(vector, bytes) and isinstance(category, int) and len(vector) % 4 == 0:
        found = vector_checks(vector, len(vector) // 4, np.array([category]))
        if len(vector) and int(found[0]) == check:
            return
    raise Damage(f"the vector of {name}")


def record_check(id_: str, category: str, payload: str) -> int:
    """Return the checksum of a record."""
    return zlib.crc32(f"{id_}\0{category}\0{payload}".encode("utf-8", "surrogatepass"))


def check_record(id_: str, category: str, payload: str, check: int | None) -> None:
    """Raise Damage if a record is not what was written. Records of earlier versions have no checksum."""
    if check is not None and record_check(id_, category, payload) != check:
        raise Damage(f"the record of product '{id_}'")
