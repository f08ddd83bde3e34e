"""`perfectlook data get`, `make`, `from-feed` and `stats`: sets of scenes and products."""

import shlex
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from perfectlook.cli.options import Feeding, JsonOut, JsonToo, Positive, Strict, Text, Workers, group
from perfectlook.cli.output import beside_json, print_problems, write_json
from perfectlook.progress import counted

if TYPE_CHECKING:
    from perfectlook.data.audit import Audit
    from perfectlook.data.fetch import Got
    from perfectlook.data.fetch.download import PublicSet

Name = Literal["stl-fashion", "stl-home", "ikea-rooms", "ccp-looks"]
SHOWN = 5
"""How many problems of one kind `stats` prints. `--json` lists all of them."""


def register(app: App) -> None:
    """Add the commands."""
    data = group("data", "Fetch, make and inspect sets of scenes and products.")
    data.command(stats)
    data.command(get)
    data.command(make)
    data.command(from_feed)
    app.command(data)


def stats(
    path: Annotated[Path, Parameter(name="SET")], /, *, strict: Strict = False, json: JsonToo = None
) -> int:
    """Count what a set holds, and list everything that is wrong with it.

    Args:
        path: folder of a set, or folder or file of the STL release
        strict: exit with 1 if anything is wrong
        json: write the counts and all problems as JSON

    Raises:
        DatasetError: there is no set at the path.
        PerfectLookError: the JSON file cannot be written.
    """
    from perfectlook.data.audit import audit_at
    from perfectlook.progress import ProgressLine

    audits, listed = audit_at(path, progress=ProgressLine("reading pictures"))
    with beside_json(json):
        for each in audits:
            print(*_lines(each), "", sep="\n")
        if listed:
            print(*_release(listed), "", sep="\n")
    if json:
        release = {
            part: {"products": sum(categories.values()), "categories": categories}
            for part, categories in listed.items()
        }
        write_json(json, {"sets": [asdict(each) for each in audits], "release": release})
    return 1 if strict and any(each.problems for each in audits) else 0


def get(
    name: Name,
    /,
    *,
    out: Path | None = None,
    accept_licence: bool = False,
    mirror: Annotated[str | None, Parameter(name="--from", allow_leading_hyphen=True)] = None,
    limit: Positive | None = None,
    retry_dead: bool = False,
    strict: Strict = False,
) -> int:
    """Fetch a public set: its annotations and its pictures.

    Existing files are not fetched again, so an interrupted run continues. Dead addresses are recorded and not
    tried again.

    Args:
        name: the set
        out: folder of the set (default: NAME in the folder of PERFECTLOOK_DATA, or in the current folder)
        accept_licence: accept the terms; without this flag they are only printed
        mirror: folder or URL of a mirror with the same files under the same paths, such as a clone of the
            repository
        limit: fetch only the first N scenes and their products
        retry_dead: try dead addresses again
        strict: exit with 1 if anything could not be fetched or was left out

    Returns:
        2 if the terms are not accepted.

    Raises:
        PerfectLookError: the set cannot be fetched, or the folder cannot be used.
    """
    from perfectlook.data.fetch import PUBLIC_SETS
    from perfectlook.data.fetch import get as fetch
    from perfectlook.files import data_folder
    from perfectlook.progress import ProgressLine

    source = PUBLIC_SETS[name]
    print(*_terms(source), "", sep="\n")
    if not accept_licence:
        values = {"--out": out, "--from": mirror, "--limit": limit}
        words: list[str] = [name]
        for flag, value in values.items():
            if value is not None:  # a value that begins with a hyphen needs an equals sign
                words += [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]
        words += [flag for flag, given in {"--retry-dead": retry_dead, "--strict": strict}.items() if given]
        agreed = shlex.join(["perfectlook", "data", "get", *words, "--accept-licence"])
        print(f"perfectlook: nothing was fetched. To accept the terms, run: {agreed}", file=sys.stderr)
        return 2
    folder = out or (data_folder() or Path()) / source.name
    got = fetch(
        source,
        folder,
        mirror=mirror,
        limit=limit,
        retry_dead=retry_dead,
        progress=ProgressLine(f"fetching {source.name}", "files"),
    )
    print_problems(got.problems, source.name)
    print(*_fetched(got, folder), sep="\n")
    return 1 if strict and got.problems else 0


def make(
    folder: Path,
    /,
    *,
    scenes: Path,
    products: Path,
    pairs: Path,
    categories: Path | None = None,
    licence: Text | None = None,
    crop: Literal["fashion", "any"] | None = None,
    link: bool = False,
    force: bool = False,
    strict: Strict = False,
) -> int:
    """Make a set from two folders of pictures and a table of pairs: which product belongs to which scene.

    Args:
        folder: folder of the new set
        scenes: folder of the scenes' pictures
        products: folder of the products' pictures
        pairs: CSV with the columns scene, product and category, and optionally left, top, right and bottom
            (pixels of the scene, or 0 to 1), title, price and others
        categories: CSV with the columns product and category (and title ...); it may list products without
            pairs
        licence: licence of the pictures; model cards repeat it
        crop: sides of a product's box that may remain of a scene: above and below for fashion, or any; by
            default, guessed from the categories
        link: make hard links to the pictures instead of copies
        force: replace another set in the folder
        strict: exit with 1 if a row had to be left out

    Raises:
        PerfectLookError: a file or folder cannot be used.
    """
    from perfectlook.data.make import make as make_set

    made = make_set(
        folder,
        scenes=scenes,
        products=products,
        pairs=pairs,
        categories=categories,
        licence=licence,
        crop=crop,
        link=link,
        force=force,
    )
    print_problems(made.problems, str(pairs))
    print(f"{folder}: {_sizes(made)}")
    print(f"To inspect it, run: perfectlook data stats {folder}")
    return 1 if strict and made.problems else 0


def from_feed(
    feed: str,
    /,
    *,
    out: Path,
    licence: Text | None = None,
    crop: Literal["fashion", "any"] | None = None,
    force: bool = False,
    workers: Workers = None,
    strict: Strict = False,
    json: JsonOut = None,
    feeding: Feeding = Feeding(),
) -> int:
    """Make a set from a feed: its lifestyle photos are scenes, paired with the products that show them.

    Packshots and lifestyle photos are told apart. SET/pictures.html shows the doubtful ones. It saves your
    corrections as corrections.csv; move that file into the set, and run the same command again.

    Args:
        feed: the feed, or its URL
        out: folder of the set; a set made from a feed is made again
        licence: licence of the pictures; model cards repeat it
        crop: sides of a product's box that may remain of a scene: above and below for fashion, or any; by
            default, guessed from the categories
        force: replace another set in the folder
        strict: exit with 1 if a row, a picture or a product had to be left out

    Raises:
        PerfectLookError: the feed cannot be read, or it has no pair.
    """
    from perfectlook.features.from_feed import make_from_feed
    from perfectlook.progress import ProgressLine

    made = make_from_feed(
        feed,
        out,
        licence=licence,
        crop=crop,
        force=force,
        workers=workers,
        progress=ProgressLine,
        **feeding.options(),
    )
    print_problems(made.problems, feed)
    if json:
        write_json(json, asdict(made))
    if json != "-":
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(made.pictures.items()))
        print(f"{out}: {_sizes(made)}; {made.pairs / made.scenes:.1f} products a scene")
        print(f"  pictures: {kinds}; {made.corrected:,} corrected by hand")
        if made.pictures.get("doubtful"):
            print(f"  To correct the doubtful ones, open {out / 'pictures.html'}.")
        print(f"To inspect it, run: perfectlook data stats {out}")
    return 1 if strict and made.problems else 0


def _terms(source: "PublicSet") -> list[str]:
    what = f"{source.name}: {source.what} ({source.home}; {source.size})."
    parts = (what, f"Licence: {source.licence}.", source.terms)
    return [line for part in parts for line in textwrap.wrap(part, 100)]


def _sizes(made: object) -> str:
    return ", ".join(counted(getattr(made, f"{noun}s"), noun) for noun in ("scene", "product", "pair"))


def _fetched(got: "Got", folder: Path) -> list[str]:
    counts = got.counts
    lines = [
        f"{folder}: {_sizes(got)}",
        f"  fetched {counts['fetched']:,}, already present {counts['there']:,}, dead {counts['dead']:,}, "
        f"failed {counts['failed']:,}",
    ]
    lines += [f"  had another hash than recorded, fetched again: {name}" for name in got.renewed]
    lines += [f"  kept without a check: {name} ({reason})" for name, reason in got.unchecked.items()]
    if (dead := folder / "dead.jsonl").exists():  # of a folder, nothing is recorded
        lines.append(f"  {dead} lists the dead addresses; try them again with --retry-dead")
    if counts["failed"]:
        lines.append("  run the same command again to fetch those that failed")
    return [*lines, f"To inspect it, run: perfectlook data stats {folder}"]


def _lines(audit: "Audit") -> Iterator[str]:
    """Yield the lines of one set's report."""
    yield f"{audit.name}, folder {audit.root}, {'fashion' if audit.is_fashion else 'interiors'}"
    yield ""
    for what, number, remark in _numbers(audit):
        yield f"  {what:<26}{number:>9}   {remark}".rstrip()
    yield ""
    yield f"  {'split':<26}{'scenes':>9}{'pairs':>9}{'kept by the crop rule':>24}"
    for split, size in audit.splits.items():
        kept = size["pairs"] - size["dropped_by_crop"]
        yield f"    {split:<24}{size['scenes']:>9,}{size['pairs']:>9,}{kept:>24,}"
    if audit.is_small:
        yield "    under 500 scenes: choose by cross-validation over train and val"
    yield ""
    width = max([24, *map(len, audit.categories)])
    yield f"  {'category':<{width + 2}}{'products':>9}{'pairs':>9}"
    for category, counts in sorted(audit.categories.items(), key=lambda item: -item[1]["products"]):
        alone = "   one product: no negatives" if counts["products"] == 1 else ""
        yield f"    {category:<{width}}{counts['products']:>9,}{counts['pairs']:>9,}{alone}"
    yield ""
    yield from _problems(audit)


def _numbers(audit: "Audit") -> Iterator[tuple[str, str, str]]:
    """Yield what is counted, the number, and a remark."""
    others = (
        f"; {audit.scenes_without_pairs:,} more pictures have no pair" if audit.scenes_without_pairs else ""
    )
    yield "scenes", f"{audit.scenes:,}", f"with pairs{others}"
    in_pairs = f"in {len(audit.categories)} categories; {audit.products_in_pairs:,} of them in pairs"
    yield "products", f"{audit.products:,}", in_pairs
    yield "pairs", f"{audit.pairs:,}", f"of {audit.rows:,} rows"
    yield "multi-positive scenes", f"{audit.multi_positive_scenes:,}", "several products of one category"
    yield "boxes outside 0..1", f"{audit.boxes_outside:,}", f"{audit.boxes:,} pairs have a box"
    yield "duplicate rows", f"{audit.duplicate_rows:,}", ""
    share = audit.dropped_by_crop / max(audit.pairs, 1)
    dropped = f"pairs ({share:.1%}): too little of the scene is outside the box" if audit.boxes else ""
    yield "dropped by the crop rule", f"{audit.dropped_by_crop:,}", dropped
    pictures = audit.pictures
    if pictures is None:
        yield "pictures", "none", "so twins and unreadable pictures were not searched"
        return
    missing = f"{audit.missing_scenes:,} of scenes, {audit.missing_products:,} of products"
    yield "pictures missing", f"{audit.missing_scenes + audit.missing_products:,}", missing
    yield "pictures unreadable", f"{pictures['unreadable']:,}", ""
    held_out = f"{pictures['twin_scenes_held_out']:,} in val and test have a twin in train"
    yield "twin scenes", f"{pictures['twin_scenes']:,}", held_out
    groups = f"groups: {pictures['near_identical_groups']:,}; compared by shape, so colour variants count"
    yield "near-identical products", f"{pictures['near_identical_products']:,}", groups


def _problems(audit: "Audit") -> Iterator[str]:
    """Yield the first problems of each kind."""
    if not audit.problems:
        yield "  no problems"
        return
    yield f"  {counted(len(audit.problems), 'problem')}"
    for kind in dict.fromkeys(problem.kind for problem in audit.problems):
        of_kind = [problem for problem in audit.problems if problem.kind == kind]
        yield f"    {kind} ({len(of_kind):,})"
        yield from (f"      {problem}" for problem in of_kind[:SHOWN])
        if len(of_kind) > SHOWN:
            yield f"      and {len(of_kind) - SHOWN:,} more; list all with --json FILE"


def _release(release: dict[str, dict[str, int]]) -> Iterator[str]:
    """Yield the lines about the category files of the STL release."""
    yield "category files of the STL release"
    for part, categories in release.items():
        yield f"  {part:<26}{sum(categories.values()):>9,}   products in {len(categories)} categories"
