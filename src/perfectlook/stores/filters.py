"""From a filter's text to its tree.

filter     = and-part { "or" and-part }
and-part   = part { "and" part }
part       = "not" part | "(" filter ")" | "has" FIELD | FIELD condition
condition  = ("=" | "!=" | "<" | "<=" | ">" | ">=") VALUE
           | ["not"] "in" "(" VALUE { "," VALUE } ")" | "under" VALUE        (under: of `category` only)
VALUE      = "quoted" | 'quoted' | word | number | number CURRENCY
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from perfectlook.errors import UsageError
from perfectlook.taxonomy import matches as is_under
from perfectlook.taxonomy import normalise

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Value: TypeAlias = "str | Decimal | Money"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of a currency: `50 EUR` says nothing about prices in another one."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Compare:
    """`price <= 50`, `brand = "Ikea"`. A product without the field matches no comparison but `!=`."""

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
class Under:
    """`category under "Furniture|Chairs"`: the category itself and all below it."""

    category: str


@dataclass(frozen=True, slots=True)
class Not:
    """What the part does not match."""

    part: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """What all parts match."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """What any part matches."""

    parts: "tuple[Filter, ...]"


Filter: TypeAlias = Compare | OneOf | Has | Under | Not | And | Or


Kind: TypeAlias = Literal["word", "number", "quoted", "sign", "end"]

KEYWORDS = frozenset({"and", "or", "not", "in", "has", "under"})
"""Words of the syntax, in any case; a field or a value that is spelled like one stands in quotes."""

MAX_LENGTH = 65_536
BARE = re.compile(r"[\w./:+\-#@&%|]+")
"""What may stand without quotes: letters and digits of any script, and a few marks."""

NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_SIGN = re.compile(r"<=|>=|!=|[=<>(),]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """One word: what it is, what it says (without quotes), as it was written, and its column, from 1."""

    kind: Kind
    text: str
    written: str
    column: int

    def is_keyword(self, *names: str) -> bool:
        """Whether this is one of these words of the syntax; one in quotes never is."""
        return self.kind == "word" and self.text.lower() in names

    def is_sign(self, *signs: str) -> bool:
        """Whether this is one of these signs."""
        return self.kind == "sign" and self.text in signs

    def described(self) -> str:
        """The word as an error quotes it."""
        if self.kind == "end":
            return "the end"
        shown = self.written if len(self.written) <= 40 else self.written[:37] + "..."
        return shown if self.kind == "quoted" else f"'{shown}'"


def wrong(source: str, column: int, what: str) -> UsageError:
    """The error that something about the text at a column is wrong."""
    return UsageError(f"{source}: column {column}: {what}")


def split_words(text: str, source: str) -> list[Word]:
    """Split a filter's text into words, the last of which is the end; UsageError where it cannot be."""
    if len(text) > MAX_LENGTH:
        raise wrong(
            source, MAX_LENGTH + 1, f"a filter has at most {MAX_LENGTH} characters, this one {len(text)}"
        )
    words, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        word = _word_at(text, place, source)
        words.append(word)
        place += len(word.written)
    return [*words, Word("end", "", "", len(text) + 1)]


def _word_at(text: str, place: int, source: str) -> Word:
    column = place + 1
    if found := _QUOTED.match(text, place):
        inner = found[1] if found[1] is not None else found[2]
        return Word("quoted", _ESCAPE.sub(r"\1", inner), found[0], column)
    if text[place] in "\"'":
        raise wrong(source, column, f"this {text[place]} is never closed")
    if found := _SIGN.match(text, place):
        return Word("sign", found[0], found[0], column)
    if found := BARE.match(text, place):
        return Word("number" if NUMBER.fullmatch(found[0]) else "word", found[0], found[0], column)
    raise wrong(source, column, f"unexpected '{text[place]}'; put text with such characters in quotes")


def print_filter(tree: Filter) -> str:
    """Return the text of a filter; ValueError for an `And` or `Or` of fewer than two parts: it has none."""
    match tree:
        case And(parts) | Or(parts):
            if len(parts) < 2:
                raise ValueError(f"{tree!r} has fewer than two parts: no text says that")
            return (" and " if isinstance(tree, And) else " or ").join(map(_within, parts))
        case Not(OneOf(field, values)):
            return f"{_text(field)} not in {_list(values)}"
        case Not(part):
            return f"not {_within(part)}"
        case _:
            return _leaf(tree)


def _leaf(leaf: Compare | OneOf | Has | Under) -> str:
    match leaf:
        case Compare(field, operator, value):
            return f"{_text(field)} {operator} {_value(value)}"
        case OneOf(field, values):
            return f"{_text(field)} in {_list(values)}"
        case Has(field):
            return f"has {_text(field)}"
        case Under(category):
            return f"category under {_text(category)}"


def _within(part: Filter) -> str:
    return f"({print_filter(part)})" if isinstance(part, And | Or) else print_filter(part)


def _list(values: tuple[Value, ...]) -> str:
    return f"({', '.join(map(_value, values))})"


def _value(value: Value) -> str:
    match value:
        case Decimal():
            return f"{value:f}"
        case Money(amount, currency):
            return f"{amount:f} {currency}"
        case _:
            return _text(value)


def _text(text: str) -> str:
    if BARE.fullmatch(text) and not NUMBER.fullmatch(text) and text.lower() not in KEYWORDS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


Leaf: TypeAlias = Compare | OneOf | Has
"""A filter of one field's text."""

_NUMBER = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)(?:\s+([A-Za-z]{3})\s*$|\s|$)")


class Number(NamedTuple):
    """The number that a field starts with, and its currency where it is a price."""

    amount: Decimal
    currency: str | None


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
    """The text of a field as filters see it, "" where the product has none."""
    if name == "id":
        return id
    if name == "category":
        return category
    for source in sources_of(name):
        if text := fields.get(source):
            return text
    return ""


def sources_of(name: str) -> tuple[str, ...]:
    """The fields, in order, of which the first that a product has is the one filters mean by `name`."""
    return ("sale_price", "price") if name == "price" else (name,)


def text_matches(leaf: Leaf, text: str) -> bool:
    """Whether the text of the leaf's field ("": the product has none) matches."""
    match leaf:
        case Has():
            return text != ""
        case Compare(field, "!=", value):
            return not (text and _compares(field, text, "=", value))
        case Compare(field, operator, value):
            return text != "" and _compares(field, text, operator, value)
        case OneOf(field, values):
            return text != "" and any(_compares(field, text, "=", value) for value in values)


def folded(field: str, text: str) -> str:
    """The text as it is compared.

    Without regard to case; a category as this project spells it; an id as it is.
    """
    if field == "id":
        return text
    return (normalise(text) if field == "category" else text).casefold()


def read_number(text: str) -> Number | None:
    """The number that a field's text starts with, None where it starts with none."""
    found = _NUMBER.match(text)
    return None if found is None else Number(Decimal(found[1]), found[2] and found[2].upper())


def _compares(field: str, text: str, operator: str, value: Value) -> bool:
    if isinstance(value, str):
        return _holds(folded(field, text), operator, folded(field, value))
    number = read_number(text)
    if number is None:
        return False
    if isinstance(value, Money):
        return number.currency == value.currency.upper() and _holds(number.amount, operator, value.amount)
    return _holds(number.amount, operator, value)


def _holds(one: "str | Decimal", operator: str, other: "str | Decimal") -> bool:
    if operator == "=":
        return one == other
    below, above = one < other, one > other  # type: ignore[operator]
    return {"<": below, "<=": not above, ">": above, ">=": not below}[operator]


MAX_DEPTH = 50
TEXT_FIELDS = frozenset({"id", "category"})
"""Fields that are text even where they look like numbers: `id = 007` is not `id = 7`."""

_CURRENCY = re.compile(r"[A-Za-z]{3}")


def parse_filter(text: str, source: str = "--where") -> Filter:
    """Parse a filter, such as `price <= 50 EUR and brand in (Ikea, "La Redoute")`.

    Raises:
        UsageError: the text is no filter; it names `source`, the column (from 1) and what was expected.
    """
    return _Parser(split_words(text, source), source).whole()


class _Parser:
    """A recursive descent that counts how deep it is: no text makes it run out of stack."""

    def __init__(self, words: list[Word], source: str) -> None:
        self._words: Final = words
        self._source: Final = source
        self._next = 0
        self._depth = 0

    def whole(self) -> Filter:
        tree = self._either()
        if self._peek().kind != "end":
            raise self._expected("'and', 'or' or the end")
        return tree

    def _either(self) -> Filter:
        parts = [self._all()]
        while self._accept_keyword("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Filter:
        parts = [self._part()]
        while self._accept_keyword("and"):
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _part(self) -> Filter:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise wrong(self._source, self._peek().column, f"nested deeper than {MAX_DEPTH} levels")
        part = self._part_within()
        self._depth -= 1
        return part

    def _part_within(self) -> Filter:
        if self._accept_keyword("not"):
            return Not(self._part())
        if opened := self._accept_sign("("):
            inner = self._either()
            if not self._accept_sign(")"):
                raise self._expected(f"'and', 'or' or a ')' for the '(' of column {opened.column}")
            return inner
        if self._accept_keyword("has"):
            return Has(self._field("a field after 'has'"))
        return self._condition(self._field("a field, 'has', 'not' or '('"))

    def _condition(self, field: str) -> Filter:
        if sign := self._accept_sign("=", "!=", "<", "<=", ">", ">="):
            value = self._value(field, f"a value after '{sign.text}'")
            return Compare(field, cast("Operator", sign.text), value)
        if self._accept_keyword("in"):
            return OneOf(field, self._values(field))
        if self._accept_keyword("not"):
            if not self._accept_keyword("in"):
                raise self._expected("'in' after 'not'")
            return Not(OneOf(field, self._values(field)))
        if self._peek().is_keyword("under"):
            if field != "category":
                raise self._expected(f"=, !=, <, <=, >, >= or in after '{field}' ('under' is for 'category')")
            self._take()
            value = self._value(field, "a category after 'under'")
            return Under(str(value))
        under = " or under" if field == "category" else ""
        raise self._expected(f"=, !=, <, <=, >, >=, in, not in{under} after '{field}'")

    def _field(self, what: str) -> str:
        word = self._peek()
        named = word.kind == "quoted" or (word.kind == "word" and word.text.lower() not in KEYWORDS)
        if not named or not word.text.strip():
            raise self._expected(what)
        return self._take().text.strip().lower()

    def _values(self, field: str) -> tuple[Value, ...]:
        if not self._accept_sign("("):
            raise self._expected("'(' after 'in'")
        values = [self._value(field, "a value")]
        while self._accept_sign(","):
            values.append(self._value(field, "a value after ','"))
        if not self._accept_sign(")"):
            raise self._expected("',' or ')'")
        return tuple(values)

    def _value(self, field: str, what: str) -> Value:
        word = self._peek()
        if word.kind not in {"quoted", "number", "word"} or word.is_keyword(*KEYWORDS):
            raise self._expected(what)
        self._take()
        if word.kind != "number" or field in TEXT_FIELDS:
            return word.text
        amount = Decimal(word.text)
        following = self._peek()
        if following.kind != "word" or following.is_keyword(*KEYWORDS):
            return amount
        if not _CURRENCY.fullmatch(following.text):
            raise self._expected(f"a currency such as EUR, 'and' or 'or' after {word.described()}")
        return Money(amount, self._take().text.upper())

    def _peek(self) -> Word:
        return self._words[self._next]

    def _take(self) -> Word:
        word = self._words[self._next]
        self._next += 1
        return word

    def _accept_keyword(self, name: str) -> bool:
        if not self._peek().is_keyword(name):
            return False
        self._next += 1
        return True

    def _accept_sign(self, *signs: str) -> Word | None:
        return self._take() if self._peek().is_sign(*signs) else None

    def _expected(self, what: str) -> UsageError:
        word = self._peek()
        return wrong(self._source, word.column, f"expected {what}, found {word.described()}")
