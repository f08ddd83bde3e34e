"""Suggest the categories that complete a scene: a linear function of its global features.

A model folder stores the suggester as `suggestion.npz`. `training.categories` fits it, and numpy runs it.
"""

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np

from perfectlook.backbones import FeatureBatch
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.config import GlobalFeatures, chosen_features
from perfectlook.model.files import SUGGESTION, TRAIN_AGAIN, ArrayFile
from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class CategorySuggester(ArrayFile):
    """A linear map from the standardised global features of a scene to the log-odds of every category.

    With all weights at zero, it returns the popularity of the categories. A very large penalty in training
    leads to this.

    Attributes:
        categories: the C categories it knows.
        features: the global features it reads: the global vector (`head`), the style statistics, or both.
        mean: mean of the features over the training scenes, [width].
        scale: factor that standardises the features, [width].
        weights: [C, width].
        bias: logit of the mean scene, [C].
        prior: log-odds of each category over the training scenes, independent of the scene, [C].
    """

    FILE: ClassVar[str] = SUGGESTION
    REMEDY: ClassVar[str] = f"{TRAIN_AGAIN[:-1]}, or delete the file to order categories by size."
    categories: tuple[str, ...]
    features: GlobalFeatures
    mean: Float32Array
    scale: Float32Array
    weights: Float32Array
    bias: Float32Array
    prior: Float32Array

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The expected shapes of arrays, by name."""
        if self.features not in get_args(GlobalFeatures):
            raise ValueError(f"unknown features {self.features!r}")
        known, width = len(self.categories), len(self.mean)
        shapes = {"mean": (width,), "scale": (width,), "weights": (known, width)}
        return shapes | {"bias": (known,), "prior": (known,)}

    def probabilities(self, batch: FeatureBatch) -> Float64Array:
        """The probability of each category for n scenes, [n, C]. Each is independent; rows do not sum to 1.

        Raises:
            ModelError: the features have another width than the features it was trained on.
        """
        inputs = chosen_features(self.features, batch.global_vectors, batch.style_statistics)
        self.check_width(inputs.shape[1], len(self.mean))
        logits = (inputs - self.mean) * self.scale @ self.weights.T + self.bias
        return sigmoid(np.asarray(logits, np.float64))

    def rank(self, batch: FeatureBatch) -> list[tuple[str, float]]:
        """The categories with their probabilities for one scene (a batch of one), most probable first."""
        probabilities = self.probabilities(batch)[0]
        order = np.argsort(-probabilities, kind="stable")
        return [(self.categories[place], float(probabilities[place])) for place in order]


def scene_views(features: SetFeatures, indices: IntArray) -> tuple[IntArray, list[str]]:
    """Return the distinct scene views of some pairs: rows of `features.scenes`, and their scene ids."""
    rows, first = np.unique(features.pair_scenes[indices], return_index=True)
    return rows, [features.pairs[indices[place]].scene for place in first]


def known_categories(features: SetFeatures, scenes: list[str], categories: tuple[str, ...]) -> BoolArray:
    """Whether each scene has a known product of each category, [scenes, C]."""
    column = {name: place for place, name in enumerate(categories)}
    products, positives = features.dataset.products, features.dataset.positives
    known = np.zeros((len(scenes), len(categories)), np.bool_)
    for row, scene in enumerate(scenes):
        names = {products[product].category for product in positives[scene] if product in products}
        known[row, [column[name] for name in names if name in column]] = True
    return known


def sigmoid(logits: Float64Array) -> Float64Array:
    """Convert log-odds to probabilities without overflow."""
    probabilities: Float64Array = 0.5 * (1 + np.tanh(0.5 * logits))
    return probabilities
