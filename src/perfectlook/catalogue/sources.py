"""Where a catalogue's products come from: a set, or a folder of pictures."""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from perfectlook.datasets import Dataset, open_dataset
from perfectlook.datasets.layout import CATEGORIES, PAIRS
from perfectlook.datasets.pictures import SUFFIXES
from perfectlook.datasets.problems import ProblemKind
from perfectlook.datasets.stl import releases_in
from perfectlook.errors import UsageError
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem, Product


class Source(Protocol):
    """Products to put into a catalogue. A new kind of source is one class with these four."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with its products; complete when `products` has ended."""

    @property
    def unavailable(self) -> frozenset[str] | None:
        """Ids of products that it has but cannot give now, which a catalogue keeps as they were.

        None when it could not list all it has: a catalogue then deletes nothing. Complete when `products`
        has ended.
        """

    def products(self) -> Iterator[Product]:
        """Yield every product that can be read."""


class SetSource:
    """All products of a set, whether they are in a pair or not."""

    def __init__(self, dataset: Dataset) -> None:
        """Take an open set."""
        self._dataset = dataset
        self.name = str(dataset.root)
        self.problems = dataset.product_problems
        self.unavailable: frozenset[str] | None = frozenset(
            problem.item for problem in self.problems if problem.kind in _STILL_LISTED
        )

    def products(self) -> Iterator[Product]:
        """Yield the products."""
        yield from self._dataset.products.values()


_STILL_LISTED = {ProblemKind.NO_CATEGORY, ProblemKind.MISSING_PRODUCT}


class FolderSource:
    """The pictures in the sub-folders of a folder, whose names are the levels of the category.

    `FOLDER/Furniture/Chairs/red one.jpg` is a product of `Furniture|Chairs` with the title "red one". Its
    id is a hash of its place in the folder without the extension, so it stays the same wherever the folder
    lies, whatever the system, and when the picture is saved again in another format.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is read when products are asked for."""
        self._folder = folder
        self.name = str(folder)
        self.problems: list[Problem] = []
        self.unavailable: frozenset[str] | None = frozenset()

    def products(self) -> Iterator[Product]:
        """Yield a product for each picture, in the order of paths; hidden ones are passed over."""
        self.problems = []
        self.unavailable = frozenset()
        seen: dict[str, Path] = {}
        for path in self._pictures(self._folder):
            place = PurePosixPath(unicodedata.normalize("NFC", path.relative_to(self._folder).as_posix()))
            category = normalise("|".join(place.parts[:-1]))
            stem = str(place.with_suffix(""))
            if not category:
                self._report(
                    path, "lies in no sub-folder, whose name would be its category; move it into one"
                )
            elif stem in seen:
                self._report(path, f"has the name of {seen[stem].name}, which was taken; rename one of them")
            else:
                seen[stem] = path
                id_ = hashlib.sha256(stem.encode("utf-8", "surrogatepass")).hexdigest()[:32]
                yield Product(id_, category, path, title=place.stem.replace("_", " ").strip())

    def _pictures(self, folder: Path) -> Iterator[Path]:
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.unavailable = None
            reason = f"the folder cannot be read ({error.strerror or error}); make it readable for this user"
            self._report(folder, reason)
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._pictures(Path(entry.path))
            elif entry.name.lower().endswith(SUFFIXES):
                yield Path(entry.path)

    def _report(self, path: Path, reason: str) -> None:
        self.problems.append(Problem(self.name, path.relative_to(self._folder).as_posix(), reason))


def open_source(location: Path | str) -> Source:
    """Open what lies at a path: a set (either layout), or else a folder of pictures.

    Raises:
        UsageError: there is nothing, or something that is neither.
        DatasetError: there is a set that cannot be read.
    """
    path = Path(location)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; a source is a set or a folder of pictures")
    if path.is_file() and path.suffix != ".json":
        raise UsageError(f"{path}: a file; a source is a set or a folder of pictures")
    if path.is_dir() and not _holds_a_set(path):
        return FolderSource(path)
    return SetSource(open_dataset(path))


def _holds_a_set(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (PAIRS, CATEGORIES)) or bool(releases_in(folder))
