"""From a filter's tree back to its text, which parses to the same tree."""

from decimal import Decimal

from perfectlook.filters.tree import And, Comparison, Filter, Has, Money, Not, OneOf, Or, Under, Value
from perfectlook.filters.words import BARE, KEYWORDS, NUMBER


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


def _leaf(leaf: Comparison | OneOf | Has | Under) -> str:
    match leaf:
        case Comparison(field, operator, value):
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
