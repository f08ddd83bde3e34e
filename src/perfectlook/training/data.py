"""What training reads: features as arrays, pairs as rows, centres, categories."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from perfectlook.backbones.registry import BackboneDescription
from perfectlook.errors import TrainingError
from perfectlook.features.setfeatures import SetFeatures
from perfectlook.model.compatibility import SceneBatch, Widths
from perfectlook.model.config import ModelConfig
from perfectlook.model.whole import pooled, whole_picture
from perfectlook.types import Float16Array, Float32Array, IntArray


@dataclass
class TrainingData:
    """One or several sets, ready for the training loop. Arrays stay float16; a batch becomes float32.

    Attributes:
        features: the sets as one.
        config: the shape of the model: decides which features stand for a whole picture.
        stages: widths of the style statistics of each of the backbone's stages; all are one by default.
        categories: all categories of the catalogue, sorted.
        product_category: [products] index of each product's category.
        centres: [categories, global width] each category's mean product feature.
        overall_centre: [global width] the mean over all products.
    """

    features: SetFeatures
    config: ModelConfig
    stages: tuple[int, ...] = ()
    categories: list[str] = field(init=False)
    product_category: IntArray = field(init=False)
    centres: Float32Array = field(init=False)
    overall_centre: Float32Array = field(init=False)
    _whole: Float16Array = field(init=False, repr=False)
    _products: Float16Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        features = self.features
        self.categories, inverse = _indexed(features.product_categories)
        self.product_category = inverse
        self._whole, self._products = (
            whole_picture(self.config, each.global_vectors, each.style_statistics, each.feature_maps)
            for each in (features.scenes, features.products)
        )
        if self._products is None:
            raise TrainingError(
                f"{features.dataset.name}: a recurrent encoder needs the feature maps of products; read the "
                "features with product_maps=True"
            )
        self.stages = self.stages or (features.scenes.style_statistics.shape[1],)
        count, width = len(self.categories), self._products.shape[-1]
        if self.config.centring:
            self.centres, self.overall_centre = category_means(self._products, inverse, count)
        else:
            self.centres = np.zeros((count, width), np.float32)
            self.overall_centre = np.zeros(width, np.float32)

    @property
    def widths(self) -> Widths:
        """Of the backbone's outputs."""
        scenes = self.features.scenes
        assert scenes.feature_maps is not None
        return Widths(scenes.global_vectors.shape[1], self.stages, scenes.feature_maps.shape[2])

    def pair_category(self, pairs: IntArray) -> Tensor:
        """Index of the category of each pair's product, [n]."""
        return torch.from_numpy(self.product_category[self.features.pair_products[pairs]])

    def scenes(self, pairs: IntArray) -> SceneBatch:
        """The scenes of some pairs."""
        return SceneBatch(self.whole(pairs), self._regions(pairs) if self.config.uses_regions else None)

    def distinct_scenes(self, pairs: IntArray) -> SceneBatch:
        """The scenes of some pairs, each once, with the scene of each pair; two at least, for batch norm."""
        rows = self.features.pair_scenes[pairs]
        _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
        if len(first) < 2:
            return self.scenes(pairs)
        batch = self.scenes(pairs[first])
        batch.rows = torch.from_numpy(inverse)
        return batch

    def whole(self, pairs: IntArray) -> Tensor:
        """What stands for the whole scene of some pairs, [n, global width] or maps [n, R, width]."""
        return torch.from_numpy(self._whole[self.features.pair_scenes[pairs]]).float()

    def mean_regions(self, pairs: IntArray) -> Tensor:
        """The mean over the regions of the scenes of some pairs, [n, width of the map]."""
        return torch.cat([self._regions(part).mean(dim=1) for part in _parts(pairs)])

    def region_moments(self, pairs: IntArray) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of every channel over all regions of some pairs' scenes."""
        mean = self.mean_regions(pairs).double().mean(dim=0)
        squares = [(self._regions(part).double() - mean).square().mean(dim=1) for part in _parts(pairs)]
        return mean.float(), torch.cat(squares).mean(dim=0).sqrt().float()

    def _regions(self, pairs: IntArray) -> Tensor:
        maps = self.features.scenes.feature_maps
        assert maps is not None
        return torch.from_numpy(maps[self.features.pair_scenes[pairs]]).float()

    def products(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        """Products, [n, global width] or maps [n, R, width], and their categories' centres [n, width]."""
        centres = self.centres[self.product_category[rows]]
        return torch.from_numpy(self._products[rows]).float(), torch.from_numpy(centres)


def stage_widths(features: SetFeatures, description: BackboneDescription) -> tuple[int, ...]:
    """Widths of the stages' style statistics; of features that are not the backbone's own, none."""
    widths = tuple(2 * channels for channels in description.stage_channels)
    return widths if sum(widths) == features.scenes.style_statistics.shape[1] else ()


def category_means(
    products: Float16Array, categories: IntArray, count: int
) -> tuple[Float32Array, Float32Array]:
    """The mean of the products of each of `count` categories [count, width], and of all of them [width].

    Products are [products, width], or maps [products, R, width] of which the regions' mean counts.
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
    """Slices of about `size` rows, none of a single row unless there is just one: batch norm needs two."""
    count = max(1, math.ceil(len(rows) / size))
    if len(rows) > 1:
        count = min(count, len(rows) // 2)
    yield from np.array_split(rows, count)


def _parts(pairs: IntArray, size: int = 1024) -> Iterator[IntArray]:
    """Slices of pairs: the regions of all scenes at once, as float32, might not fit into memory."""
    return (pairs[start : start + size] for start in range(0, len(pairs), size))


def _indexed(names: Sequence[str]) -> tuple[list[str], IntArray]:
    unique, inverse = np.unique(np.asarray(names), return_inverse=True)
    return [str(name) for name in unique], inverse.astype(np.int64)
