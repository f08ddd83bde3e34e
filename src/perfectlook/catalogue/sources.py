"""Where a catalogue's products come from: a set, a folder of pictures, a feed, or a file of vectors."""

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from perfectlook.datasets import Dataset
from perfectlook.datasets.pictures import SUFFIXES
from perfectlook.datasets.problems import ProblemKind
from perfectlook.progress import Progress
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem, Product


class Listed(Protocol):
    """What a source says of a product, at a glance."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def picture(self) -> str:
        """The absolute path of its picture, "" where it has none."""

    @property
    def digest(self) -> str:
        """Stands for all that the source says of it; "" where that has to be looked at every time."""

    def product(self) -> Product | None:
        """Return the product, None where there is none after all; the source then says why."""

    def repeated(self) -> Problem:
        """Return the problem that it is when its id came before."""


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


@runtime_checkable
class Fetching(Protocol):
    """A source of many products, some of whose pictures lie elsewhere.

    What it says of a product is where its picture will be once it is fetched.
    """

    def listed(self) -> Iterator[Listed]:
        """Yield every product, without looking at it closely: most have not changed."""

    def fetch(
        self, pictures: Iterable[Path], *, verify: bool = False, progress: Progress | None = None
    ) -> dict[Path, str]:
        """Fetch those of the pictures that are not there; returns why, for those that cannot be had.

        With `verify`, servers are asked whether those that are there have changed.
        """

    def absent(self, pictures: Iterable[Path]) -> list[Path]:
        """Return those of the pictures that would have to be fetched."""

    def drop(self, pictures: Iterable[Path]) -> None:
        """Remove fetched pictures that no product has any more; others are not touched."""


def listed(source: Source) -> Iterator[Listed]:
    """Yield the products of any source at a glance."""
    if isinstance(source, Fetching):
        yield from source.listed()
        return
    for product in source.products():
        yield _ListedProduct(source.name, product)


class _ListedProduct:
    def __init__(self, source: str, product: Product) -> None:
        self._source = source
        self._product = product
        self.id = product.id
        self.picture = str(product.picture.absolute())
        said = [product.category, product.title, self.picture, sorted(product.fields.items())]
        self.digest = blake2b(ascii(said).encode(), digest_size=16).hexdigest()

    def product(self) -> Product:
        return self._product

    def repeated(self) -> Problem:
        return Problem(self._source, self.id, "comes twice; the first one counts")


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
