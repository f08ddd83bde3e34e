"""Flags that several commands share: what each accepts, and what it stands for."""

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
    """An application or a group of its commands.

    Each flag has one name, its help names the default, and of one that is repeated the last one counts.
    """
    return App(
        name=name,
        help=about,
        help_format="plaintext",
        default_parameter=Parameter(negative=(), show_default=False, allow_repeating=True),
    )


def _within(least: float, most: float, what: str) -> Callable[[object, Any], None]:
    """A validator of numbers in a range, which NaN is not in."""

    def check(_: object, number: Any) -> None:
        if number is not None and not least <= number <= most:
            raise ValueError(f"Expected {what}.")

    return check


def whole(_: object, tokens: Sequence[Token]) -> int:
    """Read a whole number; 1.5 is none."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a whole number.") from None


def key_and_value(flag: str, text: str, expected: str, *, at_last: bool = False) -> tuple[str, str]:
    """Split KEY=VALUE at its first "=", or at its last one.

    Raises:
        UsageError: it is not what is `expected`.
    """
    key, _, value = text.rpartition("=") if at_last else text.partition("=")
    if not (key and value):
        raise UsageError(f"{flag} {text}: expected {expected}")
    return key, value


Positive = Annotated[int, Parameter(converter=whole, validator=_within(1, math.inf, "a whole number from 1"))]
Natural = Annotated[int, Parameter(converter=whole, validator=_within(0, math.inf, "a whole number from 0"))]
Share = Annotated[float, Parameter(validator=_within(0, 1, "a number from 0 to 1"))]
Weight = Annotated[float, Parameter(validator=_within(0, sys.float_info.max, "a number from 0"))]
SEVERAL = Parameter(consume_multiple=1, negative=())
"""A flag that takes one or more values, all up to the next flag, and may be given again."""
Texts = Annotated[list[str], SEVERAL]
Text = Annotated[str, Parameter(allow_leading_hyphen=True)]
"""What is read later, by what can say what is wrong in it: it may begin with a hyphen."""

Folder = Annotated[
    Path, Parameter(name="--model", help="folder of a trained model, or the name of one that is included")
]
Location = Annotated[
    str, Parameter(name="--catalogue", help="folder or URL of a catalogue synced with the model")
]
JsonOut = Annotated[
    str | None,
    Parameter(
        name="--json",
        allow_leading_hyphen=True,
        help="write JSON to FILE instead of printing; - for standard output",
    ),
]
Sheet = Annotated[Path | None, Parameter(name="--sheet")]
Strict = Annotated[bool, Parameter(name="--strict")]
Workers = Annotated[
    Positive | None, Parameter(name="--workers", help="number of worker processes (default: one a processor)")
]


@Parameter(name="*")
@dataclass(frozen=True)
class Choosing:
    """Which products may be shown.

    Attributes:
        where: only products that match a filter: 'price <= 50 EUR and brand in (Acme, Muji)'
        rules: TOML file of the shop's own rules: pin, boost, bury and exclude products
        include_unavailable: also show products that are out of stock
        all: show the bare ranking
    """

    where: Text | None = None
    rules: str | None = None
    include_unavailable: bool = False
    all: Annotated[
        bool,
        Parameter(
            help="show the bare ranking: keep copies, variants and unavailable products, use no rules and no "
            "spread, print full-precision distances"
        ),
    ] = False

    def options(self, **flags: object) -> dict[str, Any]:
        """What the flags say, by the names that a `Recommender` knows.

        Args:
            flags: others that change a ranking.

        Raises:
            UsageError: the bare ranking is combined with flags that change it, or the file of rules cannot be
                read, or one of its rules is invalid.
        """
        from perfectlook.recommender.rules import NO_RULES, Rules

        for flag, value in {"rules": self.rules, **flags}.items():
            if self.all and value:
                raise UsageError(
                    f"--all shows the bare ranking, which --{flag} changes; leave one of them out"
                )
        return {
            "where": self.where,
            "rules": Rules.read(self.rules) if self.rules else NO_RULES,
            "include_unavailable": self.include_unavailable or self.all,
        }


@Parameter(name="*")
@dataclass(frozen=True)
class Measuring:
    """Which scenes of a set are measured, and how the set is read.

    Attributes:
        split: scenes to measure on (default: test)
        scene: crop: the scene without the product (default); full: the whole picture
        workers: number of worker processes
        strict: fail if anything is wrong in the set
    """

    split: Literal["train", "val", "test", "all"] = "test"
    scene: Literal["crop", "full"] = "crop"
    workers: Workers = None
    strict: bool = False


@Parameter(name="*")
@dataclass(frozen=True)
class Feeding:
    """How a feed is read, and how it and its pictures are fetched.

    Attributes:
        field: the column of a field that has another name in the feed
        format: csv, tsv, jsonl, parquet or xml, if the feed's name does not tell
        currency: currency of prices that do not name one
        allow_outside: accept pictures outside the feed's folder
        allow_private: fetch from private, loopback and link-local addresses too
        connections: pictures fetched at once (default: 8)
    """

    field: Annotated[
        list[str],
        Parameter(
            allow_leading_hyphen=True,
            help="FIELD=COLUMN: the column of a field (id, title, category, image_link, price ...) that has "
            "another name in the feed; may be given several times",
        ),
    ] = field(default_factory=list)
    format: str | None = None
    currency: Text | None = None
    allow_outside: bool = False
    allow_private: bool = False
    connections: Positive = 8

    def options(self) -> "FeedOptions":
        """What the flags say, by the names that `Catalogue.sync` and `embed` know.

        Raises:
            UsageError: a `--field` is not FIELD=COLUMN.
        """
        flags = asdict(self)
        columns = flags.pop("field")
        fields = dict(key_and_value("--field", each, "FIELD=COLUMN, as in price=Price") for each in columns)
        return cast("FeedOptions", {"fields": fields, **flags})
