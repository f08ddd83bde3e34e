"""Measure what one product costs on one core, for tools/scale.py."""

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Costs:
    """The measured costs of one product on one core.

    Attributes:
        dimension: numbers in a vector.
        photos_per_second: photos read, decoded and turned into stored features.
        decoded_per_second: photos read and turned into the network's input.
        heads_per_second: features turned into vectors.
        picture_bytes: size of a photo's file.
        feature_bytes: size of its stored features.
        record_bytes: size of a product's record in a cluster, with its filter terms, without its vector.
        parquet_bytes: size of a product in a vector file.
        ingested_per_second: products from a vector file into the embedded store.
        scanned_per_second: products compared by an exact search of one block.
        listing_bytes: memory that a sync needs for a product.
    """

    dimension: int
    photos_per_second: float
    decoded_per_second: float
    heads_per_second: float
    picture_bytes: float
    feature_bytes: float
    record_bytes: float
    parquet_bytes: float
    ingested_per_second: float
    scanned_per_second: float
    listing_bytes: float


def measure(model_folder: Path, photos: Path, count: int) -> Costs:
    """Measure this machine with a model and the photos of a folder and its subfolders."""
    from perfectlook.backbones import open_backbone
    from perfectlook.features.extraction import extract
    from perfectlook.features.store import ViewKey, open_store
    from perfectlook.images import open_picture
    from perfectlook.model.runtime import Model
    from perfectlook.types import View

    model = Model.open(model_folder)
    pictures = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))[:count]
    sizes = [path.stat().st_size for path in pictures]
    backbone = open_backbone(model.backbone, threads=1)
    started = time.process_time()
    for path in pictures:
        backbone.prepare(open_picture(path, fit=backbone.description.input_size))
    decoded = len(pictures) / (time.process_time() - started)
    with tempfile.TemporaryDirectory() as folder:
        with open_store(model.backbone, Path(folder)) as store:
            started = time.process_time()
            hashes = (hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures)
            keys = {View(path): ViewKey.of(hash_, None) for path, hash_ in zip(pictures, hashes, strict=True)}
            report = extract(keys, model.backbone, store, maps=model.needs_product_maps, workers=1)
            per_second = report.extracted / (time.process_time() - started)
        feature_bytes = sum(f.stat().st_size for f in Path(folder).iterdir()) / report.extracted
    return Costs(
        dimension=model.dimension,
        photos_per_second=per_second,
        decoded_per_second=decoded,
        heads_per_second=_heads(model),
        picture_bytes=float(np.mean(sizes)),
        feature_bytes=feature_bytes,
        scanned_per_second=_scanned(model.dimension),
        **_kept(model.dimension),
    )


def _heads(model: Any, batch: int = 512, rounds: int = 20) -> float:
    from perfectlook.backbones import FeatureBatch, describe_backbones

    about = next(each for each in describe_backbones() if each.name == model.backbone)
    maps = (batch, 49, about.map_channels) if model.needs_product_maps else (batch, 0, 0)
    features = FeatureBatch(
        np.ones((batch, about.global_dimension), np.float32),
        np.ones((batch, about.style_dimension), np.float32),
        np.ones(maps, np.float32),
    )
    centres = np.zeros((batch, len(model.overall_centre)), np.float32)
    model.embed_products(features, centres)
    started = time.process_time()
    for _ in range(rounds):
        model.embed_products(features, centres)
    return rounds * batch / (time.process_time() - started)


def _scanned(dimension: int, products: int = 500_000, rounds: int = 5) -> float:
    """Return the products a second of a block's scan: dot products, then the best 10."""
    random = np.random.default_rng(0)
    block = random.standard_normal((products, dimension), dtype=np.float32)
    query = random.standard_normal(dimension, dtype=np.float32)
    started = time.process_time()
    for _ in range(rounds):
        np.argpartition(block @ query, 10)
    return rounds * products / (time.process_time() - started)


def _kept(dimension: int, products: int = 20_000) -> dict[str, float]:
    """Return the costs of records: in a cluster, in a file, in a sync's memory, and read into a store."""
    import tracemalloc

    from perfectlook.catalogue.manifest import Generation, ModelIdentity, Record
    from perfectlook.catalogue.sources import list_products
    from perfectlook.catalogue.vectors import VectorFile, write_vectors
    from perfectlook.stores import Point, open_store
    from perfectlook.stores.base import fields_of
    from perfectlook.stores.milvus_filters import filter_entries

    random = np.random.default_rng(0)
    points = [
        Point(f"{n:032x}", f"Apparel|Shoes|Kind {n % 20}", vector, _record(Record, n, random))
        for n, vector in enumerate(random.standard_normal((products, dimension), dtype=np.float32))
    ]
    stored = [{**p.payload, **filter_entries(p.category, fields_of(p.payload))} for p in points[:1000]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.parquet"
        generation = Generation("", ModelIdentity("m", "0", "b"), {}, None)
        batches = [points[start : start + 512] for start in range(0, products, 512)]
        write_vectors(path, generation, dimension, batches)
        file = VectorFile.open(path)
        assert file is not None
        tracemalloc.start()
        listing = list_products(file)
        listing_bytes = tracemalloc.get_traced_memory()[0] / products
        tracemalloc.stop()
        store = open_store(Path(folder) / "catalogue", create=True)
        store.create_collection("c", dimension)
        started = time.process_time()
        for batch in file.points(listing.items, generation):
            store.upsert(batch, collection="c")
        seconds = time.process_time() - started
        store.close()
        return {
            "record_bytes": float(np.mean([len(json.dumps(each)) for each in stored])),
            "parquet_bytes": path.stat().st_size / products,
            "ingested_per_second": products / seconds,
            "listing_bytes": listing_bytes,
        }


def _record(kind: Any, number: int, random: np.random.Generator) -> dict[str, object]:
    """Return a record of typical length; its hashes are random, because real ones do not compress."""
    fields = {
        "price": f"{number % 300}.90 EUR",
        "brand": f"Brand {number % 500}",
        "availability": "in_stock",
        "gender": "female",
        "link": f"https://shop.example/products/{number}",
        "item_group_id": f"{number // 4}",
    }
    given = {
        "title": f"A product of the kind that shops sell, number {number}",
        "picture": f"/srv/pictures/{number:032x}.jpg",
        "width": 1000,
        "height": 1000,
        "picture_sha256": random.bytes(32).hex(),
        "dhash": random.bytes(32).hex(),
        "record_sha256": random.bytes(32).hex(),
        "fields": fields,
    }
    return {name: given.get(name, "0" * 24) for name in kind.__dataclass_fields__}
