"""`perfectlook data stats`: what a set holds, and everything that is wrong with it."""

import argparse
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.options import positive

if TYPE_CHECKING:
    from perfectlook.data.audit import Audit, Audits
    from perfectlook.data.fetch.get import Got
    from perfectlook.data.fetch.sources import Source


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
        PerfectLookError: see `perfectlook.data.fetch.get.get`.
    """
    from perfectlook.cli.output import print_problems
    from perfectlook.data.fetch.get import get, source_named
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
    from perfectlook.files import data_folder

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


def add_parser_data_make(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `data make`."""
    parser = subparsers.add_parser(
        "make",
        help="make a set of your own scenes, products, and a table of which belongs to which",
        description="Make a set of two folders of pictures and a CSV of pairs with columns scene, product, "
        "category, and perhaps left, top, right, bottom (pixels of the scene, or 0..1), title, price, ...",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the set goes")
    parser.add_argument(
        "--scenes", metavar="DIR", type=Path, required=True, help="the folder of scenes' pictures"
    )
    parser.add_argument(
        "--products", metavar="DIR", type=Path, required=True, help="the folder of products' pictures"
    )
    parser.add_argument(
        "--pairs", metavar="FILE.csv", type=Path, required=True, help="which product belongs to which scene"
    )
    parser.add_argument(
        "--categories",
        metavar="FILE.csv",
        type=Path,
        help="product and category (and title, ...), also of products that are in no pair",
    )
    parser.add_argument("--licence", metavar="TEXT", help="of the pictures; models' cards repeat it")
    parser.add_argument(
        "--link", action="store_true", help="make hard links of the pictures instead of copies"
    )
    parser.add_argument("--force", action="store_true", help="replace another set that is in the folder")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a row had to be left out")
    parser.set_defaults(func=run_data_make)


def run_data_make(arguments: argparse.Namespace) -> int:
    """Make a set and report; 1 when `--strict` is given and a row had to be left out.

    Raises:
        PerfectLookError: see `perfectlook.data.make.make`.
    """
    from perfectlook.cli.output import print_problems
    from perfectlook.data.make import make

    made = make(
        arguments.folder,
        scenes=arguments.scenes,
        products=arguments.products,
        pairs=arguments.pairs,
        categories=arguments.categories,
        licence=arguments.licence,
        link=arguments.link,
        force=arguments.force,
    )
    print_problems(made.problems, str(arguments.pairs))
    print(f"{arguments.folder}: {made.scenes:,} scenes, {made.products:,} products, {made.pairs:,} pairs")
    print(f"look at it: perfectlook data stats {arguments.folder}")
    return 1 if arguments.strict and made.problems else 0


SHOWN = 5
"""Problems of one kind that are printed; `--json` has them all."""


def add_parser_data(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `data` and its sub-commands."""
    data = subparsers.add_parser("data", help="fetch, make and look at sets of scenes and products")
    commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    stats = commands.add_parser(
        "stats",
        help="count what a set holds and list what is wrong with it",
        description="Count what a set holds (scenes, products, pairs, categories, splits, twins) and list "
        "everything that is wrong with it by file, line and id.",
    )
    stats.add_argument(
        "set",
        metavar="SET",
        type=Path,
        help="a folder in the set layout, or the STL release's folder or rows",
    )
    stats.add_argument("--strict", action="store_true", help="exit with 1 if anything is wrong")
    stats.add_argument("--json", metavar="FILE", type=Path, help="write the same, with all problems, as JSON")
    stats.set_defaults(func=run_data)
    add_parser(commands)
    add_parser_data_make(commands)


def run_data(arguments: argparse.Namespace) -> int:
    """Print the numbers of every set at a path; 1 when `--strict` is given and anything is wrong.

    Raises:
        DatasetError: there is no set at the path.
        PerfectLookError: the JSON file cannot be written.
    """
    from perfectlook.data.audit import audit_at
    from perfectlook.progress import ProgressLine

    found = audit_at(arguments.set, progress=ProgressLine("reading pictures"))
    for each in found.sets:
        print(*_report_data(each), "", sep="\n")
    if found.release:
        print(*_release(found.release), "", sep="\n")
    if arguments.json:
        _write_json(arguments.json, found)
    wrong = any(each.problems for each in found.sets)
    return 1 if arguments.strict and wrong else 0


def _report_data(audit: "Audit") -> Iterator[str]:
    """The lines of one set's report."""
    kind = "fashion" if audit.is_fashion else "not fashion"
    yield f"{audit.name} ({kind}) in {audit.root}"
    yield ""
    for what, number, remark in _numbers(audit):
        yield f"  {what:<26}{number:>9}   {remark}".rstrip()
    yield ""
    yield f"  {'split':<26}{'scenes':>9}{'pairs':>9}{'kept by the crop rule':>24}"
    for split, size in audit.splits.items():
        kept = size.pairs - size.dropped_by_crop
        yield f"    {split:<24}{size.scenes:>9,}{size.pairs:>9,}{kept:>24,}"
    if audit.is_small:
        yield "    under 500 scenes: choose by cross-validation over train and val"
    yield ""
    width = max([24, *map(len, audit.categories)])
    yield f"  {'category':<{width + 2}}{'products':>9}{'pairs':>9}"
    for category, counts in sorted(audit.categories.items(), key=lambda item: -item[1].products):
        alone = "   one product: no negatives" if counts.products == 1 else ""
        yield f"    {category:<{width}}{counts.products:>9,}{counts.pairs:>9,}{alone}"
    yield ""
    yield from _problems(audit)


def _numbers(audit: "Audit") -> Iterator[tuple[str, str, str]]:
    """What is counted, the number, and a remark."""
    others = f"; {audit.scenes_without_pairs:,} more pictures have none" if audit.scenes_without_pairs else ""
    yield "scenes", f"{audit.scenes:,}", f"with pairs{others}"
    in_pairs = f"in {len(audit.categories)} categories; {audit.products_in_pairs:,} of them in pairs"
    yield "products", f"{audit.products:,}", in_pairs
    yield "pairs", f"{audit.pairs:,}", f"of {audit.rows:,} rows"
    yield "multi-positive scenes", f"{audit.multi_positive_scenes:,}", "more than one product of a category"
    yield "boxes outside 0..1", f"{audit.boxes_outside:,}", f"{audit.boxes:,} pairs have a box"
    yield "duplicate rows", f"{audit.duplicate_rows:,}", ""
    share = audit.dropped_by_crop / max(audit.pairs, 1)
    dropped = f"pairs ({share:.1%}): too little of the scene lies beside the box" if audit.boxes else ""
    yield "dropped by the crop rule", f"{audit.dropped_by_crop:,}", dropped
    pictures = audit.pictures
    if pictures is None:
        yield "pictures", "none", "so neither copies nor unreadable ones were looked for"
        return
    missing = f"{audit.missing_scenes:,} of scenes, {audit.missing_products:,} of products"
    yield "pictures missing", f"{audit.missing_scenes + audit.missing_products:,}", missing
    yield "pictures unreadable", f"{pictures.unreadable:,}", ""
    held_out = f"{pictures.twin_scenes_held_out:,} of val and test have a copy in train"
    yield "twin scenes", f"{pictures.twin_scenes:,}", held_out
    groups = f"groups: {pictures.near_identical_groups:,}; by shape, so colour variants count"
    yield "near-identical products", f"{pictures.near_identical_products:,}", groups


def _problems(audit: "Audit") -> Iterator[str]:
    """The first few problems of every kind."""
    if not audit.problems:
        yield "  no problems"
        return
    yield f"  {len(audit.problems):,} problems"
    for kind in dict.fromkeys(problem.kind for problem in audit.problems):
        of_kind = [problem for problem in audit.problems if problem.kind == kind]
        yield f"    {kind} ({len(of_kind):,})"
        yield from (f"      {problem}" for problem in of_kind[:SHOWN])
        if len(of_kind) > SHOWN:
            yield f"      and {len(of_kind) - SHOWN:,} more; --json FILE lists all"


def _release(release: dict[str, dict[str, int]]) -> Iterator[str]:
    """The lines about the STL release's category files."""
    yield "category files of the STL release"
    for part, categories in release.items():
        yield f"  {part:<26}{sum(categories.values()):>9,}   products in {len(categories)} categories"


def _write_json(file: Path, found: "Audits") -> None:
    from dataclasses import asdict

    from perfectlook.cli.output import write_json

    release = {
        part: {"products": sum(categories.values()), "categories": categories}
        for part, categories in found.release.items()
    }
    write_json(file, {"sets": [asdict(each) for each in found.sets], "release": release})
