"""What a study measures, each in a process of its own: extraction, training with evaluation, search."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from perfectlook.backbones.registry import open_backbone
from perfectlook.data import Dataset, open_dataset
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import pair_indices
from perfectlook.features.set_features import SetFeatures, set_features
from perfectlook.files import worker_count
from perfectlook.model.config import ModelConfig
from perfectlook.model.inputs import catalogue_centres
from perfectlook.model.runtime import Model
from perfectlook.progress import ProgressLine
from perfectlook.stores.exact_index import Block
from perfectlook.study.child import largest_child_bytes, peak_bytes
from perfectlook.study.subsets import only_scenes, training_pool, without_scenes
from perfectlook.training.config import TrainingConfig
from perfectlook.types import Float32Array

K = 10
"""Products that a measured search asks for."""
QUERIES = 200
NOISE = 0.05
"""By which repeated vectors differ, as a share of each component's standard deviation."""
PRODUCTS_READ = 1024


def survey(root: Path, config: ModelConfig, workers: int | None) -> dict[str, Any]:
    """What is in a set; its features are extracted into the cache where they are not there yet."""
    dataset = open_dataset(root)
    features = set_features(
        dataset,
        config.backbone,
        product_maps=config.needs_product_maps,
        workers=workers,
        progress=ProgressLine,
    )
    return {
        "set": dataset.name,
        "digest": _digest(dataset),
        "backbone": open_backbone(config.backbone).identity,
        "scenes": len(dataset.scenes),
        "pairs": len(dataset.pairs),
        "products": len(features.product_ids),
        "views": len(features.scene_views),
        "paired_products": len({pair.product for pair in features.pairs}),
        "pool": training_pool(features),
        "problems": [*dataset.problems, *features.problems],
    }


def measure_extraction(
    root: Path, config: ModelConfig, scenes: Collection[str], workers: int | None
) -> dict[str, Any]:
    """Fingerprint and extract some scenes and their products into a fresh cache."""
    with TemporaryDirectory(prefix="perfectlook-study-") as cache:
        os.environ["PERFECTLOOK_CACHE"] = cache  # of this process, and of the workers it starts
        sample = only_scenes(open_dataset(root), scenes)
        started = time.perf_counter()
        features = set_features(
            sample, config.backbone, product_maps=config.needs_product_maps, workers=workers
        )
        seconds = time.perf_counter() - started
    processes = workers or worker_count()
    own, child = peak_bytes(), largest_child_bytes()
    return {
        "pictures": len(features.scene_views) + len(features.product_ids),
        "seconds": seconds,
        "workers": processes,
        "peak_bytes": None if own is None or child is None else own + processes * child,
    }


def measure_training(
    root: Path, config: TrainingConfig, left_out: Collection[str], model: Path, pairs: Path
) -> dict[str, Any]:
    """Train on a set without the pairs of some scenes, from stored features; evaluate on the test split.

    Args:
        root: the set.
        config: the settings.
        left_out: training scenes that do not count.
        model: folder of the model; whatever is in it goes first.
        pairs: file that the result of every test pair is written to.
    """
    from perfectlook.training.train import train_on_features

    shutil.rmtree(model, ignore_errors=True)
    dataset = without_scenes(open_dataset(root), left_out)
    features = set_features(dataset, config.model.backbone, product_maps=config.model.needs_product_maps)
    started = time.perf_counter()
    record = train_on_features(features, model, config)
    trained = time.perf_counter()
    evaluation = evaluate_on_features(Model.open(model), features)
    evaluated = time.perf_counter()
    evaluation.write_pairs(pairs)
    return {
        "pairs": record.training["n_pairs"],
        "pictures": len(features.scene_views) + len(features.product_ids),
        "epoch": record.training["epoch"],
        "test_pairs": len(evaluation.results),
        "binary_accuracy": evaluation.overall.binary_accuracy.value,
        "seconds": trained - started,
        "evaluation_seconds": evaluated - trained,
        "peak_bytes": peak_bytes(),
    }


def write_vectors(root: Path, model: Path, file: Path) -> dict[str, Any]:
    """Write the vectors of a set's products, and query points of its test scenes, into a file (npz)."""
    opened = Model.open(model)
    features = set_features(open_dataset(root), opened.backbone, product_maps=opened.needs_product_maps)
    products = _product_vectors(opened, features)
    queries = _query_points(opened, features)
    with file.open("wb") as target:
        np.savez(target, products=products, queries=queries)
    return {"products": len(products), "queries": len(queries)}


def measure_search(file: Path, count: int) -> dict[str, Any]:
    """Search `count` products exactly, one query after the other, all in one category: the worst case."""
    with file.open("rb") as source, np.load(source, allow_pickle=False) as stored:
        vectors, queries = repeated(stored["products"], count), stored["queries"]
    block = Block.empty(vectors.shape[1]).extended(np.arange(count), vectors)
    del vectors
    nothing = [np.empty(0, np.int64)]
    block.nearest(queries[:1], [K], nothing, [None])
    seconds = []
    for place in range(QUERIES):
        query = queries[place % len(queries)][None]
        started = time.perf_counter()
        block.nearest(query, [K], nothing, [None])
        seconds.append(time.perf_counter() - started)
    return {"products": count, "seconds": median(seconds), "peak_bytes": peak_bytes()}


def repeated(vectors: Float32Array, count: int) -> Float32Array:
    """`count` vectors: the given ones, then the same again with noise, so that none is there twice."""
    noise = np.random.default_rng(0).standard_normal((count, vectors.shape[1]), np.float32)
    noise *= np.float32(NOISE) * vectors.std(axis=0)
    noise[: len(vectors)] = 0
    noise += np.resize(vectors, (count, vectors.shape[1]))
    return noise


def _product_vectors(model: Model, features: SetFeatures) -> Float32Array:
    names = features.product_categories
    parts = [slice(at, at + PRODUCTS_READ) for at in range(0, len(names), PRODUCTS_READ)]
    inputs = (model.product_inputs(features.products.batch(part)) for part in parts)
    centres = catalogue_centres(model, zip((names[part] for part in parts), inputs, strict=True))
    return np.concatenate(
        [
            model.embed_products(
                features.products.batch(part), np.stack([centres[name] for name in names[part]])
            )
            for part in parts
        ]
    )


def _query_points(model: Model, features: SetFeatures) -> Float32Array:
    chosen = pair_indices(features, "test")[:QUERIES]
    scenes = model.embed_scenes(features.scenes.batch(features.pair_scenes[chosen]))
    names = [features.product_categories[row] for row in features.pair_products[chosen]]
    return np.stack([scene.query_point(name) for scene, name in zip(scenes, names, strict=True)])


def _digest(dataset: Dataset) -> str:
    rows = [[pair.scene, pair.product, pair.box] for pair in dataset.pairs]
    catalogue = [[product.id, product.category] for product in dataset.products.values()]
    return hashlib.sha256(json.dumps([rows, catalogue]).encode()).hexdigest()[:16]
