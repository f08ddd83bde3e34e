"""Categories: paths of the Google product taxonomy, `Furniture|Chairs`, and how unknown ones are resolved."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

SEPARATOR = "|"

How = Literal["exact", "last_level", "ancestor", "unknown"]


def split_path(category: str) -> tuple[str, ...]:
    """The levels of a category, outermost first, trimmed; empty levels are dropped.

    Levels are separated by `|`, or, where there is none, by the ` > ` of Google's own taxonomy files.
    """
    separator = SEPARATOR if SEPARATOR in category else " > "
    return tuple(level for part in category.split(separator) if (level := part.strip()))


def normalise(category: str) -> str:
    """The category as this project spells it: trimmed levels joined by `|` ("" when there is none)."""
    return SEPARATOR.join(split_path(category))


def matches(category: str, wanted: str) -> bool:
    """Whether `wanted` names the category or a subtree around it, by path or last level, in any case."""
    return bool(matching([category], wanted))


def matching(categories: Iterable[str], wanted: str) -> list[str]:
    """The categories that `wanted` names: itself and what lies below it, by path or by one level."""
    asked = _folded(wanted)
    if not asked:
        return []
    depth, level = len(asked), asked[0] if len(asked) == 1 else None
    return [each for each in categories if (path := _folded(each))[:depth] == asked or level in path]


@dataclass(frozen=True, slots=True)
class Resolution:
    """Which known category stands in for the one asked for (None when none can), and how it was found."""

    asked: str
    category: str | None
    how: How


def resolve(category: str, known: Collection[str]) -> Resolution:
    """Find the known category that stands in for `category`; never fails.

    In order: the category itself, the only known category with the same last level, the nearest known
    ancestor, none. Case does not matter; the answer is spelled as in `known`.
    """
    if category in known:
        return Resolution(category, category, "exact")
    path = _folded(category)
    if not path:
        return Resolution(category, None, "unknown")
    # of two spellings of one path, the first in order stays
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


@lru_cache(16_384)
def _folded(category: str) -> tuple[str, ...]:
    return split_path(category.casefold())
