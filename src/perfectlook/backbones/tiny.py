"""A small backbone with fixed random weights, for tests. It needs only numpy.

It has two convolutions with kernels that do not overlap, so each is a matrix product over patches.
"""

import hashlib

import numpy as np

from perfectlook.backbones.backbone import Backbone, BackboneDescription, FeatureBatch
from perfectlook.errors import BackboneError
from perfectlook.types import REGIONS, Float32Array

_FIRST, _SECOND, _MAP, _GLOBAL = 4, 6, 8, 16

DESCRIPTION = BackboneDescription(
    name="tiny",
    input_size=28,
    global_dimension=_GLOBAL,
    stage_channels=(_FIRST, _SECOND),
    map_channels=_MAP,
    licence="Apache-2.0",
    megabytes=0.0,
    source="drawn from a random number generator",
    summary="random weights; for tests",
)


class Tiny(Backbone):
    """Two random convolutions of stride 2, and random projections to the map and to the global vector.

    It runs in one thread of numpy with every engine.
    """

    description = DESCRIPTION

    def __init__(self, precision: str = "fp32") -> None:
        if precision != "fp32":
            raise BackboneError(f"tiny:{precision}: this backbone runs in fp32 only. Choose 'tiny'.")
        # the stream of RandomState is frozen, so every version of numpy gives the same numbers
        random = np.random.RandomState(20)
        shapes = ((12, _FIRST), (4 * _FIRST, _SECOND), (4 * _FIRST, _MAP), (_FIRST + _SECOND, _GLOBAL))
        self._weights = [
            (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32) for shape in shapes
        ]
        digest = hashlib.sha256(b"".join(each.astype("<f4").tobytes() for each in self._weights)).hexdigest()
        self.identity = f"tiny-fp32-{digest[:12]}"

    def _run(self, batch: Float32Array) -> FeatureBatch:
        to_first, to_second, to_map, to_global = self._weights
        first = np.maximum(_product(_patches(batch.transpose(0, 2, 3, 1)), to_first), 0)  # [n, 14, 14, 4]
        patches = _patches(first)  # [n, 7, 7, 16]
        second = np.maximum(_product(patches, to_second), 0)
        maps = _product(patches, to_map).reshape(len(batch), REGIONS, _MAP)
        means = [stage.mean(axis=(1, 2)) for stage in (first, second)]
        deviations = [stage.std(axis=(1, 2)) for stage in (first, second)]
        statistics = np.concatenate([means[0], deviations[0], means[1], deviations[1]], axis=1)
        global_vectors = _product(np.concatenate(means, axis=1), to_global)
        return FeatureBatch(global_vectors, statistics, maps)


def _patches(maps: Float32Array) -> Float32Array:
    """Split maps into patches of 2×2: [n, h, w, c] → [n, h/2, w/2, 4c]."""
    n, height, width, channels = maps.shape
    split = maps.reshape(n, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return split.reshape(n, height // 2, width // 2, 4 * channels)


def _product(values: Float32Array, weights: Float32Array) -> Float32Array:
    """Return a matrix product without BLAS, whose last bits depend on the number of rows."""
    product: Float32Array = np.einsum("...i,ij->...j", values, weights, optimize=False)
    return product
