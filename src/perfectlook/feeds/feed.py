"""A feed: one product for each usable row, and a problem for each other row."""

import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias, TypedDict, Unpack
from urllib.parse import urljoin

from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds.pictures import PictureCache
from perfectlook.feeds.readers import FeedRow, UnreadableRow, column_name, format_of
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem, Product

MAX_ID = 200
MAX_TITLE = 1_000
MAX_FIELD = 10_000
MAX_LINK = 2_000
"""Limits in characters. Longer titles and fields are cut. Longer ids, categories and links are refused."""

MEANING = 1
"""Raise this when the same row gives another product than before. Every row is then read in full again."""

IsUnchanged: TypeAlias = Callable[[str, str, str], bool]
"""Whether a product is unchanged, given its id, the path of its picture, and its digest."""


class FeedProblem(StrEnum):
    """The kinds of problems of feeds (`Problem.kind`)."""

    UNREADABLE = "unreadable row"
    UNUSABLE_ID = "unusable id in a feed"
    REPEATED_ID = "repeated id"
    NO_CATEGORY = "row without category"
    NO_PICTURE = "row without picture"
    TOO_LONG = "text too long"
    UNUSABLE_FIELD = "unusable field"


KEPT = frozenset({FeedProblem.TOO_LONG, FeedProblem.UNUSABLE_FIELD})
"""Kinds of problems whose rows still become products."""


class FeedOptions(TypedDict, total=False):
    """Options for reading and fetching a feed. The flags of the command line have the same names.

    Attributes:
        fields: column names by field, for columns with other names (`--field`).
        format: one of `FORMATS`, by default from the media type or the suffix of the name.
        currency: the currency of prices without one.
        allow_outside: whether pictures may be outside the folder of the feed.
        allow_private: whether private, loopback and link-local addresses are allowed.
        connections: the number of pictures fetched at the same time, by default 8.
    """

    fields: Mapping[str, str] | None
    format: str | None
    currency: str | None
    allow_outside: bool
    allow_private: bool
    connections: int


class Feed:
    """The products of a file. A row that cannot be used becomes a problem, and the others continue.

    `problems` is complete after `products` has ended.
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
        """Open a feed. The file is read by `products`.

        Args:
            path: the file.
            pictures: the cache of pictures at URLs.
            url: the URL of a fetched file. The paths of pictures are then relative to it.
            media_type: the media type that the server declared.
            options: see `FeedOptions`.

        Raises:
            FeedError: the format is unknown.
            UsageError: a field or the currency is unknown.
        """
        fields, currency = options.get("fields") or {}, options.get("currency")
        if currency is not None and currency not in CURRENCIES:
            raise UsageError(f"--currency {currency}: unknown currency. Use a code such as EUR or USD.")
        self.name = url or str(path)
        self.problems: list[Problem] = []
        self.pictures = pictures
        self._path = path
        self._url = url
        self._folder = str(path.absolute().parent)
        self._allow_outside = options.get("allow_outside", False)
        named = self.name.partition("?")[0] if url else self.name
        self._format = format_of(named, options.get("format"), media_type)
        self._columns = Columns(fields)
        price = partial(canonical_price, currency=currency)
        self._forms: dict[str, Callable[[str], str]] = {
            "price": price,
            "sale_price": price,
            "availability": canonical_availability,
            "gender": str.lower,
            "link": _web_link,
        }
        context = f"{url or self._folder}\n{pictures.folder}"
        meaning = ascii((MEANING, sorted(fields.items()), currency, context))
        self._digest = blake2b(meaning.encode(), digest_size=16)
        self._unusable: set[str] = set()
        """Ids of the rows without a product; "" stands for rows with an unknown id."""

    @property
    def unavailable(self) -> frozenset[str] | None:
        """Ids of products whose rows cannot be used; None if one of these rows has an unknown id."""
        return None if "" in self._unusable else frozenset(self._unusable)

    def products(self, is_unchanged: IsUnchanged | None = None) -> Iterator[Product]:
        """Yield the products of the usable rows, in order. Of rows with the same id, the first is used.

        Rows for which `is_unchanged` returns True are skipped before they are read in full.

        Raises:
            FeedError: the file is not a feed of its format, or lacks a column.
            MissingExtraError: its format needs a library that is not installed.
        """
        self.problems, self._unusable = [], set()
        seen: set[str] = set()
        for row, digest in self._rows():
            values = row.values
            id_ = values.get(self._columns.id, "").strip()
            if not id_.isascii():
                id_ = unicodedata.normalize("NFC", id_)
            if id_ in seen:
                reason = "the id occurs twice, and the first row is used. Remove one of the two rows."
                self._report(row.number, id_, FeedProblem.REPEATED_ID, reason)
                continue
            images = (values.get(name, "").strip() for name in self._columns.images)
            image = next(filter(None, images), "")
            if is_unchanged and is_unchanged(id_, self._place(image) or "", digest):
                seen.add(id_)
                continue
            try:
                product = self._product(row, id_, digest)
            except _UnusableError as unusable:
                self._leave_out(row.number, *unusable.args)
            else:
                seen.add(id_)
                self._unusable.discard(id_)
                yield product

    def _rows(self) -> Iterator[tuple[FeedRow, str]]:
        """Yield each readable row and its digest. Rows with the same digest give the same product."""
        is_first = has_columns = self._format.has_columns
        start = self._digest.copy()
        try:
            for row in self._format.read(self._path, self._columns.id):
                if isinstance(row, UnreadableRow):
                    self._leave_out(row.number, row.id or "", FeedProblem.UNREADABLE, row.reason)
                    if row.is_end:
                        self._unusable.add("")
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
        except FeedError as error:  # name a fetched feed by its URL
            raise FeedError(str(error).replace(str(self._path), self.name)) from error

    def _product(self, row: FeedRow, id_: str, digest: str) -> Product:
        """Return the product of a row. Fields that cannot be used are reported."""
        before = len(self.problems)
        everything = "".join(row.values.values())
        if "\0" in everything:
            known = "" if "\0" in id_ else id_
            raise _UnusableError(known, FeedProblem.UNREADABLE, "contains NUL bytes. Export the feed again.")
        fields = self._columns.renamed(row.values)
        fields.pop("id", None)
        if not id_:
            raise _UnusableError("", FeedProblem.UNUSABLE_ID, "has no id. Add an id.")
        if len(id_) > MAX_ID or not id_.isprintable():
            reason = (
                f"its id {id_[:40]!r} is too long or not printable. Use up to {MAX_ID} printable characters."
            )
            raise _UnusableError("", FeedProblem.UNUSABLE_ID, reason)
        if len(everything) > MAX_TITLE:
            self._shorten(row.number, id_, fields)
        category = _category(id_, fields)
        picture = self._picture(id_, fields.pop("image_link", ""))
        title = " ".join(fields.pop("title", "").split()) or None
        self._normalise(row.number, id_, fields)
        # problems are reported in every sync, so a row with problems gets no digest
        return Product(id_, category, picture, title, fields, digest if len(self.problems) == before else "")

    def _picture(self, id_: str, image: str) -> Path:
        """Return the path of the picture of a product, whether it has been fetched or not."""
        if not image or len(image) > MAX_LINK:
            too_long = f"its image_link has {len(image):,} characters. Use up to {MAX_LINK:,}."
            reason = too_long if image else "has no picture. Add an image_link."
            raise _UnusableError(id_, FeedProblem.NO_PICTURE, reason)
        place = self._place(image)
        if place is None:
            reason = (
                "not an http:// or https:// URL. Correct the link."
                if self._url or _is_url(image)
                else "is outside the folder of the feed. Move it there, or pass --allow-outside."
            )
            raise _UnusableError(id_, FeedProblem.NO_PICTURE, f"{image[:80]}: {reason}")
        return Path(place)

    def _place(self, image: str) -> str | None:
        """Return the path of a picture; None if it is not allowed."""
        if self._url and image:
            with suppress(ValueError):
                image = urljoin(self._url, image)
        if image[:8].lower().startswith(_WEB):
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
                reason = f"its {name} of {len(text):,} characters is cut to {most:,}. Shorten it."
                self._report(row, id_, FeedProblem.TOO_LONG, reason)

    def _normalise(self, row: int, id_: str, fields: dict[str, str]) -> None:
        """Convert the fields that filters know to their normal form. Remove those that cannot be used."""
        for name, in_form in self._forms.items():
            if name in fields:
                try:
                    fields[name] = in_form(fields[name])
                except ValueError as error:
                    del fields[name]
                    self._report(row, id_, FeedProblem.UNUSABLE_FIELD, f"{name} is left out: {error}")

    def _leave_out(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        """Report a row without a product, and record its id as unavailable."""
        self._report(row, id_, kind, reason)
        self._unusable.add(id_)

    def _report(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        self.problems.append(Problem(f"{self.name}, {self._format.unit} {row}", id_ or "?", reason, kind))


class _UnusableError(Exception):
    """A row cannot become a product. Its arguments: the id ("" if unknown), the kind and the reason."""


def _category(id_: str, fields: dict[str, str]) -> str:
    """Return the first field that is a path, and remove it from the fields. Numbers are not paths."""
    for name in CATEGORY_FIELDS:
        if name in fields and (path := _path(fields[name])):
            del fields[name]
            return path
    number = fields.get("google_product_category")
    reason = (
        f"its google_product_category {number[:40]!r} is a number. Write its path, or add product_type."
        if number
        else "has no category. Add category, google_product_category or product_type."
    )
    raise _UnusableError(id_, FeedProblem.NO_CATEGORY, reason)


@lru_cache(4096)
def _path(text: str) -> str:
    if text.isdigit() or len(text) > MAX_ID * 2:
        return ""
    return normalise(re.sub(r"\s*>\s*", " > ", text))


_WEB = ("http://", "https://")


def _is_url(image: str) -> bool:
    return "://" in image or image.startswith("//")


def _web_link(text: str) -> str:
    if not text.lower().startswith(_WEB):
        raise ValueError(f"{text[:40]!r} is not a link. Write https://... .")
    return text


CATEGORY_FIELDS = ("category", "google_product_category", "product_type")
FIELDS = (
    *("id", "title", *CATEGORY_FIELDS, "image_link", "price", "sale_price"),
    *("availability", "brand", "gender", "item_group_id", "link"),
)
"""The fields with a defined meaning. Any other column becomes a field with its own name."""

_ALIASES = {"title": ("name",), "image_link": ("image", "image_url", "picture"), "link": ("url",)}
"""Other names for a field, used if a row lacks the field itself."""


class Columns:
    """Renames columns to fields: those given with `--field`, and a few common names.

    Attributes:
        id: the column with the ids.
        images: the columns that may contain the picture. The first one that is not empty is used.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        """Take the column names by field. UsageError for an unknown field."""
        for field in named:
            if field not in FIELDS:
                raise UsageError(f"--field {field}=...: unknown field. Choose one of: {', '.join(FIELDS)}.")
        self._named = {field: column_name(column) for field, column in named.items()}
        self._aliases = {field: names for field, names in _ALIASES.items() if field not in named}
        self.id = self._named.get("id", "id")
        self.images = (self._named.get("image_link", "image_link"), *self._aliases.get("image_link", ()))

    def renamed(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the texts of a row by field, trimmed and without empty ones."""
        texts = {name: text for name, value in values.items() if (text := value.strip())}
        if self._named:
            named = {field: texts.get(column) for field, column in self._named.items()}
            for name in (*self._named.values(), *self._named):
                texts.pop(name, None)
            texts.update((field, text) for field, text in named.items() if text)
        for field, names in self._aliases.items():
            if field not in texts and (present := [name for name in names if name in texts]):
                texts[field] = texts.pop(present[0])
        return texts

    def check(self, feed: str, present: Collection[str]) -> None:
        """Raise FeedError if a column of `--field` or a required column is missing."""
        has = f"it has {', '.join(list(present)[:30])}"
        for field, column in self._named.items():
            if column not in present:
                raise FeedError(f"{feed}: no column '{column}' ({has}). Correct --field {field}={column}.")
        fields = self.renamed(dict.fromkeys(present, "?"))
        for needed in (("id",), ("image_link",), CATEGORY_FIELDS):
            if not any(field in fields for field in needed):
                raise FeedError(
                    f"{feed}: no column '{needed[0]}' ({has}). "
                    f"Name the column with --field {needed[0]}=COLUMN."
                )


_AVAILABILITY = {
    "in_stock": "instock available availablefororder limitedavailability onlineonly instoreonly",
    "out_of_stock": "outofstock soldout unavailable notavailable discontinued",
    "preorder": "preorder presale",
    "backorder": "backorder backordered",
}
_BY_SPELLING = {each: word for word, spellings in _AVAILABILITY.items() for each in spellings.split()}


@lru_cache(1024)
def canonical_availability(text: str) -> str:
    """Return `in_stock`, `out_of_stock`, `preorder` or `backorder`; ValueError for any other text.

    Case, spaces and hyphens do not matter. The form of schema.org, `https://schema.org/InStock`, is accepted.
    """
    word = "".join(filter(str.isalpha, text.casefold().rpartition("/")[2]))
    if word not in _BY_SPELLING:
        raise ValueError(f"unknown availability {text[:40]!r}. Choose one of: {', '.join(_AVAILABILITY)}.")
    return _BY_SPELLING[word]


_BY_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP "
    "MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD "
    "SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "VES WST XCD XCG YER ZAR ZMW ZWG ",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
CURRENCIES = {code: decimals for decimals, codes in _BY_DECIMALS.items() for code in codes.split()}
"""The currency codes of ISO 4217 that shops use, and the number of decimals of their amounts."""

_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₺": "TRY", "₽": "RUB", "₩": "KRW", "₪": "ILS", "zł": "PLN"}
"""Signs of a single currency. $, ¥ and kr stand for several, so the currency of the feed decides."""
_AMBIGUOUS = ("", "$", "¥", "kr", "kr.", "Kr", "Kr.")
_PRICE = re.compile(r"([^0-9\s.,+-]*)\s*([+-]?[0-9.,'’ \u00a0\u202f]*[0-9])\s*([^0-9\s,+-]*)")
_CANONICAL = re.compile(r"(?:0|[1-9][0-9]{0,14})\.[0-9]{2} ([A-Z]{3})")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}([.,])[0-9]{3}(\1[0-9]{3})*")
_LAST_SEPARATOR = re.compile(r"(.*)([.,])(.*)")


class UnusablePriceError(ValueError):
    """A text is not a price."""

    def __init__(self, text: str, reason: str, advice: str = "Write it as '49.90 EUR'.") -> None:
        super().__init__(f"{text[:40]!r} {reason}. {advice}")


@lru_cache(4096)
def canonical_price(text: str, currency: str | None = None) -> str:
    """Return a price as amount and currency: "1.299,5 €" becomes "1299.50 EUR".

    The last `.` or `,` separates decimals, unless exactly three digits follow it. Three digits after a comma
    are thousands (1,299). Three digits after a point are ambiguous: "1.299" is 1,299 in some countries and
    1.299 in others. They are refused, except in a currency with three decimals or after another separator.

    Args:
        text: the price in the feed.
        currency: the currency of prices without one.

    Raises:
        UnusablePriceError: the text is not an amount, or has no known currency.
    """
    if (usual := _CANONICAL.fullmatch(text)) and CURRENCIES.get(usual[1]) == 2:
        return text
    found = _PRICE.fullmatch(text.strip())
    if not found:
        raise UnusablePriceError(text, "is not a price")
    before, digits, after = found.groups()
    code = _code(before or after, text, currency)
    if before and after:
        raise UnusablePriceError(text, "names two currencies")
    amount = _amount(digits, text, code)
    places = CURRENCIES[code]
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and (exponent > -places or amount == round(amount, places)):
        amount = round(amount, places)
    return f"{amount:f} {code}"


def _code(said: str, text: str, currency: str | None) -> str:
    if said in _AMBIGUOUS:
        if currency is None:
            advice = "Write it as '49.90 EUR', or pass --currency."
            raise UnusablePriceError(text, "has no currency", advice)
        return currency
    code = _SIGNS.get(said, said.upper())
    if code not in CURRENCIES:
        reason = f"has the unknown currency {said[:20]!r}"
        raise UnusablePriceError(text, reason, "Use a code such as EUR or USD.")
    return code


def _amount(digits: str, text: str, code: str) -> Decimal:
    plain = re.sub(r"['’\s]", "", digits).removeprefix("+")
    if plain.startswith("-"):
        raise UnusablePriceError(text, "is below zero")
    found = _LAST_SEPARATOR.fullmatch(plain)
    whole, separator, decimals = found.groups() if found else (plain, "", "")
    if separator and len(decimals) == 3 and CURRENCIES[code] != 3:
        if not _THOUSANDS.fullmatch(plain) or plain.count(".") == 1:
            reason = f"is ambiguous ({whole}.{decimals} or {whole}{decimals})"
            raise UnusablePriceError(text, reason, "Write it with two decimals.")
        whole, decimals = plain, ""
    groups = re.split(r"[.,]", whole)
    if len(groups) > 1 and not _THOUSANDS.fullmatch(whole):
        raise UnusablePriceError(text, "is not an amount")
    if len(whole) > 15 or len(decimals) > 6:
        raise UnusablePriceError(text, "has too many digits")
    return Decimal(f"{''.join(groups) or '0'}.{decimals or '0'}")
