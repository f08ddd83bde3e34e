"""Which products an answer may show: the filter asked for, what can be bought, what rules leave in."""

from perfectlook.filters import Filter, parse_filter
from perfectlook.filters.tree import And, Comparison, Has, Not, OneOf, Or, Under

AVAILABLE = Comparison("availability", "!=", "out_of_stock")
"""What is shown where nothing else is asked for; products that do not say are taken to be available."""


def restriction(
    where: str | Filter | None, *, include_unavailable: bool = False, excluded: Filter | None = None
) -> Filter | None:
    """Return the filter of a search, None where every product may be shown.

    Args:
        where: the filter asked for, as text or as a tree.
        include_unavailable: also show what is out of stock. A filter that speaks of `availability` decides
            that by itself.
        excluded: what rules keep out.

    Raises:
        UsageError: the text is no filter; names the column.
    """
    asked = parse_filter(where) if isinstance(where, str) else where
    parts = [] if asked is None else [asked]
    if not include_unavailable and not (asked and "availability" in fields_of(asked)):
        parts.append(AVAILABLE)
    if excluded is not None:
        parts.append(Not(excluded))
    return every(parts)


def every(parts: list[Filter]) -> Filter | None:
    """Return the filter that all of the parts make together, None for no parts."""
    return And(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


def either(parts: list[Filter]) -> Filter | None:
    """Return the filter that matches what any part matches, None for no parts."""
    return Or(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


def fields_of(tree: Filter) -> frozenset[str]:
    """The fields that a filter asks for."""
    match tree:
        case And(parts) | Or(parts):
            return frozenset().union(*map(fields_of, parts))
        case Not(part):
            return fields_of(part)
        case Under():
            return frozenset({"category"})
        case Comparison(field) | OneOf(field) | Has(field):
            return frozenset({field})
