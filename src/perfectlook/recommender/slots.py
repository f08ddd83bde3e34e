"""The slots of a look: which categories exclude each other, and how many pieces of a product a slot holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, Self

from perfectlook.errors import UsageError
from perfectlook.files import read_toml
from perfectlook.taxonomy import matches, normalise, resolve

PACKAGED = Path(__file__).with_name("slots.toml")
"""The table of looks without a table of their own."""
MOST = 100
"""The most pieces of a slot."""

_KEYS = {"one": ("of",), "either": ("groups",), "quantity": ("category", "count")}

Group = tuple[str, ...]


@dataclass(frozen=True)
class SlotTable:
    """Which categories exclude each other in a look, and the quantity of a slot.

    A category of the table stands for all categories below it, and for one with the same last level that the
    taxonomy of a shop has elsewhere.

    Attributes:
        one: a look has at most one slot of the categories of each of these groups.
        either: a look has slots of only one of the groups of each of these.
        quantities: how many pieces of a product a slot holds, by category. The longest path decides.
    """

    one: tuple[Group, ...] = ()
    either: tuple[tuple[Group, ...], ...] = ()
    quantities: tuple[tuple[str, int], ...] = ()

    @classmethod
    def read(cls, file: Path | str) -> Self:
        """Read a table in the format of `slots.toml`.

        Raises:
            UsageError: the file cannot be read, is not valid TOML, or has an invalid entry. The message names
                the file, the entry and the value.
        """
        return cls.of(read_toml(file), str(file))

    @classmethod
    def of(cls, document: Mapping[str, object], source: str = "slots") -> Self:
        """Return the table of a parsed file. Errors name it by `source`.

        Raises:
            UsageError: an entry is invalid. The message names the source, the entry and the value.
        """
        found: dict[str, list[Any]] = {kind: [] for kind in _KEYS}
        for kind, entries in document.items():
            if kind not in _KEYS or not isinstance(entries, list):
                begin = " or ".join(f"[[{name}]]" for name in _KEYS)
                raise UsageError(f"{source}: unknown key '{kind}'. Begin each entry with {begin}.")
            for number, entry in enumerate(entries, 1):
                found[kind].append(_entry(kind, entry, f"{source}: {kind} {number}"))
        return cls(*(tuple(each) for each in found.values()))

    @classmethod
    def given(cls, table: "SlotTable | Path | str | None") -> "SlotTable":
        """Return a table as it is, read from its file, or the packaged table for None."""
        if isinstance(table, SlotTable):
            return table
        return _packaged() if table is None else cls.read(table)

    def quantity(self, category: str) -> int:
        """Return how many pieces of a product the slot of a category holds."""
        found = [(path.count("|"), count) for path, count in self.quantities if _is_in(category, (path,))]
        return max(found, default=(0, 1))[1]

    def exclude(self, one: str, other: str) -> bool:
        """Whether a look cannot have slots of both categories."""
        return any(_is_in(one, group) and _is_in(other, group) for group in self.one) or any(
            not {place for place, group in enumerate(groups) if _is_in(one, group)}
            & {place for place, group in enumerate(groups) if _is_in(other, group)}
            for groups in self.either
            if all(any(_is_in(each, group) for group in groups) for each in (one, other))
        )

    def sets(self, categories: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the largest sets of categories that a look can have: none of them can take another one."""
        foes: dict[str, set[str]] = {category: set() for category in categories}
        for one, other in combinations(categories, 2):
            if self.exclude(one, other):
                foes[one].add(other)
                foes[other].add(one)

        def grow(left: Sequence[str]) -> Iterator[tuple[str, ...]]:
            if not left:
                yield ()
                return
            first, *rest = left
            for others in grow([each for each in rest if each not in foes[first]]):
                yield (first, *others)
            if not foes[first].isdisjoint(rest):  # without the first, a foe of it must be there
                yield from (others for others in grow(rest) if not foes[first].isdisjoint(others))

        return list(grow(categories))


@lru_cache(1)
def _packaged() -> SlotTable:
    return SlotTable.read(PACKAGED)


@lru_cache(16_384)
def _is_in(category: str, group: Group) -> bool:
    """Whether a category is one of a group, or below one, or has the same last level as only one of it."""
    if any(matches(category, path) for path in group):
        return True
    return resolve(category, group).how == "last_level"


def _entry(kind: str, entry: object, place: str) -> Any:
    """Return the content of one entry of a file."""
    known = _KEYS[kind]
    if not isinstance(entry, dict):
        raise UsageError(f"{place}: expected a table, got {entry!r}. Begin it with [[{kind}]].")
    for key in entry:
        if key not in known:
            raise UsageError(f"{place}: unknown key '{key}'. Choose one of: {', '.join(known)}.")
    for key in known:
        if key not in entry:
            raise UsageError(f"{place}: no '{key}'. Add it.")
    if kind == "one":
        return _group(entry["of"], f"{place}: of")
    if kind == "either":
        groups = entry["groups"]
        if not isinstance(groups, list) or len(groups) < 2:
            raise UsageError(f"{place}: groups {groups!r}: must be a list of two or more groups.")
        return tuple(_group(group, f"{place}: group {n}") for n, group in enumerate(groups, 1))
    (category,) = _group([entry["category"]], f"{place}: category")
    count = entry["count"]
    if type(count) is not int or not 1 <= count <= MOST:
        raise UsageError(f"{place}: count {count!r}: must be a whole number from 1 to {MOST}.")
    return category, count


def _group(paths: object, place: str) -> Group:
    if not isinstance(paths, list) or not paths:
        raise UsageError(f"{place} {paths!r}: must be a list of categories in quotes.")
    for path in paths:
        if not isinstance(path, str) or not normalise(path):
            raise UsageError(f"{place} {path!r}: must be a category in quotes, such as 'Furniture|Sofas'.")
    return tuple(map(normalise, paths))
