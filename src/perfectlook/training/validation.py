"""The distances of a network as it stands, for the protocol."""

from dataclasses import dataclass

import numpy as np
import torch

from perfectlook.distances import attention_weights, hybrid, query_point, squared_l2
from perfectlook.model.compatibility import Compatibility
from perfectlook.protocol import DistanceFunction
from perfectlook.training.data import TrainingData, batches
from perfectlook.types import Float32Array, Float64Array, IntArray

SCENES_AT_ONCE, PRODUCTS_AT_ONCE = 64, 1024


@dataclass(frozen=True, slots=True)
class _Scene:
    """f_s [d]; where regions count f_i [R, d] and attention logits [categories, R]."""

    whole: Float32Array
    regions: Float32Array | None = None
    logits: Float32Array | None = None


def distances_of(network: Compatibility, data: TrainingData, pairs: IntArray) -> DistanceFunction:
    """The network's distances from the scenes of some pairs to the products of the set.

    Under the squared norm they are those to the query point: another number, the same order.
    """
    network.eval()
    norm, rows = network.config.distance, {name: row for row, name in enumerate(data.categories)}
    with torch.no_grad():
        products = _embedded_products(network, data)
        scenes = _embedded_scenes(network, data, pairs)
        mixing = _mixing(network, len(data.categories))

    def distances(scene_row: int, category: str, chosen: IntArray) -> Float64Array:
        scene, vectors, row = scenes[scene_row], products[chosen], rows[category]
        regions, attention = scene.whole[None], np.ones(1, np.float32)
        if scene.regions is not None and scene.logits is not None:
            regions, attention = scene.regions, attention_weights(scene.logits[row])
        w = float(mixing[row])
        if norm == "squared_l2":
            found = squared_l2(query_point(scene.whole, regions, attention, mixing=w), vectors)
        else:
            found = hybrid(scene.whole, regions, attention, vectors, mixing=w, norm=norm).total
        return np.asarray(found, np.float64)

    return distances


def _mixing(network: Compatibility, categories: int) -> Float32Array:
    found = network.mixing(torch.arange(categories))
    return np.broadcast_to(np.asarray(found, np.float32).reshape(-1), (categories,))


def _embedded_products(network: Compatibility, data: TrainingData) -> Float32Array:
    rows = np.arange(len(data.product_category))
    parts = [network.embed_product(*data.products(part)) for part in batches(rows, PRODUCTS_AT_ONCE)]
    embedded: Float32Array = torch.cat(parts).numpy()
    return embedded


def _embedded_scenes(network: Compatibility, data: TrainingData, pairs: IntArray) -> dict[int, _Scene]:
    rows = data.features.pair_scenes[pairs]
    _, first = np.unique(rows, return_index=True)
    found: dict[int, _Scene] = {}
    for part in batches(pairs[first], SCENES_AT_ONCE):
        scenes = data.scenes(part)
        whole = network.embed_scene(scenes.whole).numpy()
        rows_of_part = data.features.pair_scenes[part].tolist()
        if scenes.regions is None:
            found |= {row: _Scene(each) for row, each in zip(rows_of_part, whole, strict=True)}
            continue
        regions = network.embed_regions(scenes.regions).numpy()
        logits = network.attention_logits(scenes.regions).numpy()
        embedded = zip(rows_of_part, whole, regions, logits, strict=True)
        found |= {row: _Scene(*each) for row, *each in embedded}
    return found
