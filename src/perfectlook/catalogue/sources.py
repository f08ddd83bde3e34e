"""Sources of a sync: open a source, and list its products as records."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Protocol, Unpack

from perfectlook.catalogue.manifest import Record, State, stamp_of
from perfectlook.catalogue.vectors import VectorFile
from perfectlook.data import Dataset, load_set
from perfectlook.data.fingerprints import Fingerprint, fingerprints, forget
from perfectlook.data.layout import CATEGORIES, PAIRS, ProblemKind, releases_at
from perfectlook.errors import UsageError
from perfectlook.feeds import FORMATS, Feed, FeedOptions, PictureCache
from perfectlook.feeds.columns import field_names
from perfectlook.feeds.feed import MEANING
from perfectlook.feeds.fields import Cleaning, left_out
from perfectlook.feeds.packed import open_feed
from perfectlook.feeds.rows import WORDS, start_of
from perfectlook.fetching import FetchLimits
from perfectlook.files import set_folder
from perfectlook.images import SUFFIXES
from perfectlook.progress import ProgressOf, no_progress
from perfectlook.taxonomy import normalise
from perfectlook.texts import clean_line
from perfectlook.types import Problem, Product


class Source(Protocol):
    """Products for a catalogue. A new kind of source is a class with these four members."""

    @property
    def name(self) -> str:
        """The name of the source in reports."""

    @property
    def problems(self) -> list[Problem]:
        """The problems of its products. The list is complete when `products` has ended."""

    @property
    def unavailable(self) -> frozenset[str] | None:
        """The ids of products that it has but cannot provide now. A catalogue keeps them as they are.

        None if it could not list all its products. A catalogue then deletes nothing. The value is final when
        `products` has ended.
        """

    def products(self) -> Iterator[Product]:
        """Yield every product that can be read."""


def open_source(
    source: Source | Path | str, catalogue: Path | str = "cache://", **options: Unpack[FeedOptions]
) -> Source:
    """Open a set (either layout), a file of vectors, a feed (a file or a URL), or a folder of pictures.

    Args:
        source: a path or a URL. "showroom" is the set that comes with the package. An open source is returned
            as it is.
        catalogue: the catalogue that keeps fetched pictures. By default the cache folder keeps them.
        options: how to read a feed.

    Raises:
        UsageError: there is no source at the path or URL, or an option is invalid.
        FetchError: the URL cannot be fetched.
        FeedError: the format of the feed is unknown.
        DatasetError: the set cannot be read.
        CatalogueError: the file of vectors cannot be read.
    """
    if not isinstance(source, Path | str):
        if options:
            what = f"already open, so {', '.join(options)} cannot apply"
            remedy = "Leave out the options, or pass the path of the source."
            raise UsageError(f"{source.name}: {what}. {remedy}")
        return source
    if unknown := options.keys() - FeedOptions.__annotations__.keys():
        known = ", ".join(FeedOptions.__annotations__)
        raise TypeError(f"expected options among {known}, got {', '.join(sorted(unknown))}")
    limits = FetchLimits(
        allow_private=options.get("allow_private", False), connections=options.get("connections", 8)
    )
    cache = PictureCache.of(catalogue, limits)
    if "://" in str(source):
        return open_feed(str(source), cache, options)
    path = set_folder(source)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder. {_SOURCES}")
    roots = None if options.get("allow_outside", False) else [cache.folder]
    if vectors := VectorFile.open(path, roots):
        return vectors
    if path.is_file() and (path.suffix != ".json" or start_of(path).startswith(b"[")):
        if options.get("format") is None and not (_names_a_feed(path) or start_of(path).startswith(_REFUSED)):
            raise UsageError(f"{path}: unknown file format. If it is a feed, pass --format. {_SOURCES}")
        return open_feed(path, cache, options)
    if not path.is_dir() or releases_at(path) or any((path / name).is_file() for name in (PAIRS, CATEGORIES)):
        return SetSource(load_set(path), **options)
    files = (each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    feeds = sorted(each.name for each in files if _names_a_feed(each))
    if feeds:  # syncing the folder would delete all products that have no picture in it
        what = f"contains {feeds[0]}, which looks like a feed. Name {path / feeds[0]} to sync it"
        remedy = "or move the file away to sync the folder's pictures"
        raise UsageError(f"{path}: {what}, {remedy}.")
    return FolderSource(path)


_REFUSED = tuple(beginning.encode("latin-1") for beginning in WORDS["no_feeds"])
"""The beginnings of files that `open_feed` refuses by name, such as Excel workbooks."""
_SOURCES = "Name a set, a folder of pictures, or a feed (a file, or an http:// or https:// URL)."


def _names_a_feed(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return any(name.endswith(each.suffixes) for each in FORMATS.values())


class SetSource:
    """All products of a set, with or without a pair."""

    def __init__(self, dataset: Dataset, **options: Unpack[FeedOptions]) -> None:
        """Use an open set. Its fields are cleaned as those of a feed."""
        self._dataset = dataset
        self.cleaning = Cleaning(options)
        self._has_currency = options.get("currency") is not None
        self.name = str(dataset.root)
        self.problems = list(dataset.product_problems)
        still_listed = (ProblemKind.NO_CATEGORY, ProblemKind.MISSING_PRODUCT)
        self.unavailable = frozenset(each.item for each in self.problems if each.kind in still_listed)

    def products(self) -> Iterator[Product]:
        """Yield the products. Raises FeedError if over 5 % of the availabilities are not understood."""
        self.problems = list(self._dataset.product_problems)
        self.cleaning.unknown.clear()
        availabilities = 0
        for product in self._dataset.products.values():
            fields = field_names(product.fields)
            availabilities += "availability" in fields
            keeps = () if self._has_currency or "currency" in fields else ("price", "sale_price")
            bare = {name: fields.pop(name) for name in keeps if _NUMBER.fullmatch(fields.get(name, ""))}
            for each in self.cleaning.clean(fields):
                self.problems.append(Problem(self.name, product.id, left_out(*each), each[0]))
            yield replace(product, fields={**fields, **bare})
        self.cleaning.check(self.name, availabilities)


_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]{1,2})?")
"""A price without a currency, which sets may have."""


class FolderSource:
    """The pictures in the sub-folders of a folder. The names of the sub-folders are the category.

    `FOLDER/Furniture/Chairs/red one.jpg` is a product of `Furniture|Chairs` with the title "red one". Its
    id is a hash of its path below the folder, without the extension. It does not change if the folder moves,
    or if the picture is saved in another format.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder. `products` reads it."""
        self._folder = folder
        self.name = str(folder)
        self.problems: list[Problem] = []
        self.unavailable: frozenset[str] | None = frozenset()

    def products(self) -> Iterator[Product]:
        """Yield a product for each picture, in the order of paths. Hidden files and folders are skipped."""
        self.problems = []
        self.unavailable = frozenset()
        seen: dict[str, Path] = {}
        for path in self._pictures(self._folder):
            place = PurePosixPath(unicodedata.normalize("NFC", path.relative_to(self._folder).as_posix()))
            category = normalise("|".join(place.parts[:-1]))
            stem = str(place.with_suffix(""))
            if not category:
                self._report(
                    path, "no category, because the file is not in a sub-folder. Move it into a sub-folder."
                )
            elif stem in seen:
                self._report(path, f"same name as {seen[stem].name}, which is used. Rename one of the two.")
            else:
                seen[stem] = path
                id_ = hashlib.sha256(stem.encode("utf-8", "surrogatepass")).hexdigest()[:32]
                yield Product(id_, category, path, title=clean_line(place.stem.replace("_", " ")))

    def _pictures(self, folder: Path) -> Iterator[Path]:
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.unavailable = None
            self._report(folder, f"cannot be read ({error.strerror}). Check its permissions and the disk.")
            return
        for entry in entries:
            if entry.name.startswith((".", "@eaDir", "__MACOSX")):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._pictures(Path(entry.path))
            elif entry.name.lower().endswith(SUFFIXES):
                yield Path(entry.path)

    def _report(self, path: Path, reason: str) -> None:
        self.problems.append(Problem(self.name, path.relative_to(self._folder).as_posix(), reason))


@dataclass(frozen=True, slots=True)
class Listing:
    """All products of a source: the records of those that were read, by sorted id, and the ids of the rest.

    `unchanged` holds the ids of products that are as in the catalogue. `unreadable` holds the ids of products
    that cannot be read at the moment. They are neither new nor deleted. Unless the listing `is_whole`, no
    product is deleted.
    """

    items: dict[str, Record]
    unreadable: frozenset[str]
    problems: list[Problem]
    is_whole: bool = True
    unchanged: frozenset[str] = frozenset()

    def staying(self, stored: Set[str]) -> set[str]:
        """Return the stored products that are not in the listing, but must not be deleted."""
        unlisted = set(stored - self.items.keys() - self.unchanged)
        return unlisted & self.unreadable if self.is_whole else unlisted


def list_products(
    source: Source,
    known: Mapping[str, State] | None = None,
    *,
    verify: bool = False,
    fetch: bool = True,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> Listing:
    """Read a source, fetch the pictures of a feed, and fingerprint them.

    A product is unchanged if its data in the source, and the size and the modification time of its picture,
    are as in `known`. With `verify`, every picture is read, or its server is asked. Without `fetch`, pictures
    that would have to be fetched count as readable. Of two products with the same id, the first is used. A
    file of vectors contains the records, so no pictures are read.
    """
    if isinstance(source, VectorFile):
        return Listing(dict(sorted(source.records())), frozenset(), list(source.problems))
    progress_of = progress or no_progress
    fresh, unchanged, problems = _changed(source, {} if verify or known is None else known)
    pictures = list(dict.fromkeys(product.picture for product in fresh.values()))
    reasons: dict[Path, str] = {}
    prints: dict[Path, Fingerprint] = {}
    if isinstance(source, Feed) and fetch:
        reasons = source.pictures.fetch(pictures, verify=verify, progress=progress_of("fetching pictures"))
    elif isinstance(source, Feed):
        prints = dict.fromkeys(source.pictures.absent(pictures), _UNSEEN)
    # Taken before reading, so that the next sync rereads pictures that change during this sync.
    stamps = {id_: stamp_of(product.picture, product.digest) for id_, product in fresh.items()}
    there = [picture for picture in pictures if picture not in reasons and picture not in prints]
    if verify:
        forget(there)
    read, unreadable = fingerprints(there, workers=workers, progress=progress_of("reading pictures"))
    prints.update(read)
    reasons.update((picture, f"{picture}: {reason}") for picture, reason in unreadable.items())
    items: dict[str, Record] = {}
    not_now = set(source.unavailable or ())
    for id_, product in sorted(fresh.items(), key=lambda each: each[0]):
        picture = product.picture
        reason = reasons.get(picture) or (None if _is_text(product) else f"{picture}: {_NOT_TEXT}")
        if reason:
            not_now.add(id_)
            problems.append(Problem(source.name, id_, reason))
        else:
            items[id_] = Record.of(product, prints[picture], stamps[id_])
    is_whole = source.unavailable is not None
    return Listing(items, frozenset(not_now), [*source.problems, *problems], is_whole, frozenset(unchanged))


_UNSEEN = Fingerprint("", 0, 0, b"")


def _changed(
    source: Source, known: Mapping[str, State]
) -> tuple[dict[str, Product], set[str], list[Problem]]:
    """Return the products that must be read, the ids of the unchanged ones, and the problems."""
    unchanged: set[str] = set()

    def is_unchanged(id_: str, picture: str, digest: str) -> bool:
        state = known.get(id_)
        if state is None or not state[3] or state[3] != stamp_of(picture, digest):
            return False
        unchanged.add(id_)
        return True

    if isinstance(source, Feed):
        return {product.id: product for product in source.products(is_unchanged)}, unchanged, []
    fresh: dict[str, Product] = {}
    problems: list[Problem] = []
    for product in source.products():
        id_, picture = product.id, str(product.picture.absolute())
        data = [MEANING, product.category, product.title, picture, sorted(product.fields.items())]
        digest = blake2b(ascii(data).encode(), digest_size=16).hexdigest()
        if id_ in fresh or id_ in unchanged:
            reason = "the id occurs twice; the first one is used. Remove one of the two."
            problems.append(Problem(source.name, id_, reason))
        elif not id_:
            problems.append(Problem(source.name, picture, "no id. Add one."))
        elif not is_unchanged(id_, picture, digest):
            fresh[id_] = replace(product, digest=digest)
    return fresh, unchanged, problems


_NOT_TEXT = "the file name or the text is not valid Unicode. Rename the file, or correct the text."
_SURROGATE = re.compile("[\ud800-\udfff]")


def _is_text(product: Product) -> bool:
    """Whether a store can write all texts of a product. File names may contain any bytes."""
    texts = (product.id, product.category, product.title or "", str(product.picture.absolute()))
    return not _SURROGATE.search("".join([*texts, *product.fields, *product.fields.values()]))
