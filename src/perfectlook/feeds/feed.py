"""A feed: a product for each of its rows, and what is wrong with the other rows."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias, TypedDict, Unpack
from urllib.parse import urljoin

from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds.fields import (
    CATEGORY_FIELDS,
    CURRENCIES,
    Columns,
    FeedProblem,
    UnusablePriceError,
    canonical_availability,
    canonical_price,
)
from perfectlook.feeds.pictures import PictureCache
from perfectlook.feeds.readers import FeedRow, UnreadableRow, format_of
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem, Product

MAX_ID = 200
MAX_TITLE = 1_000
MAX_FIELD = 10_000
MAX_LINK = 2_000
"""Characters. A longer title or field is cut; a longer id, category or link to a picture is refused."""

MEANING = 1
"""Raise this when the same row comes to mean another product: every row is then read in full again."""

IsUnchanged: TypeAlias = Callable[[str, str, str], bool]
"""Whether a product is known to be unchanged, given its id, the path of its picture, and its digest."""


class FeedOptions(TypedDict, total=False):
    """How a feed is read and fetched; on the command line, flags of the same names.

    Attributes:
        fields: the names of columns by field, if they are not the usual ones (`--field`).
        format: one of `FORMATS`; by default the one of the media type or of the end of the name.
        currency: the currency of prices that do not name one.
        allow_outside: whether pictures may be outside the feed's folder.
        allow_private: whether the feed and its pictures are also fetched from private, loopback and
            link-local addresses.
        connections: how many pictures are fetched at once, by default 8.
    """

    fields: Mapping[str, str] | None
    format: str | None
    currency: str | None
    allow_outside: bool
    allow_private: bool
    connections: int


class Feed:
    """The products of a file. A row that cannot be used becomes a problem; the other rows go on.

    After `products` has ended, `problems` says what is wrong with the rows.
    """

    def __init__(
        self,
        path: Path,
        pictures: PictureCache,
        *,
        url: str | None = None,
        media_type: str = "",
        **options: Unpack[FeedOptions],
    ) -> None:
        """Name a file; it is read when products are asked for.

        Args:
            path: the file.
            pictures: where the pictures at URLs are kept, or will be once they are fetched.
            url: where the file was fetched from, if it was: pictures' paths are then relative to it.
            media_type: what the server says that it is.
            options: how it is read.

        Raises:
            FeedError: the format is not known.
            UsageError: a field or the currency does not exist.
        """
        fields, currency = options.get("fields") or {}, options.get("currency")
        if currency is not None and currency not in CURRENCIES:
            raise UsageError(f"--currency {currency}: no such currency; give its code, such as EUR or USD")
        self.name = url or str(path)
        self.problems: list[Problem] = []
        self._path = path
        self._url = url
        self._folder = str(path.absolute().parent)
        self.pictures = pictures
        self._allow_outside = options.get("allow_outside", False)
        named = self.name.partition("?")[0] if url else self.name
        self._format = format_of(named, options.get("format"), media_type)
        self._columns = Columns(fields)
        self._currency = currency
        context = f"{url or self._folder}\n{pictures.folder}"
        meaning = ascii((MEANING, sorted(fields.items()), currency, context))
        self._digest = blake2b(meaning.encode(), digest_size=16)
        self._unusable: set[str] = set()
        self._is_whole = True

    @property
    def unavailable(self) -> frozenset[str] | None:
        """Ids of products that the feed has but cannot describe; None if it has rows whose id is unknown."""
        return frozenset(self._unusable) if self._is_whole else None

    def products(self, is_unchanged: IsUnchanged | None = None) -> Iterator[Product]:
        """Yield the product of every row that has one, in the order of rows; of one id the first counts.

        A row whose product `is_unchanged` is passed over after a glance.

        Raises:
            FeedError: the file cannot be read as the feed that it should be.
            MissingExtraError: its format needs a library that is not installed.
        """
        self.problems, self._unusable, self._is_whole = [], set(), True
        seen: set[str] = set()
        id_column, image_columns = self._columns.id, self._columns.images
        for row, digest in self._rows():
            values = row.values
            id_ = _id(values.get(id_column, ""))
            if id_ in seen:
                self._report(row.number, id_, FeedProblem.REPEATED_ID, "comes again; the first counts")
                continue
            image = next((text for name in image_columns if (text := values.get(name, "").strip())), "")
            if is_unchanged and is_unchanged(id_, self._place(image) or "", digest):
                seen.add(id_)
            elif product := self._product(row, id_, digest):
                seen.add(id_)
                self._unusable.discard(id_)
                yield product

    def _rows(self) -> Iterator[tuple[FeedRow, str]]:
        """Every row that can be read, and a digest: while it is the same, the row means the same product."""
        is_first = has_columns = self._format.has_columns
        start = self._digest.copy()
        try:
            for row in self._format.read(self._path, self._columns.id):
                if isinstance(row, UnreadableRow):
                    self._leave_out(row.number, row.id or "", FeedProblem.UNREADABLE, row.reason)
                    self._is_whole &= not row.is_end
                    continue
                values = row.values
                if is_first:
                    self._columns.check(str(self._path), values.keys())
                    start.update(ascii(list(values)).encode())
                    is_first = False
                texts = "\0".join(values.values() if has_columns else (*values, *values.values()))
                digest = start.copy()
                digest.update(texts.encode("utf-8", "surrogatepass"))
                yield row, digest.hexdigest()
        except FeedError as error:  # a fetched feed is known by its URL
            raise FeedError(str(error).replace(str(self._path), self.name)) from error

    def _product(self, row: FeedRow, id_: str, digest: str) -> Product | None:
        """The product of a row, None if it has none; what is wrong with it becomes problems."""
        before = len(self.problems)
        try:
            product = self._usable(row, id_)
        except _UnusableError as unusable:
            self._leave_out(row.number, unusable.id, unusable.kind, str(unusable))
            return None
        # what is wrong with a row is reported every time, so the row must be looked at every time
        is_fine = len(self.problems) == before
        return Product(*product, digest=digest if is_fine else "")

    def _usable(self, row: FeedRow, id_: str) -> tuple[str, str, Path, str | None, dict[str, str]]:
        everything = "".join(row.values.values())
        if "\0" in everything:
            known = "" if "\0" in id_ else id_
            raise _UnusableError(FeedProblem.UNREADABLE, known, "holds NUL bytes; write the feed again")
        fields = self._columns.renamed(row.values)
        fields.pop("id", None)
        if not id_:
            raise _UnusableError(FeedProblem.UNUSABLE_ID, "", "has no id; give it one")
        if len(id_) > MAX_ID or not id_.isprintable():
            reason = (
                f"its id {id_[:40]!r} is too long or not printable; use up to {MAX_ID} printable characters"
            )
            raise _UnusableError(FeedProblem.UNUSABLE_ID, "", reason)
        if len(everything) > MAX_TITLE:
            self._shorten(row.number, id_, fields)
        category = _category(id_, fields)
        picture = self._picture(id_, fields.pop("image_link", ""))
        title = fields.pop("title", None)
        self._normalise(row.number, id_, fields)
        return id_, category, picture, " ".join(title.split()) if title else None, fields

    def _picture(self, id_: str, image: str) -> Path:
        """Where the picture of a product is, or will be once it is fetched."""
        if not image or len(image) > MAX_LINK:
            reason = "its image_link is too long; shorten it" if image else "has no picture; give image_link"
            raise _UnusableError(FeedProblem.NO_PICTURE, id_, reason)
        place = self._place(image)
        if place is None:
            reason = (
                "only http:// and https:// are fetched; correct the link"
                if self._url or _is_url(image)
                else "lies outside the feed's folder, which only --allow-outside allows"
            )
            raise _UnusableError(FeedProblem.NO_PICTURE, id_, f"{image[:80]}: {reason}")
        return Path(place)

    def _place(self, image: str) -> str | None:
        """The path of a picture; None if it may not be used."""
        if self._url and image:
            with suppress(ValueError):
                image = urljoin(self._url, image)
        if image[:8].lower().startswith(("http://", "https://")):
            return self.pictures.locate(image)
        if self._url or _is_url(image):
            return None
        if ".." not in image and "\\" not in image and not os.path.isabs(image):  # noqa: PTH117
            return f"{self._folder}{os.sep}{image}"
        path = os.path.normpath(os.path.join(self._folder, image))  # noqa: PTH118  # pathlib keeps ..
        inside = self._allow_outside or path.startswith(self._folder.rstrip(os.sep) + os.sep)
        return path if inside else None

    def _shorten(self, row: int, id_: str, fields: dict[str, str]) -> None:
        for name, text in fields.items():
            most = MAX_TITLE if name == "title" else MAX_FIELD
            if len(text) > most:
                fields[name] = text[:most]
                reason = f"its {name} of {len(text):,} characters is cut to {most:,}"
                self._report(row, id_, FeedProblem.TOO_LONG, reason)

    def _normalise(self, row: int, id_: str, fields: dict[str, str]) -> None:
        """Bring fields that filters know into their form; leave out those that cannot be used."""
        unusable: dict[str, str] = {}
        for name in ("price", "sale_price"):
            if name in fields:
                try:
                    fields[name] = _price(fields[name], self._currency)
                except UnusablePriceError as error:
                    unusable[name] = str(error)
        if "availability" in fields:
            availability = canonical_availability(fields["availability"])
            if availability:
                fields["availability"] = availability
            else:
                unusable["availability"] = (
                    f"{fields['availability'][:40]!r} is none of in_stock, out_of_stock, preorder, backorder"
                )
        if "gender" in fields:
            fields["gender"] = fields["gender"].lower()
        if "link" in fields and not fields["link"].lower().startswith(("http://", "https://")):
            unusable["link"] = f"{fields['link'][:40]!r} is not a link; write https://..."
        for name, reason in unusable.items():
            del fields[name]
            self._report(row, id_, FeedProblem.UNUSABLE_FIELD, f"goes without {name}: {reason}")

    def _leave_out(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        """Report a row without a product: its product is one that the feed cannot give now."""
        self._report(row, id_, kind, reason)
        if id_:
            self._unusable.add(id_)
        else:
            self._is_whole = False

    def _report(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        self.problems.append(Problem(f"{self.name}, row {row}", id_ or "?", reason, kind))


class _UnusableError(Exception):
    """A row that cannot become a product: why, and the product's id if it is known."""

    def __init__(self, kind: FeedProblem, id_: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.id = id_


_price = lru_cache(4096)(canonical_price)


def _id(text: str) -> str:
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _category(id_: str, fields: dict[str, str]) -> str:
    """The first field that is a path; the others stay fields. Numbers of Google's taxonomy are not paths."""
    for name in CATEGORY_FIELDS:
        if name in fields and (path := _path(fields[name])):
            del fields[name]
            return path
    number = fields.get("google_product_category")
    reason = (
        f"its google_product_category {number[:40]!r} is a number; give the path, or product_type"
        if number
        else "has no category; give category, google_product_category or product_type"
    )
    raise _UnusableError(FeedProblem.NO_CATEGORY, id_, reason)


@lru_cache(4096)
def _path(text: str) -> str:
    if text.isdigit() or len(text) > MAX_ID * 2:
        return ""
    return normalise(re.sub(r"\s*>\s*", " > ", text))


def _is_url(image: str) -> bool:
    return "://" in image or image.startswith("//")
