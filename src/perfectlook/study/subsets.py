"""Nested subsets of a set's training scenes, the same for everybody."""

import dataclasses
import math
from collections.abc import Collection, Sequence
from hashlib import md5

from perfectlook.data import Dataset
from perfectlook.data.split import is_small
from perfectlook.evaluation.protocol import scenes_of_split, training_indices
from perfectlook.features.set_features import SetFeatures


def training_pool(features: SetFeatures) -> list[str]:
    """The scenes that a set's final model is trained on, in the order that subsets take them.

    They are the scenes of the training split that have no copy in validation or test; of a set under 500
    scenes, where cross-validation chooses, those of the validation split too. The order is that of the md5 of
    their ids, so that it has nothing to do with the order of the file.
    """
    held_out = scenes_of_split(features, "test")
    if not is_small(features.dataset):
        held_out |= scenes_of_split(features, "val")
    scenes = {features.pairs[index].scene for index in training_indices(features, held_out)}
    return sorted(scenes, key=lambda scene: md5(scene.encode(), usedforsecurity=False).hexdigest())


def first_share(pool: Sequence[str], share: float) -> list[str]:
    """The first part of the pool, at least one scene: each share contains all smaller ones."""
    count = math.ceil(round(share * len(pool), 9))  # 0.07 · 100 is a little more than 7 in floating point
    return list(pool[: max(1, count)])


def without_scenes(dataset: Dataset, scenes: Collection[str]) -> Dataset:
    """A set as it would be without the pairs of some scenes; everything else of it stays.

    Its scenes and products stay listed: the catalogue, the candidates and the way of choosing an epoch are
    those of the whole set, and only what is trained on is less.
    """
    return dataclasses.replace(dataset, pairs=[pair for pair in dataset.pairs if pair.scene not in scenes])


def only_scenes(dataset: Dataset, scenes: Collection[str]) -> Dataset:
    """A set of some scenes alone, with the products of their pairs: a smaller set in every respect."""
    pairs = [pair for pair in dataset.pairs if pair.scene in scenes]
    products = {pair.product for pair in pairs}
    return dataclasses.replace(
        dataset,
        scenes={key: scene for key, scene in dataset.scenes.items() if key in scenes},
        products={key: product for key, product in dataset.products.items() if key in products},
        pairs=pairs,
    )
