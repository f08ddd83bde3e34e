"""Features of many views in memory, as they are stored: float16, one row per view."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfectlook.backbones.registry import FeatureBatch
from perfectlook.types import Float16Array, IntArray


@dataclass(frozen=True, slots=True)
class FeatureArrays:
    """Rows of features: global_vectors [n, D], style_statistics [n, K], feature_maps [n, 49, C] or None."""

    global_vectors: Float16Array
    style_statistics: Float16Array
    feature_maps: Float16Array | None = None

    def __len__(self) -> int:
        return len(self.global_vectors)

    def batch(self, rows: IntArray | Sequence[int] | slice) -> FeatureBatch:
        """The rows named, in that order, as float32; without maps, `feature_maps` is of shape [n, 0, 0]."""
        chosen = rows if isinstance(rows, slice) else np.asarray(rows, np.int64)
        global_vectors = self.global_vectors[chosen].astype(np.float32)
        maps = np.empty((len(global_vectors), 0, 0), np.float32)
        if self.feature_maps is not None:
            maps = self.feature_maps[chosen].astype(np.float32)
        return FeatureBatch(global_vectors, self.style_statistics[chosen].astype(np.float32), maps)
