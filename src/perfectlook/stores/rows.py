"""What an embedded store asks of its database, and writes into it, within a transaction of the caller's."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

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
