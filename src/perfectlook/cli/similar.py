"""`perfectlook similar`: products that look like one of the catalogue, or like a photo."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.asking import add_category, add_count, add_place, check_place, drawable, opened
from perfectlook.cli.choosing import add_choosing, check_choosing, chosen_rules

if TYPE_CHECKING:
    from perfectlook.recommender import Lookalikes


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `similar`."""
    similar = subparsers.add_parser(
        "similar",
        help="find products that look alike",
        description="Find the products of a catalogue that look most like one of them, or like the product "
        "on a photo.",
    )
    similar.add_argument(
        "like", metavar="ID|PHOTO", help="the id of a product of the catalogue, or else a picture of one"
    )
    add_place(similar)
    add_category(
        similar,
        "look in these categories only (default: that of the product; for a photo the three whose "
        "products look most like it on the whole)",
    )
    add_count(similar, 10, "products of each category (default: 10)")
    add_choosing(similar)
    similar.add_argument(
        "--json", metavar="FILE", help="write JSON instead of printing; - for standard output"
    )
    similar.add_argument(
        "--sheet", metavar="FILE.png", type=Path, help="draw the product or photo and its look-alikes"
    )
    similar.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Find look-alikes.

    Raises:
        PerfectLookError: the product or photo, the model, the catalogue, a category, the filter or the rules
            cannot be used, or a file cannot be written.
    """
    from perfectlook.cli.jsonfile import write_json
    from perfectlook.cli.reporting import print_notes
    from perfectlook.cli.sheetfile import check_sheet, write_sheet

    check_place(arguments)
    check_sheet(arguments.sheet)
    check_choosing(arguments)
    rules = chosen_rules(arguments)
    with opened(arguments) as recommender:
        found = recommender.similar(
            arguments.like,
            arguments.category,
            arguments.k,
            arguments.where,
            variety=not arguments.all,
            rules=rules,
            include_unavailable=arguments.include_unavailable or arguments.all,
        )
        if arguments.sheet:
            from perfectlook.sheet import draw_lookalikes

            with drawable(recommender, found) as shown:
                write_sheet(arguments.sheet, draw_lookalikes(shown))
    if arguments.json:
        write_json(arguments.json, found.as_json(None) if arguments.all else found.as_json())
    else:
        print(*_text(found, bare=arguments.all), sep="\n")
    print_notes(found.notes)
    return 0


def _text(found: "Lookalikes", *, bare: bool) -> Iterator[str]:
    """The lines of the answer as a person reads it."""
    from perfectlook.cli.productline import product_line

    title = found.product and found.product.record.title
    yield f"{found.asked}  {title}" if title else found.asked
    for section in found.sections:
        yield ""
        yield f"  {section.category}"
        if not section.products:
            yield "      nothing"
        for product in section.products:
            yield product_line(product, bare=bare)
    yield ""
