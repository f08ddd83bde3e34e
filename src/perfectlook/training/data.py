"""Training data: one or more sets as one, and negatives, which are not known to belong to a scene."""

import copy
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from perfectlook.backbones import BackboneDescription
from perfectlook.data import Dataset, load_set
from perfectlook.data.fingerprints import fingerprints
from perfectlook.data.scenes import twins
from perfectlook.errors import TrainingError, UsageError
from perfectlook.features.set_features import SetFeatures, set_features
from perfectlook.features.store import FeatureArrays
from perfectlook.model.config import ModelConfig, pooled, whole_picture
from perfectlook.model.networks import SceneBatch, Widths
from perfectlook.types import BoolArray, Float16Array, Float32Array, IntArray


class TrainingData:
    """One or more sets, ready for the training loop. Arrays are float16; each batch becomes float32.

    Attributes:
        features: the sets as one.
        config: configuration of the model, which selects the global features.
        stages: widths of the style statistics of each stage of the backbone; by default, one stage.
        members: widths of the backbones, if the backbone concatenates several; otherwise of the one.
        widths: widths of the outputs of the backbone.
        categories: all categories of the products, sorted.
        product_category: [products] index of each product's category.
        centres: [categories, global width] mean product features of each category.
        overall_centre: [global width] mean features of all products.
    """

    def __init__(
        self,
        features: SetFeatures,
        config: ModelConfig,
        stages: tuple[int, ...] = (),
        members: Sequence[Widths] = (),
    ) -> None:
        self.features, self.config = features, config
        names, inverse = np.unique(np.asarray(features.product_categories), return_inverse=True)
        self.categories = [str(name) for name in names]
        self.product_category: IntArray = inverse.astype(np.int64)
        self._whole, self._products = (
            whole_picture(config, each.global_vectors, each.style_statistics, each.feature_maps)
            for each in (features.scenes, features.products)
        )
        if self._products is None:
            raise TrainingError(
                f"{features.dataset.name}: a recurrent encoder needs the feature maps of products. Read the "
                "features with product_maps=True."
            )
        self.stages = stages or (features.scenes.style_statistics.shape[1],)
        maps = features.scenes.feature_maps
        assert maps is not None
        self._maps = maps
        self.widths = Widths(features.scenes.global_vectors.shape[1], self.stages, maps.shape[2])
        self.members = members or [self.widths]
        count, width = len(self.categories), self._products.shape[-1]
        self.centres, self.overall_centre = np.zeros((count, width), np.float32), np.zeros(width, np.float32)
        if config.centring:
            self.centres, self.overall_centre = category_means(self._products, inverse, count)

    def of_first_member(self, columns: Tensor) -> Self:
        """The sets with the first of several backbones only: these columns of the global features."""
        found, own = copy.copy(self), columns.numpy()
        found.widths = self.members[0]
        found._whole, found._products = self._whole[:, own], self._products[:, own]
        found._maps = self._maps[..., : found.widths.regions]
        found.centres, found.overall_centre = self.centres[:, own], self.overall_centre[own]
        return found

    def pair_category(self, pairs: IntArray) -> Tensor:
        """Index of the category of each pair's product, [n]."""
        return torch.from_numpy(self.product_category[self.features.pair_products[pairs]])

    def scenes(self, pairs: IntArray) -> SceneBatch:
        """The scenes of some pairs."""
        return SceneBatch(self.whole(pairs), self._regions(pairs) if self.config.uses_regions else None)

    def distinct_scenes(self, pairs: IntArray) -> SceneBatch:
        """The distinct scenes of some pairs, with the scene of each pair; at least two, for batch norm."""
        rows = self.features.pair_scenes[pairs]
        _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
        if len(first) < 2:
            return self.scenes(pairs)
        batch = self.scenes(pairs[first])
        batch.rows = torch.from_numpy(inverse)
        return batch

    def whole(self, pairs: IntArray) -> Tensor:
        """The global features of the scenes of some pairs, [n, global width], or their maps [n, R, width]."""
        return self.scene_features(self.features.pair_scenes[pairs])

    def scene_features(self, rows: IntArray) -> Tensor:
        """The global features of some rows of the scenes, [n, global width]."""
        return torch.from_numpy(self._whole[rows]).float()

    def mean_regions(self, pairs: IntArray) -> Tensor:
        """The mean region of the scenes of some pairs, [n, width of the map]."""
        return torch.cat([self._regions(part).mean(dim=1) for part in parts(pairs)])

    def region_moments(self, pairs: IntArray) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of every channel over all regions of some pairs' scenes."""
        mean = self.mean_regions(pairs).double().mean(dim=0)
        squares = [(self._regions(part).double() - mean).square().mean(dim=1) for part in parts(pairs)]
        return mean.float(), torch.cat(squares).mean(dim=0).sqrt().float()

    def _regions(self, pairs: IntArray) -> Tensor:
        return torch.from_numpy(self._maps[self.features.pair_scenes[pairs]]).float()

    @property
    def every_product(self) -> IntArray:
        """Rows of all products."""
        return np.arange(len(self.product_category))

    def products(self, rows: IntArray | None = None) -> tuple[Tensor, Tensor]:
        """Products, [n, global width] or maps [n, R, width], and their categories' centres [n, width].

        All of them by default.
        """
        rows = self.every_product if rows is None else rows
        centres = self.centres[self.product_category[rows]]
        return torch.from_numpy(self._products[rows]).float(), torch.from_numpy(centres)


def training_data(
    features: SetFeatures, config: ModelConfig, description: BackboneDescription
) -> TrainingData:
    """The training data of a set whose features are from this backbone."""
    stages = stage_widths(features, description)
    members = description.members if stages else ()
    widths = [Widths(each.global_dimension, each.stage_widths, each.map_channels) for each in members]
    return TrainingData(features, config, stages, widths)


def stage_widths(features: SetFeatures, description: BackboneDescription) -> tuple[int, ...]:
    """Widths of the stages' style statistics; empty if the features are not from this backbone."""
    widths = description.stage_widths
    return widths if sum(widths) == features.scenes.style_statistics.shape[1] else ()


def category_means(
    products: Float16Array, categories: IntArray, count: int
) -> tuple[Float32Array, Float32Array]:
    """The mean of the products of each of `count` categories [count, width], and of all products [width].

    Products are [products, width], or maps [products, R, width], which are averaged over their regions.
    """
    sums = np.zeros((count, products.shape[-1]), np.float64)
    for start in range(0, len(products), 4096):
        part = slice(start, start + 4096)
        np.add.at(sums, categories[part], pooled(products[part].astype(np.float64)))
    sizes = np.bincount(categories, minlength=count)
    means = sums / np.maximum(sizes, 1)[:, None]
    overall = sums.sum(axis=0) / max(1, len(products))
    return means.astype(np.float32), overall.astype(np.float32)


def batches(rows: IntArray, size: int) -> Iterator[IntArray]:
    """Split rows into batches of about `size`. No batch has a single row, because batch norm needs two."""
    count = max(1, math.ceil(len(rows) / size))
    if len(rows) > 1:
        count = min(count, len(rows) // 2)
    yield from np.array_split(rows, count)


def parts(rows: IntArray, size: int = 1024) -> Iterator[IntArray]:
    """Split rows into slices, because the features of all rows as float32 might not fit into memory."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def load_sets(
    sets: Iterable[Path | str | Dataset],
    backbone: str,
    *,
    strict: bool = False,
    workers: int | None = None,
    **options: Any,
) -> SetFeatures:
    """Read several sets with their features as one set, and find copies of scenes across the sets.

    Args:
        sets: folders of sets, or sets.
        backbone: name of the backbone.
        strict: fail if anything is wrong in a set.
        workers: number of processes that extract features.
        options: other options of `set_features`: `scene`, `product_maps`, `unpaired` and `progress`.
            Compatibility learns from crops of scenes, the category suggester from whole scenes.

    Raises:
        UsageError: a set is named twice.
        DatasetError: a set cannot be read, or, with `strict`, anything is wrong in it.
        FeatureError: the feature store cannot be read or written.
    """
    datasets = [each if isinstance(each, Dataset) else load_set(each, strict=strict) for each in sets]
    roots = [each.root.resolve() / each.name for each in datasets]
    for root in roots:
        if roots.count(root) > 1:
            raise UsageError(f"{root}: the set is named more than once. Name each set once.")
    options |= {"strict": strict, "workers": workers}
    merged = merge([set_features(each, backbone, **options) for each in datasets])
    if len(datasets) == 1:
        return merged
    prints, _ = fingerprints([scene.picture for scene in merged.dataset.scenes.values()], workers=workers)
    return dataclasses.replace(merged, twins=twins(merged.dataset, prints))


def merge(sets: Sequence[SetFeatures]) -> SetFeatures:
    """Join several sets in order; a product in two sets counts once."""
    if len(sets) == 1:
        return sets[0]
    row_of: dict[str, int] = {}
    taken: list[IntArray] = []
    for each in sets:
        fresh = [row for row, product in enumerate(each.product_ids) if product not in row_of]
        row_of |= {each.product_ids[row]: len(row_of) + place for place, row in enumerate(fresh)}
        taken.append(np.asarray(fresh, np.int64))
    scene_offsets = np.cumsum([0, *(len(each.scene_views) for each in sets)])
    datasets = [each.dataset for each in sets]
    dataset = Dataset(
        name="+".join(each.name for each in datasets),
        root=datasets[0].root,
        scenes={key: scene for each in datasets for key, scene in each.scenes.items()},
        products={key: product for each in reversed(datasets) for key, product in each.products.items()},
        pairs=[pair for each in datasets for pair in each.pairs],
        problems=[problem for each in datasets for problem in each.problems],
        n_rows=sum(each.n_rows for each in datasets),
        known=[row for each in datasets for row in each.known],
        parts=tuple(datasets),
        unpaired={key: scene for each in datasets for key, scene in each.unpaired.items()},
    )
    chosen = list(zip(sets, taken, strict=True))
    return SetFeatures(
        dataset=dataset,
        pairs=[pair for each in sets for pair in each.pairs],
        pair_scenes=np.concatenate(
            [each.pair_scenes + at for each, at in zip(sets, scene_offsets[:-1], strict=True)]
        ),
        pair_products=np.asarray([row_of[pair.product] for each in sets for pair in each.pairs], np.int64),
        scenes=_joined((each.scenes, slice(None)) for each in sets),
        scene_views=[view for each in sets for view in each.scene_views],
        product_ids=[each.product_ids[row] for each, rows in chosen for row in rows],
        product_categories=[each.product_categories[row] for each, rows in chosen for row in rows],
        products=_joined((each.products, rows) for each, rows in chosen),
        n_dropped=sum(each.n_dropped for each in sets),
        twins={scene: copies for each in sets for scene, copies in each.twins.items()},
        problems=[problem for each in sets for problem in each.problems],
    )


def _joined(sets: Iterable[tuple[FeatureArrays, IntArray | slice]]) -> FeatureArrays:
    """Join the given rows of several arrays; maps only if all of them have maps."""

    def column(name: str) -> Any:
        parts = [(getattr(arrays, name), rows) for arrays, rows in chosen]
        missing = any(array is None for array, _ in parts)
        return None if missing else np.concatenate([array[rows] for array, rows in parts])

    chosen = list(sets)
    return FeatureArrays(column("global_vectors"), column("style_statistics"), column("feature_maps"))


class NegativeSampler:
    """Draw negatives uniformly from the category of each pair's product.

    It never draws a product that is known to belong to the pair's scene or to a copy of that scene. Pairs
    whose category has no other product are in `without_negatives`; they cannot be trained on.

    Args:
        features: the set.
        indices: the pairs that `draw` may be called with.
    """

    def __init__(self, features: SetFeatures, indices: IntArray) -> None:
        _, category = np.unique(np.asarray(features.product_categories), return_inverse=True)
        self._by_category = np.argsort(category, kind="stable")
        self._sizes = np.bincount(category)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._pair_category = category[features.pair_products]
        self._n_products = len(category)
        scenes = {scene: number for number, scene in enumerate(features.dataset.scenes)}
        self._pair_scene = np.asarray([scenes[pair.scene] for pair in features.pairs], np.int64)
        self._known = self._known_products(features, scenes)
        self.without_negatives = np.asarray([i for i in indices if not self._has_negative(i)], np.int64)

    def draw(self, indices: IntArray, count: int, generator: np.random.Generator) -> IntArray:
        """Rows of products, [pairs, count], drawn with replacement; every pair must have a negative."""
        drawn = self._draw_any(np.repeat(indices, count), generator)
        scenes = np.repeat(self._pair_scene[indices], count)
        while (wrong := self._is_known(scenes, drawn)).any():
            drawn[wrong] = self._draw_any(np.repeat(indices, count)[wrong], generator)
        return drawn.reshape(len(indices), count)

    def _draw_any(self, indices: IntArray, generator: np.random.Generator) -> IntArray:
        category = self._pair_category[indices]
        place = self._starts[category] + generator.integers(0, self._sizes[category])
        drawn: IntArray = self._by_category[place]
        return drawn

    def _is_known(self, scenes: IntArray, products: IntArray) -> BoolArray:
        codes = scenes * self._n_products + products
        found = np.searchsorted(self._known, codes)
        is_known: BoolArray = self._known[np.minimum(found, len(self._known) - 1)] == codes
        return is_known

    def _has_negative(self, index: int) -> bool:
        category = self._pair_category[index]
        start = self._starts[category]
        pool = self._by_category[start : start + self._sizes[category]]
        return not self._is_known(np.full(len(pool), self._pair_scene[index]), pool).all()

    def _known_products(self, features: SetFeatures, scenes: dict[str, int]) -> IntArray:
        """Sorted codes (scene number × products + product row) of all scenes and products known to match."""
        rows = {product: row for row, product in enumerate(features.product_ids)}
        positives = features.dataset.positives
        codes: set[int] = set()
        for scene, number in scenes.items():
            for twin in (scene, *features.twins.get(scene, ())):
                known = (rows[product] for product in positives.get(twin, ()) if product in rows)
                codes.update(number * self._n_products + row for row in known)
        return np.asarray(sorted(codes), np.int64)
