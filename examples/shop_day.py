"""A day of a shop, acted out from its own software: `python examples/shop_day.py [--out FOLDER]`.

The showroom's products are the shop's. The day: an export of Shopify is checked and synced; photos are
completed; a price changes; a sale starts; a product sells out; a short feed is refused; the model is replaced
under load.

From the first answer on, a customer asks again and again. Every answer is compared with what the shop sells
at that moment. The exit code is 1 if anything wrong was shown.
"""

import argparse
import csv
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import call_api
import perfectlook as pl
from perfectlook import Client
from perfectlook.answers import RankedProduct
from perfectlook.catalogue import Catalogue, check_feed
from perfectlook.errors import CatalogueError
from perfectlook.feeds import FeedOptions

COLUMNS = [
    *("Handle", "Title", "Vendor", "Product Category", "Published", "Status", "Variant Price"),
    *("Variant Compare At Price", "Variant Inventory Qty", "Variant Inventory Policy", "Image Src"),
]
SOFAS, PHOTOS = "Furniture|Sofas", 4
OPTIONS: FeedOptions = {"currency": "EUR", "allow_outside": True}


class Shop:
    """What the shop sells: the price and the stock of each product. Answers are compared with them."""

    def __init__(self, feed: Path) -> None:
        """Take the products of the showroom."""
        self.feed = feed
        self.products = pl.load_set("showroom").products
        self.price = {id_: f"{100 + 7 * n}.00 EUR" for n, id_ in enumerate(self.products)}
        self.stock = dict.fromkeys(self.products, 3)
        self.lock = threading.Lock()
        self.wrong: list[str] = []
        self.answers = 0

    def export(self, part: int | None = None) -> Path:
        """Write the shop's export for the night."""
        with self.feed.open("w", encoding="utf-8", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(COLUMNS)
            for id_, product in list(self.products.items())[:part]:
                amount, path = self.price[id_].split()[0], product.category.replace("|", " > ")
                fixed = (id_, product.title, "Showroom", path, "true", "active", amount, "")
                rows.writerow([*fixed, self.stock[id_], "deny", product.picture.absolute()])
        return self.feed

    def change(self, make: Callable[[], object], id_: str, price: str | None, stock: int | None) -> None:
        """Make a change. No answer is judged while it is made."""
        with self.lock:
            make()
            self.price[id_] = price or self.price[id_]
            self.stock[id_] = self.stock[id_] if stock is None else stock

    def judge(self, client: Client, photo: Path) -> None:
        """Ask for what completes a photo, and note what is wrong."""
        with self.lock:
            found = client.complete(photo, k=5)
            self.answers += 1
            if not any(section.products for section in found.categories):
                self.wrong.append(f"{photo.name}: an empty page")
            for product in (each for section in found.categories for each in section.products):
                if not self.stock[product.id]:
                    self.wrong.append(f"{product.id}: sold out, but shown")
                if product.current_price != self.price[product.id]:
                    self.wrong.append(f"{product.id}: {product.current_price}, not {self.price[product.id]}")


def first(client: Client, photo: Path) -> RankedProduct:
    """Return the first sofa for a photo."""
    return client.complete(photo, [SOFAS], 1).categories[0].products[0]


def open_shop(shop: Shop, place: Path, keys: Path) -> str:
    """Check and sync the export, and make a key for the service. Return the key."""
    checked = check_feed(shop.export(), "showroom", **OPTIONS)
    print(f"check: {checked.products} products, severity {checked.severity}")
    with Catalogue.open(place, create=True) as catalogue:
        print(f"sync: {catalogue.sync(shop.feed, 'showroom', **OPTIONS).added} added")
    made = [sys.executable, "-m", "perfectlook", "keys", "new", "shop"]
    told = subprocess.run(made, capture_output=True, text=True, check=True)
    keys.write_text(told.stdout, encoding="utf-8")
    return told.stderr.split()[-1]


def change_products(shop: Shop, client: Client, photo: Path) -> None:
    """Change the price of the first sofa, start a sale of it, and sell it out."""
    sofa = first(client, photo)
    shop.change(lambda: client.change_product(sofa.id, price="9.00 EUR"), sofa.id, "9.00 EUR", None)
    print(f"price: {sofa.id} costs {first(client, photo).current_price}")

    start = datetime.now(UTC) + timedelta(seconds=5)
    dates = {"sale_price_effective_date": f"{start.isoformat()}/"}
    with shop.lock:  # no answer is judged from before the start until after it
        client.change_product(sofa.id, sale_price="5.00 EUR", **dates)
        before = first(client, photo)
        time.sleep(max(0.0, (start - datetime.now(UTC)).total_seconds()) + 0.2)
        after = first(client, photo)
        shop.price[sofa.id] = "5.00 EUR"
    seen = before.current_price, after.current_price, after.old_price
    print("sale: {} becomes {} (was {})".format(*seen))
    if seen != ("9.00 EUR", "5.00 EUR", "9.00 EUR"):
        shop.wrong.append(f"sale: {seen}")

    shop.change(lambda: client.change_product(sofa.id, availability="out_of_stock"), sofa.id, None, 0)
    print(f"sold out: {sofa.id}; the first sofa is now {first(client, photo).id}")


def sync_again(shop: Shop, place: Path, new: Path, photo: Path) -> None:
    """Sync a short feed, which is refused, and then the whole one with a new model, which is staged."""
    with Catalogue.open(place) as catalogue:
        try:
            catalogue.sync(shop.export(part=100), "showroom", **OPTIONS)
            shop.wrong.append("a short feed was accepted")
        except CatalogueError as error:
            print(f"short feed: {error}")
        pl.adapt("showroom", photo.parent, new)
        before = shop.answers
        catalogue.sync(shop.export(), new, stage=True, **OPTIONS)
        catalogue.switch()
    print(f"model: switched after {shop.answers - before} answers while it was embedded")


def day(out: Path) -> Shop:
    """Act out the day. Return the shop, which knows what was wrong."""
    shop, place, models = Shop(out / "export.csv"), out / "catalogue", out / "models"
    photos = [scene.picture for scene in pl.load_set("showroom").scenes.values()][:PHOTOS]
    key = open_shop(shop, place, out / "keys")
    models.mkdir(exist_ok=True)
    flags = ("--keys", str(out / "keys"), "--follow-model", str(models), "--rate", "0")
    closed = threading.Event()

    def visit(url: str) -> None:
        with Client(url) as customer:
            while not closed.is_set():
                for photo in photos:
                    shop.judge(customer, photo)

    with (
        call_api.service(Path("showroom"), place, out / "feedback", *flags) as url,
        Client(url, key) as client,
        ThreadPoolExecutor() as pool,
    ):
        visits = pool.submit(visit, url)
        try:
            change_products(shop, client, photos[0])
            sync_again(shop, place, models / "new", photos[0])
            switched = shop.answers
            while shop.answers < switched + 2 * PHOTOS and not visits.done():
                time.sleep(0.1)
            model = client.complete(photos[0], [SOFAS], 1).model
            print(f"model: {model} answers")
            if model != "new":
                shop.wrong.append(f"model: {model} still answers")
        finally:
            closed.set()
        visits.result()
    return shop


def main() -> None:
    """Read the arguments, and act out the day."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/shop-day"), help="an empty or new folder")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    shop = day(out)
    print(f"{shop.answers} answers compared, {len(shop.wrong)} wrong")
    for each in dict.fromkeys(shop.wrong):
        print(f"  {each}")
    sys.exit(1 if shop.wrong else 0)


if __name__ == "__main__":
    main()
