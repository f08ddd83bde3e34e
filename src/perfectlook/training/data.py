"""What training reads: features as arrays, pairs as rows, centres, categories."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from perfectlook.datasets.layout import Dataset
from perfectlook.features.arrays import FeatureArrays
from perfectlook.features.setfeatures import SetFeatures
from perfectlook.model.compatibility import SceneBatch, Widths
from perfectlook.model.config import ModelConfig
from perfectlook.types import Float16Array, Float32Array, IntArray


@dataclass
class TrainingData:
    """One or several sets, ready for the training loop. Arrays stay float16; a batch becomes float32.

    Attributes:
        features: the sets as one.
        config: the shape of the model: decides which features stand for a whole picture.
        categories: all categories of the catalogue, sorted.
        product_category: [products] index of each product's category.
        centres: [categories, global width] each category's mean product feature.
        overall_centre: [global width] the mean over all products.
    """

    features: SetFeatures
    config: ModelConfig
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
        self._whole = _select(features.scenes, self.config)
        self._products = _select(features.products, self.config)
        count = len(self.categories)
        if self.config.centring:
            self.centres, self.overall_centre = category_means(self._products, inverse, count)
        else:
            self.centres = np.zeros((count, self._products.shape[1]), np.float32)
            self.overall_centre = np.zeros(self._products.shape[1], np.float32)

    @property
    def widths(self) -> Widths:
        """Of the backbone's outputs."""
        scenes = self.features.scenes
        assert scenes.feature_maps is not None
        return Widths(
            scenes.global_vectors.shape[1], scenes.style_statistics.shape[1], scenes.feature_maps.shape[2]
        )

    def pair_category(self, pairs: IntArray) -> Tensor:
        """Index of the category of each pair's product, [n]."""
        return torch.from_numpy(self.product_category[self.features.pair_products[pairs]])

    def scenes(self, pairs: IntArray) -> SceneBatch:
        """The scenes of some pairs."""
        rows = self.features.pair_scenes[pairs]
        whole = torch.from_numpy(self._whole[rows]).float()
        if not self.config.uses_regions:
            return SceneBatch(whole, None)
        maps = self.features.scenes.feature_maps
        assert maps is not None
        return SceneBatch(whole, torch.from_numpy(maps[rows]).float())

    def products(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        """Features of some products and the centres of their categories, both [n, global width]."""
        centres = self.centres[self.product_category[rows]]
        return torch.from_numpy(self._products[rows]).float(), torch.from_numpy(centres)


def category_means(
    products: Float16Array, categories: IntArray, count: int
) -> tuple[Float32Array, Float32Array]:
    """The mean of the products of each of `count` categories [count, width], and of all of them [width]."""
    sums = np.zeros((count, products.shape[1]), np.float64)
    for start in range(0, len(products), 4096):
        part = slice(start, start + 4096)
        np.add.at(sums, categories[part], products[part].astype(np.float64))
    sizes = np.bincount(categories, minlength=count)
    means = sums / np.maximum(sizes, 1)[:, None]
    overall = sums.sum(axis=0) / max(1, len(products))
    return means.astype(np.float32), overall.astype(np.float32)


def merge(sets: Sequence[SetFeatures]) -> SetFeatures:
    """Several sets as one, one after the other; a product of two sets counts once."""
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
    )
    chosen = list(zip(sets, taken, strict=True))
    return SetFeatures(
        dataset=dataset,
        pairs=[pair for each in sets for pair in each.pairs],
        pair_scenes=np.concatenate(
            [each.pair_scenes + at for each, at in zip(sets, scene_offsets[:-1], strict=True)]
        ),
        pair_products=np.asarray([row_of[pair.product] for each in sets for pair in each.pairs], np.int64),
        scenes=_concatenate([each.scenes for each in sets]),
        scene_views=[view for each in sets for view in each.scene_views],
        product_ids=[each.product_ids[row] for each, rows in chosen for row in rows],
        product_categories=[each.product_categories[row] for each, rows in chosen for row in rows],
        products=_concatenate([_rows(each.products, rows) for each, rows in chosen]),
        n_dropped=sum(each.n_dropped for each in sets),
        twins={scene: copies for each in sets for scene, copies in each.twins.items()},
        problems=[problem for each in sets for problem in each.problems],
    )


def _indexed(names: Sequence[str]) -> tuple[list[str], IntArray]:
    unique, inverse = np.unique(np.asarray(names), return_inverse=True)
    return [str(name) for name in unique], inverse.astype(np.int64)


def _select(arrays: FeatureArrays, config: ModelConfig) -> Float16Array:
    if config.global_features == "both":
        return np.concatenate([arrays.global_vectors, arrays.style_statistics], axis=1)
    return arrays.global_vectors if config.global_features == "head" else arrays.style_statistics


def _rows(arrays: FeatureArrays, rows: IntArray) -> FeatureArrays:
    maps = None if arrays.feature_maps is None else arrays.feature_maps[rows]
    return FeatureArrays(arrays.global_vectors[rows], arrays.style_statistics[rows], maps)


def _concatenate(parts: Sequence[FeatureArrays]) -> FeatureArrays:
    maps = [part.feature_maps for part in parts if part.feature_maps is not None]
    return FeatureArrays(
        np.concatenate([part.global_vectors for part in parts]),
        np.concatenate([part.style_statistics for part in parts]),
        np.concatenate(maps) if len(maps) == len(parts) else None,
    )
