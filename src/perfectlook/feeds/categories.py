"""Map a shop's own names of categories to the categories that a model knows."""

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from perfectlook.errors import UsageError
from perfectlook.feeds.platforms import TAXONOMY
from perfectlook.feeds.platforms import taxonomy as taxonomy_of
from perfectlook.feeds.readers import read_csv
from perfectlook.feeds.rows import WORDS, UnreadableRow
from perfectlook.files import write_file
from perfectlook.taxonomy import normalise, resolve, split_path

COLUMNS = ("name", "category", "sure", "synonyms")
LEAST, LEAD = 0.6, 0.1
"""Words match from this similarity on, if no other category is within `LEAD` of it."""
REPLACING = ("map", "words", "taxonomy")
"""The ways to find a category that replace the name in the feed by it."""
HIGHER = 0.8
"""A match of a level above the last one is less sure by this factor, for each level."""

_SYNONYMS = {name: common for common, names in WORDS["synonyms"].items() for name in names.split()}
"""Common names in shops' languages, as the words of Google's taxonomy."""


class Match(NamedTuple):
    """The category that replaces a name; None if there is none. `sure` is from 0 to 1."""

    category: str | None
    how: str
    sure: float


class CategoryMap:
    """A shop's map, with words for the names that it lacks."""

    def __init__(
        self,
        rows: Mapping[str, str] | None = None,
        synonyms: Mapping[str, str] | None = None,
        taxonomy: Path = TAXONOMY,
    ) -> None:
        """Take categories by name, categories by synonym, and a taxonomy. Case does not matter."""
        self.taxonomy = taxonomy
        self.rows = {_key(name): normalise(category) for name, category in (rows or {}).items()}
        self.synonyms = {_key(name): normalise(category) for name, category in (synonyms or {}).items()}
        self._found: dict[tuple[str, tuple[str, ...]], Match] = {}

    @property
    def replaced(self) -> dict[str, Match]:
        """The matches that replaced a name by another category, for the names that were asked for."""
        return {
            name: match
            for (name, _), match in self._found.items()
            if match.how in REPLACING and match.category not in (None, name)
        }

    @classmethod
    def read(cls, file: Path | str, taxonomy: Path = TAXONOMY) -> "CategoryMap":
        """Read a CSV file with the columns name and category, and optionally synonyms separated by `;`.

        A row without a category leaves its name as it is.

        Raises:
            UsageError: the file lacks a column, a row cannot be read, or a name has two categories.
            FeedError: the file cannot be read.
        """
        rows: dict[str, str] = {}
        synonyms: dict[str, str] = {}
        for row in read_csv(Path(file), "name"):
            place = f"{file}, line {row.number}"
            if isinstance(row, UnreadableRow):
                raise UsageError(f"{place}: {row.reason}")
            for needed in COLUMNS[:2]:
                if needed not in row.values:
                    raise UsageError(f"{file}: no column '{needed}'. Its columns are {', '.join(COLUMNS)}.")
            name, category = row.values["name"].strip(), row.values["category"].strip()
            if name and rows.setdefault(name, category) != category:
                raise UsageError(f"{place}: '{name}' has two categories. Remove one of the two rows.")
            for other in row.values.get("synonyms", "").split(";") if category else ():
                if other.strip():
                    synonyms[other] = category
        return cls(rows, synonyms, taxonomy)

    def find(self, name: str, known: Iterable[str]) -> Match:
        """Return the category of a name: by the map, the model's own rules, words, or the taxonomy.

        Args:
            name: a category in normal form.
            known: the categories of a model.
        """
        asked = name, tuple(known)
        if asked not in self._found:
            self._found[asked] = self._find(*asked)
        return self._found[asked]

    def _find(self, name: str, known: tuple[str, ...]) -> Match:
        mapped = self.rows.get(_key(name))
        if mapped is None:
            levels = split_path(name)
            names = [_key(each) for each in (name, *levels[-1:])]
            mapped = next((self.synonyms[each] for each in names if each in self.synonyms), None)
        if mapped:
            return Match(mapped, "map", float(resolve(mapped, known).how != "unknown"))
        found = resolve(name, known)
        if mapped == "" or found.how != "unknown":
            is_other = found.how == "last_level" and _is_of_another_top(
                name, found.category or "", self.taxonomy
            )
            is_sure = found.how in ("exact", "last_level") and not is_other
            return Match(found.category, found.how, 1.0 if is_sure else 0.5 if found.category else 0.0)
        match = _by_words(name, known, self.taxonomy)
        match = self._by_taxonomy(name, known) or match if match.how == "unknown" else match
        is_other = _is_of_another_top(name, match.category or "", self.taxonomy)
        return Match(None, "unknown", 0.0) if is_other else match

    def _by_taxonomy(self, name: str, known: tuple[str, ...]) -> Match | None:
        """Return the known category of the taxonomy's paths that end in a name; None if they differ."""
        named = _by_last_level(self.taxonomy)
        paths = {path for level in split_path(name)[-1:] for part in _parts(level) for path in named[part]}
        found = {resolve(path, known).category for path in paths}
        category = next(iter(found), None)
        return Match(category, "taxonomy", 0.5) if category and len(found) == 1 else None


@lru_cache(4)
def _paths(taxonomy: Path) -> frozenset[str]:
    return frozenset(map(_key, taxonomy_of(taxonomy).values()))


@lru_cache(4)
def _by_last_level(taxonomy: Path) -> Mapping[tuple[str, ...], list[str]]:
    """Return the paths of a taxonomy by the words of the things that their last level names."""
    paths: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in map(normalise, taxonomy_of(taxonomy).values()):
        for part in _parts(split_path(path)[-1]):
            paths[part].append(path)
    return paths


def _is_of_another_top(name: str, category: str, taxonomy: Path) -> bool:
    """Return whether a level above the last one names another top of the taxonomy that has these too.

    "Pets > Beds" are not beds, because "Animals & Pet Supplies" has dog beds.
    """
    *above, last = split_path(name)
    things = {part[-1] for part in _parts(last)}
    named = {
        top
        for top, (words, has) in _things_by_top(taxonomy).items()
        if things & has and any(words.issuperset(part) for level in above for part in _parts(level))
    }
    if not named or not category:
        return False
    parts = _parts(split_path(category)[-1])
    paths = [category, *(path for part in parts for path in _by_last_level(taxonomy)[part])]
    tops = {split_path(path)[0] for path in paths}
    return named.isdisjoint(tops | (_OF_ROOMS if tops & _OF_ROOMS else set()))


_OF_ROOMS = frozenset(("Furniture", "Home & Garden", "Office Supplies"))
"""Tops of the taxonomy that shops use for each other's things."""


@lru_cache(4)
def _things_by_top(taxonomy: Path) -> Mapping[str, tuple[set[str], set[str]]]:
    """Return the words of each top of a taxonomy, and the last words of all that is below it."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for path in map(normalise, taxonomy_of(taxonomy).values()):
        top, *_, last = split_path(path) * 2
        _, things = found.setdefault(top, ({word for part in _parts(top) for word in part}, set()))
        things.update(part[-1] for part in _parts(last))
    return found


def write_map(file: Path, matches: Mapping[str, Match]) -> None:
    """Write the map that was used, for a person to edit. The least sure matches come first."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for name, match in sorted(matches.items(), key=lambda each: each[1].sure):
        rows.writerow([name, match.category or "", f"{match.sure:.2f}", ""])
    write_file(file, text.getvalue())


def _key(name: str) -> str:
    return normalise(re.sub(r"\s*>\s*", " > ", name)).casefold()


def _by_words(name: str, known: tuple[str, ...], taxonomy: Path) -> Match:
    """Return the category whose last level has the words of a level of the name, from the last one up.

    A name that begins like a path of the taxonomy is only compared with what the taxonomy has below it. A
    thing that the taxonomy names, such as dog beds, is not another one with the same last word, and not what
    a level above names.
    """
    paths, named = _paths(taxonomy), _by_last_level(taxonomy)
    levels = split_path(_key(name))
    starts = ("|".join(levels[:depth]) for depth in range(len(levels), 1, -1))
    start = next((each for each in starts if each in paths), "")
    if start:
        known = tuple(each for each in known if _key(each) not in paths or _key(each).startswith(f"{start}|"))
    sure = 1.0
    for level in reversed(split_path(name)):
        scores = sorted(((_similarity(level, split_path(each)[-1]), each) for each in known), reverse=True)
        best = scores[0][0] if scores else 0.0
        is_thing = any(part in named for part in _parts(level))
        if best >= LEAST:
            if len(scores) > 1 and best - scores[1][0] < LEAD:
                return Match(None, "several", 0.0)
            if best == 1 or not is_thing:
                return Match(scores[0][1], "words", round(sure * best, 2))
        is_other = _key(name) not in paths and _names_a_thing(level, paths)
        if sure == 1 and (is_other or any(_ADDED.fullmatch(word) for part in _parts(level) for word in part)):
            break
        sure *= HIGHER
    return Match(None, "unknown", 0.0)


def _names_a_thing(level: str, paths: Iterable[str]) -> bool:
    """Return whether a level is a thing of the taxonomy: "Mattresses", but not a material, as "Leather"."""
    last = f"|{_key(level)}"
    return last.endswith("s") and any(path.endswith(last) for path in paths)


_ADDED = re.compile("|".join(WORDS["categories"]["added"]))
"""Words, as `_parts` has them, of what belongs to a thing and is another one: covers, parts, mats."""


def _similarity(one: str, other: str) -> float:
    return max((_overlap(a, b) for a in _parts(one) for b in _parts(other)), default=0.0)


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Return twice the common words over all words; 0 if what is named, the last word, differs.

    In French, Spanish and Italian, it may be the first: "housse canapé".
    """
    if "".join(one) == "".join(other):
        return 1.0
    added = [word for word in one if _ADDED.fullmatch(word) and word not in other]
    if one[-1] != other[-1] or added:
        return 0.0
    return 2 * len({*one} & {*other}) / (len({*one}) + len({*other}))


@lru_cache(4096)
def _parts(level: str) -> tuple[tuple[str, ...], ...]:
    """Return the words of each thing that a level names: "Kitchen & Dining Tables" names two tables."""
    texts = re.split(r"[,&/+;]|\b(?:and|und|et|y|e|en|or|oder)\b", _plain(level))
    parts = [words for text in texts if (words := re.findall("[a-z0-9]+", text))]
    named = [tuple(_singular(words)) for words in parts]
    for place, words in enumerate(parts[:-1]):
        if len(words) == 1 and not words[0].endswith("s") and len(parts[place + 1]) > 1:
            named[place] += named[place + 1][-1:]
    return tuple(named)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def _singular(words: list[str]) -> Iterator[str]:
    for word in words:
        short = word
        if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")):
            short = word[:-2] if word.endswith(("sses", "ches", "shes", "xes")) else word[:-1]
            short = f"{word[:-3]}y" if word.endswith("ies") else short
        yield from _SYNONYMS.get(word, _SYNONYMS.get(short, short)).split()
