"""The flags of commands that read a feed, and what they stand for."""

import argparse
from typing import TYPE_CHECKING

from perfectlook.cli.numbers import positive

if TYPE_CHECKING:
    from perfectlook.catalogue import Source


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
    from perfectlook.fetch import FetchLimits

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
