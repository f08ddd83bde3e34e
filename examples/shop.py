"""Make a catalogue from a feed and product pictures, and complete a photo from it.

    python examples/shop.py SET MODEL [PHOTO] [--out FOLDER]

The products of the set stand in for a shop's. `export` writes the feed, as a shop's software does.
"""

import argparse
import csv
from pathlib import Path

from perfectlook.catalogue import Catalogue
from perfectlook.data import load_set
from perfectlook.model.runtime import Model
from perfectlook.recommender import Recommender


def export(folder: Path, feed: Path) -> None:
    """Write a feed: a row for each product, with its picture."""
    with feed.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "title", "category", "image_link"])
        for product in load_set(folder).products.values():
            rows.writerow([product.id, product.title, product.category, product.picture.resolve()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", type=Path, help="folder of a set, whose products the shop sells")
    parser.add_argument("model", type=Path, help="folder of a trained model")
    parser.add_argument("photo", type=Path, nargs="?", help="a photo (default: a scene of the set)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/shop"), help="folder of the feed and the catalogue"
    )
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    photo = given.photo or min((given.set / "scenes").iterdir())

    export(given.set, given.out / "feed.csv")
    model = Model.open(given.model)
    with Catalogue.open(given.out / "catalogue", create=True) as catalogue:
        # the pictures are in the set's folder
        report = catalogue.sync(given.out / "feed.csv", model, allow_outside=True)
        print(f"{report.added} added, {report.changed} changed, {report.deleted} deleted")
        answer = Recommender.open(catalogue, model).complete(photo, k=3)
        print(f"What goes with {photo}:")
        for section in answer.categories:
            print(f"  {section.category}")
            for product in section.products:
                print(f"    {product.rank}. {product.title or product.id}  {product.distance:.3f}")


if __name__ == "__main__":
    main()
