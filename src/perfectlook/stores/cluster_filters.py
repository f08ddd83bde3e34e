"""Filters as Qdrant conditions, and the payload entries that the conditions test.

Each product has `terms`, texts that a filter can match (`brand=ikea`), and `numbers` for comparisons. Qdrant
cannot express some filters exactly: the order of texts, and numbers with more than 15 digits. They become
"wide" conditions, which hold for every match and for few other products. The store then checks the results
with `stores.filters.matches`. Below a `not`, they become "narrow" conditions, which hold only for matches.
"""

import hashlib
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from perfectlook.stores.filters import (
    And,
    Compare,
    Filter,
    Has,
    Money,
    Not,
    OneOf,
    Or,
    Under,
    Value,
    field_text,
    folded,
    read_number,
    sources_of,
)
from perfectlook.taxonomy import split_path

INDEXED_TERMS, OTHER_TERMS, NUMBERS = "terms", "other_terms", "numbers"
"""Their names in a point's payload. `terms` has an index."""

_NAMESPACE = uuid.UUID("6c1b0b5e-3a5d-5a0e-9c1f-0d6b3f6f2a11")
_LONGEST = 80
_FURTHEST = 1e300
"""Numbers are limited to this, because JSON has no infinity."""

Condition: TypeAlias = Any
"""A condition of `qdrant_client.models`, or True if it always holds, or False if it never holds."""


@dataclass(frozen=True, slots=True)
class FilterFields:
    """The payload entries of a product that filters test."""

    indexed: list[str]
    other: list[str]
    numbers: dict[str, float]

    def payload(self) -> dict[str, object]:
        """Return the entries of a point's payload."""
        return {INDEXED_TERMS: self.indexed, OTHER_TERMS: self.other, NUMBERS: self.numbers}


def filter_fields(
    id: str,  # noqa: A002
    category: str,
    fields: Mapping[str, str],
    indexed: Collection[str],
) -> FilterFields:
    """Return the entries of a product for filters. Terms of the `indexed` fields are separate."""
    found = FilterFields(sorted({_term("", "under", path) for path in _around(category)}), [], {})
    for name in sorted({"id", "category", *_asked_by(fields)}):
        text = field_text(name, id, category, fields)
        if not text:
            continue
        terms = found.indexed if _is_indexed(name, indexed) else found.other
        terms.append(_term(name, "has", ""))
        if name != "id":  # points are found by their ids
            terms.append(_term(name, "is", folded(name, text)))
        number = read_number(text)
        if number is not None:
            terms.append(_term(name, "number", _plain(number.amount)))
            found.numbers[number_key(name)] = _as_float(number.amount)
            if number.currency:
                terms.append(_term(name, "in", number.currency))
    return found


def point_id(id: str) -> str:  # noqa: A002
    """Return the id of a product's point, which must be a UUID in Qdrant."""
    return str(uuid.uuid5(_NAMESPACE, id))


def number_key(field: str) -> str:
    """Return the name of a field's number. Paths in payloads have only letters, digits and _."""
    plain = all(letter.isascii() and (letter.isalnum() or letter == "_") for letter in field)
    return f"f_{field}" if plain else f"h_{field.encode('utf-8', 'surrogatepass').hex()}"


def compile_filter(tree: Filter, indexed: Collection[str]) -> Condition:
    """Return a condition that holds for all products that match the filter, and for few others."""
    return _Compiler(indexed).wide(tree)


class _Compiler:
    """Translates filters. Wide conditions hold for all matches, and narrow ones only for matches."""

    def __init__(self, indexed: Collection[str]) -> None:
        self._indexed = indexed

    def wide(self, tree: Filter) -> Condition:
        return self._translated(tree, wide=True)

    def _translated(self, tree: Filter, *, wide: bool) -> Condition:  # noqa: PLR0911 — one for each kind
        match tree:
            case And(parts):
                return _all([self._translated(part, wide=wide) for part in parts])
            case Or(parts):
                return _any([self._translated(part, wide=wide) for part in parts])
            case Not(part):
                return _not(self._translated(part, wide=not wide))
            case Under(category):
                path = split_path(category.casefold())
                return self._has_term("", _term("", "under", "|".join(path))) if path else False
            case Has(field):
                return self._has_term(field, _term(field, "has", ""))
            case OneOf(field, values):
                return _any([self._equals(field, value) for value in values])
            case Compare(field, "=", value):
                return self._equals(field, value)
            case Compare(field, "!=", value):
                return _not(self._equals(field, value))
            case Compare(field, operator, value):
                return self._ordered(field, operator, value, wide=wide)

    def _equals(self, field: str, value: Value) -> Condition:
        if isinstance(value, str) and field == "id":
            from qdrant_client import models

            return models.HasIdCondition(has_id=[point_id(value)])
        if isinstance(value, str):
            return self._has_term(field, _term(field, "is", folded(field, value))) if value else False
        amount = value.amount if isinstance(value, Money) else value
        same = self._has_term(field, _term(field, "number", _plain(amount)))
        return _all([same, *self._currency(field, value)])

    def _ordered(self, field: str, operator: str, value: Value, *, wide: bool) -> Condition:
        if isinstance(value, str):  # Qdrant has no order of texts
            return self._has_term(field, _term(field, "has", "")) if wide else False
        from qdrant_client import models

        amount = _as_float(value.amount if isinstance(value, Money) else value)
        # Different numbers may be the same double, so a wide condition includes the bound.
        bound = {"<": "lt", ">": "gt"}[operator[0]] + ("e" if wide else "")
        within = models.FieldCondition(
            key=f"{NUMBERS}.{number_key(field)}", range=models.Range(**{bound: amount})
        )
        return _all([within, *self._currency(field, value)])

    def _currency(self, field: str, value: Value) -> list[Condition]:
        if not isinstance(value, Money):
            return []
        return [self._has_term(field, _term(field, "in", value.currency.upper()))]

    def _has_term(self, field: str, term: str) -> Condition:
        from qdrant_client import models

        key = INDEXED_TERMS if not field or _is_indexed(field, self._indexed) else OTHER_TERMS
        return models.FieldCondition(key=key, match=models.MatchValue(value=term))


def _all(parts: list[Condition]) -> Condition:
    from qdrant_client import models

    if any(part is False for part in parts):
        return False
    left = [part for part in parts if part is not True]
    return models.Filter(must=left) if left else True


def _any(parts: list[Condition]) -> Condition:
    from qdrant_client import models

    if any(part is True for part in parts):
        return True
    left = [part for part in parts if part is not False]
    return models.Filter(should=left) if left else False


def _not(part: Condition) -> Condition:
    from qdrant_client import models

    return not part if isinstance(part, bool) else models.Filter(must_not=[part])


def _asked_by(fields: Mapping[str, str]) -> set[str]:
    """Return the names that filters can use for these fields."""
    return {name for name in (*fields, "price") if any(source in fields for source in sources_of(name))}


def _is_indexed(field: str, indexed: Collection[str]) -> bool:
    return field == "category" or field in indexed


def _around(category: str) -> set[str]:
    """Return all values of `category under` that match this category: its subtrees, and its levels."""
    path = split_path(category.casefold())
    return {"|".join(path[:depth]) for depth in range(1, len(path) + 1)} | set(path)


def _term(field: str, what: str, text: str) -> str:
    if len(text) > _LONGEST:
        text = "#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{field}\x1f{what}\x1f{text}"


def _plain(amount: Decimal) -> str:
    """Return all digits of a number. Equal numbers give the same text."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "+0") else text


def _as_float(amount: Decimal) -> float:
    return min(max(float(amount), -_FURTHEST), _FURTHEST)
