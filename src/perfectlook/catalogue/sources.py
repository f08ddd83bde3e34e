"""Tells what kind of source lies at a path, and opens it."""

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from perfectlook.catalogue.picture_cache import Shelf
from perfectlook.catalogue.vectors import VectorFile, is_vector_file
from perfectlook.data import Dataset, load_set
from perfectlook.data.layout import CATEGORIES, PAIRS, SUFFIXES, ProblemKind
from perfectlook.data.stl import releases_in
from perfectlook.errors import UsageError
from perfectlook.feeds import FORMATS, Feed, FeedOptions, FeedProblem, FeedProduct, FeedRow
from perfectlook.files import set_folder
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


class FeedSource:
    """The products of a feed. Paths of pictures count from the feed's folder, and may not lead out of it."""

    def __init__(self, path: Path, shelf: Shelf, options: FeedOptions | None = None) -> None:
        """Name a feed and the shelf for what is fetched; both are used when products are asked for.

        Raises:
            FeedError: the feed's format is not known.
            UsageError: an option makes no sense.
        """
        self._shelf = shelf
        self._allow_outside = bool(options and options.allow_outside)
        self._folder = str(path.absolute().parent)
        self._feed = Feed(path, options, context=f"{self._folder}\n{shelf.folder}")
        self.name = str(path)

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with its rows."""
        return self._feed.problems

    @property
    def unavailable(self) -> frozenset[str] | None:
        """The ids of rows that cannot be used; None when it is not known of all whose they are."""
        return frozenset(self._feed.unavailable) if self._feed.is_whole else None

    def products(self) -> Iterator[Product]:
        """Yield the product of every row that can be used.

        Raises:
            FeedError: the file cannot be read as a feed.
            MissingExtraError: its format needs a library that is not installed.
        """
        for row in self._feed.products():
            product = self._product(row)
            if product is not None:
                yield product

    def listed(self) -> Iterator[Listed]:
        """Yield every row at a glance."""
        for row in self._feed.rows():
            yield _ListedRow(self, row, self._place(row.image) or "")

    def fetch(
        self, pictures: Iterable[Path], *, verify: bool = False, progress: Progress | None = None
    ) -> dict[Path, str]:
        """Fetch pictures to the shelf; see `Shelf.fetch`."""
        return self._shelf.fetch(pictures, verify=verify, progress=progress)

    def absent(self, pictures: Iterable[Path]) -> list[Path]:
        """Return those of the pictures that would have to be fetched."""
        return self._shelf.absent(pictures)

    def drop(self, pictures: Iterable[Path]) -> None:
        """Remove pictures from the shelf."""
        self._shelf.drop(pictures)

    def found(self, row: FeedRow) -> tuple[Product, str] | None:
        """Return the product of a row and its digest; None where it has none, as `problems` then says."""
        product = self._feed.product(row)
        usable = product and self._product(product)
        return (usable, product.digest) if product and usable else None

    def repeated(self, row: FeedRow) -> Problem:
        """Return the problem that a row is whose product came before."""
        return self._feed.repeated(row)

    def _product(self, row: FeedProduct) -> Product | None:
        picture = self._place(row.image)
        if picture is not None:
            return Product(row.id, row.category, Path(picture), row.title, row.fields)
        image = row.image[:80]
        outside = f"{image}: lies outside the feed's folder, which only --allow-outside allows"
        scheme = f"{image}: only http:// and https:// are fetched; mend the link"
        reason = scheme if _is_url(row.image) else outside
        self._feed.refuse(row, FeedProblem.NO_PICTURE, reason)
        return None

    def _place(self, image: str) -> str | None:
        """Where a picture is, or will be once fetched; None where it may not be."""
        if image[:8].lower().startswith(("http://", "https://")):
            return self._shelf.locate(image)
        if _is_url(image):
            return None
        if ".." not in image and "\\" not in image and not os.path.isabs(image):  # noqa: PTH117
            return f"{self._folder}{os.sep}{image}"
        path = os.path.normpath(os.path.join(self._folder, image))  # noqa: PTH118  # pathlib does not resolve ..
        inside = self._allow_outside or path.startswith(self._folder.rstrip(os.sep) + os.sep)
        return path if inside else None


class _ListedRow:
    """A row of a feed at a glance; what it becomes is found out when it is asked for."""

    __slots__ = ("_row", "_source", "digest", "id", "picture")

    def __init__(self, source: FeedSource, row: FeedRow, picture: str) -> None:
        self._source = source
        self._row = row
        self.id = row.id
        self.picture = picture
        self.digest = row.digest

    def product(self) -> Product | None:
        found = self._source.found(self._row)
        if found is None:
            return None
        product, self.digest = found
        return product

    def repeated(self) -> Problem:
        return self._source.repeated(self._row)


def _is_url(image: str) -> bool:
    return "://" in image or image.startswith("//")


_SOURCES = "a source is a set, a folder of pictures, or a feed"


def open_source(
    location: Path | str, *, shelf: Shelf | None = None, options: FeedOptions | None = None
) -> Source:
    """Open what lies at a path: a set (either layout), vectors, a feed, or else a folder of pictures.

    Args:
        location: the path; "showroom" is the set that comes with the package.
        shelf: where the pictures of a feed are kept that have to be fetched; by default in the cache folder.
        options: how a feed is to be read.

    Raises:
        UsageError: there is nothing, something that is none of them, or options that make no sense.
        DatasetError: there is a set that cannot be read.
        CatalogueError: there is a file of vectors that cannot be read.
    """
    path = set_folder(location)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; {_SOURCES}")
    if is_vector_file(path):
        return VectorFile.open(path)
    if path.is_file() and path.suffix != ".json":
        if (options is None or options.format is None) and not _names_a_feed(path):
            raise UsageError(f"{path}: a file of no known format; {_SOURCES}, whose --format may be given")
        return FeedSource(path, shelf or Shelf.of("cache://"), options)
    if path.is_dir() and not _holds_a_set(path):
        _refuse_a_feed_in(path)
        return FolderSource(path)
    return SetSource(load_set(path))


def _refuse_a_feed_in(folder: Path) -> None:
    """A feed's folder, named in place of the feed, would be taken for all that the shop has."""
    feeds = sorted(each.name for each in folder.iterdir() if each.is_file() and _names_a_feed(each))
    if feeds:
        raise UsageError(
            f"{folder}: holds {feeds[0]}, which looks like a feed: name {folder / feeds[0]} itself; to sync "
            "the folder's pictures instead, move that file elsewhere"
        )


def _names_a_feed(path: Path) -> bool:
    return any(path.name.lower().endswith(each.suffixes) for each in FORMATS.values())


def _holds_a_set(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (PAIRS, CATEGORIES)) or bool(releases_in(folder))
