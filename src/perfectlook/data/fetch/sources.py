"""The annotation files of a set: fetched once, and kept only while they are what they should be."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from perfectlook.data.fetch.download import (
    LISTING,
    Blob,
    Manifest,
    Place,
    Wanted,
    blob_sha,
    read_listing,
)
from perfectlook.data.layout import CATEGORIES, DETAILS, PAIRS
from perfectlook.errors import DatasetError, FetchError
from perfectlook.files import write_file
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
    write_file(folder / CATEGORIES, as_json(content.categories))
    if content.details is None:
        (folder / DETAILS).unlink(missing_ok=True)
    else:
        write_file(folder / DETAILS, as_json(content.details))
    write_file(folder / PAIRS, as_lines(content.rows))


def as_json(entries: object) -> str:
    """A file of one object, a line for each of its entries."""
    return json.dumps(entries, indent=0, ensure_ascii=False, sort_keys=True) + "\n"


def as_lines(rows: Sequence[object]) -> str:
    """A file of one object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


AnnotationsRead = TypeVar("AnnotationsRead")


class AnnotationFiles:
    """Fetches annotation files, checks them, and forgets those that turn out to be damaged.

    A file is checked by the git hash in the repository's list of files, where the place has such a list, and
    a later run by what `set.json` notes of it.

    Attributes:
        is_release: whether they come from their public place, and so are the whole release; a mirror may
            hold a part of it.
        renewed: files that were not as they had been noted, and were fetched again.
        unchecked: why the files fetched now could not be checked by a list of files, for each of them.
    """

    def __init__(self, folder: Path, place: Place, manifest: Manifest, *, is_release: bool) -> None:
        """Prepare; nothing is fetched yet. `folder` is where they go."""
        self.is_release = is_release
        self.renewed: list[str] = []
        self.unchecked: dict[str, str] = {}
        self._folder = folder
        self._place = place
        self._manifest = manifest
        self._blobs: dict[str, Blob] | None = None
        self._no_listing = ""
        self._asked_for_listing = False

    def read(self, path: str, reader: Callable[[Path], AnnotationsRead]) -> AnnotationsRead:
        """What a reader makes of a file, which is fetched where it is not here, or not whole.

        Raises:
            FetchError: it cannot be had, or not as it is listed.
            DatasetError: it cannot be read; it is removed, so that the next run fetches it again.
        """
        try:
            return self._read(path, reader)
        except FetchError as error:
            raise FetchError(
                f"the annotations cannot be had: {error}", passing=error.passing, status=error.status
            ) from error

    def _read(self, path: str, reader: Callable[[Path], AnnotationsRead]) -> AnnotationsRead:
        file = self._file(path)
        try:
            return reader(file)
        except DatasetError as error:
            self._remove(path)
            raise DatasetError(
                f"{error}; it may have been cut short on its way, so it has been removed here: run the same "
                f"command again, which fetches it from {self._place.address(path)}, and if that gives the "
                "same, use another mirror (--from)"
            ) from error

    def listing(self) -> dict[str, Blob]:
        """The repository's files by path.

        Raises:
            FetchError: the list cannot be had.
            DatasetError: it cannot be read; it is removed, so that the next run fetches it again.
        """
        return self.read(LISTING, read_listing)

    def forget(self, path: str) -> None:
        """Let the next run fetch a file again."""
        self._manifest.forget(path)

    def _remove(self, path: str) -> None:
        self.forget(path)
        (self._folder / path).unlink(missing_ok=True)

    def _file(self, path: str) -> Path:
        file = self._folder / path
        is_noted = self._manifest.is_as_noted(path, file)
        if path == LISTING:
            if not is_noted or self._lists_what_it_has:  # which may be more by now
                self._keep(path, self._ask(path))
            return file
        if not is_noted or not self._is_listed(path, file.read_bytes()):
            self._keep(path, self._whole(path))
        return file

    def _whole(self, path: str) -> bytes:
        """The content of a file as it is listed; asked for twice, the second time with a new list."""
        content = self._ask(path)
        if not self._is_listed(path, content):
            if not self._asked_for_listing:  # that of an earlier run may be older than the file
                self._remove(LISTING)
                self._blobs = None
            content = self._ask(path)
        if not self._is_listed(path, content):
            blob = self._listed()[path]
            self._remove(LISTING)
            raise FetchError(
                f"{self._place.address(path)}: is not the file that {self._place.address(LISTING)} lists "
                f"({len(content):,} bytes of {blob.size:,}), cut short on its way or changed there, and not "
                "kept; run the same command again later, or use another mirror (--from)",
                passing=True,
            )
        if path not in self._listed() and not self._place.is_local:
            self.unchecked[path] = self._no_listing or f"{self._place.address(LISTING)} does not list it"
        return content

    def _is_listed(self, path: str, content: bytes) -> bool:
        """Whether a file is the one that is listed, or none of its name is."""
        blob = self._listed().get(path)
        return blob is None or blob_sha(content) == blob.sha

    def _listed(self) -> dict[str, Blob]:
        """The list of files, where there is one to check by; asked for once."""
        if self._blobs is None:
            self._blobs = {}
            if not self._lists_what_it_has:  # which would say of every file that it is as it is
                try:
                    self._blobs = self._read(LISTING, read_listing)
                except FetchError as error:  # a help, and no part of the set: it is had without
                    self._no_listing = str(error)
        return self._blobs

    @property
    def _lists_what_it_has(self) -> bool:
        """Whether the place is a folder without a list of its own."""
        return self._place.is_local and not Path(self._place.address(LISTING)).exists()

    def _ask(self, path: str) -> bytes:
        if path == LISTING:
            self._asked_for_listing = True
        return self._place.read(path)

    def _keep(self, path: str, content: bytes) -> None:
        file = self._folder / path
        was_there = file.exists()
        write_file(file, content)
        is_new = self._manifest.note(path, self._place.address(path), content)
        is_made_here = path == LISTING and self._lists_what_it_has
        if (was_there or is_new) and not is_made_here:
            self.renewed.append(path)
