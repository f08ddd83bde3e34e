"""A feed: the products of its rows, in this package's terms, and what is wrong with each of the others."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from perfectlook.errors import UsageError
from perfectlook.feeds.fields import CATEGORY_FIELDS, Columns, FeedProblem, canonical_availability
from perfectlook.feeds.prices import CURRENCIES, UnusablePriceError, canonical_price
from perfectlook.feeds.readers import Unreadable, format_of
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem

MAX_ID = 200
MAX_TITLE = 1_000
MAX_FIELD = 10_000
MAX_LINK = 2_000
"""Characters. A longer title or field is cut; a longer id, category or link to a picture is no such thing."""


MEANING = 1
"""Goes up when the same row means another product than before: every row is then looked at anew."""


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How a feed is to be read.

    Attributes:
        format: one of `FORMATS`; None goes by the file's name.
        columns: the names of columns by field, where they are not the usual ones.
        currency: that of prices which do not say theirs.
        allow_outside: whether pictures may lie outside the feed's folder.
    """

    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    currency: str | None = None
    allow_outside: bool = False

    def __post_init__(self) -> None:
        if self.currency is not None and self.currency not in CURRENCIES:
            raise UsageError(f"--currency {self.currency}: no such currency; give its code, as EUR or USD")


class FeedProduct(NamedTuple):
    """A row that can become a product; `image` is the path or the URL of its picture, as the feed has it.

    `digest` is that of the row, "" where something is wrong with it that did not stop it.
    """

    row: int
    id: str
    category: str
    title: str | None
    image: str
    fields: dict[str, str]
    digest: str = ""


class FeedRow(NamedTuple):
    """A row at a glance: its id and where its picture lies, "" where it says none, and a digest of it all.

    As long as the digest is the same, so is the product, whatever else the feed holds now.
    """

    row: int
    id: str
    image: str
    digest: str
    values: Mapping[str, str]


class Feed:
    """The products of a file. What is wrong with a row becomes a problem; the other rows go on.

    After `rows` or `products` has ended, `problems` says what was wrong, `unavailable` are the ids of
    products that the feed has but cannot describe, and `is_whole` is whether it is known of all rows whose
    they are.
    """

    def __init__(self, path: Path, options: FeedOptions | None = None, *, context: str = "") -> None:
        """Name a file; it is read when products are asked for.

        Args:
            path: the file.
            options: how it is to be read.
            context: all else that decides what becomes of a row: with another one digests are others.

        Raises:
            FeedError: its format is not known.
            UsageError: an option makes no sense.
        """
        self.path = path
        self._context = context
        self._options = options or FeedOptions()
        self._format = format_of(path, self._options.format)
        self._columns = Columns(self._options.columns)
        self._begin()

    def _begin(self) -> None:
        self.problems: list[Problem] = []
        self.unavailable: set[str] = set()
        self.is_whole = True

    def refuse(self, product: FeedProduct, kind: FeedProblem, reason: str) -> None:
        """Report that a product cannot be used after all: it is one that the feed has and cannot give."""
        self._leave_out(product.row, product.id, kind, reason)

    def repeated(self, row: FeedRow) -> Problem:
        """Return the problem that a row is whose product came before."""
        return self._problem(row.row, row.id, FeedProblem.REPEATED_ID, "comes again; the first counts")

    def products(self) -> Iterator[FeedProduct]:
        """Yield the product of every row that has one, in the order of rows; of one id the first counts.

        Raises:
            FeedError: the file cannot be read as the feed that it should be.
            MissingExtraError: its format needs a library that is not installed.
        """
        seen: set[str] = set()
        for row in self.rows():
            if row.id in seen:
                self.problems.append(self.repeated(row))
            elif product := self.product(row):
                seen.add(product.id)
                yield product

    def rows(self) -> Iterator[FeedRow]:
        """Yield every row that can be read, without looking at it closely, which `product` does.

        Raises what `products` raises.
        """
        self._begin()
        columns = sorted(self._options.columns.items())
        meaning = ascii((MEANING, columns, self._options.currency, self._context))
        start = blake2b(meaning.encode(), digest_size=16)
        is_first = has_columns = self._format.has_columns
        id_column, image_columns = self._columns.id, self._columns.images
        for row in self._format.read(self.path, id_column):
            if isinstance(row, Unreadable):
                self._unreadable(row)
                continue
            values = row.values
            if is_first:
                self._columns.check(self.path, values.keys())
                start.update(ascii(list(values)).encode())
                is_first = False
            image = next((text for name in image_columns if (text := values.get(name, "").strip())), "")
            said = "\0".join(values.values() if has_columns else (*values, *values.values()))
            digest = start.copy()
            digest.update(said.encode("utf-8", "surrogatepass"))
            yield FeedRow(row.number, _id(values.get(id_column, "")), image, digest.hexdigest(), values)

    def product(self, row: FeedRow) -> FeedProduct | None:
        """Return the product of a row, None where it has none; what is wrong with it becomes problems."""
        before = len(self.problems)
        try:
            product = self._product(row)
        except _UnusableError as unusable:
            self._leave_out(row.row, unusable.id, unusable.kind, str(unusable))
            return None
        self.unavailable.discard(product.id)
        # what is wrong with a row is said every time, so it has to be looked at every time
        return product if len(self.problems) == before else product._replace(digest="")

    def _unreadable(self, row: Unreadable) -> None:
        self._leave_out(row.number, row.id or "", FeedProblem.UNREADABLE, row.reason)
        self.is_whole &= not row.is_end

    def _report(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        self.problems.append(self._problem(row, id_, kind, reason))

    def _problem(self, row: int, id_: str, kind: FeedProblem, reason: str) -> Problem:
        return Problem(f"{self.path}, row {row}", id_ or "?", reason, kind)

    def _leave_out(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        """Report a row that becomes no product, whose product is then one that cannot be given now."""
        self._report(row, id_, kind, reason)
        if id_:
            self.unavailable.add(id_)
        else:
            self.is_whole = False

    def _product(self, row: FeedRow) -> FeedProduct:
        everything = "".join(row.values.values())
        if "\0" in everything:
            id_ = row.id
            raise _UnusableError(
                FeedProblem.UNREADABLE, "" if "\0" in id_ else id_, "holds NUL bytes; write the feed again"
            )
        fields = self._columns.renamed(row.values)
        fields.pop("id", None)
        id_ = _checked_id(row.id)
        if len(everything) > MAX_TITLE:
            self._shorten(row.row, id_, fields)
        category = _category(id_, fields)
        image = fields.pop("image_link", "")
        if not image or len(image) > MAX_LINK:
            reason = "has no picture; give image_link" if not image else "its image_link is too long; mend it"
            raise _UnusableError(FeedProblem.NO_PICTURE, id_, reason)
        title = fields.pop("title", None)
        self._normalise(row.row, id_, fields)
        title = " ".join(title.split()) if title else None
        return FeedProduct(row.row, id_, category, title, image, fields, row.digest)

    def _shorten(self, row: int, id_: str, fields: dict[str, str]) -> None:
        for name, text in fields.items():
            most = MAX_TITLE if name == "title" else MAX_FIELD
            if len(text) > most:
                fields[name] = text[:most]
                reason = f"its {name} of {len(text):,} characters is cut to {most:,}"
                self._report(row, id_, FeedProblem.TOO_LONG, reason)

    def _normalise(self, row: int, id_: str, fields: dict[str, str]) -> None:
        """Bring fields that filters know into their form; a product goes without one that is not usable."""
        unusable: dict[str, str] = {}
        for name in ("price", "sale_price"):
            if name in fields:
                try:
                    fields[name] = _price(fields[name], self._options.currency)
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
            unusable["link"] = f"{fields['link'][:40]!r} is no link; write https://..."
        for name, reason in unusable.items():
            del fields[name]
            self._report(row, id_, FeedProblem.UNUSABLE_FIELD, f"goes without {name}: {reason}")


class _UnusableError(Exception):
    """A row that cannot become a product, why, and whose it is."""

    def __init__(self, kind: FeedProblem, id_: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.id = id_


_price = lru_cache(4096)(canonical_price)


def _id(text: str) -> str:
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _checked_id(text: str) -> str:
    if not text:
        raise _UnusableError(FeedProblem.UNUSABLE_ID, "", "has no id; give it one")
    if len(text) > MAX_ID or not text.isprintable():
        raise _UnusableError(
            FeedProblem.UNUSABLE_ID, "", f"its id {text[:40]!r} is too long, or no printable text; mend it"
        )
    return text


def _category(id_: str, fields: dict[str, str]) -> str:
    """The first field that is a path; the others stay fields. Numbers of Google's taxonomy are no paths."""
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
