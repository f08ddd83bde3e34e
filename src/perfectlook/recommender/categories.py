"""Which of a catalogue's categories an answer covers, and in which order."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.catalogue.manifest import Generation
from perfectlook.errors import UsageError
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
    return list(_chosen(tuple(counts.items()), None if wanted is None else tuple(wanted)))


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
