"""What filters need of one category's products: columns of the fields they name, read when first asked."""

import json
import sqlite3
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from perfectlook.filters import Filter, text_matches
from perfectlook.filters.match import sources_of
from perfectlook.filters.tree import And, Not, Or, Under
from perfectlook.stores.base import fields_of
from perfectlook.stores.blocks import Block
from perfectlook.stores.columns import Column
from perfectlook.stores.records import NotInMemory
from perfectlook.taxonomy import matches as is_under
from perfectlook.types import BoolArray, IntArray

_MASKS_KEPT = 32


class _Known(NamedTuple):
    """A column and the rows [n] of its places."""

    rows: IntArray
    column: Column


class Facets:
    """The columns of one category's block, and the masks of the last filters.

    What a row says in its fields never changes (a product whose fields change gets a new row), and what was
    removed stays so: what one state's facets have read, the facets of the next inherit.
    """

    def __init__(self, collection: int, category: str) -> None:
        """Start with nothing read."""
        self._collection = collection
        self._category = category
        self._columns: dict[str, _Known] = {}
        self._masks: dict[Filter, tuple[Block, BoolArray]] = {}
        self._reading = threading.Lock()

    def inherited(self) -> "Facets":
        """Return the facets of the next state, which know what these do."""
        heir = Facets(self._collection, self._category)
        with self._reading:
            heir._columns, heir._masks = dict(self._columns), dict(self._masks)
        return heir

    def mask(self, connection: sqlite3.Connection | None, block: Block, tree: Filter) -> BoolArray:
        """Return for each place of a block whether its product matches, alive or not.

        The connection's read transaction sees the state that the block is of; without one, NotInMemory when
        a field has to be read.
        """
        known = self._masks.get(tree)
        if known is not None and known[0] is block:
            return known[1]
        mask = self._compiled(tree, lambda field: self._column(connection, block, field), block.size)
        with self._reading:
            if len(self._masks) >= _MASKS_KEPT:
                self._masks.clear()
            self._masks[tree] = (block, mask)
        return mask

    def _compiled(self, tree: Filter, column: Callable[[str], Column], size: int) -> BoolArray:
        match tree:
            case And(parts):
                masks = [self._compiled(part, column, size) for part in parts]
                return np.logical_and.reduce(masks) if masks else np.ones(size, bool)
            case Or(parts):
                masks = [self._compiled(part, column, size) for part in parts]
                return np.logical_or.reduce(masks) if masks else np.zeros(size, bool)
            case Not(part):
                return ~self._compiled(part, column, size)
            case Under(wanted):
                return np.full(size, is_under(self._category, wanted))
            case _ if tree.field == "category":
                return np.full(size, text_matches(tree, self._category))
            case _:
                return column(tree.field).mask(tree)

    def _column(self, connection: sqlite3.Connection | None, block: Block, field: str) -> Column:
        rows = block.rows[: block.size]
        with self._reading:
            known = self._columns.get(field) or _Known(rows[:0], Column(field))
            if not _begins_with(rows, known.rows):
                known = _rearranged(known, rows)
            if len(known.rows) < len(rows):
                if connection is None:
                    raise NotInMemory
                known = self._extended(connection, known, rows)
            self._columns[field] = known
        return known.column

    def _extended(self, connection: sqlite3.Connection, known: _Known, rows: IntArray) -> _Known:
        """Read what the rows behind those known say; those that are there no more say nothing."""
        first = len(known.rows)
        new = rows[first:]
        texts: list[str | None] = [None] * len(new)
        found = self._texts(connection, known.column.field, int(known.rows[-1]) if first else 0)
        for place, (_, text) in zip(
            np.searchsorted(new, [row for row, _ in found]).tolist(), found, strict=True
        ):
            texts[place] = text
        return _Known(rows, known.column.extended(texts))

    def _texts(self, connection: sqlite3.Connection, field: str, after: int) -> list[tuple[int, str | None]]:
        """Return the field's texts by row, for the category's rows above `after`."""
        where = (
            "FROM points WHERE collection = ? AND row > ? "
            "AND category = (SELECT number FROM categories WHERE name = ?)"
        )
        of_category = (self._collection, after, self._category)
        if field == "id":
            return connection.execute(f"SELECT row, id {where}", of_category).fetchall()
        paths = [_path(source) for source in sources_of(field)]
        if None in paths:
            entries = connection.execute(f"SELECT row, payload {where}", of_category)
            return [(row, fields_of(json.loads(payload)).get(field)) for row, payload in entries]
        text = "CASE json_type(payload, ?) WHEN 'text' THEN NULLIF(json_extract(payload, ?), '') END"
        either = ", ".join([text] * len(paths))
        return connection.execute(
            f"SELECT row, COALESCE({either}, NULL) {where}",
            (*(path for path in paths for _ in range(2)), *of_category),
        ).fetchall()


def _path(field: str) -> str | None:
    """Where SQLite finds a field in a payload; None for names that its paths cannot say."""
    quoted = json.dumps(field, ensure_ascii=False)
    return f"$.fields.{quoted}" if quoted[1:-1] == field else None


def _begins_with(rows: IntArray, known: IntArray) -> bool:
    """Whether `rows` begin with those known: both ascend, a later block lacks rows but never inserts any."""
    count = len(known)
    return count == 0 or (count <= len(rows) and int(rows[count - 1]) == int(known[-1]))


def _rearranged(known: _Known, rows: IntArray) -> _Known:
    """Return what is known of those of the rows that are; they are the first of `rows`."""
    still = rows[: np.searchsorted(rows, known.rows[-1], side="right")]
    return _Known(still, known.column.rearranged(np.searchsorted(known.rows, still)))
