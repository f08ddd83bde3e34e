"""`perfectlook catalogue sync`: bring a catalogue into step with its source."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.numbers import positive

if TYPE_CHECKING:
    from perfectlook.catalogue import Catalogue, SyncReport


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
        help="a set, or a folder of pictures by category (Furniture/Chairs/red.jpg)",
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
    sync.add_argument("--allow-empty", action="store_true", help="delete everything when the source is empty")
    sync.add_argument("--strict", action="store_true", help="exit with 1 if any product failed")
    sync.add_argument(
        "--json", metavar="FILE", type=Path, help="write the report, with all that failed, as JSON"
    )
    sync.add_argument(
        "--workers", metavar="N", type=positive, help="processes that read pictures (one per processor)"
    )
    sync.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Sync and print what was done; 1 when `--strict` is given and any product failed.

    Raises:
        PerfectLookError: the source, the model or the catalogue cannot be used.
    """
    from dataclasses import asdict

    from perfectlook.bundle import Model
    from perfectlook.catalogue import Catalogue, open_source
    from perfectlook.cli.jsonfile import write_json
    from perfectlook.cli.reporting import print_problems
    from perfectlook.progress import ProgressLine

    model = Model.open(arguments.model)
    source = open_source(arguments.source)
    with Catalogue.open(arguments.catalogue, create=True) as catalogue:
        report = catalogue.sync(
            source, model, allow_empty=arguments.allow_empty, workers=arguments.workers, progress=ProgressLine
        )
        print_problems(report.failed, source.name)
        _print(catalogue, report, model.name)
    if arguments.json:
        write_json(arguments.json, asdict(report))
    return 1 if arguments.strict and report.failed else 0


def _print(catalogue: "Catalogue", report: "SyncReport", model: str) -> None:
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
