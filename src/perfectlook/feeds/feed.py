"""A feed: a product for each of its rows, and what is wrong with the other rows."""

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
"""Characters. A longer title or field is cut; a longer id, category or link to a picture is refused."""

MEANING = 1
"""Raise this when the same row comes to mean another product: every row is then read in full again."""

IsUnchanged: TypeAlias = Callable[[str, str, str], bool]
"""Whether a product is known to be unchanged, given its id, the path of its picture, and its digest."""


class FeedProblem(StrEnum):
    """What sort of problem a row has: `Problem.kind` of everything that is reported of feeds."""

    UNREADABLE = "unreadable row"
    UNUSABLE_ID = "unusable id in a feed"
    REPEATED_ID = "repeated id"
    NO_CATEGORY = "row without category"
    NO_PICTURE = "row without picture"
    TOO_LONG = "text too long"
    UNUSABLE_FIELD = "unusable field"


KEPT = frozenset({FeedProblem.TOO_LONG, FeedProblem.UNUSABLE_FIELD})
"""What is wrong with rows that become products all the same."""


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
        """Ids of the rows that have no product; "" stands for those whose id is unknown."""

    @property
    def unavailable(self) -> frozenset[str] | None:
        """Ids of products that the feed has but cannot describe; None if it has rows whose id is unknown."""
        return None if "" in self._unusable else frozenset(self._unusable)

    def products(self, is_unchanged: IsUnchanged | None = None) -> Iterator[Product]:
        """Yield the product of every row that has one, in the order of rows; of one id the first counts.

        A row whose product `is_unchanged` is passed over after a glance.

        Raises:
            FeedError: the file cannot be read as the feed that it should be.
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
                self._report(row.number, id_, FeedProblem.REPEATED_ID, "comes again; the first counts")
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
        """Every row that can be read, and a digest: while it is the same, the row means the same product."""
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
        except FeedError as error:  # a fetched feed is known by its URL
            raise FeedError(str(error).replace(str(self._path), self.name)) from error

    def _product(self, row: FeedRow, id_: str, digest: str) -> Product:
        """The product of a row; what it has to go without is reported."""
        before = len(self.problems)
        everything = "".join(row.values.values())
        if "\0" in everything:
            known = "" if "\0" in id_ else id_
            raise _UnusableError(known, FeedProblem.UNREADABLE, "holds NUL bytes; write the feed again")
        fields = self._columns.renamed(row.values)
        fields.pop("id", None)
        if not id_:
            raise _UnusableError("", FeedProblem.UNUSABLE_ID, "has no id; give it one")
        if len(id_) > MAX_ID or not id_.isprintable():
            reason = (
                f"its id {id_[:40]!r} is too long or not printable; use up to {MAX_ID} printable characters"
            )
            raise _UnusableError("", FeedProblem.UNUSABLE_ID, reason)
        if len(everything) > MAX_TITLE:
            self._shorten(row.number, id_, fields)
        category = _category(id_, fields)
        picture = self._picture(id_, fields.pop("image_link", ""))
        title = " ".join(fields.pop("title", "").split()) or None
        self._normalise(row.number, id_, fields)
        # what is wrong with a row is reported every time, so the row must be looked at every time
        return Product(id_, category, picture, title, fields, digest if len(self.problems) == before else "")

    def _picture(self, id_: str, image: str) -> Path:
        """Where the picture of a product is, or will be once it is fetched."""
        if not image or len(image) > MAX_LINK:
            reason = "its image_link is too long; shorten it" if image else "has no picture; give image_link"
            raise _UnusableError(id_, FeedProblem.NO_PICTURE, reason)
        place = self._place(image)
        if place is None:
            reason = (
                "only http:// and https:// are fetched; correct the link"
                if self._url or _is_url(image)
                else "lies outside the feed's folder, which only --allow-outside allows"
            )
            raise _UnusableError(id_, FeedProblem.NO_PICTURE, f"{image[:80]}: {reason}")
        return Path(place)

    def _place(self, image: str) -> str | None:
        """The path of a picture; None if it may not be used."""
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
                reason = f"its {name} of {len(text):,} characters is cut to {most:,}"
                self._report(row, id_, FeedProblem.TOO_LONG, reason)

    def _normalise(self, row: int, id_: str, fields: dict[str, str]) -> None:
        """Bring fields that filters know into their form; leave out those that cannot be used."""
        for name, in_form in self._forms.items():
            if name in fields:
                try:
                    fields[name] = in_form(fields[name])
                except ValueError as error:
                    del fields[name]
                    self._report(row, id_, FeedProblem.UNUSABLE_FIELD, f"goes without {name}: {error}")

    def _leave_out(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        """Report a row without a product: its product is one that the feed cannot give now."""
        self._report(row, id_, kind, reason)
        self._unusable.add(id_)

    def _report(self, row: int, id_: str, kind: FeedProblem, reason: str) -> None:
        self.problems.append(Problem(f"{self.name}, row {row}", id_ or "?", reason, kind))


class _UnusableError(Exception):
    """A row that cannot become a product: the product's id ("" if that is not known), the kind, and why."""


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
        raise ValueError(f"{text[:40]!r} is not a link; write https://...")
    return text


CATEGORY_FIELDS = ("category", "google_product_category", "product_type")
FIELDS = (
    *("id", "title", *CATEGORY_FIELDS, "image_link", "price", "sale_price"),
    *("availability", "brand", "gender", "item_group_id", "link"),
)
"""The fields that have a meaning here; any other column is kept as a field of its own name."""

_ALIASES = {"title": ("name",), "image_link": ("image", "image_url", "picture"), "link": ("url",)}
"""Other names for a field, taken where a row has not the field itself."""


class Columns:
    """Renames columns to fields: those that were named, and a few that everybody knows.

    Attributes:
        id: the column that holds ids.
        images: the columns that may hold the picture; the first one that is not empty does.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        """Take the names of columns by field; UsageError for a field that has no meaning."""
        for field in named:
            if field not in FIELDS:
                raise UsageError(f"--field {field}=...: no such field; choose one of {', '.join(FIELDS)}")
        self._named = {field: column_name(column) for field, column in named.items()}
        self._aliases = {field: names for field, names in _ALIASES.items() if field not in named}
        self.id = self._named.get("id", "id")
        self.images = (self._named.get("image_link", "image_link"), *self._aliases.get("image_link", ()))

    def renamed(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return a row's texts by field, trimmed, without the empty ones."""
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
        """Raise FeedError where a column was named that the feed has not, or one is missing that it needs."""
        has = f"it has {', '.join(list(present)[:30])}"
        for field, column in self._named.items():
            if column not in present:
                raise FeedError(f"{feed}: no column '{column}' (--field {field}={column}); {has}")
        fields = self.renamed(dict.fromkeys(present, "?"))
        for needed in (("id",), ("image_link",), CATEGORY_FIELDS):
            if not any(field in fields for field in needed):
                raise FeedError(
                    f"{feed}: no column '{needed[0]}'; {has}; name the one that holds it: "
                    f"--field {needed[0]}=COLUMN"
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

    Case, spaces and hyphens do not matter, and schema.org's `https://schema.org/InStock` is understood.
    """
    word = "".join(filter(str.isalpha, text.casefold().rpartition("/")[2]))
    if word not in _BY_SPELLING:
        raise ValueError(f"{text[:40]!r} is none of {', '.join(_AVAILABILITY)}")
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
"""The codes of ISO 4217 that shops may use, and how many decimals their amounts have."""

_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₺": "TRY", "₽": "RUB", "₩": "KRW", "₪": "ILS", "zł": "PLN"}
"""Signs that stand for one currency; $, ¥ and kr stand for several, so the feed's own currency says which."""
_AMBIGUOUS = ("", "$", "¥", "kr", "kr.", "Kr", "Kr.")
_PRICE = re.compile(r"([^0-9\s.,+-]*)\s*([+-]?[0-9.,'’ \u00a0\u202f]*[0-9])\s*([^0-9\s,+-]*)")
_CANONICAL = re.compile(r"(?:0|[1-9][0-9]{0,14})\.[0-9]{2} ([A-Z]{3})")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}([.,])[0-9]{3}(\1[0-9]{3})*")
_LAST_SEPARATOR = re.compile(r"(.*)([.,])(.*)")


class UnusablePriceError(ValueError):
    """A text is not a price; the message says why and what to write."""

    def __init__(self, text: str, reason: str, advice: str = "write it as '49.90 EUR'") -> None:
        super().__init__(f"{text[:40]!r} {reason}; {advice}")


@lru_cache(4096)
def canonical_price(text: str, currency: str | None = None) -> str:
    """Return a price as amount and currency: "1.299,5 €" becomes "1299.50 EUR".

    The last of `.` and `,` separates decimals unless exactly three digits follow it. Three after a comma are
    thousands (1,299); after a point they are refused, for "1.299" is 1,299 in one country and 1.299 in
    another, except where a currency has three decimals or another separator stands before.

    Args:
        text: what the feed has.
        currency: that of prices which name none.

    Raises:
        UnusablePriceError: it is not an amount, or not in a known currency.
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
            advice = "write it as '49.90 EUR', or give --currency"
            raise UnusablePriceError(text, "does not say its currency", advice)
        return currency
    code = _SIGNS.get(said, said.upper())
    if code not in CURRENCIES:
        reason = f"has an unknown currency, {said[:20]!r}"
        raise UnusablePriceError(text, reason, "write its code, such as EUR or USD")
    return code


def _amount(digits: str, text: str, code: str) -> Decimal:
    plain = re.sub(r"['’\s]", "", digits).removeprefix("+")
    if plain.startswith("-"):
        raise UnusablePriceError(text, "is below zero")
    found = _LAST_SEPARATOR.fullmatch(plain)
    whole, separator, decimals = found.groups() if found else (plain, "", "")
    if separator and len(decimals) == 3 and CURRENCIES[code] != 3:
        if not _THOUSANDS.fullmatch(plain) or plain.count(".") == 1:
            reason = f"may mean {whole}.{decimals} or {whole}{decimals}"
            raise UnusablePriceError(text, reason, "write two decimals")
        whole, decimals = plain, ""
    groups = re.split(r"[.,]", whole)
    if len(groups) > 1 and not _THOUSANDS.fullmatch(whole):
        raise UnusablePriceError(text, "is not an amount")
    if len(whole) > 15 or len(decimals) > 6:
        raise UnusablePriceError(text, "has too many digits")
    return Decimal(f"{''.join(groups) or '0'}.{decimals or '0'}")
