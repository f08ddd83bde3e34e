"""`perfectlook catalogue sync`: bring a catalogue into step with its source."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.numbers import natural, positive

if TYPE_CHECKING:
    from perfectlook.catalogue import Catalogue, Source, SyncReport

NAMED = 5
"""Categories that are named where there may be many."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `catalogue` and its sub-commands."""
    catalogue = subparsers.add_parser("catalogue", help="keep a catalogue of products to recommend")
    commands = catalogue.add_subparsers(title="commands", metavar="COMMAND", required=True)
    sync = commands.add_parser(
        "sync",
        help="add, change and delete products so that the catalogue holds what a source has",
        description="Bring a catalogue into step with a source. Products that have not changed are left "
        "alone; with another model than before, all are embedded beside the old vectors, and the catalogue "
        "switches over in one step. May be interrupted at any moment and run again.",
    )
    sync.add_argument(
        "source",
        metavar="SOURCE",
        help="a set, a folder of pictures by category (Furniture/Chairs/red.jpg), a feed (CSV, TSV, JSON "
        "lines, Parquet, Google Merchant Center's TSV or XML), or vectors that `perfectlook embed` made",
    )
    sync.add_argument(
        "--model", metavar="MODEL", type=Path, required=True, help="the folder of a trained model"
    )
    sync.add_argument(
        "--catalogue",
        metavar="FOLDER|URL",
        required=True,
        help="the catalogue; it is made where there is none",
    )
    sync.add_argument(
        "--dry-run", action="store_true", help="change nothing and fetch nothing; say what would be done"
    )
    sync.add_argument(
        "--verify",
        action="store_true",
        help="read every picture, or ask its server, also where nothing says that it has changed",
    )
    sync.add_argument(
        "--recentre",
        action="store_true",
        help="compute the categories' centres anew and embed everything around them, beside the old vectors",
    )
    sync.add_argument(
        "--wait", metavar="SECONDS", type=natural, default=0, help="wait so long for a sync that is at work"
    )
    sync.add_argument("--allow-empty", action="store_true", help="delete everything when the source is empty")
    sync.add_argument("--strict", action="store_true", help="exit with 1 if any product failed")
    sync.add_argument(
        "--json", metavar="FILE", type=Path, help="write the report, with all that failed, as JSON"
    )
    sync.add_argument(
        "--workers", metavar="N", type=positive, help="processes that read pictures (one per processor)"
    )
    _add_feed_options(sync)
    sync.set_defaults(func=run)


def _add_feed_options(sync: argparse.ArgumentParser) -> None:
    feeds = sync.add_argument_group("feeds")
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


def _field(text: str) -> tuple[str, str]:
    field, separator, column = text.partition("=")
    if not (field and separator and column):
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=COLUMN")
    return field, column


def run(arguments: argparse.Namespace) -> int:
    """Sync and print what was done; 1 when `--strict` is given and any product failed.

    Raises:
        PerfectLookError: the source, the model or the catalogue cannot be used.
    """
    from dataclasses import asdict

    from perfectlook.bundle import Model
    from perfectlook.cli.jsonfile import write_json
    from perfectlook.cli.reporting import print_problems
    from perfectlook.progress import ProgressLine

    model = Model.open(arguments.model)
    source = _source(arguments)
    with _catalogue(arguments) as catalogue:
        report = catalogue.sync(
            source,
            model,
            allow_empty=arguments.allow_empty,
            verify=arguments.verify,
            recentre=arguments.recentre,
            dry_run=arguments.dry_run,
            wait=arguments.wait,
            workers=arguments.workers,
            progress=ProgressLine,
        )
        print_problems(report.failed, source.name)
        _print(catalogue, report, model.name)
    if arguments.json:
        write_json(arguments.json, asdict(report))
    return 1 if arguments.strict and report.failed else 0


def _source(arguments: argparse.Namespace) -> "Source":
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
    return open_source(arguments.source, shelf=Shelf.of(arguments.catalogue, limits), options=options)


def _catalogue(arguments: argparse.Namespace) -> "Catalogue":
    """The catalogue; in a dry run that would make one, an empty one in memory in its place."""
    from perfectlook.catalogue import Catalogue
    from perfectlook.stores import MemoryStore

    location = arguments.catalogue
    if arguments.dry_run and "://" not in location and not Path(location).exists():
        return Catalogue(MemoryStore(location))
    return Catalogue.open(location, create=not arguments.dry_run)


def _print(catalogue: "Catalogue", report: "SyncReport", model: str) -> None:
    if report.dry_run:
        print(f"{catalogue.location}: nothing was changed; a sync with model {model} would do this:")
    else:
        counts = catalogue.categories()
        total = sum(counts.values())
        print(f"{catalogue.location}: products {total:,}, categories {len(counts):,}, model {model}")
    print(
        f"  {report.added:,} added, {report.changed:,} changed, {report.deleted:,} deleted, "
        f"{report.unchanged:,} unchanged; {report.embedded:,} embedded, {len(report.failed):,} failed"
    )
    if report.kept:
        print(f"  {report.kept:,} kept as they were, because the source cannot give them now")
    if not report.is_whole:
        print("  nothing was deleted, because the source could not be listed whole")
    if report.unknown_categories:
        print(f"  {_unknown(report.unknown_categories)}")
    for warning in report.warnings:
        print(f"WARNING: {warning}", file=sys.stderr)


def _unknown(categories: Mapping[str, int]) -> str:
    """The line about categories that the model does not know, those with most products first."""
    ordered = sorted(categories, key=lambda name: (-categories[name], name))
    names = "; ".join(name or "(none)" for name in ordered[:NAMED])
    more = f"; and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else ""
    total = sum(categories.values())
    return (
        f"{total:,} {'product is' if total == 1 else 'products are'} of categories that the model does not "
        f"know (it weighs all of a photo alike for them, and suggests them last): {names}{more}"
    )
