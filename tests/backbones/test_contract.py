"""The contract of all backbones, for every network and engine."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from perfectlook.backbones import open_backbone
from perfectlook.backbones.backbone import Backbone, FeatureBatch
from perfectlook.errors import BackboneError, MissingExtraError
from perfectlook.types import REGIONS, Float32Array
from pictures import drawn, patterned
from small_hub_models import small_convnext, small_vit

OPENERS: dict[str, Callable[[], Backbone]] = {
    "tiny": lambda: open_backbone("tiny"),
    "lite0-onnxruntime": lambda: open_backbone("efficientnet-lite0", engine="onnxruntime"),
    "lite1-onnxruntime": lambda: open_backbone("efficientnet-lite1", engine="onnxruntime"),
    "lite2-onnxruntime": lambda: open_backbone("efficientnet-lite2", engine="onnxruntime"),
    "lite0-two-threads": lambda: open_backbone("efficientnet-lite0", engine="onnxruntime", threads=2),
    "lite2-openvino": lambda: open_backbone("efficientnet-lite2", engine="openvino"),
    "lite0-bf16": lambda: open_backbone("efficientnet-lite0:bf16"),
    "lite2-head-map": lambda: open_backbone("efficientnet-lite2-head", engine="onnxruntime"),
    "lite0-and-tiny": lambda: open_backbone("efficientnet-lite0+tiny", engine="onnxruntime"),
    "dinov2-small": lambda: open_backbone("dinov2-small", engine="onnxruntime"),
    "transformers-vit": small_vit,
    "transformers-convnext": small_convnext,
}
RUN_IN_BATCHES = {"transformers-vit", "transformers-convnext"}
ALIKE = {
    "lite1-onnxruntime": "lite0-onnxruntime",
    "lite2-onnxruntime": "lite0-onnxruntime",
    "dinov2-small": "transformers-vit",
    "transformers-convnext": "transformers-vit",
}
"""What each is like: the short tests leave them out."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.long] * (name in ALIKE)) for name in OPENERS],
)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def backbone(name: str) -> Backbone:
    try:
        return OPENERS[name]()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def batch(backbone: Backbone) -> Float32Array:
    pictures = (drawn(120, 80), patterned(64, 100), patterned(300, 200))
    return np.stack([backbone.prepare(picture) for picture in pictures])


def test_prepare_returns_the_input_of_the_network(backbone: Backbone) -> None:
    prepared = backbone.prepare(drawn(40, 30).convert("L"))
    side = backbone.description.input_size
    if "+" in backbone.description.name:  # inputs of several sizes are flattened
        assert prepared.ndim == 1
    else:
        assert prepared.shape == (3, side, side)
    assert prepared.dtype == np.float32
    assert prepared.flags.c_contiguous


def test_shapes_match_the_description(backbone: Backbone, batch: Float32Array) -> None:
    features, described = backbone.extract(batch), backbone.description
    assert isinstance(features, FeatureBatch)
    assert features.global_vectors.shape == (3, described.global_dimension)
    assert features.style_statistics.shape == (3, described.style_dimension)
    assert features.feature_maps.shape == (3, REGIONS, described.map_channels)
    for part in features:
        assert part.dtype == np.float32
        assert np.isfinite(part).all()


def test_deviations_follow_their_means_and_are_never_negative(
    backbone: Backbone, batch: Float32Array
) -> None:
    statistics = backbone.extract(batch).style_statistics
    start = 0
    for channels in backbone.description.stage_channels:
        deviations = statistics[:, start + channels : start + 2 * channels]
        assert (deviations >= 0).all()
        assert (deviations > 0).any()
        start += 2 * channels


def test_a_batch_gives_the_features_of_single_pictures(
    name: str, backbone: Backbone, batch: Float32Array
) -> None:
    together = backbone.extract(batch)
    for row in range(len(batch)):
        alone = backbone.extract(batch[row : row + 1])
        for part, one in zip(together, alone, strict=True):
            if name in RUN_IN_BATCHES:
                np.testing.assert_allclose(part[row], one[0], rtol=1e-4, atol=1e-4)
            else:
                assert np.array_equal(part[row], one[0])


def test_results_are_repeatable(name: str, backbone: Backbone, batch: Float32Array) -> None:
    again = OPENERS[name]()
    assert again.identity == backbone.identity
    assert again.description == backbone.description
    for first, second in zip(backbone.extract(batch), again.extract(batch.copy()), strict=True):
        assert np.array_equal(first, second)


def test_threads_may_share_a_backbone(backbone: Backbone, batch: Float32Array) -> None:
    alone = [backbone.extract(batch[row : row + 1]) for row in (0, 1, 2)]
    with ThreadPoolExecutor(3) as pool:
        shared = list(pool.map(lambda row: backbone.extract(batch[row : row + 1]), (0, 1, 2)))
    for one, other in zip(alone, shared, strict=True):
        assert all(np.array_equal(first, second) for first, second in zip(one, other, strict=True))


def test_results_are_not_overwritten_by_later_calls(backbone: Backbone, batch: Float32Array) -> None:
    first = backbone.extract(batch[:1])
    kept = [part.copy() for part in first]
    backbone.extract(batch[1:2])
    assert all(np.array_equal(part, copy) for part, copy in zip(first, kept, strict=True))


def test_different_pictures_differ_in_every_feature(backbone: Backbone, batch: Float32Array) -> None:
    for part in backbone.extract(batch):
        assert not np.allclose(part[0], part[1], atol=1e-3)


def test_regions_are_row_by_row(backbone: Backbone) -> None:
    """A change in one corner of the picture changes the region of that corner the most."""
    plain = Image.new("RGB", (280, 280))
    corner = plain.copy()
    corner.paste(patterned(80, 80), (200, 0))  # top right
    before, after = (
        backbone.extract(backbone.prepare(each)[None]).feature_maps[0] for each in (plain, corner)
    )
    assert int(np.abs(after - before).sum(axis=1).argmax()) in {5, 6, 12, 13}


def test_an_empty_batch_gives_no_rows(backbone: Backbone, batch: Float32Array) -> None:
    empty = backbone.extract(batch[:0])
    assert [part.shape for part in empty] == [(0, *part.shape[1:]) for part in backbone.extract(batch)]


def test_views_of_arrays_are_accepted(backbone: Backbone, batch: Float32Array) -> None:
    view = batch[::-1]
    view.setflags(write=False)
    backwards = backbone.extract(view)
    for part, reversed_part in zip(backbone.extract(batch), backwards, strict=True):
        np.testing.assert_allclose(part[::-1], reversed_part, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrong", ["one picture", "another size", "float64"])
def test_other_arrays_are_refused(backbone: Backbone, batch: Float32Array, wrong: str) -> None:
    arrays = {
        "one picture": batch[0],
        "another size": batch[:, ..., :-1],
        "float64": batch.astype(np.float64),
    }
    with pytest.raises(
        BackboneError,
        match=r"expected a batch of float32 \[n, \d+.* got .*\. Stack the results of prepare\(\)\.",
    ):
        backbone.extract(arrays[wrong])


def test_identity_names_backbone_precision_and_weights(name: str, backbone: Backbone) -> None:
    precision = "bf16" if name.endswith("bf16") else "fp32"
    for part in backbone.identity.split("+"):
        assert re.fullmatch(rf"[A-Za-z0-9._-]+-{precision}-[0-9a-f]{{12}}", part)
