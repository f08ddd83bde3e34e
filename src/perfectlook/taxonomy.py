"""Categories: paths of the Google product taxonomy, such as `Furniture|Chairs`.

`resolve` finds a known category for one that a model does not know.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

SEPARATOR = "|"
FASHION = {
    *("apparel & accessories", "apparel", "clothing", "clothes", "fashion", "shoes", "women", "men"),
    *("damen", "herren", "damenmode", "herrenmode", "bekleidung", "kleidung", "mode", "schuhe"),
    *("vêtements", "femme", "homme", "chaussures", "ropa", "mujer", "hombre", "zapatos"),
    *("abbigliamento", "donna", "uomo", "scarpe", "kleding"),
}
"""First levels of categories, in lower case, of clothes in shops' own taxonomies."""

How = Literal["exact", "last_level", "ancestor", "unknown"]


def split_path(category: str) -> tuple[str, ...]:
    """Return the levels of a category, outermost first and trimmed. Empty levels are dropped.

    The separator is `|`. A category without `|` is split at ` > `, as in Google's taxonomy files.
    """
    separator = SEPARATOR if SEPARATOR in category else " > "
    return tuple(level for part in category.split(separator) if (level := part.strip()))


def normalise(category: str) -> str:
    """Return a category in normal form: trimmed levels joined by `|`; "" if there are no levels."""
    return SEPARATOR.join(split_path(category))


def is_fashion(categories: Collection[str]) -> bool:
    """Return whether there are categories, and the first level of each names clothes (see `FASHION`)."""
    return bool(categories) and all(split_path(name)[0].casefold() in FASHION for name in categories)


def matches(category: str, wanted: str) -> bool:
    """Return whether `wanted` matches the category, as in `matching`."""
    return bool(matching([category], wanted))


def matching(categories: Iterable[str], wanted: str) -> list[str]:
    """Return the categories that `wanted` matches: the path itself and all paths below it.

    A single level matches every category that has it at any depth. Case does not matter.
    """
    asked = _folded(wanted)
    if not asked:
        return []
    depth, level = len(asked), asked[0] if len(asked) == 1 else None
    return [each for each in categories if (path := _folded(each))[:depth] == asked or level in path]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The known category that replaces the one asked for (None if there is none), and how it was found."""

    asked: str
    category: str | None
    how: How


def resolve(category: str, known: Collection[str]) -> Resolution:
    """Find the known category that replaces `category`. Never raises an error.

    It tries, in this order: the category itself, the only known category with the same last level, and the
    nearest known ancestor. Case does not matter. The result is spelled as in `known`.
    """
    if category in known:
        return Resolution(category, category, "exact")
    path = _folded(category)
    if not path:
        return Resolution(category, None, "unknown")
    # if two names spell the same path, the first in sorted order is kept
    paths = {_folded(name): name for name in sorted(known, reverse=True)}
    if path in paths:
        return Resolution(category, paths[path], "exact")
    same_level = [name for other, name in paths.items() if other[-1:] == path[-1:]]
    if len(same_level) == 1:
        return Resolution(category, same_level[0], "last_level")
    for depth in range(len(path) - 1, 0, -1):
        if path[:depth] in paths:
            return Resolution(category, paths[path[:depth]], "ancestor")
    return Resolution(category, None, "unknown")


def short_names(categories: Collection[str]) -> dict[str, str]:
    """Return the last level of each category, or its whole path if another one has the same last level."""
    last = {category: (split_path(category) or (category,))[-1] for category in categories}
    counts = Counter(last.values())
    return {category: name if counts[name] == 1 else category for category, name in last.items()}


@lru_cache(16_384)
def _folded(category: str) -> tuple[str, ...]:
    return split_path(category.casefold())
