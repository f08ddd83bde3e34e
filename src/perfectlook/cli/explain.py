"""`perfectlook explain`: where the distance of a product to a photo comes from."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.asking import add_category, add_count, add_place
from perfectlook.cli.productline import short_title

if TYPE_CHECKING:
    from perfectlook.recommender import ExplainedProduct, Explanation
    from perfectlook.types import Float64Array

NAMED = 3
"""How many regions are named."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `explain`."""
    explain = subparsers.add_parser(
        "explain",
        help="say why products go with a photo",
        description="Say how much of the distance of products to a photo comes from the whole scene and how "
        "much from which of its regions, and what makes them nearer than other products of the category.",
    )
    explain.add_argument("photo", metavar="PHOTO", help="the picture of a real scene")
    add_place(explain, server=False)
    add_category(
        explain,
        "a category of the catalogue: a whole path (Furniture|Chairs), or its last level by itself",
        several=False,
    )
    which = explain.add_mutually_exclusive_group()
    add_count(which, 3, "explain the nearest N products (default: 3)")
    which.add_argument(
        "--product",
        metavar="ID",
        nargs="+",
        action="extend",
        help="explain these products of the category, however near they are",
    )
    explain.add_argument(
        "--json", metavar="FILE", help="write JSON instead of printing; - for standard output"
    )
    explain.add_argument(
        "--sheet",
        metavar="FILE.png",
        type=Path,
        help="draw the photo with what each region contributes, beside each product",
    )
    explain.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Explain products for one photo.

    Raises:
        PerfectLookError: the photo, the model, the catalogue, the category or a product cannot be used, or a
            file cannot be written.
    """
    from perfectlook.cli.jsonfile import write_json
    from perfectlook.cli.sheetfile import check_sheet, write_sheet
    from perfectlook.recommender import Recommender

    check_sheet(arguments.sheet)
    with Recommender.open(arguments.model, arguments.catalogue) as recommender:
        explanation = recommender.explain(arguments.photo, arguments.category, arguments.k, arguments.product)
    if arguments.sheet:
        from perfectlook.sheet import draw_explanation

        write_sheet(arguments.sheet, draw_explanation(explanation, arguments.photo))
    if arguments.json:
        write_json(arguments.json, explanation.as_json())
    else:
        print(*_text(explanation), sep="\n")
    return 0


def _text(explanation: "Explanation") -> Iterator[str]:
    """The lines of an explanation as a person reads it."""
    yield explanation.photo
    yield ""
    yield (
        f"  {explanation.category}: {explanation.n_products:,} products, at {explanation.mean_distance:.3f} "
        "on average"
    )
    if explanation.resolution.how != "exact":
        stand_in = explanation.resolution.category
        yield f"  (looked at as {stand_in})" if stand_in else "  (a category the model does not know)"
    if not explanation.has_regions:
        yield "  (the model looks at the whole scene only)"
    for each in explanation.products:
        yield ""
        yield from _of_product(each, has_regions=explanation.has_regions)
    yield ""


def _of_product(each: "ExplainedProduct", *, has_regions: bool) -> Iterator[str]:
    product, relative = each.product, each.relative
    title = short_title(product.record.title)
    yield f"  {product.rank:>4}  {product.distance:.3f}  {product.id}  {title}".rstrip()
    if has_regions:
        scale = product.distance or 1.0
        yield (
            f"        of the distance: whole scene {product.distance_global / scale:.1%}, "
            f"regions {product.distance_local / scale:.1%}"
        )
        yield from _regions("        most:", each.parts.regions[0], each.parts.regions[0] / scale, "{:.1%}")
    difference = float(relative.total[0])
    nearer = "nearer" if difference <= 0 else "farther"
    line = f"        {nearer} than the average product by {abs(difference):.3f}"
    if has_regions:
        line += f": whole scene {float(relative.whole[0]):+.3f}, regions {float(relative.regions.sum()):+.3f}"
    yield line
    yield from _regions("        nearer by:", -relative.regions[0], relative.regions[0], "{:+.4f}")
    yield from _regions("        farther by:", relative.regions[0], relative.regions[0], "{:+.4f}")


def _regions(head: str, order: "Float64Array", values: "Float64Array", form: str) -> Iterator[str]:
    """One line naming the regions that stand out, with their numbers; none where none does."""
    from perfectlook.attribution import place_of, row_and_column, strongest

    said = []
    for region in strongest(order, NAMED):
        row, column = row_and_column(region)
        said.append(f"row {row}, column {column} ({place_of(region)}) {form.format(values[region])}")
    if said:
        yield f"{head} {'; '.join(said)}"
