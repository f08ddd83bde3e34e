"""Random scenes and products, and the ranking by definition: slow and correct."""

import numpy as np

from memory_store import MemoryStore
from perfectlook.model.distances import Norm
from perfectlook.model.runtime import SceneEmbedding
from perfectlook.stores import Point
from perfectlook.types import REGIONS, Float32Array

CATEGORY = "Furniture|Chairs"
D = 16


def scene(norm: Norm, seed: int = 0, *, spread: float = 1.0, mixing: float = 0.4) -> SceneEmbedding:
    random = np.random.default_rng(seed)
    centre = random.standard_normal(D)
    return SceneEmbedding(
        scene=unit(centre + spread * random.standard_normal(D)),
        regions=unit(centre + spread * random.standard_normal((REGIONS, D))),
        attention_logits=(3 * random.standard_normal((1, REGIONS))).astype(np.float32),
        categories=(CATEGORY,),
        mixing=mixing,
        norm=norm,
    )


def unit(vectors: np.ndarray) -> Float32Array:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def store_of(points: list[Point]) -> MemoryStore:
    store = MemoryStore()
    store.create_collection("c", D)
    store.write_manifest({}, active="c")
    store.upsert(points)
    return store


def by_definition(embedding: SceneEmbedding, vectors: Float32Array) -> list[tuple[float, str]]:
    """Return all products by w‖f_s - f_p‖ + (1 - w) Σ a_i ‖f_i - f_p‖, squared or not, in float64."""
    power = 2 if embedding.norm == "squared_l2" else 1
    logits = embedding.attention_logits[0].astype(float)
    attention = np.exp(logits) / np.exp(logits).sum()
    found = []
    for number, vector in enumerate(vectors.astype(float)):
        whole = np.linalg.norm(embedding.scene - vector) ** power
        to_regions = np.linalg.norm(embedding.regions - vector, axis=1) ** power
        total = embedding.mixing * whole + (1 - embedding.mixing) * (attention * to_regions).sum()
        found.append((float(total), f"{number:05}"))
    return sorted(found)
