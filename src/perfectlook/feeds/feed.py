"""A feed: one product for each usable row, and a problem for each other row."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from itertools import repeat
from pathlib import Path
from typing import TypeAlias, Unpack
from urllib.parse import unquote, urljoin

from perfectlook.errors import FeedError, PerfectLookError
from perfectlook.feeds.categories import REPLACING, CategoryMap
from perfectlook.feeds.columns import CATEGORY_FIELDS, FIELDS, Columns
from perfectlook.feeds.fields import MAX_ID, Cleaning, CleaningOptions, FeedProblem, left_out, unusable_id
from perfectlook.feeds.pictures import PictureCache
from perfectlook.feeds.platforms import PLATFORMS, TAXONOMY, products_of, taxonomy
from perfectlook.feeds.readers import format_of, listed
from perfectlook.feeds.rows import MAX_FEED, FeedRow, Rows, UnreadableRow, money_of, start_of, the_value_of
from perfectlook.images import SUFFIXES
from perfectlook.prices import CURRENCIES, SALE_DATES
from perfectlook.taxonomy import normalise
from perfectlook.texts import clean_line, plain_text
from perfectlook.types import Problem, Product

MAX_TITLE = 1_000
MAX_FIELD = 10_000
MAX_LINK = 2_000
"""Limits in characters. Longer titles and fields are cut. Longer ids, categories and links are refused."""

MEANING = 8
"""Raise this when the same row gives another product than before. Every row is then read in full again."""

IsUnchanged: TypeAlias = Callable[[str, str, str], bool]
"""Whether a product is unchanged, given its id, the path of its picture, and its digest."""


class FeedOptions(CleaningOptions, total=False):
    """Options for reading and fetching a feed. The flags of the command line have the same names.

    Attributes:
        fields: column names by field, for columns with other names (`--field`).
        format: one of `FORMATS`, by default from the media type or the suffix of the name; or one of
            `PLATFORMS`, by default recognised by its columns, unless there are `fields`.
        taxonomy: a file with numbers and paths in place of Google's taxonomy in the package.
        currency: the currency of prices without one.
        availability: what a shop's own availabilities mean, as in {"Lager 2": "in_stock"}.
        unknown_availability: what any other availability that is not understood means. By default those
            products are not recommended.
        categories: a CSV file that maps the shop's categories to those of a model; see `CategoryMap.read`.
        allow_outside: whether pictures may be outside the folder of the feed.
        allow_private: whether private, loopback and link-local addresses are allowed.
        connections: the number of pictures fetched at the same time, by default 8.
        max_feed: the largest number of bytes fetched from a URL, and of characters read from a feed, by
            default `MAX_FEED`. A packed file may hold more than its own size.
    """

    fields: Mapping[str, str] | None
    format: str | None
    taxonomy: Path | str | None
    categories: str | None
    allow_outside: bool
    allow_private: bool
    connections: int
    max_feed: int


class Feed:
    """The products of a file. A row that cannot be used becomes a problem, and the others continue.

    `problems` is complete after `products` has ended. So are `not_shown`, how many products of a platform's
    export are not shown there, by the text that says so, and `called`, what the first row calls each field.
    """

    def __init__(
        self,
        path: Path,
        pictures: PictureCache,
        *,
        url: str | None = None,
        packed: Path | None = None,
        media_type: str = "",
        **options: Unpack[FeedOptions],
    ) -> None:
        """Open a feed. Its rows are read by `products`.

        Args:
            path: the file.
            pictures: the cache of pictures at URLs.
            url: the URL of a fetched file. The paths of pictures are then relative to it.
            packed: the file that `path` was unpacked from. It names the feed and the folder of pictures.
            media_type: the media type that the server declared.
            options: see `FeedOptions`.

        Raises:
            FeedError: the format is unknown, or the file is not a feed.
            UsageError: a field, the currency or an availability is unknown.
        """
        fields = options.get("fields") or {}
        self.cleaning = Cleaning(options)
        self._currency = options.get("currency")
        self.name = url or str(packed or path)
        self.problems: list[Problem] = []
        self.not_shown: Counter[str] = Counter()
        self.pictures = pictures
        self._path = path
        self._url = url
        self._folder = str((packed or path).absolute().parent)
        self._spellings: dict[str, dict[str, str]] = {}
        """The names of the files in a folder, by the name in lower case."""
        self._inner: dict[str, bool] = {}
        """Whether a folder is in that of the feed, when links are followed."""
        self._allow_outside = options.get("allow_outside", False)
        self._most = options.get("max_feed", MAX_FEED)
        named = (self.name.partition("?")[0] if url else self.name).removesuffix(".gz")
        format_ = options.get("format")
        self._platform = format_ if format_ in PLATFORMS else None if fields else "auto"
        if format_ in ("magento", "shopify", "woocommerce") and not named.lower().endswith((".tsv", ".txt")):
            format_ = "csv"
        chosen = None if format_ in PLATFORMS else format_
        self._format = format_of(named, chosen, media_type, start_of(path))
        self._taxonomy = Path(options.get("taxonomy") or TAXONOMY)
        if options.get("taxonomy"):
            taxonomy(self._taxonomy)
        self._columns = Columns(fields)
        context = f"{url or self._folder}\n{pictures.folder}"
        how = self._platform, str(self._taxonomy)
        meaning = ascii((MEANING, sorted(fields.items()), self.cleaning.meaning, how, context))
        self._digest = blake2b(meaning.encode(), digest_size=16)
        named_map = options.get("categories")
        numbers = self._taxonomy
        self.categories = CategoryMap.read(named_map, numbers) if named_map else CategoryMap(taxonomy=numbers)
        self._known: tuple[str, ...] | None = None
        self._present: dict[str, str] = {}
        """What the feed calls the columns of its first row, by their name."""
        self.called: dict[str, str] = {}
        self._unusable: set[str] = set()
        """Ids of the rows without a product; "" stands for rows with an unknown id."""

    @property
    def unavailable(self) -> frozenset[str] | None:
        """Ids of products whose rows cannot be used; None if one of these rows has an unknown id."""
        return None if "" in self._unusable else frozenset(self._unusable)

    def match_categories(self, known: Iterable[str]) -> None:
        """Replace the categories of the feed by those that a model knows, where the map or words find one."""
        self._known = tuple(known)

    def products(self, is_unchanged: IsUnchanged | None = None) -> Iterator[Product]:
        """Yield the products of the usable rows, in order. Of rows with the same id, the first is used.

        Rows for which `is_unchanged` returns True are skipped before they are read in full.

        Raises:
            FeedError: the file is not a feed of its format, lacks a column, or more than 5 % of its
                availabilities are not understood.
            MissingExtraError: its format needs a library that is not installed.
        """
        self.problems, self._unusable, self._spellings, self._inner = [], set(), {}, {}
        self.cleaning.unknown.clear()
        self.not_shown.clear()
        seen: set[str] = set()
        availabilities = 0
        for row, digest in self._rows():
            values, id_ = row.values, ""
            try:
                id_ = _scalar(values.get(self._columns.id, "").strip())
                if not id_.isascii():
                    id_ = unicodedata.normalize("NFC", id_)
                if id_ in seen:
                    reason = "the id occurs twice, and the first row is used. Remove one of the two rows."
                    self._report(row.number, id_, FeedProblem.REPEATED_ID, reason)
                    continue
                availabilities += bool(values.get(self._columns.availability, "").strip())
                image = next(filter(None, map(str.strip, map(values.get, self._columns.images, _EMPTY))), "")
                if is_unchanged and is_unchanged(id_, self._first_place(image), digest):
                    seen.add(id_)
                    continue
                product = self._product(row, id_, digest)
            except _UnusableError as unusable:
                self._leave_out(row.number, *unusable.args)
            except _ENDING:
                raise
            except Exception as error:
                known = "" if unusable_id(id_) else id_
                self._leave_out(row.number, known, FeedProblem.UNREADABLE, _why_unreadable(error))
            else:
                seen.add(id_)
                self._unusable.discard(id_)
                yield product
        self.cleaning.check(self.name, availabilities)

    def _rows(self) -> Iterator[tuple[FeedRow, str]]:
        """Yield each readable row and its digest. Rows with the same digest give the same product."""
        is_first = has_columns = self._format.has_columns
        start = self._digest.copy()
        if self._known is not None:
            start.update(ascii((self._known, self.categories.rows, self.categories.synonyms)).encode())
        size = 0
        try:
            rows = _guarded(self._format.read(self._path, self._columns.id, most=self._most))
            rows, is_translated = products_of(
                rows, self._platform, str(self._path), self._currency, self.not_shown
            )
            has_columns = has_columns and not is_translated
            for row in _guarded(rows) if is_translated else rows:
                if isinstance(row, UnreadableRow):
                    self._leave_out(row.number, row.id or "", FeedProblem.UNREADABLE, row.reason)
                    if row.is_end:
                        self._unusable.add("")
                    continue
                values = row.values
                if not any(map(str.strip, values.values())):
                    continue
                if not self._present:
                    self._present = {name: row.names.get(name, name) for name in values}
                    self._columns.settle(values.keys())
                    named = {name: row.names[name] for name in values if name in row.names}
                    self.called = self._columns.renamed(named)
                texts = "\0".join(values.values() if has_columns else (*values, *values.values()))
                size += len(texts) + 1
                if size > self._most:
                    raise self._too_large()
                if is_first:
                    self._columns.check(str(self._path), self._present)
                    start.update(ascii(list(values)).encode())
                    is_first = False
                digest = start.copy()
                if row.problems:
                    texts = "\0".join((texts, *row.problems))
                digest.update(texts.encode("utf-8", "surrogatepass"))
                yield row, digest.hexdigest()
        except FeedError as error:  # name a fetched feed by its URL
            raise FeedError(str(error).replace(str(self._path), self.name)) from error

    def _too_large(self) -> FeedError:
        return FeedError(
            f"{self._path}: unpacks to more than {self._most:,} characters. "
            "Pass a larger --max-feed if you trust it."
        )

    def _product(self, row: FeedRow, id_: str, digest: str) -> Product:
        """Return the product of a row. Fields that cannot be used are reported."""
        before = len(self.problems)
        everything = "".join(row.values.values())
        fields = self._columns.renamed(row.values)
        fields.pop("id", None)
        if reason := unusable_id(id_):
            raise _UnusableError("", FeedProblem.UNUSABLE_ID, reason)
        if len(everything) > MAX_TITLE:
            self._shorten(row.number, id_, fields)
        if row.note:
            self._report(row.number, id_, FeedProblem.QUOTATION_MARKS, row.note)
        for problem in row.problems:
            self._report(row.number, id_, FeedProblem.UNUSABLE_FIELD, problem)
        for name in _SCALARS & fields.keys():
            text = _scalar(fields[name])
            if text or name not in _OFFER or not any(map(str.isalnum, fields[name])):
                fields[name] = text  # of an offer, an object that is not understood stays, and is reported
        fields = {
            name: plain_text(text) if name in _WITHOUT_MARKUP else text
            for name, text in fields.items()
            if text or name not in _SCALARS
        }
        category = _category(id_, fields, self._taxonomy, self.called)
        if self._known is not None:
            match = self.categories.find(category, self._known)
            category = match.category if match.category and match.how in REPLACING else category
        image, *more = _pictures(fields.pop("image_link", ""))
        if more or "additional_image_link" in fields:
            more += _pictures(fields.get("additional_image_link", ""))
            fields["additional_image_link"] = ", ".join(dict.fromkeys(filter(None, more)))
        picture = self._picture(id_, image)
        if _is_url(address := self._absolute(image)):
            fields["image_link"] = address  # a shop's pages show the picture from there
        title = clean_line(fields.pop("title", "")) or None
        for kind, name, reason in self.cleaning.clean(fields):
            self._report(row.number, id_, kind, left_out(kind, self.called.get(name, name), reason))
        # problems are reported in every sync, so a row with problems gets no digest
        return Product(id_, category, picture, title, fields, digest if len(self.problems) == before else "")

    def _picture(self, id_: str, image: str) -> Path:
        """Return the path of the picture of a product, whether it has been fetched or not."""
        if not image or len(image) > MAX_LINK:
            called = self.called.get("image_link", "image_link")
            too_long = f"its {called} has {len(image):,} characters. Use up to {MAX_LINK:,}."
            reason = too_long if image else f"has no picture. Add its {called}."
            raise _UnusableError(id_, FeedProblem.NO_PICTURE, reason)
        place = self._located(image)
        if place is None:
            reason = (
                "not an http:// or https:// URL. Correct the link."
                if self._url or _is_url(image)
                else "is outside the folder of the feed. Move it there, or pass --allow-outside."
            )
            raise _UnusableError(id_, FeedProblem.NO_PICTURE, f"{image[:80]}: {reason}")
        return Path(place)

    def linked(self, product: Product, field: str) -> list[Path]:
        """Return the pictures that a field lists, such as `additional_image_link`, as paths."""
        places = (self._located(each) for each in _pictures(product.fields.get(field, "")) if each)
        return [Path(place) for place in places if place]

    def _located(self, image: str) -> str | None:
        """Return the path of a picture, also if its file is named in another case; None if not allowed."""
        place = self._place(image)
        if place is None or self._url or _is_url(image):
            return place
        place = self._spelled(place)
        return place if self._allow_outside or self._leads_inside(place) else None

    def _absolute(self, image: str) -> str:
        """Return the address of a picture of a feed by URL, or the text itself."""
        if self._url and image:
            with suppress(ValueError):
                return urljoin(self._url, image)
        return image

    def _first_place(self, images: str) -> str:
        """Return the path of the first picture of a cell; "" if it is not allowed."""
        if not self._url and _SINGLE_PATH.fullmatch(images) and ".." not in images:
            return f"{self._folder}{os.sep}{images}"
        return self._place(_pictures(images)[0]) or ""

    def _place(self, image: str) -> str | None:
        """Return the path of a picture; None if it is not allowed."""
        if not self._url and _SIMPLE_PATH.fullmatch(image) and ".." not in image:
            return f"{self._folder}{os.sep}{image}"
        image = self._absolute(image)
        if image[:8].lower().startswith(("http://", "https://")):
            return self.pictures.locate(image)
        if self._url or _is_url(image):
            return None
        ways = (image, unquote(image), unquote(image).replace("\\", "/"))
        forms = (unicodedata.normalize(form, each) for each in ways for form in ("NFD", "NFC"))
        places = [self._inside(each) for each in dict.fromkeys((image, *forms))]
        there = (each for each in places if each and os.path.exists(each))  # noqa: PTH110
        return next(there, places[-1] or places[0])

    def _inside(self, image: str) -> str | None:
        path = os.path.normpath(os.path.join(self._folder, image))  # noqa: PTH118  # pathlib keeps ..
        inside = self._allow_outside or path.startswith(self._folder.rstrip(os.sep) + os.sep)
        return path if inside else None

    def _leads_inside(self, place: str) -> bool:
        """Whether a path stays in the folder of the feed when its links are followed."""
        folder = os.path.dirname(place)  # noqa: PTH120
        if folder not in self._inner:
            self._inner[folder] = _is_within(folder, self._folder)
        return self._inner[folder] and not (
            os.path.islink(place) and not _is_within(place, self._folder)  # noqa: PTH114
        )

    def _spelled(self, place: str) -> str:
        """Return a missing file's path as the only file with this name in another case has it."""
        folder, name = os.path.split(place)
        if len(folder) < len(self._folder) or os.path.exists(place):  # noqa: PTH110
            return place
        folder = self._spelled(folder)
        if folder not in self._spellings:
            names = os.listdir(folder) if os.path.isdir(folder) else []  # noqa: PTH112, PTH208
            count = Counter(map(str.casefold, names))
            self._spellings[folder] = {low: n for n in names if count[low := n.casefold()] == 1}
        return f"{folder}{os.sep}{self._spellings[folder].get(name.casefold(), name)}"

    def _shorten(self, row: int, id_: str, fields: dict[str, str]) -> None:
        for name, text in fields.items():
            most = MAX_TITLE if name == "title" else MAX_FIELD
            if len(text) > most:
                fields[name] = text[:most]
                called = self.called.get(name, name)
                reason = f"its {called} of {len(text):,} characters is cut to {most:,}. Shorten it."
                self._report(row, id_, FeedProblem.TOO_LONG, reason)

    def _leave_out(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        """Report a row without a product, and record its id as unavailable."""
        self._report(row, id_, kind, reason)
        self._unusable.add(id_)

    def _report(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        self.problems.append(Problem(f"{self.name}, {self._format.unit} {row}", id_ or "?", reason, kind))


def _is_within(path: str, folder: str) -> bool:
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # characters that no path has
        return False


class _UnusableError(Exception):
    """A row cannot become a product. Its arguments: the id ("" if unknown), the kind and the reason."""


_ENDING = (PerfectLookError, MemoryError)
"""Errors that are not of one row."""


def _guarded(rows: Rows) -> Rows:
    """Yield rows. An error of a reader ends them, as a truncated file does."""
    number = 0
    try:
        for row in rows:
            number = row.number
            yield row
    except _ENDING:
        raise
    except Exception as error:
        yield UnreadableRow(number + 1, _why_unreadable(error), is_end=True)


def _why_unreadable(error: Exception) -> str:
    return f"cannot be read ({type(error).__name__}: {str(error)[:80]}). Correct the row."


def _scalar(text: str) -> str:
    """Return the first value of a list, or the text itself."""
    found = listed(text) if text[:2] in _LISTS else None
    if found and len(found) == 2 and isinstance(found[1], str) and found[1] in CURRENCIES:
        return f"{found[0]} {found[1]}"
    return text if found is None else next(map(_word, found), "")


def _word(value: object) -> str:
    """Return a value of a list; of an object, as APIs of shops write them, its price, name or address."""
    if isinstance(value, dict):
        named = (value[name] for name in ("name", "src", "url", "value", "amount") if value.get(name))
        return money_of(value) or _word(next(named, the_value_of(value)))
    if isinstance(value, list):
        return _word(value[0]) if value else ""
    return "" if value is None else str(value)


def _category(id_: str, fields: dict[str, str], numbers: Path, called: Mapping[str, str]) -> str:
    """Return the first field that is a path or a number of the taxonomy, and remove it from the fields."""
    for name in CATEGORY_FIELDS:
        text = fields.get(name, "")
        if name == "google_product_category" and (numbered := _NUMBERED.fullmatch(text)):
            text = taxonomy(numbers).get(numbered[1]) or numbered[2] or ""
        if path := _path(text):
            del fields[name]
            return path
    number = fields.get("google_product_category")
    needed = called.get("category", "category, google_product_category or product_type")
    reason = (
        f"its google_product_category {number[:40]!r} is not in the taxonomy. Write its path, or add "
        "product_type."
        if number
        else f"has no category. Add its {needed}."
    )
    raise _UnusableError(id_, FeedProblem.NO_CATEGORY, reason)


@lru_cache(4096)
def _path(text: str) -> str:
    levels = listed(text)  # or lists of levels, or objects
    if levels is not None:
        while levels and isinstance(levels[0], list):
            levels = levels[0]
        text = " > ".join(map(_word, levels[:1] if isinstance(next(iter(levels), None), dict) else levels))
    if text.isdigit() or len(text) > MAX_ID * 2:
        return ""
    return normalise(re.sub(r"\s*[>»›→]+\s*", " > ", text))


def _pictures(text: str) -> list[str]:
    """Return the pictures that a cell lists, with separators or in a JSON list. At least one, or ""."""
    if not _MAY_LIST.search(text):
        return [text]
    text = text.replace("\0", "")
    if (found := listed(text)) is not None:
        return [word for each in found if (word := _word(each).strip())] or [""]
    files = [part.strip() for part in _BETWEEN_FILES.split(text) if part.strip()]
    if "://" not in text and len(files) > 1 and all(map(_has_suffix, files)):
        return files
    parts = [part.strip() for part in _BETWEEN_PICTURES.split(text) if part.strip()]
    if all(part[:8].lower().startswith(("http://", "https://")) or _has_suffix(part) for part in parts):
        return parts or [""]
    return [text]


_SCALARS = frozenset(FIELDS) - {*CATEGORY_FIELDS, "image_link"}
_OFFER = ("price", "sale_price", SALE_DATES, "availability")
_LISTS = ('["', "[[", "[{", '{"')
_WITHOUT_MARKUP = {*CATEGORY_FIELDS, "title", "brand", "color", "colour", "material", "pattern", "size"}
_EMPTY = repeat("")
_MAY_LIST = re.compile(r"[,;|\s\0\[{]")
_SIMPLE_PATH = re.compile(r"(?!/)[ -$&-9;-\[\]-~]*")
"""Printable ASCII without `%`, `:` and `\\`, not absolute: nothing in this path has to be decoded."""
_SINGLE_PATH = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./+=@~-]*")
"""A simple path without any separator of pictures."""
_BETWEEN_PICTURES = re.compile(r"\s*[,;|]\s+|(?:\s+|\s*[,;|])(?=https?://)|\s*[|\n\r]\s*")
_BETWEEN_FILES = re.compile(r"[,;|\n\r]")
_NUMBERED = re.compile(r"0*([0-9]+)(?:\.0)?(?:\s+-\s+(.*))?")


def _has_suffix(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_url(image: str) -> bool:
    return "://" in image or image.startswith(("//", "data:"))
