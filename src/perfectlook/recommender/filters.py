"""The filter of a search, and hints where a filter left few products: fields that no product has."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.catalogue import Catalogue
from perfectlook.stores import Query
from perfectlook.stores.filters import And, Compare, Filter, Has, Not, OneOf, Or, Under, parse_filter

if TYPE_CHECKING:
    from perfectlook.model.runtime import Model


AVAILABLE = Compare("availability", "!=", "out_of_stock")
"""What is shown where nothing else is asked for; products that do not say are taken to be available."""


def search_filter(
    where: str | Filter | None, *, include_unavailable: bool = False, excluded: Filter | None = None
) -> Filter | None:
    """Return the filter of a search, None where every product may be shown.

    Args:
        where: the filter asked for, as text or as a tree.
        include_unavailable: also show what is out of stock. A filter with a condition on
            `availability` decides this itself.
        excluded: what rules keep out.

    Raises:
        UsageError: the text is not a filter; names the column.
    """
    asked = parse_filter(where) if isinstance(where, str) else where
    decides = include_unavailable or (asked is not None and "availability" in fields_of(asked))
    return all_of([asked, None if decides else AVAILABLE, None if excluded is None else Not(excluded)])


def all_of(parts: Iterable[Filter | None]) -> Filter | None:
    """Return the filter that all of the parts make together; None if there are none."""
    given = [part for part in parts if part is not None]
    return And(tuple(given)) if len(given) > 1 else next(iter(given), None)


def any_of(parts: Sequence[Filter]) -> Filter | None:
    """Return the filter that matches what any part matches; None if there are none."""
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
        case Compare(field) | OneOf(field) | Has(field):
            return frozenset({field})


OWN = ("category", "id")
"""What every product has, whatever its source says."""
NAMED = 10
"""How many fields a hint lists, if none is similar to the one asked for."""


class FilterHints:
    """Looks whether the fields of filters are in a catalogue. What was found once is not looked for again."""

    def __init__(self, catalogue: Catalogue, model: "Model") -> None:
        """Take the catalogue, and the model whose vectors it holds."""
        self._catalogue = catalogue
        self._model = model
        self._there = set(OWN)

    def on(self, where: str | Filter | None) -> tuple[str, ...]:
        """Say of each field of a filter that no product has what it may have been meant to be.

        Raises:
            CatalogueError: the catalogue fails, or has been switched to another model.
        """
        if where is None:
            return ()
        asked = fields_of(parse_filter(where) if isinstance(where, str) else where)
        absent = self._absent(sorted(asked - self._there))
        if not absent or not self._catalogue.categories():
            return ()
        known = self._catalogue.fields()
        return tuple(_note(name, known) for name in absent)

    def _absent(self, names: Sequence[str]) -> list[str]:
        """Those of the fields that no product has."""
        anywhere = np.zeros(self._model.dimension, np.float32)
        queries = [Query(anywhere, 1, where=Has(name)) for name in names]
        found = self._catalogue.search(queries, self._model) if queries else []
        self._there |= {name for name, hits in zip(names, found, strict=True) if hits}
        return [name for name, hits in zip(names, found, strict=True) if not hits]


def _note(name: str, known: Sequence[str]) -> str:
    missing = f"no product of the catalogue has the field '{name}'"
    if near := get_close_matches(name, sorted({*known, *OWN}), n=3):
        return f"{missing}; did you mean {' or '.join(near)}?"
    more = ", ..." if len(known) > NAMED else ""
    return f"{missing}; it has {', '.join([*OWN, *known[:NAMED]])}{more}"
