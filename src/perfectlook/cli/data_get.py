"""`perfectlook data get`: fetch a public set into the set layout."""

import argparse
import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.numbers import positive

if TYPE_CHECKING:
    from perfectlook.origins.getting import Got
    from perfectlook.origins.source import Source

NAMES = ("stl-fashion", "stl-home", "ikea-rooms", "ccp-looks")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `data get`."""
    parser = subparsers.add_parser(
        "get",
        help="fetch a public set: annotations and pictures, from their public places or a mirror",
        description="Fetch a public set into the set layout. What is there is not fetched again, so a run "
        "that was stopped goes on where it stood; addresses that are dead are noted and not asked again.",
    )
    parser.add_argument("name", metavar="NAME", choices=NAMES, help=", ".join(NAMES))
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        help="the set's folder (default: NAME in the folder that PERFECTLOOK_DATA names, or here)",
    )
    parser.add_argument(
        "--accept-licence",
        action="store_true",
        help="say that you agree to the terms, which are shown without it",
    )
    parser.add_argument(
        "--from",
        dest="mirror",
        metavar="FOLDER|URL",
        help="a mirror that has the same files under the same paths, a clone of the repository for example",
    )
    parser.add_argument(
        "--limit", metavar="N", type=positive, help="only the first N scenes, and their products"
    )
    parser.add_argument("--retry-dead", action="store_true", help="ask again for what was dead the last time")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if anything could not be had or had to be left out"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Fetch a set and report; 2 where its terms were not accepted.

    Raises:
        PerfectLookError: see `perfectlook.origins.getting.get`.
    """
    from perfectlook.cli.reporting import print_problems
    from perfectlook.origins.getting import get
    from perfectlook.origins.registry import source_named
    from perfectlook.progress import ProgressLine

    source = source_named(arguments.name)
    print(*_terms(source), "", sep="\n")
    if not arguments.accept_licence:
        agreed = shlex.join(["perfectlook", "data", "get", *_given(arguments), "--accept-licence"])
        print(f"perfectlook: nothing was fetched; if you agree: {agreed}", file=sys.stderr)
        return 2
    folder = arguments.out or _usual_folder(source.name)
    got = get(
        source,
        folder,
        mirror=arguments.mirror,
        limit=arguments.limit,
        retry_dead=arguments.retry_dead,
        progress=ProgressLine(f"fetching {source.name}", "files"),
    )
    print_problems(got.problems, source.name)
    print(*_report(got, folder), sep="\n")
    return 1 if arguments.strict and got.problems else 0


def _given(arguments: argparse.Namespace) -> list[str]:
    """What the user has asked for, as it is typed; a value that begins with a dash needs its `=`."""
    values = {"--out": arguments.out, "--from": arguments.mirror, "--limit": arguments.limit}
    given = [str(arguments.name)]
    for option, value in values.items():
        if value is not None:
            given += [f"{option}={value}"] if str(value).startswith("-") else [option, str(value)]
    flags = {"--retry-dead": arguments.retry_dead, "--strict": arguments.strict}
    return given + [option for option, is_given in flags.items() if is_given]


def _usual_folder(name: str) -> Path:
    from perfectlook.settings import data_folder

    return (data_folder() or Path()) / name


def _terms(source: "Source") -> list[str]:
    what = f"{source.name}: {source.what} ({source.home}; {source.size})."
    parts = (what, f"Licence: {source.licence}.", source.terms)
    return [line for part in parts for line in textwrap.wrap(part, 100)]


def _report(got: "Got", folder: Path) -> list[str]:
    counts = got.counts
    lines = [
        f"{folder}: {got.scenes:,} scenes, {got.products:,} products, {got.pairs:,} pairs",
        f"  fetched {counts['fetched']:,}, already there {counts['there']:,}, dead {counts['dead']:,}, "
        f"failed {counts['failed']:,}",
    ]
    lines += [f"  was not as noted, fetched again: {name}" for name in got.renewed]
    lines += [f"  kept without a check: {name} ({reason})" for name, reason in got.unchecked.items()]
    if counts["dead"]:
        lines.append("  dead addresses stand in dead.jsonl; --retry-dead asks for them again")
    if counts["failed"]:
        lines.append("  run the same command again for those that failed")
    return [*lines, f"look at it: perfectlook data stats {folder}"]
