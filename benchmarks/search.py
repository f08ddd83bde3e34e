"""Measures catalogue search against the naive hybrid distance and against faiss's flat index with a selector.

    python benchmarks/search.py [--n 38111] [--dimension 128] [--ann] [--quick] [--json FILE]

Products are synthetic. Their unit vectors cluster by category, with variance that decays over the dimensions.
There are 60 categories of sizes as rank^-0.8, with prices and brands. Every query names a category, drawn by
size. The sides take turns query by query. Ours is `EmbeddedStore.search` in one thread, from the call to the
hits with their records. A store caches the records of recent hits, so `figures.ms_ours_first` and
`ms_where_first` measure new queries.

- `vs_naive_hybrid`: the hybrid distance as written, from one scene with 49 regions to a category of all n
  products, over our scan of the same products by the query point. The naive side is one matrix product,
  norms, attention sum and argpartition in float32. Both use two threads and must find the same ten.
- `filtered_over_faiss`: our p50 over that of `IndexFlatL2` with a prepared bitmap of the category as its
  selector. Its products are in feed order. faiss uses one thread too, and returns positions only.
  `filtered_over_faiss_where`: the same with a filter of price and brand, also as a prepared bitmap.
  `figures.ms_faiss_range` is faiss with the products sorted by category, which a shop's feed is not.
- `throughput_of_two`: searches a second of two threads over those of one.
- `look_of_ten`: ten calls for ten categories, over one call for all.
- `figures.ms_python_of_ten_categories`: time of `Recommender.complete` without the matrix products of its
  searches, for ten products in each of the ten largest categories. It starts with the embedded photo and ends
  with the JSON that the service sends; the model's networks and HTTP are not included. The matrix products,
  with the squares added to them, are `ms_products_of_ten_categories`; both together are
  `ms_answer_of_ten_categories`. All are processor times of one thread, measured in the same calls.
- with `--ann`: the approximate index over the exact scan, with all n products in one category, without a
  filter and with one that keeps about 1 %.
"""

import argparse
import gc
import hashlib
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from threadpoolctl import threadpool_limits

from machine import add_json_option, add_quick_option, report
from perfectlook.backbones import FeatureBatch
from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import CatalogueManifest, Generation, ModelIdentity
from perfectlook.model.categories import CategorySuggester
from perfectlook.model.runtime import SceneEmbedding
from perfectlook.recommender import Recommender
from perfectlook.recommender.question import EmbeddedPhoto
from perfectlook.service.errors import json_answer
from perfectlook.stores import Hits, Point, Query, index
from perfectlook.stores.filters import parse_filter
from perfectlook.stores.index import Block, import_faiss
from perfectlook.stores.sqlite import EmbeddedStore
from perfectlook.taxonomy import Resolution, resolve
from perfectlook.types import BoolArray, Float32Array, IntArray

faiss = import_faiss()
K = 10
REGIONS = 49
WIDTH = 1280
"""Width of the global features that the category suggester reads."""
CATEGORIES = 60
BATCH = 10_000
WHERE = "price <= 40 EUR and brand in (brand1, brand2, brand3) and availability = in_stock"


class Products(NamedTuple):
    """The catalogue as arrays: vectors [n, d], category, price and brand [n]."""

    vectors: Float32Array
    categories: IntArray
    prices: IntArray
    brands: IntArray


class Scene(NamedTuple):
    """A scene as a hybrid model sees it: embeddings, global [d] and of regions [49, d], attention [49]."""

    whole: Float32Array
    regions: Float32Array
    attention: Float32Array
    category: int

    def point(self) -> Float32Array:
        """The query point, half of it global."""
        point: Float32Array = (0.5 * self.whole + 0.5 * self.attention @ self.regions).astype(np.float32)
        return point


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=38_111, help="products (default %(default)s)")
    parser.add_argument("--dimension", type=int, default=128, help="default %(default)s")
    parser.add_argument("--queries", type=int, default=200, help="default %(default)s")
    parser.add_argument("--ann", action="store_true", help="also the approximate index, one category of n")
    add_json_option(parser)
    add_quick_option(parser)
    options = parser.parse_args()
    if options.quick:
        options.n, options.dimension, options.queries = 3_000, 32, 20
    faiss.omp_set_num_threads(1)
    products = _products(options.n, options.dimension)
    scenes = _scenes(products, options.queries)
    figures: dict[str, object] = {"products": options.n, "dimension": options.dimension}
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
        store = _filled(Path(scratch) / "catalogue", products, figures)
        _against_naive(products, scenes, ratios, figures)
        _against_faiss(store, products, scenes, ratios, figures)
        _together(store, scenes, ratios, figures)
        _whole_answers(store, options.dimension, 20 if options.quick else 200, figures)
        store.close()
        if options.ann:
            _approximate(Path(scratch) / "one", products, scenes, ratios, figures)
    report("search", ratios, figures, options.json)


def _products(n: int, dimension: int) -> Products:
    random = np.random.default_rng(0)
    shares = np.arange(1, CATEGORIES + 1) ** -0.8
    categories = random.choice(CATEGORIES, n, p=shares / shares.sum())
    spread = (np.arange(1, dimension + 1) ** -0.5).astype(np.float32)
    centres = random.standard_normal((CATEGORIES, dimension), dtype=np.float32)
    vectors = random.standard_normal((n, dimension), dtype=np.float32)
    for start in range(0, n, BATCH):
        part = slice(start, start + BATCH)
        vectors[part] = _unit((vectors[part] + centres[categories[part]]) * spread)
    prices = np.round(np.exp(random.normal(4, 1, n))).astype(np.int64)
    return Products(vectors, categories, prices, random.integers(0, 30, n))


def _scenes(products: Products, count: int) -> list[Scene]:
    random = np.random.default_rng(1)
    chosen = random.choice(len(products.vectors), count)
    dimension = products.vectors.shape[1]
    spread = (np.arange(1, dimension + 1) ** -0.5).astype(np.float32)
    scenes = []
    for category in products.categories[chosen].tolist():
        seen = random.standard_normal((REGIONS + 1, dimension), dtype=np.float32) * spread
        attention = random.dirichlet(np.ones(REGIONS)).astype(np.float32)
        scenes.append(Scene(_unit(seen[:1])[0], _unit(seen[1:]), attention, category))
    return scenes


def _unit(vectors: Float32Array) -> Float32Array:
    scaled: Float32Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def _path(category: int) -> str:
    return f"Furniture|Category {category:02}"


def _point(products: Products, number: int, category: str) -> Point:
    fields = {
        "price": f"{products.prices[number]}.00 EUR",
        "brand": f"Brand{products.brands[number]}",
        "availability": "in_stock" if number % 10 else "out_of_stock",
        "link": f"https://shop.example/products/{number}",
    }
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    payload = {
        "title": f"Product {number}",
        "picture": f"pictures/{number}.jpg",
        "width": 500,
        "height": 500,
        "picture_sha256": digest,
        "dhash": digest,
        "record_sha256": digest,
        "fields": fields,
    }
    return Point(f"p{number:08}", category, products.vectors[number], payload)


def _filled(folder: Path, products: Products, figures: dict[str, object]) -> EmbeddedStore:
    """Write all products, open the catalogue again, and measure both."""
    writer = EmbeddedStore.open(folder, create=True)
    writer.create_collection("a", products.vectors.shape[1])
    made = Generation("a", ModelIdentity(_Model.name, _Model.identity, _Model.backbone), {}, None)
    writer.write_manifest(CatalogueManifest(made, None, 1).document(), active="a")
    n, started = len(products.vectors), time.perf_counter()
    for start in range(0, n, BATCH):
        writer.upsert(
            [
                _point(products, i, _path(int(products.categories[i])))
                for i in range(start, min(start + BATCH, n))
            ]
        )
    figures["loaded_per_second"] = n / (time.perf_counter() - started)
    writer.close()
    gc.collect()
    before, started = _resident(), time.perf_counter()
    store = EmbeddedStore.open(folder)
    query = Query(products.vectors[0], K, frozenset({_path(0)}))
    store.search([query])
    figures["seconds_to_open"] = time.perf_counter() - started
    figures["bytes_per_product"] = (_resident() - before) / n
    started = time.perf_counter()
    store.search([Query(query.vector, K, query.categories, where=parse_filter(WHERE))])
    figures["ms_first_filter"] = 1000 * (time.perf_counter() - started)
    figures["disk_bytes_per_product"] = sum(p.stat().st_size for p in folder.iterdir()) / n
    return store


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _ask(store: EmbeddedStore, scene: Scene, where: Any = None) -> Hits:
    return store.search([Query(scene.point(), K, frozenset({_path(scene.category)}), where=where)])[0]


def _ids(hits: Hits) -> list[int]:
    return [int(product.id[1:]) for product in hits.products]


def _against_naive(
    products: Products,
    scenes: Sequence[Scene],
    ratios: dict[str, float],
    figures: dict[str, object],
) -> None:
    block = products.vectors
    squares = np.einsum("ij,ij->i", block, block)
    whole = Block.empty(block.shape[1], len(block)).extended(np.arange(len(block)), block)
    theirs, ours, same = [], [], []
    for scene in scenes[:50]:
        point = scene.point()[None]
        with threadpool_limits(2):
            seconds, found = _timed(_naive, scene, block, squares)
            theirs.append(seconds)
            seconds, [near] = _timed(whole.nearest, point, [K])
            ours.append(seconds)
        same.append(len(set(found.tolist()) & set(near.rows.tolist())) / len(found))
    ratios["vs_naive_hybrid"] = median(theirs) / median(ours)
    figures["ms_naive_hybrid"], figures["ms_query_point"] = 1000 * median(theirs), 1000 * median(ours)
    figures["agreement_with_naive"] = float(np.mean(same))


def _naive(scene: Scene, block: Float32Array, squares: Float32Array) -> IntArray:
    """D² = w ‖f_s - f_p‖² + (1-w) Σ a_i ‖f_i - f_p‖², each distance computed."""
    scene_side = np.concatenate([scene.whole[None], scene.regions])
    distances = block @ scene_side.T
    distances *= -2.0
    distances += squares[:, None]
    distances += np.einsum("ij,ij->i", scene_side, scene_side)
    hybrid = 0.5 * distances[:, 0] + 0.5 * (distances[:, 1:] @ scene.attention)
    k = min(K, len(hybrid))
    return np.argpartition(hybrid, k - 1)[:k]


def _against_faiss(
    store: EmbeddedStore,
    products: Products,
    scenes: Sequence[Scene],
    ratios: dict[str, float],
    figures: dict[str, object],
) -> None:
    flat = faiss.IndexFlatL2(products.vectors.shape[1])
    flat.add(products.vectors)
    order = np.argsort(products.categories, kind="stable")
    sorted_index = faiss.IndexFlatL2(products.vectors.shape[1])
    sorted_index.add(products.vectors[order])
    ends = np.cumsum(np.bincount(products.categories, minlength=CATEGORIES))
    where, kept = parse_filter(WHERE), _kept(products)
    rows: dict[str, list[float]] = {name: [] for name in ("ours", "bitmap", "range", "where", "where_bitmap")}
    filtered, unfiltered, filtered_where, times = [], [], [], []
    figures["ms_ours_first"] = 1000 * median(_timed(_ask, store, scene)[0] for scene in scenes)
    figures["ms_where_first"] = 1000 * median(_timed(_ask, store, scene, where)[0] for scene in scenes)
    for number, scene in enumerate(scenes):
        point = scene.point()[None]
        of_category = products.categories == scene.category
        bitmap, bits = _bitmap(of_category)
        narrow, narrow_bits = _bitmap(of_category & kept)
        end = int(ends[scene.category])
        span = _selecting(faiss.IDSelectorRange(end - int(of_category.sum()), end))
        seconds, hits = _timed(_ask, store, scene)
        rows["ours"].append(seconds)
        seconds, _ = _timed(flat.search, point, K, params=bitmap)
        rows["bitmap"].append(seconds)
        filtered.append(_recall(hits, products, point[0], of_category))
        rows["range"].append(_timed(sorted_index.search, point, K, params=span)[0])
        seconds, hits = _timed(_ask, store, scene, where)
        rows["where"].append(seconds)
        filtered_where.append(_recall(hits, products, point[0], of_category & kept))
        seconds, _ = _timed(flat.search, point, K, params=narrow)
        rows["where_bitmap"].append(seconds)
        if number < 20:
            seconds, [hits] = _timed(store.search, [Query(point[0], K)])
            other, _ = _timed(flat.search, point, K)
            times.append((seconds, other))
            unfiltered.append(_recall(hits, products, point[0], np.ones(len(kept), bool)))
        del bits, narrow_bits
    p50 = {name: 1000 * median(each) for name, each in rows.items()}
    ratios["filtered_over_faiss"] = p50["ours"] / p50["bitmap"]
    ratios["filtered_over_faiss_where"] = p50["where"] / p50["where_bitmap"]
    ratios["unfiltered_over_faiss"] = median(t[0] for t in times) / median(t[1] for t in times)
    figures["recall_filtered"] = float(np.mean(filtered + filtered_where))
    figures["recall_unfiltered"] = float(np.mean(unfiltered))
    figures |= {f"ms_{name}": value for name, value in p50.items()}
    figures["share_kept_by_where"] = float(kept.mean())


def _kept(products: Products) -> BoolArray:
    numbers = np.arange(len(products.vectors))
    kept: BoolArray = (
        (products.prices <= 40) & (products.brands >= 1) & (products.brands <= 3) & (numbers % 10 > 0)
    )
    return kept


def _bitmap(kept: BoolArray) -> tuple[Any, Any]:
    """A faiss selector, and its bits, which must outlive it."""
    bits = np.packbits(kept, bitorder="little")
    return _selecting(faiss.IDSelectorBitmap(bits)), bits


def _selecting(selector: Any) -> Any:
    return faiss.SearchParameters(sel=selector)


def _recall(hits: Hits, products: Products, query: Float32Array, kept: BoolArray) -> float:
    """The share of the true nearest, by distances in float64, that were found."""
    places = np.flatnonzero(kept)
    if len(places) == 0:
        return float(len(hits) == 0)
    distances = np.sqrt(((products.vectors[places].astype(float) - query) ** 2).sum(axis=1))
    k = min(K, len(places))
    limit = np.partition(distances, k - 1)[k - 1]
    true = set(places[distances <= limit].tolist())
    return len(true & set(_ids(hits))) / k


def _together(
    store: EmbeddedStore, scenes: Sequence[Scene], ratios: dict[str, float], figures: dict[str, object]
) -> None:
    """Two threads against one, and a look of ten categories in one call against ten calls."""

    def work() -> None:
        for scene in scenes:
            _ask(store, scene)

    def pair() -> None:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    rounds = [(_timed(work)[0], _timed(pair)[0]) for _ in range(5)]
    ratios["throughput_of_two"] = median(2 * one / two for one, two in rounds)
    figures["searches_per_second"] = len(scenes) / median(one for one, _ in rounds)
    look = [Query(scenes[0].point(), K, frozenset({_path(category)})) for category in range(10)]
    once = [_timed(store.search, look)[0] for _ in range(50)]
    apart = [_timed(lambda: [store.search([query]) for query in look])[0] for _ in range(50)]
    ratios["look_of_ten"] = median(apart) / median(once)
    figures["ms_look_of_ten"] = 1000 * median(once)


class _Model:
    """The parts of a model that an answer for an embedded photo uses."""

    name, identity, backbone, norm, attention_holds = "model", "0" * 64, "none", "squared_l2", None

    def __init__(self, categories: tuple[str, ...], dimension: int) -> None:
        self.dimension = dimension
        self.categories = categories
        ones, zeros = np.ones(WIDTH, np.float32), np.zeros(len(categories), np.float32)
        weights = np.random.default_rng(3).standard_normal((len(categories), WIDTH), dtype=np.float32)
        self.suggester = CategorySuggester(categories, "head", 0 * ones, ones, weights, zeros, zeros)

    def resolve(self, category: str) -> Resolution:
        return resolve(category, self.categories)

    def is_far(self, _features: FeatureBatch) -> bool:
        return False

    def see(self, _features: FeatureBatch) -> None:
        return None

    presence = complements = None


def _whole_answers(store: EmbeddedStore, dimension: int, rounds: int, figures: dict[str, object]) -> None:
    random = np.random.default_rng(2)
    names = tuple(_path(category) for category in range(CATEGORIES))
    model: Any = _Model(names, dimension)
    recommender = Recommender(Catalogue(store), model)  # the opener of the store closes it
    seen = _unit(random.standard_normal((REGIONS + 1, dimension), dtype=np.float32))
    logits = random.standard_normal((CATEGORIES, REGIONS), dtype=np.float32)
    features = FeatureBatch(
        random.standard_normal((1, WIDTH), dtype=np.float32),
        np.zeros((1, 0), np.float32),
        np.zeros((1, REGIONS, 0), np.float32),
    )
    multiplied = 0.0

    def multiply(*arguments: Any) -> Float32Array:
        nonlocal multiplied
        started = time.thread_time()
        found = compared(*arguments)
        multiplied += time.thread_time() - started
        return found

    whole: list[float] = []
    products_alone: list[float] = []
    compared = index._compared
    with patch.object(index, "_compared", multiply):
        for _ in range(rounds):
            scene = SceneEmbedding(seen[0], seen[1:], logits, names, 0.5, "squared_l2")
            photo = EmbeddedPhoto("photo", features, scene)
            multiplied, started = 0.0, time.thread_time()
            content = json_answer(recommender.complete(photo, names[:10], K)).body
            whole.append(time.thread_time() - started)
            products_alone.append(multiplied)
            assert bytes(content).count(b'"rank":') == 10 * K
    assert all(products_alone), "the searches ran in another thread"
    figures["ms_answer_of_ten_categories"] = 1000 * median(whole)
    figures["ms_products_of_ten_categories"] = 1000 * median(products_alone)
    python = [each - products for each, products in zip(whole, products_alone, strict=True)]
    figures["ms_python_of_ten_categories"] = 1000 * median(python)


def _approximate(
    folder: Path,
    products: Products,
    scenes: Sequence[Scene],
    ratios: dict[str, float],
    figures: dict[str, object],
) -> None:
    """All products in one category: the index over the scan, with no filter and with one that keeps 1 %."""
    exact = _filled(folder, products._replace(categories=np.zeros_like(products.categories)), {})
    store = EmbeddedStore.open(folder, approximate_above=1)
    scenes = [scene._replace(category=0) for scene in scenes]
    started = time.perf_counter()
    _ask(store, scenes[0])
    assert store.indexes is not None
    [recall] = store.indexes.settle().values()
    figures["seconds_to_index"] = time.perf_counter() - started
    figures["recall_when_tuned"] = recall
    whole = 0.0  # seconds of the scan without a filter; both ratios divide by it
    for name, where in (("", None), ("_where_1_percent", parse_filter("price = 40 EUR and brand > brand"))):
        _ask(exact, scenes[0], where), _ask(store, scenes[0], where)
        scan, index, recalls = [], [], []
        for scene in scenes[:100]:
            seconds, true = _timed(_ask, exact, scene, where)
            scan.append(seconds)
            seconds, found = _timed(_ask, store, scene, where)
            index.append(seconds)
            recalls.append(len(set(_ids(true)) & set(_ids(found))) / len(true))
        figures[f"ms_scan{name}"], figures[f"ms_ann{name}"] = 1000 * median(scan), 1000 * median(index)
        figures[f"recall_ann{name}"] = float(np.mean(recalls))
        ratios[f"ann_over_scan{name}"] = median(index) / (whole := whole or median(scan))
    exact.close()
    store.close()


def _timed(work: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work(*arguments, **options)
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
