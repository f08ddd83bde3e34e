"""From a filter's text to its tree.

filter     = and-part { "or" and-part }
and-part   = part { "and" part }
part       = "not" part | "(" filter ")" | "has" FIELD | FIELD condition
condition  = ("=" | "!=" | "<" | "<=" | ">" | ">=") VALUE
           | ["not"] "in" "(" VALUE { "," VALUE } ")" | "under" VALUE        (under: of `category` only)
VALUE      = "quoted" | 'quoted' | word | number | number CURRENCY
"""

import re
from decimal import Decimal
from typing import Final, cast

from perfectlook.errors import UsageError
from perfectlook.filters.tree import (
    And,
    Comparison,
    Filter,
    Has,
    Money,
    Not,
    OneOf,
    Operator,
    Or,
    Under,
    Value,
)
from perfectlook.filters.words import KEYWORDS, Word, split_words, wrong

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
            return Comparison(field, cast("Operator", sign.text), value)
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
