"""Measures catalogues on a real Milvus server against the embedded store, on the same products and queries.

    python benchmarks/cluster.py [--n 38111] [--dimension 128] [--indexes FLAT IVF_SQ8 HNSW] [--quick]
        [--json FILE]

It starts its own server, from `.venv-milvus`, with the server's default settings (Linux on x86-64). Products
are synthetic: clustered unit vectors in 60 categories of sizes as rank^-0.8, with a price and a brand. Every
query names a category, drawn by size, and asks for 10 products, one query at a time through the store, from
the call to the hits with their records.

- `figures.load_embedded_per_second`, `INDEX_load_per_second`: products a second in batches of 5,000.
- `figures.INDEX_build_seconds`: until the server has written its segments and built their indexes.
- `figures.INDEX_memory_bytes`: memory of the server process per product, above that of the empty server. It
  includes the server's buffers, which it gives back later.
- `figures.INDEX_ms_p50`, `p99`: searches. `where`: with a filter of price and brand.
- `figures.INDEX_recall`: found among the ten true neighbours of the embedded store, without a filter.
- `figures.INDEX_ms_after_sync`: p50 of a search directly after a sync, which waits for all its writes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from machine import add_json_option, add_quick_option, report
from milvus_server import MilvusServer, why_not
from perfectlook.stores import Point, Query, Store, open_store
from perfectlook.stores.filters import parse_filter
from perfectlook.stores.milvus import BUILD, MilvusStore
from perfectlook.types import Float32Array, IntArray

CATEGORIES, K, BATCH = 60, 10, 5_000
NAMES = [f"Shop|Category {number:02d}" for number in range(CATEGORIES)]
WHERE = parse_filter("price <= 40 EUR and brand in (brand1, brand2, brand3)")
QUICK = {"n": 1_500, "queries": 10, "indexes": ["FLAT"]}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=38_111, help="products (default %(default)s)")
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--indexes", nargs="+", default=["FLAT", "IVF_SQ8", "HNSW"], choices=["FLAT", *BUILD])
    add_quick_option(parser)
    add_json_option(parser)
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    if reason := why_not():
        print(f"cluster: no Milvus server can start: {reason}.", file=sys.stderr)
        return
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, CATEGORIES + 1) ** 0.8
    of = random.choice(CATEGORIES, options.n, p=shares / shares.sum())
    middles = random.standard_normal((CATEGORIES, options.dimension))
    figures: dict[str, object] = {"products": options.n, "dimension": options.dimension}

    def vectors(of: IntArray) -> Float32Array:
        each = 0.6 * middles[of] + random.standard_normal((len(of), options.dimension))
        found: Float32Array = (each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32)
        return found

    drawn = vectors(of)

    def points() -> Iterator[list[Point]]:
        for start in range(0, options.n, BATCH):
            some = of[start : start + BATCH]
            yield [
                Point(f"p{number:08}", NAMES[category], vector, {"fields": _fields(number)})
                for number, category, vector in zip(
                    range(start, options.n), some, drawn[start : start + BATCH], strict=False
                )
            ]

    asked = random.choice(of, options.queries)
    wanted = [(vector, NAMES[category]) for category, vector in zip(asked, vectors(asked), strict=True)]
    with tempfile.TemporaryDirectory() as scratch:
        server = MilvusServer(Path(scratch) / "milvus", {}).start()
        try:
            embedded = open_store(Path(scratch) / "catalogue", create=True)
            figures["load_embedded_per_second"] = options.n / _loaded(embedded, points(), options.dimension)
            truth = _asked(embedded, wanted, "embedded", figures)
            embedded.close()
            for kind in options.indexes:
                url = f"milvus+{server.url}/benchmark_{kind}?timeout=60&index={kind}"
                with MilvusStore(url, create=True) as remote:
                    empty = server.memory()
                    figures[f"{kind}_load_per_second"] = options.n / _loaded(
                        remote, points(), options.dimension
                    )
                    figures[f"{kind}_build_seconds"] = _seconds(lambda remote=remote: _indexed(remote))  # type: ignore[misc]
                    figures[f"{kind}_memory_bytes"] = (server.memory() - empty) / options.n
                    figures[f"{kind}_ms_after_sync"] = 1000 * median(_times(remote, wanted[:10], None)[0])
                    remote._wrote = -float("inf")  # as if the sync had ended long ago
                    found = _asked(remote, wanted, kind, figures)
                    hits = sum(len(mine & theirs) for mine, theirs in zip(found, truth, strict=True))
                    figures[f"{kind}_recall"] = hits / sum(map(len, truth))
        finally:
            server.kill()
    report("cluster", {}, figures, options.json)


def _fields(number: int) -> dict[str, str]:
    return {"price": f"{number % 300}.90 EUR", "brand": f"brand{number % 50}", "availability": "in_stock"}


def _asked(
    store: Store, wanted: list[tuple[Float32Array, str]], name: str, figures: dict[str, object]
) -> list[set[str]]:
    _times(store, wanted[: len(wanted) // 4], None)  # warm
    seconds, found = _times(store, wanted, None)
    filtered, _ = _times(store, wanted, WHERE)
    for what, values in ((name, seconds), (f"{name}_where", filtered)):
        figures[f"{what}_ms_p50"] = 1000 * median(values)
        figures[f"{what}_ms_p99"] = 1000 * quantiles(values, n=100)[98]
    return found


def _times(
    store: Store, wanted: list[tuple[Float32Array, str]], where: object
) -> tuple[list[float], list[set[str]]]:
    seconds, found = [], []
    for vector, category in wanted:
        query = Query(vector, K, frozenset({category}), where)  # type: ignore[arg-type]
        began = time.perf_counter()
        (hits,) = store.search([query], collection="c")
        seconds.append(time.perf_counter() - began)
        found.append({product.id for product in hits.products})
    return seconds, found


def _loaded(store: Store, points: Iterator[list[Point]], dimension: int) -> float:
    """Fill a new collection. Return the seconds of the writes."""
    store.create_collection("c", dimension)
    store.write_manifest({}, active="c")
    return sum(_seconds(lambda batch=batch: store.upsert(batch)) for batch in points)  # type: ignore[misc]


def _indexed(store: MilvusStore) -> None:
    """Wait until the server has written its segments and built their indexes. Small segments have none."""
    client, name = store._connection._client, store._of("c")
    assert client is not None
    client.flush(name, timeout=600)
    before = None
    while before != (now := client.describe_index(name, "vector")["indexed_rows"]):
        before = now
        time.sleep(3)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
