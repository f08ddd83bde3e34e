"""Write a set as a shop's feed: packshots as `image_link`, and the scenes as lifestyle photos next to them.

python examples/export_feed.py SET FEED.csv
perfectlook data from-feed FEED.csv --out AGAIN --allow-outside
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

from perfectlook.data import load_set


def export(place: Path, feed: Path) -> None:
    """Write a row for each product. Its further pictures are the scenes that it belongs to."""
    dataset = load_set(place)
    scenes = defaultdict(list)
    for pair in dataset.pairs:
        scenes[pair.product].append(str(dataset.scenes[pair.scene].picture.absolute()))
    with feed.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "title", "product_type", "image_link", "additional_image_link", "price"])
        for product in dataset.products.values():
            further = ", ".join(dict.fromkeys(scenes[product.id]))
            kind, picture = product.category.replace("|", " > "), product.picture.absolute()
            rows.writerow(
                [product.id, product.title, kind, picture, further, product.fields.get("price", "")]
            )


def main() -> None:
    """Read the arguments, and write the feed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path)
    parser.add_argument("feed", type=Path)
    arguments = parser.parse_args()
    export(arguments.set, arguments.feed)


if __name__ == "__main__":
    main()
