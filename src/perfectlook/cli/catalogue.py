"""`perfectlook catalogue sync`: bring a catalogue into step with its source."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from perfectlook.cli.options import add_feed_flags, natural, positive, source_of

if TYPE_CHECKING:
    from perfectlook.catalogue import Catalogue, SyncReport


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `embed`."""
    parser = subparsers.add_parser(
        "embed",
        help="embed products into a Parquet file, on many machines if need be",
        description="Embed a source's products with a model into a Parquet file, from which "
        "`catalogue sync` takes them without pictures and without embedding again. May be interrupted and "
        "run again: features that were extracted are kept.",
    )
    parser.add_argument("source", metavar="SOURCE", help="what `catalogue sync` takes as a source")
    parser.add_argument(
        "--model", metavar="MODEL", type=Path, required=True, help="the folder of a trained model"
    )
    parser.add_argument(
        "--out", metavar="VECTORS.parquet", type=Path, required=True, help="the file to write"
    )
    parser.add_argument(
        "--catalogue",
        metavar="FOLDER|URL",
        help="a catalogue whose frozen centres to keep, so that the vectors can be taken into it in place",
    )
    parser.add_argument(
        "--ray", action="store_true", help="extract on the Ray cluster that RAY_ADDRESS names, or a local one"
    )
    parser.add_argument("--workers", metavar="N", type=positive, help="workers (one per processor)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if any product failed")
    add_feed_flags(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Embed and print what was done; 1 when `--strict` is given and any product failed.

    Raises:
        PerfectLookError: the source, the model, the catalogue or the file cannot be used.
    """
    from perfectlook.catalogue import Catalogue
    from perfectlook.catalogue.embedding import embed
    from perfectlook.cli.output import print_problems, require
    from perfectlook.errors import UsageError
    from perfectlook.model.runtime import Model
    from perfectlook.progress import ProgressLine

    if arguments.out.suffix.lower() != ".parquet":
        raise UsageError(f"--out {arguments.out}: must end in .parquet, by which `catalogue sync` knows it")
    require("parquet", "writing Parquet", "pyarrow")
    if arguments.ray:
        require("ray", "embedding on a Ray cluster", "ray", "pyarrow")
    model = Model.open(arguments.model)
    source = source_of(arguments, "cache://")
    around = None
    if arguments.catalogue:
        with Catalogue.open(arguments.catalogue, model) as catalogue:
            around = catalogue.generation()
    report = embed(
        source,
        model,
        arguments.out,
        around=around,
        on_ray=arguments.ray,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    print_problems(report.failed, source.name)
    print(
        f"{arguments.out}: products {report.embedded:,}, categories {report.categories:,}, "
        f"model {model.name}; {len(report.failed):,} failed"
    )
    return 1 if arguments.strict and report.failed else 0


NAMED = 5
"""Categories that are named where there may be many."""


def add_parser_catalogue(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    add_feed_flags(sync)
    sync.set_defaults(func=run_catalogue)


def run_catalogue(arguments: argparse.Namespace) -> int:
    """Sync and print what was done; 1 when `--strict` is given and any product failed.

    Raises:
        PerfectLookError: the source, the model or the catalogue cannot be used.
    """
    from dataclasses import asdict

    from perfectlook.cli.output import print_problems, write_json
    from perfectlook.model.runtime import Model
    from perfectlook.progress import ProgressLine

    model = Model.open(arguments.model)
    source = source_of(arguments, arguments.catalogue)
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
        _print(catalogue, arguments.catalogue, report, model.name)
    if arguments.json:
        write_json(arguments.json, asdict(report))
    return 1 if arguments.strict and report.failed else 0


@contextmanager
def _catalogue(arguments: argparse.Namespace) -> "Iterator[Catalogue]":
    """The catalogue; in a dry run that would make one, an empty one in a temporary folder in its place."""
    from perfectlook.catalogue import Catalogue

    location = arguments.catalogue
    if arguments.dry_run and "://" not in location and not Path(location).exists():
        with (
            TemporaryDirectory() as folder,
            Catalogue.open(Path(folder) / "catalogue", create=True) as catalogue,
        ):
            yield catalogue
    else:
        with Catalogue.open(location, create=not arguments.dry_run) as catalogue:
            yield catalogue


def _print(catalogue: "Catalogue", location: str, report: "SyncReport", model: str) -> None:
    if report.dry_run:
        print(f"{location}: nothing was changed; a sync with model {model} would do this:")
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
