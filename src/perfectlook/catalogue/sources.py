"""What a catalogue can be synced with: opens a source, and lists its products as records."""

import hashlib
import os
import re
import shutil
import tempfile
import unicodedata
import weakref
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Protocol, Unpack
from urllib.parse import urlsplit

from perfectlook.catalogue.manifest import Record, State, stamp_of
from perfectlook.catalogue.vectors import VectorFile
from perfectlook.data import Dataset, load_set
from perfectlook.data.fingerprints import Fingerprint, fingerprints, forget
from perfectlook.data.layout import CATEGORIES, PAIRS, ProblemKind, releases_at
from perfectlook.errors import UsageError
from perfectlook.feeds import FORMATS, Feed, FeedOptions, PictureCache
from perfectlook.fetching import Fetcher, FetchLimits
from perfectlook.files import set_folder
from perfectlook.images import SUFFIXES
from perfectlook.progress import ProgressOf, no_progress
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem, Product

MAX_FEED = FetchLimits(max_bytes=2**31, seconds=600.0)
"""What a feed at a URL may take."""


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
        """Ids of products that it has but cannot give now; a catalogue keeps them as they were.

        None if it could not list everything it has: a catalogue then deletes nothing. Complete when
        `products` has ended.
        """

    def products(self) -> Iterator[Product]:
        """Yield every product that can be read."""


def open_source(
    source: Source | Path | str, catalogue: Path | str = "cache://", **options: Unpack[FeedOptions]
) -> Source:
    """Open a set (either layout), vectors, a feed, a feed at a URL, or else a folder of pictures.

    Args:
        source: a path or a URL; "showroom" is the set that comes with the package. An open source is returned
            as it is.
        catalogue: the catalogue that keeps the pictures that are fetched; by default, the cache folder does.
        options: how a feed is read.

    Raises:
        UsageError: there is nothing, something that is not a source, or an option that makes no sense.
        FetchError: there is a URL that cannot be fetched.
        FeedError: the format of a feed is not known.
        DatasetError: there is a set that cannot be read.
        CatalogueError: there is a file of vectors that cannot be read.
    """
    if not isinstance(source, Path | str):
        if options:
            raise UsageError(f"{source.name} is open already, so it cannot be read with {', '.join(options)}")
        return source
    if unknown := options.keys() - FeedOptions.__annotations__.keys():
        raise TypeError(f"unexpected options: {', '.join(sorted(unknown))}")
    limits = FetchLimits(
        allow_private=options.get("allow_private", False), connections=options.get("connections", 8)
    )
    cache = PictureCache.of(catalogue, limits)
    if "://" in str(source):
        return _fetched_feed(str(source), cache, options)
    path = set_folder(source)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; {_SOURCES}")
    if vectors := VectorFile.open(path):
        return vectors
    if path.is_file() and path.suffix != ".json":
        if options.get("format") is None and not _names_a_feed(path):
            raise UsageError(f"{path}: a file of an unknown format; {_SOURCES} (--format names its format)")
        return Feed(path, cache, **options)
    if not path.is_dir() or releases_at(path) or any((path / name).is_file() for name in (PAIRS, CATEGORIES)):
        return SetSource(load_set(path))
    feeds = sorted(each.name for each in path.iterdir() if each.is_file() and _names_a_feed(each))
    if feeds:  # a feed's folder would be taken for everything that the shop has
        raise UsageError(
            f"{path}: holds {feeds[0]}, which looks like a feed: name {path / feeds[0]} itself; to sync "
            "the folder's pictures instead, move that file elsewhere"
        )
    return FolderSource(path)


_SOURCES = "a source is a set, a folder of pictures, or a feed (a file, or an http:// or https:// URL)"


def _fetched_feed(url: str, cache: PictureCache, options: FeedOptions) -> Feed:
    """Fetch a feed into a temporary folder, which goes when the source does."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise UsageError(f"{url}: is not a URL ({error}); correct it") from error
    if scheme not in ("http", "https"):
        raise UsageError(f"{url}: only http:// and https:// are fetched; {_SOURCES}")
    with Fetcher(replace(MAX_FEED, allow_private=options.get("allow_private", False))) as fetcher:
        fetched = fetcher.fetch(url)
    folder = Path(tempfile.mkdtemp(prefix="perfectlook-"))
    try:
        (folder / "feed").write_bytes(fetched.content or b"")
        source = Feed(folder / "feed", cache, url=url, media_type=fetched.media_type, **options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(source, shutil.rmtree, folder, ignore_errors=True)
    return source


def _names_a_feed(path: Path) -> bool:
    return any(path.name.lower().endswith(each.suffixes) for each in FORMATS.values())


class SetSource:
    """All products of a set, whether they are in a pair or not."""

    def __init__(self, dataset: Dataset) -> None:
        """Take an open set."""
        self._dataset = dataset
        self.name = str(dataset.root)
        self.problems = dataset.product_problems
        still_listed = (ProblemKind.NO_CATEGORY, ProblemKind.MISSING_PRODUCT)
        self.unavailable = frozenset(each.item for each in self.problems if each.kind in still_listed)

    def products(self) -> Iterator[Product]:
        """Yield the products."""
        yield from self._dataset.products.values()


class FolderSource:
    """The pictures in the sub-folders of a folder, whose names are the levels of the category.

    `FOLDER/Furniture/Chairs/red one.jpg` is a product of `Furniture|Chairs` with the title "red one". Its
    id is a hash of its place in the folder without the extension, so it stays the same wherever the folder
    is, on any system, and when the picture is saved again in another format.
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
                    path, "is not in a sub-folder, whose name would be its category; move it into one"
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


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a source has: records of products that were looked at, by id in order, and the rest.

    `unchanged` are the ids of products that are as the catalogue has them. `unreadable` are the ids of
    products that cannot be read at the moment: they are neither new nor gone. Unless the listing `is_whole`,
    nothing is gone.
    """

    items: dict[str, Record]
    unreadable: frozenset[str]
    problems: list[Problem]
    is_whole: bool = True
    unchanged: frozenset[str] = frozenset()

    def staying(self, stored: Set[str]) -> set[str]:
        """Return those of the stored products that are not in the listing and yet not gone."""
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

    A product is passed over as unchanged if what the source says of it, and the size and the time of change
    of its picture, are as in `known`; with `verify`, every picture is read, or its server asked. Without
    `fetch`, a picture that would have to be fetched may be anything. Of two products with one id the first
    counts. A file of vectors has its records in it: pictures are not looked at.
    """
    if isinstance(source, VectorFile):
        records = dict(sorted(source.records()))
        return Listing(records, frozenset(), list(source.problems))
    told = progress or no_progress
    fresh, unchanged, problems = _changed(source, {} if verify or known is None else known)
    pictures = list(dict.fromkeys(product.picture for product in fresh.values()))
    reasons: dict[Path, str] = {}
    prints: dict[Path, Fingerprint] = {}
    if isinstance(source, Feed) and fetch:
        reasons = source.pictures.fetch(pictures, verify=verify, progress=told("fetching pictures"))
    elif isinstance(source, Feed):
        prints = dict.fromkeys(source.pictures.absent(pictures), _UNSEEN)
    # before they are read: a picture that is written meanwhile is looked at again next time
    stamps = {id_: stamp_of(product.picture, product.digest) for id_, product in fresh.items()}
    there = [picture for picture in pictures if picture not in reasons and picture not in prints]
    if verify:
        forget(there)
    read, unreadable = fingerprints(there, workers=workers, progress=told("reading pictures"))
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
    problems = [*source.problems, *problems]
    return Listing(items, frozenset(not_now), problems, is_whole, frozenset(unchanged))


_UNSEEN = Fingerprint("", 0, 0, b"")


def _changed(
    source: Source, known: Mapping[str, State]
) -> tuple[dict[str, Product], set[str], list[Problem]]:
    """A source's products that have to be looked at, the ids of those that have not, and what is wrong."""
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
        said = [product.category, product.title, picture, sorted(product.fields.items())]
        digest = blake2b(ascii(said).encode(), digest_size=16).hexdigest()
        if id_ in fresh or id_ in unchanged:
            problems.append(Problem(source.name, id_, "comes twice; the first one counts"))
        elif not id_:
            problems.append(Problem(source.name, picture, "has no id; give it one"))
        elif not is_unchanged(id_, picture, digest):
            fresh[id_] = replace(product, digest=digest)
    return fresh, unchanged, problems


_NOT_TEXT = "its file name or its text is not Unicode; rename the file or correct the text"
_SURROGATE = re.compile("[\ud800-\udfff]")


def _is_text(product: Product) -> bool:
    """Whether a store can write everything that is said of a product; file names may be any bytes."""
    said = (product.id, product.category, product.title or "", str(product.picture.absolute()))
    return not _SURROGATE.search("".join([*said, *product.fields, *product.fields.values()]))
