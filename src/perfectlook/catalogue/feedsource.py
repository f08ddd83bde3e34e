"""A feed as a source of products: its pictures lie beside it, or on the catalogue's shelf once fetched."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from perfectlook.catalogue.shelf import Shelf
from perfectlook.catalogue.sources import Listed
from perfectlook.feeds import Feed, FeedOptions, FeedProblem, FeedProduct, FeedRow
from perfectlook.progress import Progress
from perfectlook.types import Problem, Product


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
