"""Backbones side by side: each part's features are its own, and they stand one after another."""

import numpy as np
import pytest

from perfectlook.backbones import open_backbone
from perfectlook.errors import BackboneError
from pictures import patterned


def test_features_are_those_of_the_parts_side_by_side() -> None:
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
    with pytest.raises(BackboneError, match=r"tiny\+tiny: names a backbone twice"):
        open_backbone("tiny+tiny")


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(BackboneError, match="unknown backbone 'tinny'; did you mean 'tiny'"):
        open_backbone("efficientnet-lite0+tinny", engine="onnxruntime")
