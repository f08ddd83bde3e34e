"""Fetch a public set into a folder, in the set layout."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perfectlook.data.fetch.ccp import CCP_LOOKS
from perfectlook.data.fetch.download import Annotations, Manners, Outcome, PublicSet, gather, place_of
from perfectlook.data.fetch.ikea import IKEA_ROOMS
from perfectlook.data.fetch.stl import STL_FASHION, STL_HOME
from perfectlook.data.layout import PAIRS, set_files, write_files
from perfectlook.errors import DatasetError, FetchError, MissingExtraError
from perfectlook.progress import Progress
from perfectlook.types import Problem

PUBLIC_SETS = {each.name: each for each in (STL_FASHION, STL_HOME, IKEA_ROOMS, CCP_LOOKS)}


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
    problems: list[Problem]
    renewed: list[str]
    unchecked: Mapping[str, str]


def get(
    source: PublicSet,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    retry_dead: bool = False,
    manners: Manners | None = None,
    progress: Progress | None = None,
) -> Got:
    """Fetch a public set; files that are there and whole are not fetched again.

    Args:
        source: which; see `PUBLIC_SETS`.
        folder: where to; created if it does not exist.
        mirror: a folder or an address that has the source's files under the same paths.
        limit: only the first scenes, this many, and their products.
        retry_dead: ask again for files that an earlier run found dead.
        manners: how servers are asked.
        progress: called after every file.

    Raises:
        UsageError: the folder holds another set, or the mirror is neither a folder nor an address.
        FetchError: the annotations cannot be had whole, or a server does not answer; what was fetched stays.
        DatasetError: the annotations cannot be read (the next run fetches them again), or no pair has both
            its pictures.
        MissingExtraError: a library that the set needs is not installed.
    """
    if source.needs and importlib.util.find_spec(source.needs[0]) is None:
        raise MissingExtraError(f"making {source.name}", source.needs[1])
    with place_of(mirror, source.roots, manners or Manners()) as place:
        annotations = Annotations(folder, place, source, is_release=mirror is None)
        try:
            wanted, make = source.plan(annotations, limit)
        except FetchError as error:
            error.args = (f"the annotations cannot be had: {error}",)
            raise
        targets, counts, problems = gather(wanted, folder, place, retry_dead=retry_dead, progress=progress)
    content = make(targets)
    problems = [*content.problems, *problems]
    if not content.rows:
        first = f": {problems[0]}" if problems else ""
        raise DatasetError(
            f"{folder}: no pair of {source.name} has both its pictures ({len(problems):,} problems{first}); "
            "look at their reasons, or use a mirror (--from)"
        )
    (folder / PAIRS).unlink(missing_ok=True)
    write_files(folder, set_files(content))
    sizes = len({row["scene"] for row in content.rows}), len(content.categories), len(content.rows)
    return Got(*sizes, counts, problems, annotations.renewed, annotations.unchecked)
