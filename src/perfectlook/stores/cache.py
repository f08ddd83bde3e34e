"""One collection of an embedded store in memory: a block of vectors and field columns for each category."""

import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from perfectlook.files import BoundedCache
from perfectlook.prices import SALE_DATES, sale_at, sale_period
from perfectlook.stores import filters
from perfectlook.stores.base import Query
from perfectlook.stores.database import COUNT_BY_CATEGORY, SELECT_RECORDS, Damage, check_record, vector_checks
from perfectlook.stores.filters import Filter, Leaf, Money, Value, text_matches
from perfectlook.stores.index import ApproximateIndexes, Asked, Block, Nearest, search_all
from perfectlook.taxonomy import matches as is_under
from perfectlook.types import BoolArray, Float32Array, IntArray

Connect: TypeAlias = Callable[[], sqlite3.Connection]
"""Returns a connection in a read transaction that sees the same state as the blocks in memory."""
VECTOR_DTYPE = np.dtype("<f4")
COLUMN_BYTES = 256 * 2**20
Columns: TypeAlias = "BoundedCache[tuple[str, str], Column]"
"""The field columns of all categories that were used last, by category and field."""


@dataclass(frozen=True, slots=True, eq=False)
class Cache:
    """The blocks of a collection by category, at one revision of the database.

    A cache never changes. `refreshed` returns a new one, and running searches continue to use the old one.
    """

    collection: int
    dimension: int
    revision: int = 0
    last_row: int = 0
    last_removed: int = 0
    blocks: "Mapping[str, Block]" = field(default_factory=dict)
    facets: "Mapping[str, Facets]" = field(default_factory=dict)
    columns: Columns = field(default_factory=lambda: BoundedCache(COLUMN_BYTES))

    @classmethod
    def load(cls, connection: sqlite3.Connection, collection: int, dimension: int, revision: int) -> "Cache":
        """Read all vectors of a collection in the connection's read transaction."""
        counts = dict(connection.execute(COUNT_BY_CATEGORY, (collection,)).fetchall())
        blocks = {name: Block.empty(dimension, count) for name, count in counts.items()}
        empty = cls(collection, dimension, last_removed=_last(connection)[1], blocks=blocks)
        cache = empty.refreshed(connection, revision)
        if {name: block.size for name, block in cache.blocks.items()} != counts:
            raise Damage("the numbers of vectors and of products differ")
        return cache

    def refreshed(self, connection: sqlite3.Connection, revision: int) -> "Cache":
        """Return the cache for the state of the connection's read transaction."""
        blocks = dict(self.blocks)
        names = dict(connection.execute("SELECT number, name FROM categories").fetchall())
        for rows, categories, vectors in self._new(connection):
            order = np.argsort(categories, kind="stable")
            numbers, starts = np.unique(categories[order], return_index=True)
            for number, chosen in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
                if number not in names:
                    raise Damage(f"the category of the vector in row {rows[chosen][0]}")
                block = blocks.get(names[number]) or Block.empty(self.dimension)
                blocks[names[number]] = block.extended(rows[chosen], vectors[chosen])
        removed = connection.execute(
            "SELECT row FROM removed WHERE number > ? AND collection = ?",
            (self.last_removed, self.collection),
        )
        gone = np.sort(np.array([row for (row,) in removed], np.int64))
        blocks = {name: block.without(gone) for name, block in blocks.items()}
        facets = {name: Facets(self.collection, name, self.columns, self.facets.get(name)) for name in blocks}
        last = _last(connection)
        return Cache(self.collection, self.dimension, revision, *last, blocks, facets, self.columns)

    def scan(
        self,
        connect: Connect,
        queries: Sequence[Query],
        vectors: Float32Array,
        indexes: ApproximateIndexes | None = None,
    ) -> list[Nearest]:
        """Search each category once for all its queries. `vectors` [n, d] are the vectors of the queries.

        Returns for each query its k nearest points, and all points at the same distance as the k-th. With
        `indexes`, large blocks are searched approximately.
        """
        asked: dict[tuple[str, Filter | None], list[int]] = {}
        for i, query in enumerate(queries):
            for category in self.blocks if query.categories is None else query.categories:
                if category in self.blocks:
                    asked.setdefault((category, query.where), []).append(i)
        blocks: list[Asked] = []
        for (category, where), asking in asked.items():
            block = self.blocks[category]
            index = None if indexes is None else indexes.of(self.collection, category, block)
            if where is not None:
                block = self.facets[category].only(connect, block, where)
            blocks.append((block, vectors[asking], [queries[i].k for i in asking], index))
        found: list[list[Nearest]] = [[] for _ in queries]
        for asking, near in zip(asked.values(), search_all(blocks), strict=True):
            for i, nearest in zip(asking, near, strict=True):
                found[i].append(nearest)
        return [Nearest.joined(parts, query.k) for parts, query in zip(found, queries, strict=True)]

    def _new(self, connection: sqlite3.Connection) -> Iterator[tuple[IntArray, IntArray, Float32Array]]:
        """Yield rows [n], numbers of categories [n] and vectors [n, d] after the last row, ascending.

        SQLite joins a whole batch, which takes half the time of reading row by row. A thread reads the next
        batch while the caller uses this one.
        """

        def read(after: int) -> tuple[int | None, str, str, bytes, str]:
            found: tuple[int | None, str, str, bytes, str] = connection.execute(
                _SELECT_BATCH, (after, self.collection, _FETCH)
            ).fetchone()
            return found

        with ThreadPoolExecutor(1, thread_name_prefix="vectors") as reader:
            last, *lists, vectors, sums = read(self.last_row)
            while last is not None:
                following = reader.submit(read, last)
                rows, categories, checks = (
                    np.fromstring(listed or "", np.int64, sep=",") for listed in (*lists, sums)
                )
                if len(vectors or b"") != len(rows) * self.dimension * VECTOR_DTYPE.itemsize:
                    raise Damage(f"a vector does not have the collection's dimension {self.dimension}")
                if not len(rows) == len(categories) == len(checks):
                    raise Damage("a row of a vector")
                found = vector_checks(vectors, self.dimension, categories).astype(np.int64)
                if (wrong := np.flatnonzero((checks >= 0) & (checks != found))).size:
                    raise Damage(f"the vector in row {rows[wrong[0]]}")
                decoded = np.frombuffer(vectors, VECTOR_DTYPE).astype(np.float32, copy=False)
                yield rows, categories, decoded.reshape(-1, self.dimension)
                last, *lists, vectors, sums = following.result()


_FETCH = 8_192
_SELECT_BATCH = (
    "SELECT max(row), group_concat(row), group_concat(category), CAST(group_concat(vector, '') AS BLOB), "
    "group_concat(ifnull(total, -1)) FROM (SELECT v.row, v.category, v.vector, k.vector AS total "
    "FROM vectors AS v LEFT JOIN checks AS k USING (row) "
    "WHERE v.row > ? AND v.collection = ? ORDER BY v.row LIMIT ?)"
)


def _last(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the highest row and the highest number of a removal that were ever used."""
    last = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    return int(last.get("points", 0)), int(last.get("removed", 0))


class Facets:
    """The fields of one category's block, their columns, and the results of the last filters.

    The fields of a row never change, because a product with changed fields gets a new row. Removed rows never
    return. So new facets inherit everything that the facets before them have read.
    """

    def __init__(
        self, collection: int, category: str, columns: Columns, before: "Facets | None" = None
    ) -> None:
        """Start with what the facets `before` have read."""
        self._collection = collection
        self._category = category
        self._reading = threading.Lock()
        self._columns = columns
        self._names: tuple[int, frozenset[str]] = 0, frozenset()
        """The fields that the rows up to a row have."""
        self._kept: dict[Filter, tuple[Block, Block, Period]] = {}
        self._periods: dict[str, Period] = {}
        if before is not None:
            with before._reading:
                self._names, self._kept = before._names, dict(before._kept)

    def only(self, connect: Connect, block: Block, tree: Filter) -> Block:
        """Return the part of the category's block that matches a filter."""
        known = self._kept.get(tree)
        if known is not None and known[0] is block and known[2].holds():
            return known[1]
        kept = block.only(self._mask(connect, block, tree))
        with self._reading:
            if len(self._kept) >= _FILTERS_KEPT:
                self._kept.clear()
            timed = [self._periods[name] for name in filters.AMOUNTS if name in self._periods]
            self._kept[tree] = (block, kept, Period.common(timed))
        return kept

    def _mask(self, connect: Connect, block: Block, tree: Filter) -> BoolArray:
        """Return for each place of a block whether its product matches, even if it was removed."""
        match tree:
            case filters.And(parts):
                masks = [self._mask(connect, block, part) for part in parts]
                return np.logical_and.reduce(masks) if masks else np.ones(block.size, bool)
            case filters.Or(parts):
                masks = [self._mask(connect, block, part) for part in parts]
                return np.logical_or.reduce(masks) if masks else np.zeros(block.size, bool)
            case filters.Not(part):
                return ~self._mask(connect, block, part)
            case filters.Under(wanted):
                return np.full(block.size, is_under(self._category, wanted))
            case _ if tree.field == "category":
                return np.full(block.size, text_matches(tree, self._category))
            case _:
                column = self._column(connect, block.rows[: block.size], tree.field)
                return np.full(block.size, text_matches(tree, "")) if column is None else column.mask(tree)

    def _column(self, connect: Connect, rows: IntArray, field: str) -> "Column | None":
        """Return the column of a field, or None if no row has the field. The fields of new rows are read."""
        with self._reading:
            sources = filters.AMOUNTS if field == "price" else (field,)
            if field not in _OF_EVERY and not self._known(connect, rows).intersection(sources):
                return None
            column = self._columns.get((self._category, field))
            if column is None or not column.begins(rows) or not column.period.holds():
                column = Column(field)
            if len(column.rows) < len(rows):
                period = column.period
                if field in filters.AMOUNTS:
                    texts, added = self._prices(connect(), field, column.last_row)
                    period = Period.common([period, added])
                else:
                    texts = self._texts(connect(), field, column.last_row)
                column = column.extended(rows, texts)
                column.period = period
                self._columns.keep((self._category, field), column, column.bytes)
            self._periods[field] = column.period
        return column

    def _known(self, connect: Connect, rows: IntArray) -> frozenset[str]:
        """Return the names of the fields that any row of the category has."""
        upto, names = self._names
        if len(rows) and (last := int(rows[-1])) > upto:
            asked = (self._collection, upto, self._category)
            for record in connect().execute(_SELECT_NEW, asked):
                check_record(*record)
            names = names.union(name for (name,) in connect().execute(_SELECT_NAMES, asked).fetchall())
            self._names = last, names
        return names

    def _texts(self, connection: sqlite3.Connection, field: str, after: int) -> dict[int, str | None]:
        """Return the field's texts by row, for the category's rows above `after`."""
        return dict(self._read(connection, (field,), after))

    def _prices(
        self, connection: sqlite3.Connection, field: str, after: int
    ) -> tuple[dict[int, str | None], "Period"]:
        """Return the texts of a field that depends on sales, and the period in which they stay the same."""
        names = ("price", "sale_price", SALE_DATES)
        texts: dict[int, str | None] = {}
        at, since, until = filters.now(), -math.inf, math.inf
        for row, *values in self._read(connection, names, after):
            fields = {name: text for name, text in zip(names, values, strict=True) if text}
            sale = sale_at(fields, at)
            texts[row] = sale or fields.get("price") if field == "price" else sale
            for moment in sale_period(fields[SALE_DATES]) if SALE_DATES in fields else ():
                since, until = (max(since, moment), until) if moment <= at else (since, min(until, moment))
        return texts, Period(since, until)

    def _read(
        self, connection: sqlite3.Connection, names: tuple[str, ...], after: int
    ) -> Iterator[tuple[Any, ...]]:
        """Return the row and the texts of some fields, or its id, of the category's rows above `after`."""
        texts = ", ".join(_OF_EVERY.get(name, _TEXT_OF_FIELD) for name in names)
        return connection.execute(
            f"SELECT row, {texts} FROM points AS p {_OF_CATEGORY}",
            (*(name for name in names if name not in _OF_EVERY), self._collection, after, self._category),
        )


_FILTERS_KEPT = 16
_OF_CATEGORY = (
    "WHERE p.collection = ? AND p.row > ? AND p.category = (SELECT number FROM categories WHERE name = ?)"
)
_SELECT_NAMES = f"SELECT DISTINCT key FROM points AS p, json_each(payload, '$.fields') {_OF_CATEGORY}"
_SELECT_NEW = f"{SELECT_RECORDS.replace('p.row, ', '')} {_OF_CATEGORY}"
_OF_EVERY = {
    "id": "id",
    "title": "CASE json_type(payload, '$.title') WHEN 'text' THEN json_extract(payload, '$.title') END",
}
"""What every product may have besides its fields, as SQL."""
_TEXT_OF_FIELD = (
    "(SELECT value FROM json_each(payload, '$.fields') WHERE key = ? AND type = 'text' AND value != '')"
)


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which no sale starts or ends, in seconds since 1970."""

    since: float = -math.inf
    until: float = math.inf

    def holds(self) -> bool:
        """Whether the period lasts."""
        return self.since <= filters.now() < self.until

    @classmethod
    def common(cls, periods: Sequence["Period"]) -> "Period":
        """Return the time that all periods have in common."""
        starts, ends = (each.since for each in periods), (each.until for each in periods)
        return cls(max(starts, default=-math.inf), min(ends, default=math.inf))


class Column:
    """The texts of a field in rows [n] of a block, as codes [n] of the distinct texts. Code 0 is "no text".

    A filter is evaluated once for each distinct text, and the result is looked up for each row.
    `filters.text_matches` evaluates it. Fast arithmetic only excludes texts that cannot match, so a column
    gives exactly the same results. A column never changes. `extended` returns a new one.
    """

    def __init__(self, field: str) -> None:
        """Start without rows."""
        self.field = field
        self.period = Period()
        self.rows: IntArray = np.empty(0, np.int64)
        self.codes: NDArray[np.int32] = np.empty(0, np.int32)
        self._texts = [""]
        self._code_of = {"": 0}
        self._numbers = np.full(1, np.nan)
        self._currencies: NDArray[np.str_] = np.array([""], "U3")
        self._folded: dict[str, list[int]] | None = None
        self._answers: dict[Leaf, BoolArray] = {}

    @property
    def bytes(self) -> int:
        """About how much memory the column takes. Each distinct text has a few entries of its own."""
        return 16 * len(self.codes) + 200 * len(self._texts) + 2 * sum(map(len, self._texts))

    @property
    def last_row(self) -> int:
        """The last row, or 0 without rows."""
        return int(self.rows[-1]) if len(self.rows) else 0

    def begins(self, rows: IntArray) -> bool:
        """Whether some rows begin with the rows of this column. Both ascend, and new rows come last."""
        count = len(self.rows)
        return count == 0 or (count <= len(rows) and int(rows[count - 1]) == self.last_row)

    def extended(self, rows: IntArray, texts: Mapping[int, str | None]) -> "Column":
        """Return the column of `rows`, which begin with its own. Rows missing in `texts` have no text."""
        longer = Column(self.field)
        new_texts = [texts.get(row) or "" for row in rows[len(self.rows) :].tolist()]
        new = [text for text in dict.fromkeys(new_texts) if text not in self._code_of]
        longer.rows, longer._texts = rows, self._texts + new
        codes = longer._code_of = {text: code for code, text in enumerate(longer._texts)}
        longer.codes = np.concatenate([self.codes, np.array([codes[text] for text in new_texts], np.int32)])
        read = [filters.read_number(text) for text in new]
        numbers = [np.nan if number is None else float(number.amount) for number in read]
        currencies = ["" if number is None else number.currency or "" for number in read]
        longer._numbers = np.concatenate([self._numbers, np.array(numbers, np.float64)])
        longer._currencies = np.concatenate([self._currencies, np.array(currencies, "U3")])
        return longer

    def mask(self, leaf: Leaf) -> BoolArray:
        """Return for each row whether its text matches a filter of this field."""
        answers = self._answers.get(leaf)
        if answers is None:
            answers = self._answered(leaf)
            if len(self._answers) >= _ANSWERS_KEPT:
                self._answers = {}
            self._answers[leaf] = answers
        taken: BoolArray = answers.take(self.codes)
        return taken

    def _answered(self, leaf: Leaf) -> BoolArray:
        """Return for each distinct text whether it matches."""
        answers = np.zeros(len(self._texts), bool)
        match leaf:
            case filters.Has():
                answers[1:] = True
            case filters.OneOf(_, values):
                answers[[code for value in values for code in self._equal_to(value)]] = True
            case filters.Compare(_, "=" | "!=" as sign, value):
                answers[self._equal_to(value)] = True
                return answers if sign == "=" else ~answers
            case filters.Compare(_, _, str()) | filters.Contains():
                answers[1:] = [text_matches(leaf, text) for text in self._texts[1:]]
            case filters.Compare(_, sign, Decimal() | Money() as value):
                answers = self._compared(sign, value)
                for code in np.flatnonzero(self._compared("=", value)):  # equal in float64, maybe not exactly
                    answers[code] = text_matches(leaf, self._texts[code])
        return answers

    def _compared(self, sign: str, value: Decimal | Money) -> BoolArray:
        """Compare the numbers at the start of the texts, in float64."""
        amount = float(value.amount if isinstance(value, Money) else value)
        answers: BoolArray = filters.COMPARISONS[sign](self._numbers, amount)
        if isinstance(value, Money):
            answers &= self._currencies == value.currency.upper()
        return answers

    def _equal_to(self, value: Value) -> list[int]:
        """Return the codes of the texts equal to a value."""
        if not isinstance(value, str):
            leaf = filters.Compare(self.field, "=", value)
            near = np.flatnonzero(self._compared("=", value)).tolist()
            return [code for code in near if text_matches(leaf, self._texts[code])]
        if self._folded is None:
            by_text: dict[str, list[int]] = {}
            for code, text in enumerate(self._texts[1:], 1):
                by_text.setdefault(filters.folded(self.field, text), []).append(code)
            self._folded = by_text
        return self._folded.get(filters.folded(self.field, value), [])


_ANSWERS_KEPT = 64
