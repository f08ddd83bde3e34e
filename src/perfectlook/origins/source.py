"""What every public set has: its licence, where its files are, and how they become a set."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from perfectlook.datasets.layout import CATEGORIES, DETAILS, PAIRS
from perfectlook.origins.gathering import Wanted
from perfectlook.origins.manifest import write_whole
from perfectlook.origins.place import Blob
from perfectlook.types import Problem

Read = TypeVar("Read")


@dataclass
class Content:
    """What a set says, ready to be written.

    Attributes:
        rows: {"product", "scene", "bbox"} each.
        categories: of the products, by id.
        details: title and further fields of the products, by id; None where there are none.
        problems: what had to be left out, and why.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    categories: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, str]] | None = None
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Plan:
    """What is to be fetched, and what becomes of it.

    Attributes:
        wanted: the files, the most useful first.
        content: makes the set of those targets that are in the folder.
    """

    wanted: Sequence[Wanted]
    content: Callable[[Path, set[str]], Content]


class Annotations(Protocol):
    """The files of a source that say what belongs together."""

    is_release: bool
    """Whether they come from their public place; a mirror may hold a part of the release."""

    def read(self, path: str, reader: Callable[[Path], Read]) -> Read:
        """What a reader makes of a file; one that it refuses (DatasetError) is fetched again next time."""

    def listing(self) -> Mapping[str, Blob]:
        """The files of the source's repository, by path."""

    def forget(self, path: str) -> None:
        """Fetch a file again next time."""


@dataclass(frozen=True)
class Source:
    """A public set.

    Attributes:
        name: what it is called on the command line.
        what: it is, in a few words.
        home: the page about it.
        size: how much there is to fetch.
        licence: of its pictures, in a few words, as models' cards repeat it.
        terms: what whoever fetches it agrees to.
        roots: where its files are: the URL for what begins with a path; the longest that fits counts.
        plan: reads its annotations, of the first so many scenes or of all.
        needs: modules that must be installed, and the extra that brings them.
    """

    name: str
    what: str
    home: str
    size: str
    licence: str
    terms: str
    roots: dict[str, str]
    plan: Callable[[Annotations, int | None], Plan]
    needs: tuple[tuple[str, ...], str] | None = None


def write_content(folder: Path, content: Content) -> None:
    """Write a set's files; the pairs last, so that a folder that has them is complete."""
    (folder / PAIRS).unlink(missing_ok=True)
    for name in ("scenes", "products"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_whole(folder / CATEGORIES, as_json(content.categories))
    if content.details is None:
        (folder / DETAILS).unlink(missing_ok=True)
    else:
        write_whole(folder / DETAILS, as_json(content.details))
    write_whole(folder / PAIRS, as_lines(content.rows))


def as_json(entries: object) -> str:
    """A file of one object, a line for each of its entries."""
    return json.dumps(entries, indent=0, ensure_ascii=False, sort_keys=True) + "\n"


def as_lines(rows: Sequence[object]) -> str:
    """A file of one object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
