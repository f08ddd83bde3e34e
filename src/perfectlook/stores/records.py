"""Ids and payloads of what searches found last, so that asking again for what many ask for reads no disk."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from perfectlook.stores.base import Payload

_KEPT = 10_000
_ASKED_ONE_BY_ONE = 200


class NotInMemory(Exception):  # noqa: N818  (no failure: it sends a search to the database)
    """What is asked for has to be read, and no connection was given."""


class Record(NamedTuple):
    """What a row says besides its vector; it never changes: a product that changes gets a new row."""

    id: str
    payload: Payload


class Records:
    """The records of the rows last asked for, and a way to those that are not among them."""

    def __init__(self, parse: Callable[[str, str], Payload]) -> None:
        """Start with none; `parse` reads one payload, given its id and its text, or says what is wrong."""
        self._parse = parse
        self._known: dict[int, Record] = {}

    def of(self, connection: sqlite3.Connection | None, rows: Iterable[int]) -> dict[int, Record]:
        """Return the records by row, which are all there in the state that the connection sees.

        Without a connection, NotInMemory when one has to be read.
        """
        known = self._known
        wanted = set(rows)
        records = {row: known[row] for row in wanted if row in known}
        if len(records) < len(wanted):
            missing = list(wanted - records.keys())
            if connection is None:
                raise NotInMemory
            entries = _entries(connection, missing)
            read = {
                row: Record(id_, payload)
                for (row, id_, _), payload in zip(entries, self._parsed(entries), strict=True)
            }
            records |= read
            kept = known if len(known) + len(read) <= _KEPT else {}
            self._known = kept | read if len(read) <= _KEPT else {}
        return records

    def _parsed(self, entries: Sequence[tuple[int, str, str]]) -> list[Payload]:
        try:  # one text is parsed faster than many
            payloads: list[Payload] = json.loads(f"[{','.join([text for _, _, text in entries])}]")
        except ValueError:
            payloads = []
        if len(payloads) == len(entries) and all(isinstance(each, dict) for each in payloads):
            return payloads
        return [self._parse(id_, text) for _, id_, text in entries]


def _entries(connection: sqlite3.Connection, rows: list[int]) -> list[tuple[int, str, str]]:
    within, asked = ", ".join("?" * len(rows)), tuple[object, ...](rows)
    if len(rows) > _ASKED_ONE_BY_ONE:
        within, asked = "SELECT value FROM json_each(?)", (json.dumps(rows),)
    select = f"SELECT row, id, payload FROM points WHERE row IN ({within})"
    return connection.execute(select, asked).fetchall()
