"""Whether a product matches a filter: what every store's own way of filtering must agree with.

A product without a field (or with an empty one) matches no comparison of it but `!=`, and no `in`; `not`
turns that round. A number asks for fields that start with one ("49.90 EUR", "120 cm"), an amount of money for
those in its currency; what is no such number is neither equal to it, nor below, nor above.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from perfectlook.filters.tree import And, Comparison, Filter, Has, Money, Not, OneOf, Or, Under, Value
from perfectlook.taxonomy import matches as is_under
from perfectlook.taxonomy import normalise

Leaf: TypeAlias = Comparison | OneOf | Has
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
        case Comparison(field, "!=", value):
            return not (text and _compares(field, text, "=", value))
        case Comparison(field, operator, value):
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
