"""Fetches a public set into a folder, in the set layout; goes on where an earlier run stopped."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perfectlook.data.fetch.ccp import CCP_LOOKS
from perfectlook.data.fetch.download import LEDGER, Ledger, Manifest, Manners, Outcome, gather, place_of
from perfectlook.data.fetch.ikea import IKEA_ROOMS
from perfectlook.data.fetch.sources import AnnotationFiles, Source, write_content
from perfectlook.data.fetch.stl import STL_FASHION, STL_HOME
from perfectlook.errors import DatasetError, MissingExtraError, UsageError
from perfectlook.progress import Progress
from perfectlook.types import Problem

SOURCES: dict[str, Source] = {
    source.name: source for source in (STL_FASHION, STL_HOME, IKEA_ROOMS, CCP_LOOKS)
}


def source_named(name: str) -> Source:
    """The public set of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in SOURCES:
        raise UsageError(f"no public set '{name}'; there are {', '.join(SOURCES)}")
    return SOURCES[name]


ANNOTATIONS = "source"
"""The folder, in the set's, of the files it was made of."""


@dataclass(frozen=True)
class Got:
    """What a set holds now, and what came of the files that were asked for.

    Attributes:
        scenes, products, pairs: that the set has.
        counts: the files fetched, there already, dead and failed.
        problems: those that are dead or have failed, and what had to be left out, with their reasons.
        renewed: annotation files that were not as they had been noted, and were fetched again.
        unchecked: annotation files fetched now that no list of files could check, and why.
    """

    scenes: int
    products: int
    pairs: int
    counts: Mapping[Outcome, int]
    problems: list[Problem] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    unchecked: Mapping[str, str] = field(default_factory=dict)


def get(
    source: Source,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    retry_dead: bool = False,
    manners: Manners | None = None,
    progress: Progress | None = None,
) -> Got:
    """Fetch a public set; what is there and whole is not fetched again.

    Args:
        source: which.
        folder: where to; made where it is not there.
        mirror: a folder or an address that has the source's files under the same paths.
        limit: only the first so many scenes, and their products.
        retry_dead: ask again for what an earlier run found dead.
        manners: how servers are asked.
        progress: told of every file.

    Raises:
        UsageError: the folder holds another set, or the mirror is no place.
        FetchError: the annotations cannot be had whole, or a server does not answer; what was fetched stays.
        DatasetError: the annotations cannot be read (the next run fetches them again), or no pair has both
            its pictures.
        MissingExtraError: a library that the set needs is not installed.
    """
    if source.needs and any(importlib.util.find_spec(name) is None for name in source.needs[0]):
        raise MissingExtraError(f"making {source.name}", source.needs[1])
    place = place_of(mirror, source.roots, manners or Manners())
    try:
        manifest = Manifest(folder, source.name, source.licence)
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write()
        annotations = AnnotationFiles(folder / ANNOTATIONS, place, manifest, is_release=mirror is None)
        plan = source.plan(annotations, limit)
        ledger = Ledger(folder / LEDGER, ask_again=retry_dead)
        gathered = gather(plan.wanted, folder, place, ledger, progress)
    finally:
        place.close()
    content = plan.content(folder, gathered.targets)
    problems = [*content.problems, *gathered.problems]
    if not content.rows:
        first = f": {problems[0]}" if problems else ""
        raise DatasetError(
            f"{folder}: no pair of {source.name} has both its pictures ({len(problems):,} problems{first}); "
            "look at their reasons, or use a mirror (--from)"
        )
    write_content(folder, content)
    return Got(
        scenes=len({row["scene"] for row in content.rows}),
        products=len(content.categories),
        pairs=len(content.rows),
        counts=gathered.counts,
        problems=problems,
        renewed=annotations.renewed,
        unchecked=annotations.unchecked,
    )
