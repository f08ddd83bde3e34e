"""Prices as shops of many countries write them, and the dates of sales."""

import html
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

_TABLES = tomllib.loads(Path(__file__).with_name("currencies.toml").read_text(encoding="utf-8"))
CURRENCIES = {code: int(places) for places, codes in _TABLES["decimals"].items() for code in codes.split()}
"""The currency codes of ISO 4217 that shops use, and the number of decimals that shops write."""
_WHOLE, _COMMAS, _ABBREVIATIONS = (
    frozenset(_TABLES[name].split()) for name in ("whole", "commas", "abbreviations")
)
_SIGNS: dict[str, str] = {sign: codes for codes, signs in _TABLES["signs"].items() for sign in signs.split()}
"""Signs and abbreviations in lower case, and the currencies that they stand for."""

_CANONICAL = re.compile(r"(?:0|[1-9][0-9]{0,14})\.[0-9]{2} ([A-Z]{3})")
_PRICE = re.compile(
    r"(?P<before>[^0-9]*?)(?P<sign>[+-]?)(?P<digits>[.,]?[0-9](?:[0-9.,' ]*[0-9])?)"
    r"(?P<whole>[.,:] ?[-–—]{1,2})?(?:/[-=])?(?P<after>[^0-9]*)"
)
_MARKS = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_PUNCTUATION = str.maketrans("’，．٬٫", "',.,.")
_TOKEN = re.compile(r"[^\W\d_]+|[^\w\s.]")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}([.,' ])[0-9]{3}(?:\1[0-9]{3})*|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}")
"""Thousands in groups of three, or as in India: `1,29,900`."""
_CUT_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{1,2}")
"""What spreadsheets make of thousands: `12.99` of `12.990`."""
_LAST_SEPARATOR = re.compile(r"(.*)([.,])(.*)")


class UnusablePriceError(ValueError):
    """A text is not a price."""

    def __init__(self, text: str, reason: str, advice: str = "Write it as '49.90 EUR'.") -> None:
        super().__init__(f"{text[:40]!r} {reason}. {advice}")
        self.reason = reason


@lru_cache(4096)
def canonical_price(text: str, currency: str | None = None) -> str:
    """Return a price as amount and currency: "1.299,5 €" becomes "1299.50 EUR".

    The sign, abbreviation or code of the currency may stand before or after the amount, with or without a
    dot. The last `.` or `,` separates decimals, unless exactly three digits follow it. These are ambiguous:
    "1.299" is 1,299 in some countries and 1.299 in others. They are refused, except after a comma where no
    country of the currency writes decimals so (1,299 USD), in a currency with three decimals (12.500 KWD) or
    without decimals (12.500 JPY is 12,500), or after another separator. In a currency without decimals,
    "12.99" is ambiguous too: spreadsheets make it of 12.990.

    Args:
        text: the price in the feed.
        currency: the currency of prices without one, and of signs that several currencies use.

    Raises:
        UnusablePriceError: the text is not an amount, can be two amounts, or has no known currency.
    """
    if (usual := _CANONICAL.fullmatch(text)) and CURRENCIES.get(usual[1]) == 2 and usual[1] not in _WHOLE:
        return text
    plain = html.unescape(text) if "&" in text else text
    if not plain.isascii():  # digits of other scripts; not those of "49⁹⁰"
        plain = "".join(str(unicodedata.decimal(each, each)) for each in plain.translate(_PUNCTUATION))
    plain = " ".join(_MARKS.sub("", plain).split())
    found = _PRICE.fullmatch(plain)
    if not found:
        raise UnusablePriceError(text, "is not a price")
    before, after, digits = found["before"].strip(), found["after"].strip(), found["digits"]
    code = _code((before, after), text, currency)
    if found["sign"] == "-":
        raise UnusablePriceError(text, "is below zero")
    if digits[0] in ".," and (before or digits[0] == ","):
        if digits[1:].isdigit() and (digits[0] == "," or before.casefold() not in _ABBREVIATIONS):
            reason = f"is ambiguous (0.{digits[1:]} or {digits[1:]})"
            raise UnusablePriceError(text, reason, "Write it as '49.90 EUR'.")
        digits = digits[1:]
    amount = _grouped(digits, text) if found["whole"] else _amount(digits, text, code)
    places = CURRENCIES[code]
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and (exponent > -places or amount == round(amount, places)):
        amount = round(amount, places)
    return f"{amount:f} {code}"


def _code(around: tuple[str, str], text: str, currency: str | None) -> str:
    """Return the one currency that all words before and after an amount can stand for."""
    possible: set[str] | None = None
    joined = [side.replace(" ", "") for side in around]  # "US $", "F CFA"
    words = (
        word
        for side, word in zip(around, joined, strict=True)
        for word in ([word] if _currencies(word.rstrip(".:").casefold()) else side.split())
    )
    for word in words:
        name = word.rstrip(".:").casefold()
        for part in [name] if _currencies(name) else _TOKEN.findall(name):
            known = _currencies(part)
            if not known:
                reason = f"has the unknown currency {part.upper()[:20]!r}"
                raise UnusablePriceError(text, reason, "Use a code such as EUR or USD.")
            possible = known if possible is None else possible & known
    if possible is not None and not possible:
        raise UnusablePriceError(text, "names two currencies")
    if possible is not None and len(possible) == 1:
        return next(iter(possible))
    if currency is None:
        raise UnusablePriceError(text, "has no currency")
    if possible is not None and currency not in possible:
        raise UnusablePriceError(text, f"is not in {currency}", "Write its currency, as in '49.90 EUR'.")
    return currency


def _currencies(name: str) -> set[str]:
    return {name.upper()} if name.upper() in CURRENCIES else set(_SIGNS.get(name, "").split())


def _amount(digits: str, text: str, code: str) -> Decimal:
    """Return the amount of digits with separators. Separators that can mean two amounts are refused."""
    found = _LAST_SEPARATOR.fullmatch(digits)
    if not found:
        return _grouped(digits, text)
    whole, separator, decimals = found.groups()
    if len(decimals) == 3 and separator in whole and _GROUPED.fullmatch(digits):
        return _grouped(digits, text)
    if len(decimals) == 3 and not (CURRENCIES[code] == 3 and separator == "."):
        other = re.search("[.,' ]", whole)
        is_english = separator == "," and CURRENCIES[code] != 3 and code not in _COMMAS
        if (is_english or CURRENCIES[code] == 0 or code in _WHOLE) and _GROUPED.fullmatch(digits):
            return _grouped(digits, text)
        if not other and whole != "0":
            reason = f"is ambiguous ({whole or 0}.{decimals} or {whole}{decimals})"
            raise UnusablePriceError(text, reason, "Write it with two decimals.")
    if decimals and not decimals.isdigit():
        raise UnusablePriceError(text, "is not an amount")
    if len(decimals) > 6:
        raise UnusablePriceError(text, "has too many digits")
    if (CURRENCIES[code] == 0 or code in _WHOLE) and _CUT_THOUSANDS.fullmatch(digits) and decimals.strip("0"):
        reason = f"is ambiguous ({digits} or {whole}{decimals:0<3})"
        raise UnusablePriceError(text, reason, f"Write it without decimals: {code} has none in shops.")
    return _grouped(whole or "0", text) + Decimal(f"0.{decimals or 0}")


def _grouped(digits: str, text: str) -> Decimal:
    if not (digits.isdigit() or _GROUPED.fullmatch(digits)):
        raise UnusablePriceError(text, "is not an amount")
    plain = re.sub("[.,' ]", "", digits)
    if len(plain) > 15:
        raise UnusablePriceError(text, "has too many digits")
    return Decimal(plain)


def currency_of(price: str) -> str:
    """Return the currency of a canonical price; "" if the text is not one."""
    code = price.rpartition(" ")[2]
    return code if code in CURRENCIES else ""


def is_price(field: str) -> bool:
    """Return whether a field is an amount of money: price, sale_price, regular_price and the like."""
    return field == "price" or field.endswith("_price")


SALE_DATES = "sale_price_effective_date"
"""The field with the dates of a sale: `START/END`. Either may be missing."""


def joined_dates(first: str, last: str) -> str:
    """Return the first and the last day of a sale as one text; "" without both. At midnight, it is a day."""
    last = _MIDNIGHT.sub("", last.strip())
    return f"{first.strip() or '..'} / {last or '..'}" if first.strip() or last else ""


_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:\.0+)?)?$")


def canonical_dates(text: str) -> str:
    """Return the dates of a sale as two times in UTC: "2026-01-01T00:00+0100/2026-01-31" and the like.

    Times without a zone are in UTC. A date is the whole day, so a sale ends after its last day. An open end
    is empty, "..", or a date that databases keep for none: 0000-00-00, 0001-01-01 or a day of 9999.

    Raises:
        ValueError: the text is not two dates, or the sale ends before it starts.
    """
    between = next((each for each in (" / ", "/", " - ") if each in text), "/")
    start, separator, end = (part.strip() for part in text.partition(between))
    advice = "Write it as 2026-01-01T00:00+0100/2026-01-31T23:59+0100"
    read = []
    for part, is_end in ((start, False), (end, True)):
        try:
            read.append(_time(part, is_end=is_end))
        except (ValueError, OverflowError) as error:
            wrong = f"{part[:60]!r} is not a date" if between == " / " else f"{text[:60]!r} is not two dates"
            raise ValueError(f"{wrong}. {advice}.") from error
    begins, ends = read
    if not separator or begins is ends is None:
        raise ValueError(f"{text[:60]!r} is not two dates. {advice}.")
    if begins and ends and ends <= begins:
        raise ValueError(f"{text[:60]!r} ends before it starts. {advice}.")
    return "/".join("" if each is None else f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (begins, ends))


def _time(text: str, *, is_end: bool = False) -> datetime | None:
    if text in ("", "..") or text.startswith(("0000-00-00", "0001-01-01")):
        return None
    if is_end and text.startswith("9999-"):
        return datetime(9999, 12, 31, tzinfo=UTC)
    if re.fullmatch(r"[0-9]{10,}", text):
        raise ValueError(text)
    read = datetime.fromisoformat(re.sub(r"(?<=[0-9])\s+(?=[+-][0-9]|Z$)", "", text))
    if is_end and ":" not in text and "T" not in text.upper():
        read += timedelta(days=1)
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


@lru_cache(65_536)
def sale_period(dates: str) -> tuple[float, float]:
    """Return from when until when a sale counts, in seconds since 1970. Unreadable dates are never."""
    try:
        start, end = canonical_dates(dates).split("/") if dates else ("", "")
    except ValueError:
        return float("inf"), float("inf")
    begins, ends = _time(start), _time(end)
    return begins.timestamp() if begins else float("-inf"), ends.timestamp() if ends else float("inf")


def sale_at(fields: Mapping[str, str], at: float) -> str:
    """Return the sale price of a product that holds at a time; "" if there is none."""
    sale = fields.get("sale_price", "")
    if not sale or SALE_DATES not in fields:
        return sale
    start, end = sale_period(fields[SALE_DATES])
    return sale if start <= at < end else ""


def why_no_sale(price: str | None, sale: str) -> str:
    """Return why a canonical sale price cannot count; "" if it can."""
    amount, currency = sale.split()
    if not Decimal(amount):
        return "is zero"
    if price is None:
        return ""
    regular, other = price.split()
    if other != currency:
        return f"is in another currency than the price {price}"
    return "" if Decimal(amount) <= Decimal(regular) else f"is above the price {price}"
