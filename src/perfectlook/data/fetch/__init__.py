"""Fetch a public set into a folder, in the set layout."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perfectlook.data.fetch.ccp import CCP_LOOKS
from perfectlook.data.fetch.download import Annotations, FetchPolicy, Outcome, PublicSet, gather, place_of
from perfectlook.data.fetch.ikea import IKEA_ROOMS
from perfectlook.data.fetch.stl import STL_FASHION, STL_HOME
from perfectlook.data.layout import CATEGORIES, set_files, write_files
from perfectlook.errors import DatasetError, FetchError, MissingExtraError
from perfectlook.progress import Progress, counted
from perfectlook.types import Problem

PUBLIC_SETS = {each.name: each for each in (STL_FASHION, STL_HOME, IKEA_ROOMS, CCP_LOOKS)}


@dataclass(frozen=True)
class Got:
    """The result of `get`: the size of the set, and the outcome of each file.

    Attributes:
        scenes, products, pairs: their numbers in the set.
        counts: the numbers of files that were fetched, there already, dead and failed.
        problems: the files that are dead or failed, and what was left out, with the reasons.
        renewed: annotation files that did not match `set.json` and were fetched again.
        unchecked: annotation files that no list of files could verify, with the reasons.
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
    policy: FetchPolicy | None = None,
    progress: Progress | None = None,
) -> Got:
    """Fetch a public set. Files that are there and complete are not fetched again.

    Args:
        source: one of `PUBLIC_SETS`.
        folder: the folder of the set, created if needed.
        mirror: a folder or a URL with the same files under the same paths.
        limit: fetch only this number of scenes, the first ones, and their products.
        retry_dead: request files again that an earlier run found dead.
        policy: the limits for requests to servers.
        progress: called after every file.

    Raises:
        UsageError: the folder contains another set, or the mirror is not a folder or a URL.
        FetchError: the annotations cannot be fetched, or a server does not respond. Fetched files are kept.
        DatasetError: the annotations cannot be read (the next run fetches them again), or no pair has both
            pictures.
        MissingExtraError: a library that the set needs is not installed.
    """
    if source.needs and importlib.util.find_spec(source.needs[0]) is None:
        raise MissingExtraError(f"making {source.name}", source.needs[1])
    with place_of(mirror, source.roots, policy or FetchPolicy()) as place:
        annotations = Annotations(folder, place, source, is_release=mirror is None)
        try:
            wanted, make = source.plan(annotations, limit)
        except FetchError as error:
            error.args = (f"cannot fetch the annotations of {source.name}: {error}",)
            raise
        targets, counts, problems = gather(wanted, folder, place, retry_dead=retry_dead, progress=progress)
    content = make(targets)
    problems = [*content.problems, *problems]
    if not content.rows:
        first = f" The first problem: {problems[0]}" if problems else ""
        raise DatasetError(
            f"{folder}: no pair of {source.name} has both pictures ({counted(len(problems), 'problem')}). "
            f"Try again later, or use a mirror with --from.{first}"
        )
    (folder / CATEGORIES).unlink(missing_ok=True)
    write_files(folder, set_files(content))
    sizes = len({row["scene"] for row in content.rows}), len(content.categories), len(content.rows)
    return Got(*sizes, counts, problems, annotations.renewed, annotations.unchecked)
