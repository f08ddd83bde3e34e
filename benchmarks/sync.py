"""Measures a sync without changes: a large feed in which no product has changed.

    python benchmarks/sync.py [--n 100000] [--rounds 3] [--quick] [--json FILE]

The feed is a CSV file with titles, prices, links and local pictures. A first sync fills the catalogue,
with a model of random weights on the backbone "tiny". The benchmark times one call of `Catalogue.sync`: it
reads every row, checks the size and modification time of every picture, compares both with the catalogue, and
reports. The files are in the system's cache.

`over_bare` is this time over the minimum work of any sync, measured in the same rounds: read the feed's rows
with the csv module, get the status of every picture, and read every product's payload from SQLite.

Then two rows change and one is removed, to check that the sync notices.

`check_peak_mb` is the largest memory of `perfectlook catalogue check` over a Google Merchant Center XML file
with ten times as many rows, in a process of its own.
"""

import argparse
import csv
import json
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from PIL import Image

from machine import add_json_option, add_quick_option, report
from perfectlook.catalogue import Catalogue, open_source
from perfectlook.images import encode_jpeg
from perfectlook.model.runtime import Model

QUICK_ROWS = 300
HEADER = "id,title,image_link,google_product_category,price,availability,brand,gender,item_group_id,link"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000, help="products (100000)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements; the median counts (3)")
    add_quick_option(parser)
    add_json_option(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.n, arguments.rounds = QUICK_ROWS, 1
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PERFECTLOOK_CACHE"] = str(Path(folder) / "cache")
        measure(Path(folder), arguments.n, arguments.rounds, arguments.json)
    return 0


def measure(folder: Path, n: int, rounds: int, file: Path | None) -> None:
    # First, because the system counts the memory of all processes that ended: a sync has larger ones.
    peak = check_peak(folder / "google.xml", 10 * n)
    feed, model = write_feed(folder / "shop", n), small_model(folder)
    filled = timed(lambda: check(sync(folder / "catalogue", feed, model), added=n))
    seconds, bare, processor = [], [], []
    for _ in range(rounds):
        bare.append(timed(lambda: do_the_least(feed, folder / "catalogue" / "catalogue.sqlite")))
        before = time.process_time()
        seconds.append(timed(lambda: check(sync(folder / "catalogue", feed, model), unchanged=n)))
        processor.append(time.process_time() - before)
    change_three(feed)
    check(sync(folder / "catalogue", feed, model, dry_run=True), changed=2, deleted=1, unchanged=n - 3)
    middle = statistics.median(seconds)
    figures: dict[str, object] = {
        "n": n,
        "check_rows": 10 * n,
        "check_peak_mb": peak,
        "seconds_unchanged": middle,
        "processor_seconds_unchanged": statistics.median(processor),
        "seconds_bare": statistics.median(bare),
        "rows_a_second": round(n / middle),
        "seconds_to_fill_the_store": filled,
    }
    if n == 100_000:
        figures["seconds_100k_unchanged"] = middle
    over = statistics.median(one / other for one, other in zip(seconds, bare, strict=True))
    report("sync", {"over_bare": over}, figures, file)


def check_peak(feed: Path, n: int) -> float:
    """Return the peak memory of `catalogue check`, in MB."""
    with feed.open("w", encoding="utf-8") as stream:
        stream.write('<rss xmlns:g="http://base.google.com/ns/1.0"><channel>\n')
        for number in range(n):
            stream.write(
                f"<item><g:id>p{number:07}</g:id><title>Product {number} of the shop</title>"
                f"<g:image_link>https://shop.example/{number}.jpg</g:image_link>"
                f"<g:product_type>Furniture &gt; Kind {number % 40}</g:product_type>"
                f"<g:price>{number % 900}.90 EUR</g:price><g:availability>in stock</g:availability></item>\n"
            )
        stream.write("</channel></rss>\n")
    done = subprocess.run(
        [sys.executable, "-m", "perfectlook", "catalogue", "check", str(feed), "--json", "-"],
        check=True,
        capture_output=True,
    )
    assert json.loads(done.stdout)["products"] == n
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux counts kB
    return round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6, 1)


def small_model(folder: Path) -> Model:
    """A model of random weights for the tests' drawn set."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from drawn import drawn_set  # type: ignore[import-not-found,unused-ignore]
    from random_model import random_model  # type: ignore[import-not-found,unused-ignore]

    drawn_set(folder / "drawn", scenes=10)
    return Model.open(random_model(folder / "drawn", folder / "model"))


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def write_feed(folder: Path, n: int) -> Path:
    """A feed and its pictures, a hundred to a folder, all the same."""
    chance = random.Random(0)
    categories = [f"Home & Garden > Kind {i} > Sort {i % 7}" for i in range(60)]
    content = encode_jpeg(Image.new("RGB", (24, 24), "red"))
    folder.mkdir(parents=True)
    with (folder / "feed.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(HEADER.split(","))
        for i in range(n):
            picture = f"pictures/{i // 100:05}/{i}.jpg"
            if i % 100 == 0:
                (folder / picture).parent.mkdir(parents=True)
            (folder / picture).write_bytes(content)
            title = f"Product number {i} in a colour that goes with everything"
            price = f"{chance.randint(1, 300)}.{chance.randint(0, 99):02} EUR"
            brand, gender = chance.choice(("Ikea", "Muji")), chance.choice(("female", "male"))
            link = f"https://shop.example/products/{i}"
            rows.writerow(
                [
                    *(f"sku-{i}", title, picture, chance.choice(categories), price, "in stock"),
                    *(brand, gender, f"group-{i // 3}", link),
                ]
            )
    return folder / "feed.csv"


def sync(folder: Path, feed: Path, model: Model, *, dry_run: bool = False) -> dict[str, int]:
    with Catalogue.open(folder, create=True) as catalogue:
        done = catalogue.sync(open_source(feed), model, dry_run=dry_run)
    return {
        "added": done.added,
        "changed": done.changed,
        "deleted": done.deleted,
        "unchanged": done.unchanged,
        "failed": len(done.failed),
    }


def check(found: dict[str, int], **expected: int) -> None:
    wanted = dict.fromkeys(found, 0) | expected
    if found != wanted:
        raise SystemExit(f"the sync found {found}, and should have found {wanted}")


def do_the_least(feed: Path, database: Path) -> None:
    with feed.open(newline="", encoding="utf-8") as stream:
        rows = csv.reader(stream)
        next(rows)
        for row in rows:
            (feed.parent / row[2]).stat()
    with closing(sqlite3.connect(database)) as connection:
        for _, payload in connection.execute("SELECT id, payload FROM points"):
            json.loads(payload)


def change_three(feed: Path) -> None:
    """Change a title and an availability, and remove a row."""
    lines = feed.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[1] = lines[1].replace("Product number", "Other")
    lines[2] = lines[2].replace("in stock", "out of stock")
    feed.write_text("".join(lines[:-1]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
