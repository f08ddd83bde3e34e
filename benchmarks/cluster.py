"""Measures catalogues on a real Milvus server against the embedded store, on the same products and queries.

    python benchmarks/cluster.py [--n 38111 1000000] [--dimension 128] [--indexes FLAT IVF_SQ8 HNSW DISKANN]
        [--seconds 480] [--quick] [--json FILE]

It starts its own server, from `.venv-milvus`, with the server's default settings (Linux on x86-64). Products
are synthetic: clustered unit vectors in 60 categories of sizes as rank^-0.8, with a price and a brand. Every
query names a category, drawn by size, and asks for 10 products, one query at a time through the store, from
the call to the hits with their records. After `--seconds`, no further index is begun. Ctrl+C ends it, and
writes what was measured.

Each figure's name is SIZE.STORE.WHAT, where STORE is "folder" or an index of Milvus:

- `load_per_second`: products a second in batches of 5,000 through the store, as a sync writes them.
- `bulk_per_second`: the same for more than 100,000 products, which are inserted without deleting first.
- `build_seconds`: until the server has written its segments and built their indexes.
- `memory_bytes`: memory of the server process per product, above that of the empty server. It includes the
  server's buffers. Only the first index of a size has this figure: later ones reuse memory.
- `ms_p50`, `ms_p99`: searches. `where_`: with a filter of price and brand.
- `recall`: found among the ten true neighbours of the embedded store, without a filter.
- `ms_after_sync`: p50 of the first search after a sync, which waits for all its writes.
- `ms_of_engine`, `compared_per_second`: a line through the times by the sizes of the categories (Theil-Sen):
  the time of a search without comparisons, and the products compared in a second.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from machine import add_json_option, add_quick_option, report
from milvus_server import MilvusServer, why_not
from perfectlook.stores import Point, Query, Store, open_store
from perfectlook.stores.filters import Filter, parse_filter
from perfectlook.stores.milvus import SEARCH, MilvusStore
from perfectlook.types import Float32Array, IntArray

KINDS = ["FLAT", *SEARCH]
CATEGORIES, K, BATCH, BULK = 60, 10, 5_000, 100_000
NAMES = [f"Shop|Category {number:02d}" for number in range(CATEGORIES)]
WHERE = parse_filter("price <= 40 EUR and brand in (brand1, brand2, brand3)")
QUICK = {"n": [1_500], "queries": 20, "indexes": ["FLAT"]}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[38_111, 1_000_000], help="products")
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--indexes", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--seconds", type=float, default=480.0, help="begin no index after these (480)")
    add_quick_option(parser)
    add_json_option(parser)
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    if reason := why_not():
        print(f"cluster: no Milvus server can start: {reason}.", file=sys.stderr)
        return
    began = time.monotonic()
    figures: dict[str, object] = {"dimension": options.dimension, "queries": options.queries}
    with tempfile.TemporaryDirectory() as scratch:
        server = MilvusServer(Path(scratch) / "milvus", {}).start()
        try:
            for n in options.n:
                shop = Shop(n, options.dimension, options.queries)
                with closing(open_store(Path(scratch) / f"catalogue-{n}", create=True)) as embedded:
                    figures[f"{n}.folder.load_per_second"] = n / _loaded(embedded, shop, embedded.upsert)
                    truth = _searched(embedded, shop, f"{n}.folder", figures)
                for kind in options.indexes:
                    if time.monotonic() - began < options.seconds:
                        _measure(server, shop, kind, truth, figures)
        finally:  # also after Ctrl+C
            server.kill()
            report("cluster", {}, figures, options.json)


class Shop:
    """Products, drawn again for each store, and queries: a vector and its category."""

    def __init__(self, n: int, dimension: int, queries: int) -> None:
        random = np.random.default_rng(0)
        shares = 1 / np.arange(1, CATEGORIES + 1) ** 0.8
        self.n, self.dimension = n, dimension
        self._of = random.choice(CATEGORIES, n, p=shares / shares.sum())
        self._middles = 0.6 * random.standard_normal((CATEGORIES, dimension), np.float32)
        asked = random.choice(self._of, queries)
        self.sizes = np.bincount(self._of)[asked]
        self.queries = [
            (vector, NAMES[category])
            for category, vector in zip(asked, self._vectors(asked, random), strict=True)
        ]

    def points(self) -> Iterator[list[Point]]:
        """Yield the products in batches."""
        for start in range(0, self.n, BATCH):
            some = self._of[start : start + BATCH]
            vectors = self._vectors(some, np.random.default_rng(start + 1))
            yield [
                Point(f"p{number:08}", NAMES[category], vector, {"fields": _fields(number)})
                for number, (category, vector) in enumerate(zip(some, vectors, strict=True), start)
            ]

    def _vectors(self, of: IntArray, random: np.random.Generator) -> Float32Array:
        each = self._middles[of] + random.standard_normal((len(of), self.dimension), np.float32)
        found: Float32Array = each / np.linalg.norm(each, axis=1, keepdims=True)
        return found


def _fields(number: int) -> dict[str, str]:
    return {"price": f"{number % 300}.90 EUR", "brand": f"brand{number % 50}", "availability": "in_stock"}


def _measure(
    server: MilvusServer, shop: Shop, kind: str, truth: list[set[str]], figures: dict[str, object]
) -> None:
    """Fill a catalogue with an index of a kind, search it, and drop it."""
    name = f"{shop.n}.{kind}"
    url = f"milvus+{server.url}/benchmark_{shop.n}_{kind}?timeout=60&index={kind}"
    with MilvusStore(url, create=True) as store:
        empty, bulk = server.memory(), shop.n > BULK
        seconds = _loaded(store, shop, partial(_inserted, store) if bulk else store.upsert)
        figures[f"{name}.{'bulk' if bulk else 'load'}_per_second"] = shop.n / seconds
        figures[f"{name}.build_seconds"] = _seconds(partial(_indexed, store))
        if not any(each.startswith(f"{shop.n}.") and each.endswith(".memory_bytes") for each in figures):
            figures[f"{name}.memory_bytes"] = (server.memory() - empty) / shop.n
        figures[f"{name}.ms_after_sync"] = 1000 * median(_first(store, each) for each in shop.queries[:10])
        found = _searched(store, shop, name, figures)
        hits = sum(len(mine & theirs) for mine, theirs in zip(found, truth, strict=True))
        figures[f"{name}.recall"] = hits / sum(map(len, truth))
        store.write_manifest({}, active=None)
        store.drop_collection("c")


def _searched(store: Store, shop: Shop, name: str, figures: dict[str, object]) -> list[set[str]]:
    _times(store, shop.queries[: len(shop.queries) // 4], None)  # warm
    seconds, found = _times(store, shop.queries, None)
    filtered, _ = _times(store, shop.queries, WHERE)
    for what, values in (("", seconds), ("where_", filtered)):
        figures[f"{name}.{what}ms_p50"] = 1000 * median(values)
        figures[f"{name}.{what}ms_p99"] = 1000 * quantiles(values, n=100)[98]
    slope, intercept = _line(shop.sizes, np.array(seconds))
    figures[f"{name}.ms_of_engine"] = 1000 * intercept
    figures[f"{name}.compared_per_second"] = 1 / slope if slope > 0 else None
    return found


def _line(x: IntArray, y: Float32Array) -> tuple[float, float]:
    """Return the slope and the intercept of the line of Theil and Sen."""
    one, other = np.triu_indices(len(x), 1)
    apart = x[one] != x[other]
    slope = float(np.median((y[one] - y[other])[apart] / (x[one] - x[other])[apart]))
    return slope, float(np.median(y - slope * x))


def _times(
    store: Store, queries: list[tuple[Float32Array, str]], where: Filter | None
) -> tuple[list[float], list[set[str]]]:
    seconds, found = [], []
    for vector, category in queries:
        query = Query(vector, K, frozenset({category}), where)
        began = time.perf_counter()
        (hits,) = store.search([query], collection="c")
        seconds.append(time.perf_counter() - began)
        found.append({product.id for product in hits.products})
    return seconds, found


def _first(store: Store, query: tuple[Float32Array, str]) -> float:
    """Sync nothing. Return the seconds of the first search that follows."""
    with store.hold("a sync"):
        store.upsert([])
    store.active()  # as every request reads it
    return _times(store, [query], None)[0][0]


def _loaded(store: Store, shop: Shop, write: Callable[[list[Point]], object]) -> float:
    """Fill a new collection. Return the seconds of the writes."""
    store.create_collection("c", shop.dimension)
    store.write_manifest({}, active="c")
    return sum(_seconds(partial(write, batch)) for batch in shop.points())


def _inserted(store: MilvusStore, points: list[Point]) -> None:
    """Write new products without deleting any."""
    client, known = store._connection._client, store._look("c")
    client.insert(store._of("c"), [store._row(point, known) for point in points], timeout=60)


def _indexed(store: MilvusStore) -> None:
    """Wait until the server has written its segments and built their indexes. Small segments have none."""
    client, name = store._connection._client, store._of("c")
    client.flush(name, timeout=600)
    before = None
    while before != (now := _progress(client.describe_index(name, "vector"))):
        before = now
        time.sleep(3)


def _progress(index: dict[str, object]) -> tuple[object, object]:
    return index.get("indexed_rows"), index.get("pending_index_rows")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
