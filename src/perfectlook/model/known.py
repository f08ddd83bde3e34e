"""Tell whether a photo is far from the scenes that a model knows.

The distance of a photo is the mean distance of its features to the nearest known scenes, in the space of the
scenes' first principal components, plus what lies outside this space. The limit is the distance that 95 % of
held-out scenes of the model's own sets keep. A model folder stores the known scenes as `known.npz`.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from perfectlook.backbones import FeatureBatch
from perfectlook.model.files import KNOWN, ArrayFile
from perfectlook.types import Float16Array, Float32Array, Float64Array, IntArray

AnyFloat = Float16Array | Float32Array

PASSED = 0.95
"""The share of held-out scenes of the model's own sets that are not far."""
COMPONENTS, NEIGHBOURS, FOLDS = 32, 5, 5
MOST = 2000
"""The largest number of scenes that are kept."""
FEWEST = 16
"""Fewer scenes tell nothing about other scenes."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownScenes(ArrayFile):
    """The scenes that a model knows, and the distance above which a photo is far from them.

    Attributes:
        mean: mean of the scenes' features, [width].
        scale: factor that standardises them, [width]; global vector and style statistics weigh the same.
        directions: their first principal directions, [width, k].
        scenes: the known scenes in these directions, [n, k].
        limit: photos with a larger distance are far.
    """

    FILE: ClassVar[str] = KNOWN
    mean: Float32Array
    scale: Float32Array
    directions: Float32Array
    scenes: Float32Array
    limit: float

    @classmethod
    def of(cls, heads: AnyFloat, styles: AnyFloat, folds: IntArray | None = None) -> Self | None:
        """Learn scenes by their features. Return None for fewer than 16 scenes.

        Args:
            heads: the global vectors of n scenes, [n, D].
            styles: their style statistics, [n, K].
            folds: the fold of each scene, [n]. The limit comes from scenes of a fold that the others do not
                know. By default, scenes take turns.
        """
        if len(heads) < FEWEST:
            return None
        kept = np.unique(np.linspace(0, len(heads) - 1, min(len(heads), MOST)).round().astype(np.int64))
        head = heads.shape[1]
        rows = np.concatenate([heads[kept], styles[kept]], axis=1).astype(np.float32)
        turns = np.arange(len(rows)) % FOLDS if folds is None else folds[kept]
        held = [
            cls._fitted(rows[turns != fold], head)._distances(rows[turns == fold])
            for fold in np.unique(turns)
            if (turns != fold).any()
        ]
        limit = float(np.quantile(np.concatenate(held), PASSED)) if held else np.inf
        return replace(cls._fitted(rows, head), limit=limit)

    @classmethod
    def _fitted(cls, rows: Float32Array, head: int) -> Self:
        mean, deviation = rows.mean(axis=0), rows.std(axis=0)
        widths = np.repeat([head, rows.shape[1] - head], [head, rows.shape[1] - head])
        scale = 1 / np.maximum(deviation, 0.05 * np.median(deviation) + 1e-6) / np.sqrt(widths)
        standardised = (rows - mean) * scale
        _, _, turned = np.linalg.svd(standardised, full_matrices=False)
        directions = turned[: min(COMPONENTS, len(rows) - 1)].T
        arrays = (mean, scale, directions, standardised @ directions)
        mean, scale, directions, scenes = (each.astype(np.float32) for each in arrays)
        return cls(mean, scale, directions, scenes, limit=np.inf)

    def distances(self, batch: FeatureBatch) -> Float64Array:
        """The distance of n photos from the known scenes, [n].

        Raises:
            ModelError: the features have another width than the features of the known scenes.
        """
        rows = batch.features
        self.check_width(rows.shape[1], len(self.mean))
        return self._distances(rows)

    def passing(self, batch: FeatureBatch) -> Self:
        """Return the same known scenes with a limit that 95 % of these n photos keep too."""
        return replace(self, limit=max(self.limit, float(np.quantile(self.distances(batch), PASSED))))

    def is_far(self, batch: FeatureBatch) -> bool:
        """Whether a photo, a batch of one, is far from the known scenes."""
        return bool(self.distances(batch)[0] > self.limit)

    def _distances(self, rows: Float32Array) -> Float64Array:
        standardised = ((rows - self.mean) * self.scale).astype(np.float64)
        inside = standardised @ self.directions
        outside = (standardised**2).sum(axis=1) - (inside**2).sum(axis=1)
        apart = (inside**2).sum(axis=1)[:, None] - 2 * inside @ self.scenes.T + (self.scenes**2).sum(axis=1)
        nearest = np.sort(apart, axis=1)[:, :NEIGHBOURS].mean(axis=1)
        return np.asarray(np.sqrt(np.maximum(nearest + outside, 0.0)), np.float64)
