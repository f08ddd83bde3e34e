"""Filters of products: `price <= 50 EUR and brand in (Ikea, "La Redoute")` as text and as a tree.

filter     = and-part { "or" and-part }
and-part   = part { "and" part }
part       = "not" part | "(" filter ")" | "has" FIELD | FIELD condition
condition  = ("=" | "!=" | "<" | "<=" | ">" | ">=") VALUE
           | ["not"] "in" "(" VALUE { "," VALUE } ")" | "contains" VALUE
           | "under" VALUE                                                     (of `category` only)
VALUE      = "quoted" | 'quoted' | word | number | number CURRENCY
           | an amount as in feeds: 50€, "1.299,00 €"             (of price and *_price only)
"""

import operator
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from perfectlook.errors import UsageError
from perfectlook.prices import UnusablePriceError, canonical_price, is_price, sale_at
from perfectlook.taxonomy import matches as is_under
from perfectlook.taxonomy import normalise

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Value: TypeAlias = "str | Decimal | Money"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency. `50 EUR` does not match prices in other currencies."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Compare:
    """`price <= 50`, `brand = "Ikea"`. A product without the field matches only `!=`."""

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """`brand in ("Ikea", "Muji")`, `id in (p1, p2)`."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """`has sale_price`: the product has the field, and it is not empty."""

    field: str


@dataclass(frozen=True, slots=True)
class Contains:
    """`title contains oak`: the text is somewhere in the field, ignoring case."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Under:
    """`category under "Furniture|Chairs"`: the category itself and all categories below it."""

    category: str


@dataclass(frozen=True, slots=True)
class Not:
    """Matches what its part does not match."""

    part: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """Matches what all its parts match."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Matches what any of its parts matches."""

    parts: "tuple[Filter, ...]"


Leaf: TypeAlias = Compare | OneOf | Has | Contains
"""A filter that tests the text of one field."""
Filter: TypeAlias = Leaf | Under | Not | And | Or


class Number(NamedTuple):
    """The number that a field starts with, and its currency if it is a price."""

    amount: Decimal
    currency: str | None


def parse_filter(text: str, source: str = "where") -> Filter:
    """Parse a filter, such as `price <= 50 EUR and brand in (Ikea, "La Redoute")`.

    Raises:
        UsageError: the text is not a valid filter. The message has `source`, the column (from 1) and what was
            expected.
    """
    return _Parser(text, source).whole()


def matches(tree: Filter, id: str, category: str, fields: Mapping[str, str]) -> bool:  # noqa: A002
    """Whether a product of this id, category and fields (text by name, in lower case) matches a filter."""
    match tree:
        case And(parts):
            return all(matches(part, id, category, fields) for part in parts)
        case Or(parts):
            return any(matches(part, id, category, fields) for part in parts)
        case Not(part):
            return not matches(part, id, category, fields)
        case Under(wanted):
            return is_under(category, wanted)
        case _:
            return text_matches(tree, field_text(tree.field, id, category, fields))


def field_text(name: str, id: str, category: str, fields: Mapping[str, str]) -> str:  # noqa: A002
    """Return the text of a field as filters see it, "" if the product does not have the field."""
    if name in TEXT_FIELDS:
        return id if name == "id" else category
    if name not in AMOUNTS:
        return fields.get(name, "")
    sale = sale_at(fields, now())
    return sale or fields.get("price", "") if name == "price" else sale


def now() -> float:
    """Return the time at which sales are judged, in seconds since 1970."""
    return time.time()


def text_matches(leaf: Leaf, text: str) -> bool:
    """Whether the text of the leaf's field ("" if the product does not have it) matches."""
    match leaf:
        case Has():
            return text != ""
        case Contains(field, part):
            return text != "" and folded(field, part) in folded(field, text)
        case Compare(field, "!=", value):
            return not (text and _compares(field, text, "=", value))
        case Compare(field, sign, value):
            return text != "" and _compares(field, text, sign, value)
        case OneOf(field, values):
            return text != "" and any(_compares(field, text, "=", value) for value in values)


def folded(field: str, text: str) -> str:
    """Return the text to compare: categories normalised, and all texts except ids in lower case."""
    if field == "id":
        return text
    return (normalise(text) if field == "category" else text).casefold()


def read_number(text: str) -> Number | None:
    """Return the number that a field's text starts with, or None if it does not start with a number."""
    found = _PRICE.match(text)
    return None if found is None else Number(Decimal(found[1]), found[2] and found[2].upper())


AMOUNTS = frozenset({"price", "sale_price"})
"""Fields that depend on the time: a sale price counts while its sale lasts, and is then the `price` too."""
TEXT_FIELDS = frozenset({"id", "category"})
"""Fields that are always compared as text: `id = 007` is not `id = 7`."""

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PRICE = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)(?:\s+([A-Za-z]{3})\s*$|\s|$)")


def _compares(field: str, text: str, sign: str, value: Value) -> bool:
    if isinstance(value, str):
        return bool(COMPARISONS[sign](folded(field, text), folded(field, value)))
    number = read_number(text)
    if number is None:
        return False
    if isinstance(value, Money):
        same_currency = number.currency == value.currency.upper()
        return same_currency and bool(COMPARISONS[sign](number.amount, value.amount))
    return bool(COMPARISONS[sign](number.amount, value))


_KEYWORDS = frozenset({"and", "or", "not", "in", "has", "under"})
"""Keywords, in upper or lower case. Fields and values with these names must be in quotes."""
_MAX_LENGTH = 65_536
_MAX_DEPTH = 50
_MAX_FIELDS = 32
_BARE = re.compile(r"[\w./:+\-#@&%|$£¥\u20a0-\u20cf]+")
"""Text that needs no quotes: letters and digits of any script, signs of currencies, and a few marks."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_EXACT = re.compile(rf"(?!.*\.[0-9]{{3}}\Z){_NUMBER.pattern}")
"""An amount that no country reads as thousands: three decimals are 1.299 or 1,299."""
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_WORD = re.compile(
    r"""\s*(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'"""
    rf"|(?P<sign><=|>=|!=|[=<>(),])|(?P<bare>{_BARE.pattern})|(?P<unknown>.)|(?P<end>\Z))",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def _money(text: str, currency: str | None = None) -> Money:
    amount, currency = canonical_price(text, currency).split()
    return Money(Decimal(amount), currency)


class _Word(NamedTuple):
    """One word of a filter: its text, its sign or keyword in lower case, its spelling, and its column."""

    text: str
    symbol: str
    written: str
    column: int

    def __str__(self) -> str:
        """Return the word as an error quotes it."""
        shown = self.written if len(self.written) <= 40 else self.written[:37] + "..."
        return (shown if shown[0] in "\"'" else f"'{shown}'") if shown else "the end"


class _Parser:
    """A recursive descent parser with a depth limit, so that no text overflows the stack."""

    def __init__(self, text: str, source: str) -> None:
        self._source: Final = source
        if len(text) > _MAX_LENGTH:
            what = f"the filter has {len(text):,} characters, more than {_MAX_LENGTH:,}. Shorten it."
            raise self._wrong(_MAX_LENGTH + 1, what)
        self._words: Final = list(self._split(text))
        self._next = 0
        self._depth = 0
        self._fields: Final[set[str]] = set()

    def whole(self) -> Filter:
        tree = self._either()
        if self._word.written:
            raise self._expected("'and', 'or' or the end")
        return tree

    def _split(self, text: str) -> Iterator[_Word]:
        """Split the text into words. The last word is the end, which is spelled ""."""
        for found in _WORD.finditer(text):
            kind, written = str(found.lastgroup), found[0].lstrip()
            column = found.end() - len(written) + 1
            if kind == "unknown":
                what = f"unexpected '{written}'. Put text with this character in quotes."
                raise self._wrong(column, f"no closing {written}. Add it." if written in "\"'" else what)
            inner = found[kind]
            symbol = inner.lower() if kind == "sign" or inner.lower() in _KEYWORDS else ""
            if kind in ("double", "single"):
                inner, symbol = _ESCAPE.sub(r"\1", inner), ""
            yield _Word(inner, symbol, written, column)
            if kind == "end":
                return

    def _either(self) -> Filter:
        return self._joined("or", lambda: self._joined("and", self._part, And), Or)

    def _joined(self, word: str, part: Callable[[], Filter], kind: type[And | Or]) -> Filter:
        parts = [part()]
        while self._accept(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else kind(tuple(parts))

    def _part(self) -> Filter:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            what = f"nested deeper than {_MAX_DEPTH} levels. Use fewer parentheses and 'not'."
            raise self._wrong(self._word.column, what)
        part = self._part_within()
        self._depth -= 1
        return part

    def _part_within(self) -> Filter:
        if self._accept("not"):
            return Not(self._part())
        if opened := self._accept("("):
            inner = self._either()
            if not self._accept(")"):
                raise self._expected(f"'and', 'or' or a ')' for the '(' of column {opened.column}")
            return inner
        if self._accept("has"):
            return Has(self._field("a field after 'has'"))
        return self._condition(self._field("a field, 'has', 'not' or '('"))

    def _condition(self, field: str) -> Filter:
        if sign := self._accept(*COMPARISONS, "!="):
            return self._comparison(field, cast("Operator", sign.text))
        if self._accept("in"):
            return OneOf(field, self._values(field))
        if self._word.written.lower() == "contains" and is_price(field):
            raise self._expected(f"=, !=, <, <=, >, >=, in or not in after '{field}', which is an amount")
        if self._word.written.lower() == "contains":  # elsewhere it is a word like any other
            self._next += 1
            return Contains(field, self._text("a text after 'contains'"))
        if self._accept("not"):
            if not self._accept("in"):
                raise self._expected("'in' after 'not'")
            return Not(OneOf(field, self._values(field)))
        if self._word.symbol == "under" and field != "category":
            raise self._expected(f"=, !=, <, <=, >, >= or in after '{field}' ('under' is for 'category')")
        if self._accept("under"):
            return Under(str(self._value(field, "a category after 'under'")))
        under = " or under" if field == "category" else ""
        raise self._expected(f"=, !=, <, <=, >, >=, in, not in, contains{under} after '{field}'")

    def _comparison(self, field: str, sign: Operator) -> Compare:
        value = self._value(field, f"a value after '{sign}'")
        after = self._words[self._next :][:2]
        if isinstance(value, Decimal) and after[0].symbol == "," and after[1].written[:1].isdigit():
            what = f"{field}: expected a decimal point in the number, got ','. Write it as 49.90."
            raise self._wrong(after[0].column, what)
        return Compare(field, sign, value)

    def _field(self, what: str) -> str:
        word = self._word
        is_number = _NUMBER.fullmatch(word.written)
        if word.symbol or is_number or not word.text.strip():
            raise self._expected(what)
        self._next += 1
        field = word.text.strip().lower()
        self._fields.add(field)
        if len(self._fields) > _MAX_FIELDS:
            raise self._wrong(word.column, f"more than {_MAX_FIELDS} different fields. Use fewer.")
        return field

    def _values(self, field: str) -> tuple[Value, ...]:
        if not self._accept("("):
            raise self._expected("'(' after 'in'")
        values = [self._value(field, "a value")]
        while self._accept(","):
            values.append(self._value(field, "a value after ','"))
        if not self._accept(")"):
            raise self._expected("',' or ')'")
        return tuple(values)

    def _text(self, what: str) -> str:
        word = self._word
        if word.symbol or not word.written:
            raise self._expected(what)
        self._next += 1
        return word.text

    def _value(self, field: str, what: str) -> Value:
        word = self._word
        self._text(what)
        if is_price(field) and not _EXACT.fullmatch(word.written):
            return self._amount(field, word)
        if field in TEXT_FIELDS or not _NUMBER.fullmatch(word.written):
            return word.text
        following = self._word
        if (
            following.symbol
            or following.written[:1] in ("", '"', "'")
            or _NUMBER.fullmatch(following.written)
        ):
            return Decimal(word.text)
        if is_price(field) and not _CURRENCY.fullmatch(following.text):
            with suppress(UnusablePriceError):  # 50 €
                money = _money(f"{word.text} {following.text}")
                self._next += 1
                return money
        if not _CURRENCY.fullmatch(following.text):
            raise self._expected(f"a currency such as EUR, 'and' or 'or' after {word}")
        self._next += 1
        return Money(Decimal(word.text), following.text.upper())

    def _amount(self, field: str, word: _Word) -> Value:
        """Read an amount of money that is written like a price: 50EUR, €50, 50 €, "1.299,00 €"."""
        text, following = word.text, self._word
        if _EXACT.fullmatch(text):
            return Decimal(text)
        is_quoted = word.written[:1] in ('"', "'")
        if not is_quoted and following.written and not following.symbol and following.written[0] not in "\"'":
            text = f"{text} {following.text}"
            self._next += 1
        try:
            return _money(text, "EUR" if _NUMBER.fullmatch(text) else None)
        except UnusablePriceError as error:
            got = f"got '{text[:40]}' ({error.reason})"
            what = f"{field}: expected an amount, {got}. Write an amount such as 50 or 50 EUR."
            raise self._wrong(word.column, what) from error

    @property
    def _word(self) -> _Word:
        return self._words[self._next]

    def _accept(self, *symbols: str) -> _Word | None:
        word = self._word
        if word.symbol not in symbols:
            return None
        self._next += 1
        return word

    def _expected(self, what: str) -> UsageError:
        return self._wrong(self._word.column, f"expected {what}, got {self._word}.")

    def _wrong(self, column: int, what: str) -> UsageError:
        return UsageError(f"{self._source}: column {column}: {what}")
