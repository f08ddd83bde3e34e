"""Categories: paths of the Google product taxonomy, such as `Furniture|Chairs`.

`resolve` finds a known category for one that a model does not know.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from perfectlook.texts import clean_line

SEPARATOR = "|"
FASHION, EITHER = (
    frozenset(words.split())
    for words in tomllib.loads(Path(__file__).with_name("fashion.toml").read_text(encoding="utf-8")).values()
)
"""Words of clothes in the categories of shops; first words that shops of clothes have, and others too."""
MOSTLY = 0.8
"""A set is of fashion if at least this share of its categories is, of those that can tell."""

How = Literal["exact", "last_level", "ancestor", "unknown"]


def split_path(category: str) -> tuple[str, ...]:
    """Return the levels of a category, outermost first and trimmed. Empty levels are dropped.

    The separator is `|`. A category without `|` is split at ` > `, as in Google's taxonomy files.
    """
    separator = SEPARATOR if SEPARATOR in category else " > "
    return tuple(level for part in category.split(separator) if (level := part.strip()))


def normalise(category: str) -> str:
    """Return a category in normal form: trimmed levels joined by `|`, without control characters.

    It is "" if there are no levels.
    """
    return SEPARATOR.join(split_path(category if category.isprintable() else clean_line(category)))


def is_fashion(categories: Collection[str]) -> bool:
    """Return whether four fifths of the categories that can tell have a word of clothes (see `FASHION`)."""
    found = [_words(name) for name in categories]
    clothes = [bool(FASHION.intersection(words)) for words in found]
    told = [of for of, words in zip(clothes, found, strict=True) if of or EITHER.isdisjoint(words[:1])]
    return bool(told) and sum(told) >= MOSTLY * len(told)


def _words(category: str) -> list[str]:
    """The words of a category's levels, in lower case; "women's" is "women"."""
    return [
        word.removesuffix("'s")
        for word in re.findall(r"[^\W\d_]+(?:'s)?", category.casefold().replace("’", "'"))
    ]


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
