"""Flags that several commands share: their types, their help and the options they stand for."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from cyclopts import App, Parameter, Token

from perfectlook.errors import UsageError

if TYPE_CHECKING:
    from perfectlook.feeds import FeedOptions


def group(name: str, about: str) -> App:
    """Return an application, or a group of its commands.

    A flag has one name. Its help states the default. If a flag is repeated, the last value counts.
    """
    return App(
        name=name,
        help=about,
        help_format="markdown",
        default_parameter=Parameter(negative=(), show_default=False, allow_repeating=True),
    )


def _within(least: float, most: float, what: str) -> Callable[[object, Any], None]:
    """Return a validator of numbers in a range. NaN is in no range."""

    def check(_: object, number: Any) -> None:
        if number is not None and not least <= number <= most:
            raise ValueError(f"must be {what}.")

    return check


def _reader(kind: Callable[[str], Any], what: str) -> Callable[[object, Sequence[Token]], Any]:
    """Return a converter that reads a number."""

    def read(_: object, tokens: Sequence[Token]) -> Any:
        try:
            return kind(tokens[0].value)
        except ValueError:
            raise ValueError(f"must be {what}.") from None

    return read


def _percent(text: str) -> float:
    """Read a share: 20%, 20 or 0.2."""
    amount = float(text.removesuffix("%"))
    return amount if "." in text and not text.endswith("%") else amount / 100


whole, number = _reader(int, "a whole number"), _reader(float, "a number")


def key_and_value(flag: str, text: str, expected: str, *, at_last: bool = False) -> tuple[str, str]:
    """Split KEY=VALUE at its first "=", or at its last one.

    Raises:
        UsageError: the text does not have the `expected` form.
    """
    key, _, value = text.rpartition("=") if at_last else text.partition("=")
    if not (key and value):
        raise UsageError(f"{flag} {text}: expected {expected}.")
    return key, value


Positive = Annotated[int, Parameter(converter=whole, validator=_within(1, math.inf, "at least 1"))]
Few = Annotated[int, Parameter(converter=whole, validator=_within(1, 5, "from 1 to 5"))]
Natural = Annotated[int, Parameter(converter=whole, validator=_within(0, math.inf, "0 or more"))]
Share = Annotated[float, Parameter(converter=number, validator=_within(0, 1, "from 0 to 1"))]
Percent = Annotated[
    float, Parameter(converter=_reader(_percent, "a percentage"), validator=_within(0, 1, "from 0% to 100%"))
]
Weight = Annotated[float, Parameter(converter=number, validator=_within(0, sys.float_info.max, "0 or more"))]
SEVERAL = Parameter(consume_multiple=1, negative=())
"""A flag that takes one or more values, up to the next flag. It can be repeated."""
Texts = Annotated[list[str], SEVERAL]
Text = Annotated[str, Parameter(allow_leading_hyphen=True)]
"""A text that may begin with a hyphen. A parser with better messages checks it later."""

Folder = Annotated[
    Path, Parameter(name="--model", help="folder of a trained model, or the name of an included one")
]
Location = Annotated[
    str, Parameter(name="--catalogue", help="folder or URL of a catalogue that is synced with the model")
]
JsonToo = Annotated[str | None, Parameter(name="--json", allow_leading_hyphen=True)]
"""JSON besides the lines for people, which go to standard error if it is `-`."""
JsonOut = Annotated[
    str | None,
    Parameter(
        name="--json",
        allow_leading_hyphen=True,
        help="write JSON to FILE instead of printing; - writes to standard output",
    ),
]
Sheet = Annotated[Path | None, Parameter(name="--sheet")]
Strict = Annotated[bool, Parameter(name="--strict")]
Workers = Annotated[
    Positive | None, Parameter(name="--workers", help="worker processes (default: one per processor)")
]


@Parameter(name="*")
@dataclass(frozen=True)
class Choosing:
    """Which products an answer may show.

    Attributes:
        where: show only products that match a filter: 'price <= 50 EUR and brand in (Acme, Muji)'
        rules: TOML file with the shop's rules, which pin, boost, bury or exclude products
        include_unavailable: also show products that are out of stock
        all: show the bare ranking
        locale: language of reasons, en or de (default: en)
    """

    where: Text | None = None
    rules: str | None = None
    include_unavailable: bool = False
    all: Annotated[
        bool,
        Parameter(
            help="show the bare ranking: keep duplicates, variants and unavailable products, apply no rules "
            "and no spread, print distances at full precision"
        ),
    ] = False
    locale: Text = "en"

    def options(self, **flags: object) -> dict[str, Any]:
        """Return the flags as keyword arguments of a `Recommender`.

        Args:
            flags: other flags that change a ranking.

        Raises:
            UsageError: --all is combined with a flag that changes the ranking, or the rules cannot be read.
        """
        from perfectlook.recommender.rules import NO_RULES, Rules

        for flag, value in {"rules": self.rules, **flags}.items():
            if self.all and value:
                raise UsageError(f"--all and --{flag} exclude each other. Leave one of them out.")
        return {
            "where": self.where,
            "rules": Rules.read(self.rules) if self.rules else NO_RULES,
            "include_unavailable": self.include_unavailable or self.all,
            "locale": self.locale,
        }


@Parameter(name="*")
@dataclass(frozen=True)
class Measuring:
    """Which scenes of a set are measured, and how the set is read.

    Attributes:
        split: scenes to measure (default: test)
        scene: crop: the part of the photo without the product (default); full: the whole photo
        workers: number of worker processes
        strict: fail if anything in the set is wrong
    """

    split: Literal["train", "val", "test", "all"] = "test"
    scene: Literal["crop", "full"] = "crop"
    workers: Workers = None
    strict: bool = False


@Parameter(name="*")
@dataclass(frozen=True)
class Feeding:
    """How a feed is read, and how the feed and its pictures are fetched.

    Attributes:
        field: the column of a field that has another name in the feed
        format: csv, tsv, jsonl, parquet or xml (default: from the feed's name), or shopify, woocommerce,
            magento or google (default: recognised by its columns)
        taxonomy: numbers and paths in place of Google's taxonomy
        currency: currency of prices that do not name one
        unknown_availability: what an availability that is not understood means: in_stock, out_of_stock,
            preorder or backorder (default: the product is not recommended)
        categories: CSV file that maps the shop's categories (name) to those of the model (category)
        allow_outside: accept pictures outside the feed's folder
        allow_private: also fetch from private, loopback and link-local addresses
        connections: number of pictures fetched at the same time (default: 8)
        max_feed: largest feed to fetch or unpack, in bytes (default: 2000000000)
    """

    availability: Annotated[
        list[str],
        Parameter(
            allow_leading_hyphen=True,
            help="VALUE=MEANING: what a value of the feed's availability means (in_stock, out_of_stock, "
            "preorder or backorder), as in 'Lager 2=in_stock'; repeatable",
        ),
    ] = field(default_factory=list)
    field: Annotated[
        list[str],
        Parameter(
            allow_leading_hyphen=True,
            help="FIELD=COLUMN: the column of a field (id, title, category, image_link, price ...) that has "
            "another name in the feed; repeatable",
        ),
    ] = field(default_factory=list)
    format: str | None = None
    taxonomy: Path | None = None
    currency: Text | None = None
    unknown_availability: str | None = None
    categories: str | None = None
    allow_outside: bool = False
    allow_private: bool = False
    connections: Positive = 8
    max_feed: Positive = 2_000_000_000

    def options(self) -> "FeedOptions":
        """Return the flags as keyword arguments of `Catalogue.sync` and `embed`.

        Raises:
            UsageError: a `--field` does not have the form FIELD=COLUMN.
        """
        flags = asdict(self)
        columns = flags.pop("field")
        fields = dict(key_and_value("--field", each, "FIELD=COLUMN, as in price=Price") for each in columns)
        example = "VALUE=MEANING, as in 'Lager 2=in_stock'"
        stock = [key_and_value("--availability", each, example, at_last=True) for each in self.availability]
        return cast("FeedOptions", {"fields": fields, **flags, "availability": dict(stock)})
