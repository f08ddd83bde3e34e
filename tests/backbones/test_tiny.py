"""The tiny backbone, compared with plain loops."""

import numpy as np

from perfectlook.backbones.tiny import Tiny
from pictures import patterned


def test_against_loops_over_patches() -> None:
    tiny = Tiny()
    to_first, to_second, to_map, to_global = tiny._weights
    prepared = tiny.prepare(patterned(50, 40))
    features = tiny.extract(prepared[None])
    pixels = prepared.transpose(1, 2, 0)
    first = np.zeros((14, 14, 4))
    for row in range(14):
        for column in range(14):
            patch = pixels[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].reshape(-1)
            first[row, column] = np.maximum(patch @ to_first, 0)
    second = np.zeros((7, 7, 6))
    regions = np.zeros((49, 8))
    for row in range(7):
        for column in range(7):
            patch = first[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].reshape(-1)
            second[row, column] = np.maximum(patch @ to_second, 0)
            regions[7 * row + column] = patch @ to_map
    means = [stage.mean((0, 1)) for stage in (first, second)]
    deviations = [stage.std((0, 1)) for stage in (first, second)]
    statistics = np.concatenate([means[0], deviations[0], means[1], deviations[1]])
    np.testing.assert_allclose(features.feature_maps[0], regions, atol=1e-5)
    np.testing.assert_allclose(features.style_statistics[0], statistics, atol=1e-5)
    np.testing.assert_allclose(features.global_vectors[0], np.concatenate(means) @ to_global, atol=1e-5)
