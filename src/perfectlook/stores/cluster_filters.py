"""Filters in Qdrant's terms: what is stored with a product so that it can be filtered, and what is asked.

Each product carries `terms`, texts that a filter can ask for (`brand=ikea`), and `numbers` to compare with.
What Qdrant cannot say exactly (the order of texts, numbers beyond a double's 15 digits) becomes a condition
that every match fulfils and few others do, and the store checks what it found with
`stores.filters.matches`. Below a `not` it is the other way round: a condition that only matches fulfil.
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
"""Where they lie in a point's payload; the first has an index."""

_NAMESPACE = uuid.UUID("6c1b0b5e-3a5d-5a0e-9c1f-0d6b3f6f2a11")
_LONGEST = 80
_FURTHEST = 1e300
"""Numbers beyond this count as this: JSON has no infinity."""

Condition: TypeAlias = Any
"""A condition of `qdrant_client.models`, or True or False where it always or never holds."""


@dataclass(frozen=True, slots=True)
class FilterFields:
    """What a product's payload holds for filters to ask for."""

    indexed: list[str]
    other: list[str]
    numbers: dict[str, float]

    def payload(self) -> dict[str, object]:
        """As part of a point's payload."""
        return {INDEXED_TERMS: self.indexed, OTHER_TERMS: self.other, NUMBERS: self.numbers}


def filter_fields(
    id: str,  # noqa: A002
    category: str,
    fields: Mapping[str, str],
    indexed: Collection[str],
) -> FilterFields:
    """Write down what filters can ask of a product, the terms of the `indexed` fields apart."""
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
    """The id of a product's point: Qdrant takes UUIDs only."""
    return str(uuid.uuid5(_NAMESPACE, id))


def number_key(field: str) -> str:
    """The name of a field's number: letters, digits and _ only, as a path in a payload must be."""
    plain = all(letter.isascii() and (letter.isalnum() or letter == "_") for letter in field)
    return f"f_{field}" if plain else f"h_{field.encode('utf-8', 'surrogatepass').hex()}"


def compile_filter(tree: Filter, indexed: Collection[str]) -> Condition:
    """Return a condition that every product fulfils which matches the filter (and few others do)."""
    return _Compiler(indexed).wide(tree)


class _Compiler:
    """Translates trees; `wide` conditions hold for all matches, `narrow` ones for nothing else."""

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
        if isinstance(value, str):  # texts have no order there
            return self._has_term(field, _term(field, "has", "")) if wide else False
        from qdrant_client import models

        amount = _as_float(value.amount if isinstance(value, Money) else value)
        # Different numbers may be the same double: those at the bound are in when wide, else out.
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
    """The names by which filters can ask for these fields."""
    return {name for name in (*fields, "price") if any(source in fields for source in sources_of(name))}


def _is_indexed(field: str, indexed: Collection[str]) -> bool:
    return field == "category" or field in indexed


def _around(category: str) -> set[str]:
    """Everything that `category under` can call this category by: its subtrees, and each level alone."""
    path = split_path(category.casefold())
    return {"|".join(path[:depth]) for depth in range(1, len(path) + 1)} | set(path)


def _term(field: str, what: str, text: str) -> str:
    if len(text) > _LONGEST:
        text = "#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{field}\x1f{what}\x1f{text}"


def _plain(amount: Decimal) -> str:
    """The number in digits, the same for equal numbers, however many there are."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "+0") else text


def _as_float(amount: Decimal) -> float:
    return min(max(float(amount), -_FURTHEST), _FURTHEST)
