"""Select the pairs that a model or baseline learns from, and the held-out scenes that choose its settings.

Training never uses the test scenes or their copies. It uses the validation scenes only if settings are chosen
by cross-validation (sets under 500 scenes, or `cross_validate`).
"""

import json
import math
import zlib
from collections.abc import Collection, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from perfectlook.data.scenes import FOLDS
from perfectlook.errors import TrainingError
from perfectlook.evaluation.protocol import (
    Candidates,
    Interval,
    mean_interval,
    pairs_of,
    scenes_of_fold,
    scenes_of_split,
    training_indices,
)
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.distances import DistanceFunction, Rows, attention_weights, hybrid, query_point
from perfectlook.model.files import readable, write_model_file
from perfectlook.model.networks import Compatibility
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, batches
from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray

SCENES_AT_ONCE, PRODUCTS_AT_ONCE = 64, 1024


@dataclass(frozen=True, slots=True)
class _Scene:
    """f_s [d], f_i [R, d] and attention logits [categories, R] in the first space; memory vector [m]."""

    whole: Float32Array
    regions: Float32Array | None = None
    logits: Float32Array | None = None
    memory: Float32Array | None = None


class _Products:
    """Vectors of all products [N, d], stored category by category, with their squared lengths.

    Args:
        vectors: vectors in the set's order.
        order: rows of the products, category by category.
    """

    def __init__(self, vectors: Float32Array, order: IntArray) -> None:
        self._vectors = np.ascontiguousarray(vectors[order])
        self._squares = np.vecdot(self._vectors, self._vectors)
        self._places = np.empty_like(order)
        self._places[order] = np.arange(len(order))

    def squared_distances(self, point: Float32Array, chosen: IntArray) -> Float32Array:
        """From a point [d] to some products, [n]: ‖q‖² + ‖p‖² - 2 qᵀp, with one matrix product."""
        places = self._of(chosen)
        found: Float32Array = self._squares[places] - 2 * (self._vectors[places] @ point) + point @ point
        return np.maximum(found, 0)

    def __getitem__(self, chosen: IntArray) -> Float32Array:
        return self._vectors[self._of(chosen)]

    def _of(self, chosen: IntArray) -> IntArray | slice:
        """Places of some rows, as a slice without copying if they are consecutive, like a whole category."""
        places = self._places[chosen]
        if len(places) and (places == np.arange(places[0], places[0] + len(places))).all():
            return slice(int(places[0]), int(places[0]) + len(places))
        return places


class EmbeddedSet:
    """A network's distances from the scenes of some pairs to the products of the set.

    Everything is embedded once in each style space. The distances of the last question are kept, so trying
    several weights of the memory costs little more than one.
    """

    def __init__(
        self,
        network: Compatibility,
        data: TrainingData,
        pairs: IntArray,
        closed: DistanceFunction | None = None,
    ) -> None:
        network.eval()
        self._closed = closed
        self._norm = network.config.distance
        self._rows = {name: row for row, name in enumerate(data.categories)}
        self._own = float(network.memory.weight) if network.config.has_memory else 0.0
        order = np.argsort(data.product_category, kind="stable")
        with torch.no_grad():
            styles, memories = _embedded_products(network, data)
            self._scenes = _embedded_scenes(network, data, pairs)
            mixing = network.mixing(torch.arange(len(data.categories)))
        self._mixing = np.broadcast_to(np.asarray(mixing, np.float32).reshape(-1), len(data.categories))
        self._styles = _Products(styles, order)
        self._memories = None if memories is None else _Products(memories, order)
        self._last: tuple[int, str, IntArray, tuple[Any, Any, Any]] | None = None

    def distances(self, weight: float | None = None, closed: float = 0.0) -> DistanceFunction:
        """The distances with a weight for the memory, by default the network's own weight.

        With squared norms, they are distances to the query point: other numbers, but the same order.

        Args:
            weight: weight of the memory.
            closed: weight of the closed forms; infinite for the closed forms alone.
        """
        share = self._own if weight is None else weight

        def distances(scene_row: int, category: str, chosen: IntArray) -> Float64Array:
            found, from_memory, from_closed = self._in_every_space(scene_row, category, chosen)
            if closed == math.inf:
                return np.asarray(from_closed, np.float64)
            mixing = self._mixing[self._rows[category]]
            if from_memory is not None:
                found = (1 - share) * found + share * mixing * from_memory
            if closed:
                found = found + closed * mixing * from_closed
            return np.asarray(found, np.float64)

        return distances

    def _in_every_space(
        self, scene_row: int, category: str, chosen: IntArray
    ) -> tuple[Float32Array, Float32Array | None, Float64Array | None]:
        """Distances of one scene in the first style space [n], in the memory, and by the closed forms."""
        if self._last and self._last[:2] == (scene_row, category) and self._last[2] is chosen:
            return self._last[3]
        scene = self._scenes[scene_row]
        found, from_memory = self._style_distances(scene, self._rows[category], chosen), None
        if scene.memory is not None and self._memories is not None:
            from_memory = self._memories.squared_distances(scene.memory, chosen)
        from_closed = self._closed(scene_row, category, chosen) if self._closed else None
        self._last = (scene_row, category, chosen, (found, from_memory, from_closed))
        return found, from_memory, from_closed

    def _style_distances(self, scene: _Scene, row: int, chosen: IntArray) -> Float32Array:
        """Distances of one scene in the first style space, for the category with index `row`."""
        regions, attention = scene.whole[None], np.ones(1, np.float32)
        if scene.regions is not None and scene.logits is not None:
            regions, attention = scene.regions, attention_weights(scene.logits[row])
        w = float(self._mixing[row])
        if self._norm == "squared_l2":
            point = query_point(scene.whole, regions, attention, mixing=w)
            return self._styles.squared_distances(point, chosen)
        vectors = self._styles[chosen]
        found: Float32Array = hybrid(
            scene.whole, regions, attention, vectors, mixing=w, norm=self._norm
        ).total
        return found


def _embedded_products(
    network: Compatibility, data: TrainingData
) -> tuple[Float32Array, Float32Array | None]:
    """Embed every product in the first style space [N, d], and in the memory [N, m] if there is one."""
    styles, memories = [], []
    for part in batches(data.every_product, PRODUCTS_AT_ONCE):
        features, centres = data.products(part)
        styles.append(network.product_style(features, centres))
        if network.config.has_memory:
            memories.append(network.memory(features))
    return torch.cat(styles).numpy(), torch.cat(memories).numpy() if memories else None


def _embedded_scenes(network: Compatibility, data: TrainingData, pairs: IntArray) -> dict[int, _Scene]:
    rows = data.features.pair_scenes[pairs]
    _, first = np.unique(rows, return_index=True)
    found: dict[int, _Scene] = {}
    for part in batches(pairs[first], SCENES_AT_ONCE):
        scenes = data.scenes(part)
        embedded = [network.scene_style(scenes.whole)]
        if scenes.regions is not None:
            embedded += [network.region_style(scenes.regions), network.attention_logits(scenes.regions)]
        memories = network.memory(scenes.whole).numpy() if network.config.has_memory else [None] * len(part)
        rows_of_part = data.features.pair_scenes[part].tolist()
        arrays = zip(*(each.numpy() for each in embedded), strict=True)
        for row, memory, vectors in zip(rows_of_part, memories, arrays, strict=True):
            found[row] = replace(_Scene(*vectors), memory=memory)
    return found


HELD_OUT = "held_out.json"


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """The results of pairs whose scenes were not trained on.

    Attributes:
        scenes: scene of each pair.
        shares: share of the candidates that are farther than the true product, [pairs].
    """

    scenes: Sequence[str]
    shares: Float64Array

    @property
    def accuracy(self) -> Interval | None:
        """Binary accuracy with its interval over scenes; None without pairs."""
        if not len(self.shares):
            return None
        return mean_interval(self.shares, self.scenes)

    def write(self, folder: Path) -> None:
        """Write `held_out.json` into a model folder."""
        write_model_file(folder / HELD_OUT, json.dumps(self.by_scene(), indent=0) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read what `write` wrote; None if the folder has no such file.

        Raises:
            ModelError: the file cannot be read.
        """
        path = folder / HELD_OUT
        if not path.is_file():
            return None
        with readable(path):
            content = json.loads(path.read_text(encoding="utf-8"))
            pairs = [(scene, float(share)) for scene, shares in content.items() for share in shares]
        return cls([scene for scene, _ in pairs], np.asarray([share for _, share in pairs], np.float64))

    def by_scene(self) -> dict[str, list[float]]:
        """The share of every pair, by scene."""
        found: dict[str, list[float]] = {}
        for scene, share in zip(self.scenes, self.shares.tolist(), strict=True):
            found.setdefault(scene, []).append(share)
        return found


BY_VALIDATION = "validation scenes"
BY_FOLDS = f"{FOLDS}-fold cross-validation"


@dataclass(frozen=True, slots=True)
class Round:
    """One fit for choosing settings: pairs to train on, and pairs of other scenes to validate on."""

    name: str
    training: IntArray
    validation: IntArray


def held_out(features: SetFeatures, config: TrainingConfig) -> set[str]:
    """Scenes that training never uses: the test split, and the validation split if it chooses the epoch."""
    test = scenes_of_split(features, "test")
    by_folds = config.chooses_by_folds(features.dataset)
    return test if by_folds else test | scenes_of_split(features, "val")


def learning_pairs(features: SetFeatures, config: TrainingConfig) -> IntArray:
    """All pairs that training may use.

    Raises:
        TrainingError: there are none.
    """
    found = training_indices(features, held_out(features, config))
    _check_any(features, found)
    return found


def folds(features: SetFeatures, config: TrainingConfig) -> list[Round]:
    """Five-fold cross-validation over the scenes that training may use, and over products.

    Half of the products in the held-out pairs, by a hash of their ids, are new: no training pair of the fold
    has them.

    Raises:
        TrainingError: training may use no pair.
    """
    excluded = held_out(features, config)
    found = [
        _with_new_products(
            features, _round(features, f"fold {fold}", scenes_of_fold(features, fold) - excluded, excluded)
        )
        for fold in range(FOLDS)
    ]
    usable = [each for each in found if len(each.validation) and len(each.training)]
    _check_any(features, usable)
    return usable


def can_be_chosen(features: SetFeatures, config: TrainingConfig) -> bool:
    """Whether there are pairs enough to learn from some and to measure others."""
    try:
        return len(folds(features, config)) > 1
    except TrainingError:
        return False


def validation_round(features: SetFeatures, config: TrainingConfig) -> Round:
    """Train on the training split and validate on the validation split.

    Raises:
        TrainingError: one of them has no pair.
    """
    found = _round(features, "fit", scenes_of_split(features, "val"), held_out(features, config))
    _check_any(features, found.training)
    if not len(found.validation):
        raise TrainingError(
            f"{features.dataset.name}: no pair is in the validation split, so no epoch can be chosen. Add "
            "scenes with pairs."
        )
    return found


def worth(shares: Float64Array, is_new: BoolArray) -> Float64Array:
    """The mean of the accuracy over new products and the accuracy over known products.

    Choices are made by it, so that neither recurring nor new products decide alone.

    Args:
        shares: share of each pair, [..., pairs].
        is_new: whether the product of each pair is in no training pair.
    """
    means = [shares[..., chosen].mean(axis=-1) for chosen in (is_new, ~is_new) if chosen.any()]
    return np.asarray(np.mean(means, axis=0) if means else np.zeros(shares.shape[:-1]))


def placeable(features: SetFeatures, pairs: IntArray) -> list[tuple[int, int, IntArray]]:
    """The pairs with candidates: position in `pairs`, row of its product, rows of its candidates."""
    candidates, found = Candidates(features), []
    for at, index in enumerate(pairs):
        row = int(features.pair_products[index])
        category = features.product_categories[row]
        mask = candidates.mask(features.pairs[index].scene, category)
        if mask.any():
            found.append((at, row, candidates.category_rows(category)[mask]))
    return found


class HeldOutPairs:
    """The held-out pairs of one fold that have candidates.

    Attributes:
        pairs: indices of the pairs.
        is_new: whether the product of each pair is in no training pair of the fold.
    """

    def __init__(self, data: TrainingData, part: Round) -> None:
        features = data.features
        places = placeable(features, part.validation)
        self.pairs = part.validation[np.asarray([at for at, _, _ in places], np.int64)]
        products = features.pair_products[self.pairs]
        self.is_new: BoolArray = ~np.isin(products, features.pair_products[part.training])
        self._of_category, self._places = [], [np.empty(0, np.int64)] * len(places)
        categories = data.product_category[products]
        for category in np.unique(categories):
            members = np.flatnonzero(data.product_category == category)
            chosen = np.flatnonzero(categories == category)
            self._of_category.append((members, chosen))
            for at in chosen:
                _, row, others = places[at]
                self._places[at] = np.searchsorted(members, [row, *others])

    def matches(self, queries: Rows, products: Rows) -> list[Rows]:
        """Inner products of each pair's query [n, d] with its own product, then its candidates."""
        found = [queries[:0]] * len(queries)
        for members, chosen in self._of_category:
            every = queries[chosen] @ products[members].T
            for at, row in zip(chosen, every, strict=True):
                found[at] = row[self._places[at]]
        return found


def shares_of(matches: Sequence[Float32Array] | Sequence[Float64Array]) -> Float64Array:
    """The share of candidates that match less than the true product, which comes first; ties count half."""
    return np.asarray(
        [
            (np.count_nonzero(each[1:] < each[0]) + np.count_nonzero(each[1:] == each[0]) / 2)
            / (len(each) - 1)
            for each in matches
        ],
        np.float64,
    )


def _with_new_products(features: SetFeatures, part: Round) -> Round:
    held_out_products = np.unique(features.pair_products[part.validation])
    new = [row for row in held_out_products if zlib.crc32(features.product_ids[row].encode()) % 2]
    is_kept = ~np.isin(features.pair_products[part.training], new)
    return Round(part.name, part.training[is_kept], part.validation)


def _round(features: SetFeatures, name: str, measured: Collection[str], excluded: Collection[str]) -> Round:
    return Round(name, training_indices(features, {*measured, *excluded}), pairs_of(features, measured))


def _check_any(features: SetFeatures, found: Sized) -> None:
    if not len(found):
        raise TrainingError(
            f"{features.dataset.name}: no pair to train on outside the held-out scenes. Add scenes with "
            "pairs."
        )
