"""`perfectlook data make`: a set of one's own scenes and products."""

import argparse
from pathlib import Path


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Make a set and report; 1 when `--strict` is given and a row had to be left out.

    Raises:
        PerfectLookError: see `perfectlook.origins.own.make`.
    """
    from perfectlook.cli.reporting import print_problems
    from perfectlook.origins.own import make

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
