"""The fields of a product: which column each is, and how prices and availability are written."""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds.readers import column_name


class FeedProblem(StrEnum):
    """What sort of problem a row has: `Problem.kind` of everything that is reported of feeds."""

    UNREADABLE = "unreadable row"
    UNUSABLE_ID = "unusable id in a feed"
    REPEATED_ID = "repeated id"
    NO_CATEGORY = "row without category"
    NO_PICTURE = "row without picture"
    NOT_FETCHED = "picture not fetched"
    TOO_LONG = "text too long"
    UNUSABLE_FIELD = "unusable field"


KEPT = frozenset({FeedProblem.TOO_LONG, FeedProblem.UNUSABLE_FIELD})
"""What is wrong with rows that become products all the same."""


CATEGORY_FIELDS = ("category", "google_product_category", "product_type")
FIELDS = (
    *("id", "title", *CATEGORY_FIELDS, "image_link", "price", "sale_price"),
    *("availability", "brand", "gender", "item_group_id", "link"),
)
"""The fields that have a meaning here; any other column is kept as a field of its own name."""

_ALIASES = {
    "title": ("name",),
    "image_link": ("image", "image_url", "picture"),
    "link": ("url",),
}
"""Other names for a field, taken where a row has not the field itself."""


class Columns:
    """Renames columns to fields: those that were named, and a few that everybody knows."""

    def __init__(self, named: Mapping[str, str] | None = None) -> None:
        """Take the names of columns by field; UsageError for a field that has no meaning."""
        for field in named or {}:
            if field not in FIELDS:
                raise UsageError(f"--field {field}=...: no such field; choose one of {', '.join(FIELDS)}")
        self._named = {field: column_name(column) for field, column in (named or {}).items()}
        self._aliases = {field: names for field, names in _ALIASES.items() if field not in self._named}

    @property
    def id(self) -> str:
        """The column that holds ids."""
        return self._named.get("id", "id")

    @property
    def images(self) -> tuple[str, ...]:
        """The columns that may hold the picture; the first one that is not empty does."""
        if "image_link" in self._named:
            return (self._named["image_link"],)
        return ("image_link", *_ALIASES["image_link"])

    def renamed(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return a row's texts by field, trimmed, without the empty ones."""
        texts = {name: text for name, value in values.items() if (text := value.strip())}
        if self._named:
            named = {field: texts.get(column) for field, column in self._named.items()}
            for name in (*self._named.values(), *self._named):
                texts.pop(name, None)
            texts.update((field, text) for field, text in named.items() if text)
        for field, names in self._aliases.items():
            if field not in texts:
                for name in names:
                    if name in texts:
                        texts[field] = texts.pop(name)
                        break
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


_MEANT = {
    "in_stock": "instock available availablefororder limitedavailability onlineonly instoreonly",
    "out_of_stock": "outofstock soldout unavailable notavailable discontinued",
    "preorder": "preorder presale",
    "backorder": "backorder backordered",
}
_BY_SPELLING = {spelling: word for word, spellings in _MEANT.items() for spelling in spellings.split()}


@lru_cache(1024)
def canonical_availability(text: str) -> str | None:
    """Return `in_stock`, `out_of_stock`, `preorder` or `backorder`; None where the text is none of them.

    Case, spaces and hyphens do not matter, and schema.org's `https://schema.org/InStock` is understood.
    """
    word = text.casefold().rpartition("/")[2]
    return _BY_SPELLING.get("".join(character for character in word if character.isalpha()))


THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_WITHOUT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_TWO = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP "
    "MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD "
    "SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "VES WST XCD XCG YER ZAR ZMW ZWG "
)
NO_DECIMALS = frozenset(_WITHOUT.split())
_TWO_DECIMALS = frozenset(_WITH_TWO.split())
CURRENCIES = THREE_DECIMALS | NO_DECIMALS | _TWO_DECIMALS
"""The codes of ISO 4217 that shops may use."""

_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₺": "TRY", "₽": "RUB", "₩": "KRW", "₪": "ILS", "zł": "PLN"}
"""Signs that stand for one currency; $, ¥ and kr stand for several, so the feed's own currency says which."""
_AMBIGUOUS = ("$", "¥", "kr", "kr.", "Kr", "Kr.")
_PRICE = re.compile(r"([^0-9\s.,+-]*)\s*([+-]?[0-9.,'’ \u00a0\u202f]*[0-9])\s*([^0-9\s,+-]*)")
_CANONICAL = re.compile(r"(?:0|[1-9][0-9]{0,14})\.[0-9]{2} ([A-Z]{3})")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}([.,])[0-9]{3}(\1[0-9]{3})*")


class UnusablePriceError(ValueError):
    """A text is not a price; the message says why and what to write."""


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
    if (usual := _CANONICAL.fullmatch(text)) and usual[1] in _TWO_DECIMALS:
        return text
    found = _PRICE.fullmatch(text.strip())
    if not found:
        raise UnusablePriceError(f"{text[:40]!r} is not a price; write it as '49.90 EUR'")
    before, digits, after = found.groups()
    code = _code(before or after, text, currency)
    if before and after:
        raise UnusablePriceError(f"{text[:40]!r} names two currencies; write it as '49.90 EUR'")
    amount = _amount(digits, text, code)
    places = 3 if code in THREE_DECIMALS else 0 if code in NO_DECIMALS else 2
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and (exponent > -places or amount == round(amount, places)):
        amount = round(amount, places)
    return f"{amount:f} {code}"


def _code(said: str, text: str, currency: str | None) -> str:
    code = _SIGNS.get(said, said.upper())
    if not said or said in _AMBIGUOUS:
        if currency is None:
            raise UnusablePriceError(
                f"{text[:40]!r} does not say its currency; write it as '49.90 EUR', or give --currency"
            )
        return currency
    if code not in CURRENCIES:
        raise UnusablePriceError(
            f"{text[:40]!r}: {said[:20]!r} is not a currency; write its code, such as EUR or USD"
        )
    return code


def _amount(digits: str, text: str, code: str) -> Decimal:
    plain = re.sub(r"['’\s]", "", digits)
    if plain.startswith("-"):
        raise UnusablePriceError(f"{text[:40]!r} is below zero; write it as '49.90 EUR'")
    plain = plain.removeprefix("+")
    whole, separator, decimals = _split(plain)
    if separator and len(decimals) == 3 and code not in THREE_DECIMALS:
        if not _THOUSANDS.fullmatch(plain) or plain.count(".") == 1:
            raise UnusablePriceError(
                f"{text[:40]!r} may mean {whole}.{decimals} or {whole}{decimals}; write two decimals"
            )
        whole, decimals = plain, ""
    groups = re.split(r"[.,]", whole)
    if len(groups) > 1 and not _THOUSANDS.fullmatch(whole):
        raise UnusablePriceError(f"{text[:40]!r} is not an amount; write it as '49.90 EUR'")
    if len(whole) > 15 or len(decimals) > 6:
        raise UnusablePriceError(f"{text[:40]!r} has too many digits; write it as '49.90 EUR'")
    return Decimal(f"{''.join(groups) or '0'}.{decimals or '0'}")


def _split(plain: str) -> tuple[str, str, str]:
    """What stands before and after the last separator."""
    place = max(plain.rfind("."), plain.rfind(","))
    return (plain, "", "") if place < 0 else (plain[:place], plain[place], plain[place + 1 :])
