"""Filters as text: parsed again, they are the same."""

from decimal import Decimal

from perfectlook.stores.filters import (
    _BARE,
    _KEYWORDS,
    _NUMBER,
    And,
    Compare,
    Contains,
    Filter,
    Has,
    Money,
    Not,
    OneOf,
    Or,
    Under,
    Value,
)


def print_filter(tree: Filter) -> str:  # noqa: PLR0911  (one for each kind)
    """Return the text of a filter. Raises ValueError for an `And` or `Or` with fewer than two parts."""
    match tree:
        case And(parts) | Or(parts):
            if len(parts) < 2:
                raise ValueError(f"expected two or more parts, got {tree!r}")
            return (" and " if isinstance(tree, And) else " or ").join(map(_print_part, parts))
        case Not(OneOf(field, values)):
            return f"{_quoted(field)} not in ({', '.join(map(_print_value, values))})"
        case Not(part):
            return f"not {_print_part(part)}"
        case Compare(field, sign, value):
            return f"{_quoted(field)} {sign} {_print_value(value)}"
        case OneOf(field, values):
            return f"{_quoted(field)} in ({', '.join(map(_print_value, values))})"
        case Has(field):
            return f"has {_quoted(field)}"
        case Contains(field, text):
            return f"{_quoted(field)} contains {_quoted(text)}"
        case Under(category):
            return f"category under {_quoted(category)}"


def _print_part(part: Filter) -> str:
    return f"({print_filter(part)})" if isinstance(part, And | Or) else print_filter(part)


def _print_value(value: Value) -> str:
    match value:
        case Decimal():
            return f"{value:f}"
        case Money(amount, currency):
            return f"{amount:f} {currency}"
        case _:
            return _quoted(value)


def _quoted(text: str) -> str:
    """Return the text as in a filter, in quotes if necessary."""
    if _BARE.fullmatch(text) and not _NUMBER.fullmatch(text) and text.lower() not in _KEYWORDS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
