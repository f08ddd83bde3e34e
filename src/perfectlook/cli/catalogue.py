"""`perfectlook catalogue sync`, `check` and `embed`: turn a shop's products into vectors of a model."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from perfectlook.cli.options import (
    Feeding,
    Folder,
    JsonOut,
    JsonToo,
    Natural,
    Percent,
    Strict,
    Workers,
    group,
)
from perfectlook.cli.output import beside_json, print_problems, require, write_json
from perfectlook.errors import UsageError
from perfectlook.progress import counted
from perfectlook.texts import plain

if TYPE_CHECKING:
    from perfectlook.catalogue import Catalogue, FeedCheck, SyncReport

SEVERITY = {"ok": 0, "warning": 3, "error": 1}
"""The exit code of `catalogue check`, by severity."""
MAX_DELETE = 0.2
NAMED = 5
"""How many category names a line shows."""


CATEGORIES = 20
"""How many categories `catalogue check` prints."""


def register(app: App) -> None:
    """Add the commands."""
    catalogue = group("catalogue", "Keep a catalogue of products in step with its source.")
    catalogue.command(sync)
    catalogue.command(switch)
    catalogue.command(check)
    app.command(catalogue)
    app.command(embed)
    app.command(categories)


def sync(
    source: str,
    /,
    *,
    model: Folder,
    catalogue: Annotated[str, Parameter(help="folder or URL of the catalogue; made if it does not exist")],
    dry_run: bool = False,
    verify: bool = False,
    recentre: bool = False,
    stage: bool = False,
    wait: Natural = 0,
    allow_empty: bool = False,
    max_delete: Percent = MAX_DELETE,
    strict: Strict = False,
    json: JsonToo = None,
    workers: Workers = None,
    feeding: Feeding = Feeding(),
) -> int:
    """Add, change and delete products until a catalogue holds the same products as a source.

    Unchanged products are skipped. With another model than before, all products are embedded again into a
    second collection, and the catalogue switches to it in one step. `catalogue switch --back` undoes this.
    You can interrupt a sync at any time and run it again.

    Args:
        source: a set, a folder of pictures by category (Furniture/Chairs/red.jpg), a feed (CSV, TSV, JSON
            lines, Parquet, Google Merchant Center's TSV or XML) or its URL, or the Parquet file of
            `perfectlook embed`
        dry_run: change nothing and fetch no pictures; print what a sync would do
        verify: read every picture again, or ask its server, even if it seems unchanged
        recentre: compute the categories' centres again, and embed all products with them
        stage: with another model, leave the active one; `catalogue switch` then makes the new one active
        wait: seconds to wait until another sync ends (default: 0)
        allow_empty: delete all products if the source is empty
        max_delete: stop before changing anything if more than this share of the products would be deleted,
            and more than 10 (default: 20%)
        strict: exit with 1 if there is any problem
        json: write the report, with all problems, as JSON

    Raises:
        PerfectLookError: the source, the model or the catalogue cannot be used.
    """
    from perfectlook.catalogue import open_source
    from perfectlook.model.runtime import Model
    from perfectlook.progress import ProgressLine

    opened = Model.open(model)
    # Open the source first, so that a wrong one leaves no empty catalogue behind.
    products = open_source(source, catalogue, **feeding.options())
    with _catalogue(catalogue, dry_run=dry_run) as target:
        report = target.sync(
            products,
            opened,
            allow_empty=allow_empty,
            max_delete=max_delete,
            verify=verify,
            recentre=recentre,
            stage=stage,
            dry_run=dry_run,
            wait=wait,
            workers=workers,
            progress=ProgressLine,
        )
        print_problems(report.failed, products.name)
        with beside_json(json):
            _print(target, catalogue, report, opened.name)
    if json:
        write_json(json, report.to_dict())
    return 1 if report.refused or (strict and report.failed) else 0


def check(
    feed: str,
    /,
    *,
    model: Annotated[
        Path | None, Parameter(help="folder or name of the model whose categories are compared")
    ] = None,
    write_map: Path | None = None,
    json: JsonOut = None,
    feeding: Feeding = Feeding(),
) -> int:
    """Read a feed and print what a sync would do with it, without fetching a picture.

    The exit code is 0 if everything is understood, 3 if a sync would leave out rows, fields or suggestions,
    and 1 if a sync would stop before it changes anything.

    Args:
        feed: the feed, or its URL
        write_map: with --model: write the map of categories to a CSV file, to edit and pass as --categories

    Raises:
        PerfectLookError: there is no feed, or the model cannot be used.
    """
    from perfectlook.catalogue import check_feed

    if write_map and not model:
        raise UsageError("--write-map requires --model. Add --model, or leave out --write-map.")
    found = check_feed(feed, model, write_map=write_map, **feeding.options())
    if json:
        write_json(json, found.to_dict())
    if json != "-":
        print(*map(plain, _checked(found)), sep="\n")
    return SEVERITY[found.severity]


def categories(*, model: Folder = Path("rooms"), json: JsonOut = None) -> int:
    """List the categories that a model knows.

    Args:
        model: folder of a trained model, or the name of an included one (default: rooms)

    Raises:
        PerfectLookError: the model cannot be opened.
    """
    from perfectlook.model.runtime import Model

    opened = Model.open(model)
    if json:
        write_json(json, {"model": opened.name, "categories": list(opened.categories)})
    else:
        print(*map(plain, opened.categories), sep="\n")
    return 0


def switch(catalogue: str, /, *, back: bool = False, drop_previous: bool = False, wait: Natural = 0) -> int:
    """Make the vectors of `catalogue sync --stage` the active ones, in one step.

    The previous vectors are kept until the next switch or --drop-previous.

    Args:
        catalogue: folder or URL of the catalogue
        back: return to the previous vectors; they lack later syncs
        drop_previous: only delete the previous vectors
        wait: seconds to wait until a sync ends (default: 0)

    Raises:
        PerfectLookError: there are no staged or previous vectors, or the catalogue cannot be used.
    """
    from perfectlook.catalogue import Catalogue

    with Catalogue.open(catalogue) as opened:
        if drop_previous:
            opened.drop_previous(wait=wait)
            print(f"{opened.location}: the previous vectors are deleted")
        else:
            print(f"{opened.location}: switched to model {opened.switch(back=back, wait=wait).name}")
    return 0


def embed(
    source: str,
    /,
    *,
    model: Folder,
    out: Path,
    catalogue: str | None = None,
    ray: bool = False,
    workers: Workers = None,
    strict: Strict = False,
    feeding: Feeding = Feeding(),
) -> int:
    """Embed a source's products with a model, and write the vectors to a Parquet file.

    `catalogue sync` reads the vectors from this file. It needs no pictures and embeds nothing. You can
    interrupt the command and run it again: extracted features are kept. --ray uses many machines.

    Args:
        source: anything that `catalogue sync` accepts
        out: the Parquet file to write
        catalogue: folder or URL of the catalogue that will take the vectors; its centres are used
        ray: extract on the Ray cluster that RAY_ADDRESS names, or on a local one
        strict: exit with 1 if there is any problem

    Raises:
        PerfectLookError: the source, the model, the catalogue or the file cannot be used.
    """
    from perfectlook.catalogue import embed as embed_products
    from perfectlook.model.runtime import Model
    from perfectlook.progress import ProgressLine

    if out.suffix.lower() != ".parquet":
        raise UsageError(f"--out {out}: vectors are written as Parquet. End its name in .parquet.")
    require("parquet", "writing Parquet", "pyarrow")
    if ray:
        require("ray", "embedding on a Ray cluster", "ray", "pyarrow")
    opened = Model.open(model)
    report = embed_products(
        source,
        opened,
        out,
        catalogue=catalogue,
        ray=ray,
        workers=workers,
        progress=ProgressLine,
        **feeding.options(),
    )
    print_problems(report.failed, source)
    print(
        f"{out}: products {report.embedded:,}, categories {report.categories:,}, model {opened.name}; "
        f"{_problems(len(report.failed))}"
    )
    return 1 if strict and report.failed else 0


@contextmanager
def _catalogue(location: str, *, dry_run: bool) -> "Iterator[Catalogue]":
    """Open the catalogue. A dry run of a new catalogue opens an empty one in a temporary folder instead."""
    from perfectlook.catalogue import Catalogue

    if dry_run and "://" not in location and not Path(location).exists():
        with TemporaryDirectory() as folder, Catalogue.open(Path(folder) / "new", create=True) as catalogue:
            yield catalogue
    else:
        with Catalogue.open(location, create=not dry_run) as catalogue:
            yield catalogue


def _print(catalogue: "Catalogue", location: str, report: "SyncReport", model: str) -> None:
    if report.dry_run:
        would = "would stop. With a larger --max-delete, it would" if report.refused else "would"
        print(f"{location}: nothing was changed. A sync with model {model} {would} do this:")
    else:
        counts = catalogue.categories()
        total = sum(counts.values())
        print(f"{catalogue.location}: products {total:,}, categories {len(counts):,}, model {model}")
    print(
        f"  {report.added:,} added, {report.changed:,} changed, {report.deleted:,} deleted, "
        f"{report.unchanged:,} unchanged; {report.embedded:,} embedded, {_problems(len(report.failed))}"
    )
    if report.kept:
        print(f"  {report.kept:,} kept as they are: the source is temporarily unavailable for them")
    if not report.is_whole:
        print("  nothing was deleted, because the source could not be listed completely")
    for name, match in list(report.mapped_categories.items())[:CATEGORIES]:
        print(f"  category {plain(name)} -> {match['category']} ({match['how']}, {match['sure']:.0%} sure)")
    if len(report.mapped_categories) > CATEGORIES:
        print(f"  and {len(report.mapped_categories) - CATEGORIES:,} more (--json lists all)")
    if report.mapped_categories:
        print("  To correct these, run `perfectlook catalogue check` with --model and --write-map.")
    if report.unknown_categories:
        print(f"  {_unknown(report.unknown_categories)}")
    for warning in report.warnings:
        print(f"WARNING: {warning}", file=sys.stderr)
    if report.refused:
        print(f"ERROR: {report.refused}", file=sys.stderr)


def _problems(number: int) -> str:
    return f"{number:,} {'problem' if number == 1 else 'problems'}"


def _unknown(categories: Mapping[str, int]) -> str:
    """Return the line about categories that the model does not know, largest first."""
    ordered = sorted(categories, key=lambda name: (-categories[name], name))
    names = plain("; ".join(name or "(none)" for name in ordered[:NAMED]))
    more = f"; and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else ""
    return (
        f"{counted(sum(categories.values()), 'product')} in categories that the model does not know: {names}"
        f"{more}. They are never suggested. Show them with --category, or train a model that knows them."
    )


def _checked(found: "FeedCheck") -> Iterator[str]:
    """Yield the lines of a check."""
    left_out = sum(each.count for each in found.problems if not each.kept)
    yield f"{found.source}: {counted(found.products, 'product')}, {counted(left_out, 'row')} left out"
    named = ", ".join(
        name if name == column else f"{name} ({column})" for name, column in found.columns.items()
    )
    yield f"  fields: {named or '(none)'}"
    for currency, price in found.prices.items():
        sale = f", {price.on_sale:,} on sale now" if price.on_sale else ""
        yield f"  prices in {currency}: {price.products:,}, from {price.least} to {price.most}{sale}"
    stock = ", ".join(f"{name or '(none)'} {number:,}" for name, number in found.availability.items())
    yield f"  availability: {stock or '(none)'}"
    if found.not_shown:
        texts = ", ".join(f"{text} {number:,}" for text, number in found.not_shown.items())
        yield f"  not shown in the shop, and left out: {texts}"
    counts = {
        "without price": found.products - sum(each.products for each in found.prices.values()),
        "without title": found.products - found.fields.get("title", 0),
        "groups of variants": found.groups,
        "products with the picture of an earlier product": found.same_picture,
    }
    yield from (f"  {what}: {number:,}" for what, number in counts.items() if number)
    if found.categories:
        compared = f", compared with model {found.model}" if found.model else ""
        lost = [each.products for each in found.categories.values() if each.is_lost]
        remedy = "They are never suggested. Map them: --write-map writes the map to edit."
        unknown = f"; {len(lost):,} unknown, with {counted(sum(lost), 'product')}. {remedy}" if lost else ""
        yield f"  categories: {len(found.categories):,}{compared}{unknown}"
    for name, each in list(found.categories.items())[:CATEGORIES]:
        known = f" -> {each.known or '(none)'} ({each.how}, {each.sure:.0%} sure)" if found.model else ""
        yield f"    {name} ({each.products:,}){known}"
    if len(found.categories) > CATEGORIES:
        yield f"    and {len(found.categories) - CATEGORIES:,} more (--json lists all)"
    for group_ in found.problems:
        effect = "the product stays" if group_.kept else "the row is left out"
        yield f"  {group_.kind}: {group_.count:,} ({effect})"
        yield from (f"    {example}" for example in group_.examples)
        if group_.count > len(group_.examples):
            yield f"    and {group_.count - len(group_.examples):,} more"
    yield from (f"ERROR: {error}" for error in found.errors)
