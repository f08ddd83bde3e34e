"""Tells what kind of source lies at a path, and opens it."""

from pathlib import Path

from perfectlook.catalogue.feedsource import FeedSource
from perfectlook.catalogue.shelf import Shelf
from perfectlook.catalogue.sources import FolderSource, SetSource, Source
from perfectlook.catalogue.vectors import VectorFile, is_vector_file
from perfectlook.datasets import open_dataset
from perfectlook.datasets.layout import CATEGORIES, PAIRS
from perfectlook.datasets.stl import releases_in
from perfectlook.errors import UsageError
from perfectlook.feeds import FORMATS, FeedOptions
from perfectlook.showroom import set_folder

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
    return SetSource(open_dataset(path))


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
