"""Choose the categories of a request, and build the filter of its searches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import Generation, Record
from perfectlook.errors import UsageError
from perfectlook.feeds.availability import UNKNOWN
from perfectlook.stores import Point, Query, filters
from perfectlook.stores.filters import And, Compare, Filter, Has, Money, Not, OneOf, Or, Under, parse_filter
from perfectlook.taxonomy import matching, normalise, split_path
from perfectlook.types import Float32Array

if TYPE_CHECKING:
    from perfectlook.backbones import FeatureBatch
    from perfectlook.model.runtime import Model

NEAREST_CATEGORIES = 3
"""How many categories a search with a photo of a product covers, if none are named."""
_NAMED = 5
_LIKE = 0.6
_COMPARED = 80  # the characters of an unknown name that are compared with categories


def choose_categories(
    counts: Mapping[str, int], wanted: Iterable[str] | None, *, narrow: bool = False
) -> list[str]:
    """Return the categories that the wanted names match, or all categories, largest first.

    A name is a whole path, the top of a subtree, or a single level. The categories that one name matches are
    in order of size, largest first. If `narrow`, a whole path with products of its own names only itself.

    Raises:
        UsageError: a name matches no category. The message lists similar categories.
    """
    if wanted is not None:  # a single string is one name, not a sequence of letters
        wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    return list(_chosen(tuple(counts.items()), wanted, narrow=narrow))


@lru_cache(maxsize=256)  # requests name the same categories again and again
def _chosen(
    counts: tuple[tuple[str, int], ...], wanted: tuple[str, ...] | None, *, narrow: bool
) -> tuple[str, ...]:
    by_size = [category for category, _ in sorted(counts, key=lambda each: (-each[1], each[0]))]
    if wanted is None:
        return tuple(by_size)
    chosen: dict[str, None] = {}
    for name in wanted:
        path = normalise(name)
        found = [path] if narrow and path in by_size else matching(by_size, name)
        if not found:
            raise UsageError(f"no category of the catalogue matches '{name}'. {_nearest(name, by_size)}")
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)


def without_unknown(counts: Mapping[str, int], wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names that match a category, and a note on each of the others.

    If no name matches, all are returned: `choose_categories` then says which categories there are.
    """
    known = [name for name in wanted if matching(counts, name)]
    if not known:
        return list(wanted), []
    lost = [name for name in wanted if name not in known]
    return known, [f"no category of the catalogue matches '{name}'. It is left out." for name in lost]


def choose_category(counts: Mapping[str, int], wanted: str) -> str:
    """Return the category with this path, or the only category with this level.

    Raises:
        UsageError: the name matches no category, or several.
    """
    chosen, *others = choose_categories(counts, [wanted], narrow=True)
    if others:
        raise UsageError(
            f"category '{wanted}': matches {len(others) + 1} categories of the catalogue. Choose one of: "
            f"{'; '.join([chosen, *others])}."
        )
    return chosen


def by_probability(
    categories: Iterable[str], suggested: Mapping[str, float], resolved: Mapping[str, str | None]
) -> dict[str, float | None]:
    """Order a catalogue's categories by how likely they are to complete a scene.

    Args:
        categories: largest first. Categories with equal probabilities keep this order.
        suggested: the probability of each category of the model.
        resolved: for each category of the catalogue, the category of the model that represents it.

    Returns:
        The probability of each category, likeliest first. Categories without a probability come last.
    """
    found = {name: suggested.get(resolved[name] or "") for name in categories}
    return dict(sorted(found.items(), key=lambda item: -1.0 if item[1] is None else item[1], reverse=True))


def nearest_categories(
    features: "FeatureBatch", model: "Model", generation: Generation, counts: Mapping[str, int]
) -> list[str]:
    """Return the categories with the centres nearest to the photo's features, nearest first.

    Each feature is divided by the sum of two numbers: its standard deviation over the centres, and the median
    of all features' standard deviations. So a large scale gives a feature no weight, and a feature that is
    almost the same for all centres counts little.
    """
    names = sorted(counts)
    if not names:
        return []
    centres = np.stack([centre_of(generation, model, name) for name in names]).astype(np.float64)
    deviations = centres.std(axis=0)
    scales = deviations + np.median(deviations)
    varied = scales > 0
    difference = (centres - model.product_inputs(features)[0])[:, varied] / scales[varied]
    order = np.argsort((difference**2).sum(axis=1), kind="stable")
    return [names[place] for place in order[:NEAREST_CATEGORIES]]


def centre_of(generation: Generation, model: "Model", category: str) -> Float32Array:
    """Return the catalogue's centre of a category, or the model's if the catalogue has none."""
    known = generation.centres.get(category)
    return model.centre(category) if known is None else known


def _nearest(name: str, by_size: list[str]) -> str:
    """Return the remedy of an error about an unknown category: the names of similar categories."""
    if not by_size:
        return "The catalogue is empty. Run `perfectlook catalogue sync` to fill it."
    likeness = {category: _likeness(name, category) for category in by_size}
    near = sorted((c for c in by_size if likeness[c] >= _LIKE), key=lambda c: -likeness[c])[:_NAMED]
    if near:
        return f"Did you mean {'; '.join(near)}?"
    more = "; ..." if len(by_size) > _NAMED else "."
    return f"Choose one of: {'; '.join(by_size[:_NAMED])}{more}"


def _likeness(name: str, category: str) -> float:
    """Return the similarity, 0 to 1, of the name's last level and the most similar level of a category."""
    asked = (split_path(name) or ("",))[-1].casefold()[:_COMPARED]
    levels = [level.casefold() for level in split_path(category)]
    return max((SequenceMatcher(None, asked, level).ratio() for level in levels), default=0.0)


AVAILABLE = Not(OneOf("availability", ("out_of_stock", UNKNOWN)))
"""The default filter. Products without the field count as available."""


def search_filter(
    where: str | Filter | None, *, include_unavailable: bool = False, excluded: Filter | None = None
) -> Filter | None:
    """Return the filter of a search, or None if every product may be shown.

    Args:
        where: the filter of the request, as text or as a tree.
        include_unavailable: also show products that are out of stock. A condition on `availability` in
            `where` has the same effect.
        excluded: the filter of the products that rules exclude.

    Raises:
        UsageError: the text is not a valid filter. The message names the column.
    """
    asked = parse_filter(where) if isinstance(where, str) else where
    decides = include_unavailable or (asked is not None and "availability" in fields_of(asked))
    return all_of([asked, None if decides else AVAILABLE, None if excluded is None else Not(excluded)])


def all_of(parts: Iterable[Filter | None]) -> Filter | None:
    """Return the filter that matches what all parts match, or None if there are no parts."""
    given = [part for part in parts if part is not None]
    return And(tuple(given)) if len(given) > 1 else next(iter(given), None)


def any_of(parts: Sequence[Filter]) -> Filter | None:
    """Return the filter that matches what any part matches, or None if there are no parts."""
    return Or(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


def fields_of(tree: Filter) -> frozenset[str]:
    """Return the fields that a filter has conditions on."""
    return frozenset("category" if isinstance(each, Under) else each.field for each in conditions_of(tree))


def conditions_of(tree: Filter) -> Iterator[filters.Leaf | Under]:
    """Yield the conditions that a filter combines."""
    match tree:
        case And(parts) | Or(parts):
            for part in parts:
                yield from conditions_of(part)
        case Not(part):
            yield from conditions_of(part)
        case _:
            yield tree


OWN = ("category", "id", "title")
"""The fields that every product has."""
NAMED = 10
"""How many fields a hint lists, if none has a similar name."""


class FilterHints:
    """Hints about fields and currencies in filters that no product has. Those found are remembered."""

    def __init__(self, catalogue: Catalogue, model: "Model") -> None:
        """Use a catalogue and the model of its vectors."""
        self._catalogue = catalogue
        self._model = model
        self._there: set[Filter] = set()

    def on(self, where: str | Filter | None) -> tuple[str, ...]:
        """Return a hint for each field of a filter that no product has, or that none has in the currency.

        Raises:
            CatalogueError: the catalogue fails, or has been switched to another model.
        """
        if where is None:
            return ()
        asked = parse_filter(where) if isinstance(where, str) else where
        absent = [name for name in sorted(fields_of(asked) - set(OWN)) if not self._exists(Has(name))]
        foreign = [
            (name, currency)
            for name, currency in sorted(_currencies_in(asked))
            if name not in absent and not self._exists(Compare(name, ">=", Money(Decimal(0), currency)))
        ]
        if not (absent or foreign) or not self._catalogue.categories():
            return ()
        known = self._catalogue.fields() if absent else []
        notes = [_note(name, known) for name in absent]
        return (*notes, *(self._currency_note(name, currency) for name, currency in foreign))

    def _exists(self, wanted: Filter) -> bool:
        """Whether any product matches."""
        if wanted not in self._there and self._some(wanted, 1):
            self._there.add(wanted)
        return wanted in self._there

    def _some(self, wanted: Filter, most: int) -> Sequence[Point]:
        anywhere = np.zeros(self._model.dimension, np.float32)
        return self._catalogue.search([Query(anywhere, most, where=wanted)], self._model)[0].products

    def _currency_note(self, name: str, currency: str) -> str:
        """Return a hint that names the currencies of up to 1,000 products."""
        some = self._some(Compare(name, ">=", Decimal(0)), 1000)
        fields = [Record.from_payload(each.id, each.payload).fields for each in some]
        prices = [filters.read_number(filters.field_text(name, "", "", each)) for each in fields]
        known = sorted({each.currency for each in prices if each and each.currency})
        remedy = f"Write the amount in {' or '.join(known)}." if known else "Leave out the currency."
        return f"no product of the catalogue has the field '{name}' in {currency}. {remedy}"


def _currencies_in(tree: Filter) -> set[tuple[str, str]]:
    """Return the fields that a filter compares with amounts of money, with the currencies."""
    compared = [each for each in conditions_of(tree) if isinstance(each, Compare | OneOf)]
    values = [(each.field, each.values if isinstance(each, OneOf) else (each.value,)) for each in compared]
    return {
        (name, each.currency.upper()) for name, some in values for each in some if isinstance(each, Money)
    }


def _note(name: str, known: Sequence[str]) -> str:
    missing = f"no product of the catalogue has the field '{name}'"
    if near := get_close_matches(name, sorted({*known, *OWN}), n=3):
        return f"{missing}. Did you mean {' or '.join(near)}?"
    more = ", ..." if len(known) > NAMED else "."
    return f"{missing}. Choose one of: {', '.join([*OWN, *known[:NAMED]])}{more}"
