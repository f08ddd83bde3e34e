"""The normal forms of the fields of a product."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import TypeAlias, TypedDict

from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds.availability import UNKNOWN, WORDS, canonical_availability
from perfectlook.prices import (
    CURRENCIES,
    SALE_DATES,
    UnusablePriceError,
    canonical_dates,
    canonical_price,
    currency_of,
    is_price,
    why_no_sale,
)
from perfectlook.progress import counted
from perfectlook.texts import clean_line, clean_text

MOST_UNKNOWN = 0.05
"""If a larger share of the availabilities of a source is not understood, a sync stops."""


class FeedProblem(StrEnum):
    """The kinds of problems of feeds (`Problem.kind`)."""

    UNREADABLE = "unreadable row"
    UNUSABLE_ID = "unusable id in a feed"
    REPEATED_ID = "repeated id"
    NO_CATEGORY = "row without category"
    NO_PICTURE = "row without picture"
    TOO_LONG = "text too long"
    UNUSABLE_FIELD = "unusable field"
    QUOTATION_MARKS = "open quotation mark"
    UNKNOWN_AVAILABILITY = "unknown availability"


KEPT = frozenset(
    {
        *(FeedProblem.TOO_LONG, FeedProblem.UNUSABLE_FIELD),
        *(FeedProblem.UNKNOWN_AVAILABILITY, FeedProblem.QUOTATION_MARKS),
    }
)
"""Kinds of problems whose rows still become products."""


UnusableText: TypeAlias = tuple[FeedProblem, str, str]
"""The kind of a problem, the field whose text cannot be used, and why."""


def left_out(kind: FeedProblem, name: str, reason: str) -> str:
    """Return what the report of a source says of a field, whose product it keeps."""
    if kind == FeedProblem.UNKNOWN_AVAILABILITY:
        return f"{reason} Until then, the product is not recommended."
    flag = ", or pass --currency." if " has no currency. " in reason else "."
    return f"{name} is left out: {reason.removesuffix('.')}{flag}"


class CleaningOptions(TypedDict, total=False):
    """How texts of fields are understood.

    Attributes:
        currency: the currency of prices without one.
        availability: what a shop's own availabilities mean, as in {"Lager 2": "in_stock"}.
        unknown_availability: what any other availability that is not understood means. By default those
            products are not recommended.
    """

    currency: str | None
    availability: Mapping[str, str] | None
    unknown_availability: str | None


_NO_OPTIONS: CleaningOptions = {}


class Cleaning:
    """Converts the fields that filters know to their normal form.

    Attributes:
        unknown: the availabilities that were not understood, with their numbers of products.
        default: what they mean; None if the options do not say so.
    """

    def __init__(self, options: CleaningOptions = _NO_OPTIONS) -> None:
        """Use the options. Raises UsageError for an unknown currency or availability."""
        currency, named = options.get("currency"), options.get("availability") or {}
        default = options.get("unknown_availability")
        if currency is not None and currency not in CURRENCIES:
            raise UsageError(f"--currency {currency}: unknown currency. Use a code such as EUR or USD.")
        flags = {f"--availability {text}=": word for text, word in named.items()}
        for flag, word in (flags | ({"--unknown-availability ": default} if default else {})).items():
            if word not in WORDS:
                raise UsageError(f"{flag}{word}: unknown availability. Choose one of: {', '.join(WORDS)}.")
        self.meaning = (currency, sorted(named.items()), default)
        self.unknown: Counter[str] = Counter()
        self._named = {text.strip().casefold(): word for text, word in named.items()}
        self.default = default
        self._currency = currency
        self._forms: dict[str, Callable[[str], str]] = {SALE_DATES: canonical_dates, "gender": str.lower}

    def clean(self, fields: dict[str, str]) -> Iterator[UnusableText]:
        """Convert fields in place, and remove those that cannot be used. Yield these."""
        yield from self.clean_each(fields)
        sale = fields.get("sale_price")
        if sale and (why := why_no_sale(fields.get("price"), sale)):
            del fields["sale_price"]
            reason = f"{sale!r} {why}. Correct it, or leave it empty."
            yield FeedProblem.UNUSABLE_FIELD, "sale_price", reason
        if "sale_price" not in fields:
            fields.pop(SALE_DATES, None)
        if fields.get("item_group_id", "").strip("0.").casefold() in _NO_GROUP:
            fields.pop("item_group_id", None)

    def clean_each(self, fields: dict[str, str]) -> Iterator[UnusableText]:
        """Do the part of `clean` in which fields do not depend on each other."""
        yield from clean_texts(fields)
        forms: dict[str, Callable[[str], str]] = {
            **dict.fromkeys(("price", *filter(is_price, fields)), partial(self._other_amount, fields)),
            **dict.fromkeys(("price", "sale_price"), partial(self._price, fields, self._currency)),
            **self._forms,
        }
        for name, in_form in forms.items():  # the price comes before the others
            if name in fields:
                try:
                    fields[name] = in_form(fields[name])
                except ValueError as error:
                    del fields[name]
                    yield FeedProblem.UNUSABLE_FIELD, name, str(error)
                    if name == SALE_DATES:
                        fields.pop("sale_price", None)
        if text := fields.get("availability"):
            fields["availability"] = self._named.get(text.strip().casefold(), text)
            try:
                fields["availability"] = canonical_availability(fields["availability"])
            except ValueError as error:
                self.unknown[text[:40]] += 1
                fields["availability"] = self.default or UNKNOWN
                if self.default is None:
                    yield FeedProblem.UNKNOWN_AVAILABILITY, "availability", str(error)

    def _other_amount(self, fields: Mapping[str, str], text: str) -> str:
        """Return an amount besides the price, in its currency if it has none. A word, as in "no", stays."""
        if not any(map(str.isdigit, text)):
            return text
        return self._price(fields, self._currency or currency_of(fields.get("price", "")) or None, text)

    def _price(self, fields: Mapping[str, str], currency: str | None, text: str) -> str:
        """Return an amount in its own currency, in the one of a field of the product, or in `currency`."""
        named = fields.get("currency") or fields.get("price_currency") or ""
        if not named or named.upper() in CURRENCIES:
            return canonical_price(text, named.upper() or currency)
        try:
            return canonical_price(text)
        except UnusablePriceError:
            return canonical_price(f"{text} {named[:40]}", currency)

    def summary(self) -> str:
        """Return the availabilities that were not understood, the most frequent first."""
        return ", ".join(f"{text!r} ({number:,})" for text, number in self.unknown.most_common(10))

    def check(self, source: str, count: int) -> None:
        """Raise FeedError if too many of `count` availabilities were not understood."""
        if self.default is None and self.unknown.total() > MOST_UNKNOWN * count:
            example = self.unknown.most_common(1)[0][0]
            raise FeedError(
                f"{source}: {self.unknown.total():,} of {counted(count, 'availability', 'availabilities')} "
                f"not understood: {self.summary()}. Say what they mean with --availability "
                f"'{example}=in_stock', or pass --unknown-availability in_stock."
            )


def clean_texts(fields: dict[str, str]) -> Iterator[UnusableText]:
    """Remove control characters and unsafe links from fields, in place. Yield these links."""
    for given, text in list(fields.items()):
        name = given
        if not (given.isprintable() and text.isprintable()):
            del fields[given]
            name = clean_line(given)
            if name and (text := clean_text(text).strip()):
                fields[name] = text
        if name in fields and name.endswith(_LINKS):
            in_full = "".join(text.split()).lower()  # browsers skip line breaks in addresses
            whole = name in ("link", "image_link")
            if not in_full.startswith(("http://", "https://")) if whole else _UNSAFE.search(in_full):
                del fields[name]
                yield FeedProblem.UNUSABLE_FIELD, name, f"{text[:40]!r} is not a link. Write https://... ."


_LINKS = ("link", "links", "url", "urls", "uri", "href")
_UNSAFE = re.compile(r"(?:^|[,|\[\"'])(?:javascript|vbscript|data|file):")
_NO_GROUP = frozenset({"", "-", "-1", "null", "none", "nan", "n/a", "#n/a", "undefined", "false", "no"})
"""What exports write where a product has no group, besides 0."""
MAX_ID = 200


def unusable_id(id_: str) -> str | None:
    """Return why an id cannot be used, or None. The address of a picture ends in /picture."""
    if not id_:
        return "has no id. Add an id."
    if len(id_) > MAX_ID or not id_.isprintable() or id_.endswith("/picture"):
        return (
            f"its id {id_[:40]!r} is too long, not printable or ends in /picture. "
            f"Use up to {MAX_ID} printable characters."
        )
    return None
