"""Which products a question is about: the categories it names and the filter of its searches."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import Generation
from perfectlook.errors import UsageError
from perfectlook.stores import Query
from perfectlook.stores.filters import And, Compare, Filter, Has, Not, OneOf, Or, Under, parse_filter
from perfectlook.taxonomy import matching, normalise, split_path
from perfectlook.types import Float32Array

if TYPE_CHECKING:
    from perfectlook.backbones import FeatureBatch
    from perfectlook.model.runtime import Model

NEAREST_CATEGORIES = 3
"""How many categories a photo of a product is looked for in where none are named."""
_NAMED = 5
_LIKE = 0.6


def choose_categories(counts: Mapping[str, int], wanted: Iterable[str] | None) -> list[str]:
    """Return the categories to answer for: all, largest first, or those that the wanted names match.

    A name is a whole path, the top of a subtree, or one level by itself. What one name matches comes largest
    first.

    Raises:
        UsageError: a name matches nothing; the message lists the nearest categories.
    """
    if wanted is not None:  # a single name is meant as one, not as its letters
        wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    return list(_chosen(tuple(counts.items()), wanted))


@lru_cache(maxsize=256)  # a shop asks for the same categories again and again
def _chosen(counts: tuple[tuple[str, int], ...], wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    by_size = [category for category, _ in sorted(counts, key=lambda each: (-each[1], each[0]))]
    if wanted is None:
        return tuple(by_size)
    chosen: dict[str, None] = {}
    for name in wanted:
        found = matching(by_size, name)
        if not found:
            raise UsageError(f"no category of the catalogue matches '{name}'; {_nearest(name, by_size)}")
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)


def choose_category(counts: Mapping[str, int], wanted: str) -> str:
    """Return the one category that is named: by its whole path, or by a level that no other one has.

    Raises:
        UsageError: the name matches no category, or several.
    """
    chosen, *others = choose_categories(counts, [wanted])
    if (path := normalise(wanted)) in counts:  # itself, whatever lies below it
        return path
    if others:
        raise UsageError(
            f"'{wanted}' matches {len(others) + 1} categories of the catalogue; name one of them: "
            + "; ".join([chosen, *others])
        )
    return chosen


def by_probability(
    categories: Iterable[str], suggested: Mapping[str, float], resolved: Mapping[str, str | None]
) -> dict[str, float | None]:
    """Order a catalogue's categories by how likely they are to complete a scene.

    Args:
        categories: largest first: equal ones, and at the end those that nothing is known of, stay so.
        suggested: probability of each category of the model.
        resolved: the category of the model that stands in for each of the catalogue's.

    Returns:
        Category to its probability, likeliest first.
    """
    found = {name: suggested.get(resolved[name] or "") for name in categories}
    return dict(sorted(found.items(), key=lambda item: -1.0 if item[1] is None else item[1], reverse=True))


def nearest_categories(
    features: "FeatureBatch", model: "Model", generation: Generation, counts: Mapping[str, int]
) -> list[str]:
    """The categories whose centres the photo's features are nearest to, nearest first.

    Every feature is divided by its standard deviation over the centres plus the median of all features' ones:
    none counts for its scale alone, and none that hardly differs between the centres counts much.
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
    """Return the catalogue's centre of a category; the model's where the catalogue has none."""
    known = generation.centres.get(category)
    return model.centre(category) if known is None else known


def _nearest(name: str, by_size: list[str]) -> str:
    """The part of an error message that names the categories that may have been meant."""
    if not by_size:
        return "the catalogue is empty: run `perfectlook catalogue sync`"
    likeness = {category: _likeness(name, category) for category in by_size}
    near = sorted((c for c in by_size if likeness[c] >= _LIKE), key=lambda c: -likeness[c])[:_NAMED]
    if near:
        return f"did you mean {'; '.join(near)}?"
    more = "; ..." if len(by_size) > _NAMED else ""
    return f"it has {'; '.join(by_size[:_NAMED])}{more}"


def _likeness(name: str, category: str) -> float:
    """How much the last level asked for is like the most similar level of a category, 0 to 1."""
    asked = (split_path(name) or ("",))[-1].casefold()
    levels = [level.casefold() for level in split_path(category)]
    return max((SequenceMatcher(None, asked, level).ratio() for level in levels), default=0.0)


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
