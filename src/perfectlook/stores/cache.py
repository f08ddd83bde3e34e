"""One collection of an embedded store in memory: a block per category, kept up with the database."""

import json
import operator
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perfectlook.errors import CatalogueError
from perfectlook.stores.approximate import Index, Indexes
from perfectlook.stores.base import Query, fields_of
from perfectlook.stores.exact_index import Block, Nearest, NotInMemory
from perfectlook.stores.filters import (
    And,
    Compare,
    Filter,
    Has,
    Leaf,
    Money,
    Not,
    OneOf,
    Or,
    Under,
    Value,
    folded,
    read_number,
    sources_of,
    text_matches,
)
from perfectlook.taxonomy import matches as is_under
from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray

_NUMERIC: dict[str, Callable[[Float64Array, float], BoolArray]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ANSWERS_KEPT = 64


class Column:
    """The texts of a field at the places of a block, as codes [n] of the distinct texts; code 0 is "no text".

    A filter is answered once for each distinct text, and that answer looked up for each place. It is
    `filters.text_matches` itself that answers, or arithmetic that only leaves out what it would deny, so a
    column agrees with it to the last digit. A column never changes: `extended` and `rearranged` return
    the next.
    """

    def __init__(self, field: str) -> None:
        """Start without places."""
        self.field = field
        self.codes: NDArray[np.int32] = np.empty(0, np.int32)
        self._texts: list[str] = [""]
        self._code_of: dict[str, int] = {"": 0}
        self._numbers: Float64Array = np.full(1, np.nan)
        self._currencies: NDArray[np.str_] = np.array([""], "U3")
        self._folded: dict[str, list[int]] | None = None
        self._answers: dict[Leaf, BoolArray] = {}

    def extended(self, texts: Sequence[str | None]) -> "Column":
        """Return this column with the texts of more places at its end."""
        longer = Column(self.field)
        longer._code_of, longer._texts = self._code_of, self._texts
        new = {text: None for text in texts if text and text not in self._code_of}
        if new:
            longer._code_of = self._code_of | {t: c for c, t in enumerate(new, len(self._texts))}
            longer._texts = [*self._texts, *new]
        code_of = longer._code_of
        codes = np.fromiter((code_of[text or ""] for text in texts), np.int32, len(texts))
        longer.codes = np.concatenate([self.codes, codes])
        longer._numbers, longer._currencies = self._numbers_with(list(new))
        return longer

    def rearranged(self, places: IntArray) -> "Column":
        """Return the column whose place i has the text of `places[i]` here."""
        other = copy(self)
        other.codes = self.codes[places]
        return other

    def mask(self, leaf: Leaf) -> BoolArray:
        """Return for each place whether its text matches a filter of this field."""
        answers = self._answers.get(leaf)
        if answers is None:
            answers = self._answered(leaf)
            if len(self._answers) >= _ANSWERS_KEPT:
                self._answers = {}
            self._answers[leaf] = answers
        taken: BoolArray = answers.take(self.codes)
        return taken

    def _numbers_with(self, new: list[str]) -> tuple[Float64Array, NDArray[np.str_]]:
        if not new:
            return self._numbers, self._currencies
        read = [read_number(text) for text in new]
        numbers = np.array([np.nan if number is None else float(number.amount) for number in read])
        currencies = np.array(["" if number is None else number.currency or "" for number in read], "U3")
        return np.concatenate([self._numbers, numbers]), np.concatenate([self._currencies, currencies])

    def _answered(self, leaf: Leaf) -> BoolArray:
        answers = np.zeros(len(self._texts), bool)
        match leaf:
            case Has():
                answers[1:] = True
            case OneOf(_, values):
                for value in values:
                    answers[self._equal_to(value)] = True
            case Compare(_, "=", value):
                answers[self._equal_to(value)] = True
            case Compare(_, "!=", value):
                answers[:] = True
                answers[self._equal_to(value)] = False
            case Compare(_, sign, Decimal() as amount):
                answers = _NUMERIC[sign](self._numbers, float(amount))
                self._settle(answers, leaf, float(amount))
            case Compare(_, sign, Money(amount, currency)):
                answers = _NUMERIC[sign](self._numbers, float(amount))
                answers &= self._currencies == currency.upper()
                self._settle(answers, leaf, float(amount))
            case Compare():
                answers[1:] = [text_matches(leaf, text) for text in self._texts[1:]]
        return answers

    def _settle(self, answers: BoolArray, leaf: Leaf, amount: float) -> None:
        """Decide by every digit what is equal as far as float64 can tell."""
        for code in np.flatnonzero(self._numbers == amount):
            answers[code] = text_matches(leaf, self._texts[code])

    def _equal_to(self, value: Value) -> list[int]:
        if isinstance(value, str):
            if self._folded is None:
                by_text: dict[str, list[int]] = {}
                for code, text in enumerate(self._texts[1:], 1):
                    by_text.setdefault(folded(self.field, text), []).append(code)
                self._folded = by_text
            return self._folded.get(folded(self.field, value), [])
        amount = float(value.amount if isinstance(value, Money) else value)
        leaf = Compare(self.field, "=", value)
        near = np.flatnonzero(self._numbers == amount).tolist()
        return [code for code in near if text_matches(leaf, self._texts[code])]


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
