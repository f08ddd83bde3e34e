"""`perfectlook embed`: the vectors of a source's products as a Parquet file."""

import argparse
from pathlib import Path

from perfectlook.cli.feedflags import add_feed_flags, source_of
from perfectlook.cli.numbers import positive


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
    from perfectlook.bundle import Model
    from perfectlook.catalogue import Catalogue
    from perfectlook.catalogue.embed import embed
    from perfectlook.cli.extras import require
    from perfectlook.cli.reporting import print_problems
    from perfectlook.errors import UsageError
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
