"""The features of a fixed picture for each backbone. They change if weights or preprocessing change."""

import numpy as np
import pytest

from perfectlook.backbones import describe_backbones, open_backbone
from perfectlook.errors import MissingExtraError
from pictures import patterned

NUMBERS = {
    "tiny": (
        [-0.1337, 0.0215, 0.3977, -0.0685, 0.0396, -0.2807, 0.1183, -0.0171],
        [0.0918, 0.1094, 0.1276, 0.1556, 0.3819, 0.1027, 0.0066, 0.3457],
        [0.7661, 0.5421, -0.0743, 0.0399, 1.2691, -0.2026, -0.9925, -0.013],
    ),
    "efficientnet-lite0": (
        [0.0, 0.0, 0.0, 0.0536, 0.0, 1.45, 0.0, 0.0],
        [0.27, 8.0124, -5.0237, 0.904, -1.1231, 3.2219, 1.2953, 1.3663],
        [4.0197, 5.6191, 3.3436, -0.4562, -6.9469, 3.1836, -4.1474, -0.7195],
    ),
    "efficientnet-lite1": (
        [0.0, 1.0398, 0.0, 0.0, 0.0, 0.0, 0.5808, 0.4833],
        [-1.5445, 10.9867, -1.179, 1.1345, -0.5793, 0.802, 1.2195, 0.9062],
        [4.6296, -4.7497, 8.865, -6.7234, -14.0477, 3.7427, 0.631, -1.2658],
    ),
    "efficientnet-lite2": (
        [0.0, 0.3103, 0.0015, 0.8128, 0.2918, 0.1073, 0.0077, 0.1196],
        [-0.1339, 7.6945, 2.9212, 0.6484, 0.1684, 0.7842, 2.7864, 1.5497],
        [0.7054, -2.7889, 1.1596, -1.4574, -8.4902, 7.2339, -0.7366, 2.3373],
    ),
    "efficientnet-lite2-head": (
        [0.0, 0.3103, 0.0015, 0.8128, 0.2918, 0.1073, 0.0077, 0.1196],
        [-0.1339, 7.6945, 2.9212, 0.6484, 0.1684, 0.7842, 2.7864, 1.5497],
        [0.0, 0.1231, 0.0, 0.0, 0.0, 0.6398, 0.0, 0.8941],
    ),
    "dinov2-small": (
        [1.3442, 0.8857, 3.1846, -1.0835, 1.6298, 0.567, 3.314, -0.643],
        [-0.033, 0.0801, -0.0287, 0.054, -0.1636, 0.147, 1.2272, 0.2244],
        [1.3055, 0.4638, 0.7187, 3.7542, 2.6318, -4.9656, -1.3473, -3.8785],
    ),
}
"""Eight evenly spaced values each of the global vector, the style statistics and the first region."""


def test_every_backbone_is_pinned() -> None:
    assert set(NUMBERS) == {*(each.name for each in describe_backbones(installed=False)), "dinov2-small"}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_on_a_fixed_picture(name: str) -> None:
    try:
        backbone = open_backbone(name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    features = backbone.extract(backbone.prepare(patterned(320, 240))[None])
    arrays = (features.global_vectors[0], features.style_statistics[0], features.feature_maps[0, 0])
    for values, pinned in zip(arrays, NUMBERS[name], strict=True):
        np.testing.assert_allclose(values[:: len(values) // 8][:8], pinned, atol=2e-3)
