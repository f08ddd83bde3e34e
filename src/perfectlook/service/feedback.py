"""Feedback: what shoppers did with the products of an answer. It is stored in SQLite."""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Literal, get_args

from perfectlook.answers import Event, FeedbackEvent
from perfectlook.errors import PerfectLookError
from perfectlook.files import Closable
from perfectlook.prices import canonical_price
from perfectlook.server_answers import FeedbackCount, FeedbackStats
from perfectlook.service.errors import LOGGER, Refusal

EVENTS: tuple[Event, ...] = get_args(Event)
_SUMS = ", ".join(f"{event} = {event} + (new.event = '{event}')" for event in EVENTS)
_COLUMNS = ", ".join(f"{event} INTEGER NOT NULL DEFAULT 0" for event in EVENTS)
SCHEMA = """
CREATE TABLE IF NOT EXISTS feedback (
    request_id TEXT NOT NULL, product TEXT NOT NULL, category TEXT NOT NULL, rank INTEGER NOT NULL,
    event TEXT NOT NULL, model TEXT NOT NULL, time REAL NOT NULL,
    arm TEXT NOT NULL, session TEXT, value REAL, currency TEXT,
    PRIMARY KEY (request_id, category, product, event)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arms (arm TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
"""
"""The tables of events, and of the order of the arms in the files of their experiments."""
_COUNTS = "".join(
    f"CREATE TABLE IF NOT EXISTS by_{kind} ({kind} PRIMARY KEY, {_COLUMNS}) WITHOUT ROWID;"
    f"CREATE TRIGGER IF NOT EXISTS count_by_{kind} AFTER INSERT ON feedback BEGIN "
    f"INSERT OR IGNORE INTO by_{kind} ({kind}) VALUES (new.{kind}); "
    f"UPDATE by_{kind} SET {_SUMS} WHERE {kind} = new.{kind}; END;"
    for kind in ("category", "rank")
)
"""The counts are kept up to date as events are written."""
MOST_COUNTS = 500
"""How many categories and how many ranks the statistics list."""
DEFAULT_MAX = 256 * 2**20


class FeedbackStore(Closable):
    """The events in a SQLite file. Each event is stored once, even if it is sent again."""

    def __init__(
        self, file: Path, max_bytes: int = DEFAULT_MAX, *, needed: bool = True, arms: Sequence[str] = ()
    ) -> None:
        """Open the file. It is made if it does not exist. It never grows above `max_bytes`.

        The order of the `arms` is stored for reports. Unless it is `needed`, a file that cannot be opened is
        logged, and events are refused until it can.

        Raises:
            PerfectLookError: it cannot be opened.
        """
        self._file = file
        self._max_bytes = max_bytes
        self._arms = arms
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        """The device and the inode of the open file."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._connected()
        except (OSError, sqlite3.Error, UnicodeError) as error:
            message = f"{file}: cannot be written ({error}). Move it away, or choose another --feedback."
            if needed:
                raise PerfectLookError(message) from error
            LOGGER.warning("feedback", extra={"reason": message})

    def add(
        self,
        request_id: str,
        model: str,
        events: Sequence[FeedbackEvent],
        session: str | None = None,
        arm: str = "",
    ) -> None:
        """Store all events or none. When this returns, they are on the disk.

        Args:
            request_id: id of the answer, or of the order.
            model: name of the model.
            events: what the shopper did.
            session: the shopper's session. Only a hash of it is stored.
            arm: the experiment and its arm, as `EXPERIMENT/ARM`; "" for none.

        Raises:
            Refusal: the disk or the file is full, or it cannot be written (507); nothing was stored.
        """
        now = time.time()
        visitor = session and hashlib.sha256(session.encode()).hexdigest()[:32]
        rows = []
        for each in events:
            value, _, currency = canonical_price(each.value).partition(" ") if each.value else ("", "", "")
            row = (request_id, each.product, each.category, each.rank, each.event, model, now, arm, visitor)
            rows.append((*row, float(value) if value else None, currency or None))
        with self._lock:
            try:
                with (connection := self._connected()):
                    marks = ",".join("?" * 11)
                    connection.executemany(f"INSERT OR IGNORE INTO feedback VALUES ({marks})", rows)
            except (OSError, sqlite3.Error, UnicodeError) as error:
                self._drop()
                raise Refusal(
                    507, "not_stored", "Feedback cannot be stored now. Send it again later.", retry_after=30
                ) from error

    def stats(self) -> FeedbackStats:
        """Return the counts of events and the click-through rates, by category and by rank."""
        address = f"{self._file.absolute().as_uri()}?mode=ro"
        try:
            with self._lock:
                with suppress(OSError, sqlite3.Error):  # a file that cannot be written can still be read
                    self._connected()
                with closing(sqlite3.connect(address, uri=True, timeout=10)) as reader:
                    by_category, by_rank = _counted(reader, "category"), _counted(reader, "rank")
        except (sqlite3.Error, ValueError) as error:
            message = "Feedback cannot be read now. Try again later."
            raise Refusal(503, "unavailable", message, retry_after=30) from error
        return FeedbackStats(by_category=by_category, by_rank=by_rank)

    def _release(self) -> None:
        with self._lock:
            self._drop()

    def _connected(self) -> sqlite3.Connection:
        if self._is_closed:
            raise sqlite3.ProgrammingError("the feedback store is closed")
        if self._connection is not None and self._present() != self._opened:
            self._drop()  # the file was moved or deleted: go on in a new one
        if self._connection is None:
            with ExitStack() as opening:
                connection = sqlite3.connect(self._file, timeout=10, check_same_thread=False)
                opening.callback(connection.close)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
                connection.executescript(SCHEMA + _COUNTS)
                connection.execute("SELECT arm, session, value, currency FROM feedback LIMIT 0")
                rows = [(arm, place) for place, arm in enumerate(self._arms)]
                with connection:
                    connection.executemany("INSERT OR REPLACE INTO arms VALUES (?, ?)", rows)
                (page,) = connection.execute("PRAGMA page_size").fetchone()
                connection.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // page)}")
                opening.pop_all()
            self._connection, self._opened = connection, self._present()
        return self._connection

    def _present(self) -> tuple[int, int] | None:
        """Return the device and the inode of the file that is now at the path."""
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _drop(self) -> None:
        if self._connection is None:
            return
        if self._present() != self._opened:  # otherwise SQLite does this; the journal stays at the old path
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        self._connection = None


def _counted(reader: sqlite3.Connection, column: Literal["category", "rank"]) -> list[FeedbackCount]:
    reader.row_factory = sqlite3.Row
    rows = reader.execute(
        f"SELECT *, round(1.0 * clicked / nullif(shown, 0), 6) AS click_through FROM (SELECT * FROM "
        f"by_{column} ORDER BY {' + '.join(EVENTS)} DESC LIMIT {MOST_COUNTS}) ORDER BY {column}"
    )
    return [FeedbackCount(**dict(row)) for row in rows]
