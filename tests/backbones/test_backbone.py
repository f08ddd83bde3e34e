"""Preprocessing of pictures, and the concatenation of backbones."""

import numpy as np
import pytest
from PIL import Image

from perfectlook.backbones import open_backbone
from perfectlook.backbones.backbone import squash
from perfectlook.errors import BackboneError
from pictures import patterned


def test_white_black_and_grey_become_one_minus_one_and_zero() -> None:
    levels = {"white": 1.0, "black": -1.0, (51, 51, 51): -0.6}
    for colour, expected in levels.items():
        np.testing.assert_allclose(squash(Image.new("RGB", (9, 5), colour), 8), expected, atol=1e-6)


def test_channels_come_first_in_the_order_red_green_blue() -> None:
    values = squash(Image.new("RGB", (5, 5), (255, 51, 0)), 4)
    assert values.shape == (3, 4, 4)
    np.testing.assert_allclose(values[:, 2, 1], [1.0, -0.6, -1.0], atol=1e-6)


def test_other_means_and_deviations() -> None:
    values = squash(Image.new("RGB", (5, 5), (255, 51, 0)), 4, mean=(0.5, 0.2, 0.1), std=(0.25, 0.1, 0.2))
    np.testing.assert_allclose(values[:, 0, 0], [2.0, 0.0, -0.5], atol=1e-6)


def test_pictures_are_not_cropped() -> None:
    wide = Image.new("RGB", (400, 50), "black")
    wide.paste("white", (0, 0, 200, 50))
    values = squash(wide, 20)
    np.testing.assert_allclose(values[:, :, :9], 1.0, atol=1e-6)
    np.testing.assert_allclose(values[:, :, 11:], -1.0, atol=1e-6)


def test_fine_stripes_become_grey_not_moire() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(squash(Image.fromarray(stripes), 60)).max() < 0.05


def test_features_are_the_concatenated_features_of_the_parts() -> None:
    names = ("efficientnet-lite0", "tiny")
    both = open_backbone("+".join(names), engine="onnxruntime")
    parts = [open_backbone(name, engine="onnxruntime") for name in names]
    picture = patterned(90, 70)
    together = both.extract(both.prepare(picture)[None])
    alone = [part.extract(part.prepare(picture)[None]) for part in parts]
    for found, *expected in zip(together, *alone, strict=True):
        assert np.array_equal(found, np.concatenate(expected, axis=-1))
    assert both.description.stage_channels == (16, 24, 40, 112, 320, 4, 6)
    assert both.identity == "+".join(part.identity for part in parts)


def test_a_backbone_named_twice_is_refused() -> None:
    with pytest.raises(BackboneError, match=r"tiny\+tiny: contains a backbone twice"):
        open_backbone("tiny+tiny")


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(BackboneError, match=r"unknown backbone 'tinny'\. Did you mean 'tiny'"):
        open_backbone("efficientnet-lite0+tinny", engine="onnxruntime")
