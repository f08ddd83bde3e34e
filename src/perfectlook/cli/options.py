"""The flags of commands that read a feed, and what they stand for."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfectlook.catalogue import Source
    from perfectlook.recommender import Rules


def positive(text: str) -> int:
    """A whole number from 1, for `add_argument(type=...)`."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """A whole number from 0, for `add_argument(type=...)`."""
    return _at_least(0, text)


def share(text: str) -> float:
    """A number from 0 to 1, for `add_argument(type=...)`."""
    return _between(text, 1.0, "a number from 0 to 1")


def weight(text: str) -> float:
    """A number from 0, for `add_argument(type=...)`."""
    return _between(text, sys.float_info.max, "a number from 0")


def _between(text: str, most: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}")
    return number


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add `--model` and `--catalogue`."""
    parser.add_argument(
        "--model", metavar="MODEL", type=Path, required=True, help="the folder of a trained model"
    )
    parser.add_argument(
        "--catalogue", metavar="FOLDER|URL", required=True, help="a catalogue synced with the model"
    )


def add_category(parser: argparse.ArgumentParser, about: str, *, several: bool = True) -> None:
    """Add `--category`, which names several, or has to name one."""
    more = {"nargs": "+", "action": "extend"} if several else {"required": True}
    parser.add_argument("--category", metavar="PATH", help=about, **more)


def add_count(
    parser: "argparse.ArgumentParser | argparse._MutuallyExclusiveGroup", default: int | None, about: str
) -> None:
    """Add `-k`."""
    parser.add_argument("-k", metavar="N", type=positive, default=default, help=about)


def add_choosing(parser: argparse.ArgumentParser) -> None:
    """Add `--where`, `--rules`, `--include-unavailable` and `--all`."""
    parser.add_argument(
        "--where",
        metavar="EXPR",
        help="only products that match a filter, such as 'price <= 50 EUR and brand in (Acme, Muji)'",
    )
    parser.add_argument(
        "--rules", metavar="FILE.toml", help="a shop's own rules: pin, boost, bury and exclude products"
    )
    parser.add_argument(
        "--include-unavailable",
        action="store_true",
        help="also show products whose availability is out_of_stock",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="the bare ranking: copies, variants and what is out of stock are not passed over, no rules, no "
        "spread, distances are not rounded",
    )


def check_choosing(arguments: argparse.Namespace) -> None:
    """Make sure that the bare ranking is asked for bare.

    Raises:
        UsageError: rules or a spread are to change it.
    """
    from perfectlook.errors import UsageError

    for flag in ("rules", "spread"):
        if arguments.all and getattr(arguments, flag, None):
            raise UsageError(f"--all shows the bare ranking: leave --{flag} out")


def chosen_rules(arguments: argparse.Namespace) -> "Rules":
    """Read the rules that `--rules` names.

    Raises:
        UsageError: the file cannot be read, or a rule is none.
    """
    from perfectlook.recommender.rules import NO_RULES, Rules

    return Rules.read(arguments.rules) if arguments.rules else NO_RULES


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add the set, its split, and what the model is shown of its scenes."""
    parser.add_argument("set", type=Path, metavar="SET", help="folder of the set")
    parser.add_argument(
        "--split",
        choices=("train", "val", "test", "all"),
        default="test",
        help="which scenes to measure on (default: test)",
    )
    parser.add_argument(
        "--scene",
        choices=("crop", "full"),
        default="crop",
        help="scenes without the product, or whole pictures",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how the set is read."""
    parser.add_argument("--workers", type=positive, metavar="N", help="processes that extract features")
    parser.add_argument("--strict", action="store_true", help="fail when anything is wrong in the set")


def add_feed_flags(parser: argparse.ArgumentParser) -> None:
    """Add them to a command, as a group of their own."""
    feeds = parser.add_argument_group("feeds")
    feeds.add_argument(
        "--field",
        metavar="FIELD=COLUMN",
        type=_field,
        action="append",
        default=[],
        help="the column that holds a field (id, title, category, image_link, price, ...), if it has another "
        "name; may be given several times",
    )
    feeds.add_argument(
        "--format", metavar="NAME", help="csv, tsv, jsonl, parquet or xml, if the file's name does not say it"
    )
    feeds.add_argument("--currency", metavar="CODE", help="the currency of prices that do not say theirs")
    feeds.add_argument(
        "--allow-outside", action="store_true", help="take pictures from outside the feed's folder too"
    )
    feeds.add_argument(
        "--allow-private",
        action="store_true",
        help="fetch pictures from private, loopback and link-local addresses too",
    )
    feeds.add_argument(
        "--connections", metavar="N", type=positive, default=8, help="pictures fetched at once (8)"
    )


def source_of(arguments: argparse.Namespace, catalogue: str) -> "Source":
    """The source that is named, read as the flags say; fetched pictures are kept with the catalogue.

    Raises:
        PerfectLookError: there is no such source, or a flag makes no sense.
    """
    from perfectlook.catalogue import Shelf, open_source
    from perfectlook.feeds import FeedOptions
    from perfectlook.fetching import FetchLimits

    options = FeedOptions(
        format=arguments.format,
        columns=dict(arguments.field),
        currency=arguments.currency,
        allow_outside=arguments.allow_outside,
    )
    limits = FetchLimits(allow_private=arguments.allow_private, connections=arguments.connections)
    return open_source(arguments.source, shelf=Shelf.of(catalogue, limits), options=options)


def _field(text: str) -> tuple[str, str]:
    field, separator, column = text.partition("=")
    if not (field and separator and column):
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=COLUMN")
    return field, column
