"""`perfectlook data stats`: what a set holds, and everything that is wrong with it."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli import data_get, data_make

if TYPE_CHECKING:
    from perfectlook.datasets.audit import Audit, Audits

SHOWN = 5
"""Problems of one kind that are printed; `--json` has them all."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    stats.set_defaults(func=run)
    data_get.add_parser(commands)
    data_make.add_parser(commands)


def run(arguments: argparse.Namespace) -> int:
    """Print the numbers of every set at a path; 1 when `--strict` is given and anything is wrong.

    Raises:
        DatasetError: there is no set at the path.
        PerfectLookError: the JSON file cannot be written.
    """
    from perfectlook.datasets.audit import audit_at
    from perfectlook.progress import ProgressLine

    found = audit_at(arguments.set, progress=ProgressLine("reading pictures"))
    for each in found.sets:
        print(*_report(each), "", sep="\n")
    if found.release:
        print(*_release(found.release), "", sep="\n")
    if arguments.json:
        _write_json(arguments.json, found)
    wrong = any(each.problems for each in found.sets)
    return 1 if arguments.strict and wrong else 0


def _report(audit: "Audit") -> Iterator[str]:
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

    from perfectlook.cli.jsonfile import write_json

    release = {
        part: {"products": sum(categories.values()), "categories": categories}
        for part, categories in found.release.items()
    }
    write_json(file, {"sets": [asdict(each) for each in found.sets], "release": release})
