"""Hub models as backbones, tested with small models with random weights. Nothing is downloaded."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perfectlook.backbones import open_backbone
from perfectlook.errors import BackboneError
from perfectlook.types import Float32Array
from pictures import patterned
from small_hub_models import convnext_model, small_vit, vit_model

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from perfectlook.backbones.hub import HubBackbone, transformers_network  # noqa: E402 - it needs torch


def pixels(size: int, n: int = 2) -> Float32Array:
    return np.random.default_rng(0).uniform(-1, 1, (n, 3, size, size)).astype(np.float32)


def asked(model: Any, batch: Float32Array) -> Any:
    with torch.no_grad():
        return model.eval()(torch.from_numpy(batch), output_hidden_states=True)


def test_transformer_against_its_own_outputs() -> None:
    model, batch = vit_model(), pixels(56)
    features = HubBackbone(transformers_network(model, 56), "transformers:vit").extract(batch)
    result = asked(model, batch)
    np.testing.assert_allclose(features.global_vectors, result.pooler_output.numpy(), atol=1e-5)
    regions = result.last_hidden_state[:, 1:].numpy()  # 7×7 patches after the class token
    np.testing.assert_allclose(features.feature_maps, regions, atol=1e-5)
    layers = [result.hidden_states[0][:, 1:].numpy(), result.hidden_states[1][:, 1:].numpy(), regions]
    expected = np.concatenate([part for each in layers for part in (each.mean(1), each.std(1))], axis=1)
    np.testing.assert_allclose(features.style_statistics, expected, atol=1e-5)


def test_convolutional_network_against_its_own_outputs() -> None:
    model, batch = convnext_model(), pixels(224, n=1)
    backbone = HubBackbone(transformers_network(model, 224), "transformers:convnext")
    features, result = backbone.extract(batch), asked(model, batch)
    assert backbone.description.stage_channels == (8, 8, 10, 12, 14)
    np.testing.assert_allclose(features.global_vectors, result.pooler_output.numpy(), atol=1e-5)
    last = result.last_hidden_state.numpy()  # already 7×7
    np.testing.assert_allclose(features.feature_maps[0], last[0].reshape(14, 49).T, atol=1e-5)
    np.testing.assert_allclose(features.style_statistics[:, -14:], last.std((2, 3)), atol=1e-5)


def test_register_tokens_are_not_regions() -> None:
    torch.manual_seed(3)
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=16,
        num_hidden_layers=6,
        num_attention_heads=2,
        image_size=98,
        patch_size=14,
        num_register_tokens=4,
    )
    model, batch = transformers.Dinov2WithRegistersModel(config), pixels(98)
    features = HubBackbone(transformers_network(model, 98), "transformers:dino").extract(batch)
    result = asked(model, batch)
    np.testing.assert_allclose(features.feature_maps, result.last_hidden_state[:, 5:].numpy(), atol=1e-5)
    assert features.style_statistics.shape == (2, 2 * 5 * 16)  # five of the seven maps


def test_maps_of_other_sizes_are_pooled_to_seven() -> None:
    torch.manual_seed(4)
    config = transformers.SiglipVisionConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=64,
        patch_size=8,
    )
    model, batch = transformers.SiglipVisionModel(config), pixels(64)
    features = HubBackbone(transformers_network(model, 64), "transformers:siglip").extract(batch)
    maps = asked(model, batch).last_hidden_state.transpose(1, 2).reshape(2, 16, 8, 8)
    expected = torch.nn.functional.adaptive_avg_pool2d(maps, 7).flatten(2).transpose(1, 2)
    np.testing.assert_allclose(features.feature_maps, expected.numpy(), atol=1e-5)


def test_prepare_uses_the_models_own_normalisation() -> None:
    network = transformers_network(vit_model(), 56, (0.2, 0.4, 0.6), (0.5, 0.25, 0.1))
    backbone = HubBackbone(network, "transformers:vit")
    from PIL import Image

    prepared = backbone.prepare(Image.new("RGB", (9, 9), (51, 102, 255)))
    np.testing.assert_allclose(prepared[:, 3, 3], [0.0, 0.0, 4.0], atol=1e-5)


def test_identity_depends_on_the_weights() -> None:
    first, again = small_vit(), small_vit()
    assert first.identity == again.identity
    model: Any = vit_model()
    with torch.no_grad():
        model.layernorm.bias[0] += 1
    assert HubBackbone(transformers_network(model, 56), "transformers:small-vit").identity != first.identity


def test_local_folder_opens_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "my vit"
    model: Any = vit_model()
    model.save_pretrained(folder)
    transformers.ViTImageProcessorPil(image_mean=[0.1, 0.2, 0.3], image_std=[1.0, 1.0, 1.0]).save_pretrained(
        folder
    )
    opened = open_backbone(f"transformers:{folder}")
    assert opened.description.name == f"transformers:{folder}"
    assert opened.description.input_size == 56
    assert opened.identity.startswith("transformers-my-vit-fp32-")
    prepared = opened.prepare(patterned(60, 60))
    assert prepared.min() == pytest.approx(-0.3, abs=1e-4)
    reference = HubBackbone(transformers_network(model, 56), "transformers:reference")
    for one, other in zip(opened.extract(prepared[None]), reference.extract(prepared[None]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_pooler_without_weights_is_left_out(tmp_path: Path) -> None:
    model: Any = vit_model()
    model.pooler = None
    model.save_pretrained(tmp_path)
    one, other = (open_backbone(f"transformers:{tmp_path}") for _ in range(2))
    assert one.identity == other.identity
    batch = pixels(56)
    expected = asked(model, batch).last_hidden_state[:, 0].numpy()  # the class token
    np.testing.assert_allclose(one.extract(batch).global_vectors, expected, atol=1e-5)


def test_other_missing_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model: Any = vit_model()
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    removed = next(key for key in weights if "layer" in key)
    save_file(
        {k: v for k, v in weights.items() if k != removed}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(BackboneError, match="has no weights for"):
        open_backbone(f"transformers:{tmp_path}")


def test_only_the_image_tower_of_clip_is_used(tmp_path: Path) -> None:
    torch.manual_seed(5)
    tower = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    config = transformers.CLIPConfig(
        vision_config={**tower, "image_size": 64, "patch_size": 16},
        text_config={**tower, "vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2},
    )
    model = transformers.CLIPModel(config)
    model.save_pretrained(tmp_path)
    opened, batch = open_backbone(f"transformers:{tmp_path}"), pixels(64)
    expected = asked(model.vision_model, batch).pooler_output.numpy()
    np.testing.assert_allclose(opened.extract(batch).global_vectors, expected, atol=1e-5)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"cannot be loaded .*give its folder"):
        open_backbone(f"transformers:{tmp_path}")


def test_a_hub_without_a_model_is_refused() -> None:
    with pytest.raises(BackboneError, match=r"transformers:: no model\. Give its name"):
        open_backbone("transformers:")


def test_running_a_model_does_not_change_the_thread_count() -> None:
    before = torch.get_num_threads()
    small_vit().extract(pixels(56))
    assert torch.get_num_threads() == before


def test_other_engines_are_refused() -> None:
    with pytest.raises(BackboneError, match="engine 'openvino' does not run hub models"):
        open_backbone("transformers:google/vit", engine="openvino")


@pytest.mark.parametrize("name", ["timm:resnet18", "open_clip:ViT-B-32/laion2b_s34b_b79k"])
def test_a_missing_library_is_named(name: str) -> None:
    library = name.partition(":")[0]
    if importlib.util.find_spec(library) is not None:
        pytest.skip(f"{library} is installed")
    with pytest.raises(
        BackboneError, match=rf"{library} cannot be imported .*\. Install it with: pip install torch"
    ):
        open_backbone(name)


@pytest.mark.parametrize("architecture", ["resnet18", "vit_tiny_patch16_224"])
def test_timm_models(architecture: str) -> None:
    timm = pytest.importorskip("timm", exc_type=ImportError)
    from perfectlook.backbones.hub import timm_network

    model, batch = timm.create_model(architecture, pretrained=False, num_classes=0).eval(), pixels(224, n=1)
    features = HubBackbone(timm_network(model, 224), f"timm:{architecture}").extract(batch)
    with torch.no_grad():
        np.testing.assert_allclose(features.global_vectors, model(torch.from_numpy(batch)).numpy(), atol=1e-4)
    assert features.feature_maps.shape == (1, 49, features.global_vectors.shape[1])


def test_open_clip_models() -> None:
    open_clip = pytest.importorskip("open_clip", exc_type=ImportError)
    from perfectlook.backbones.hub import open_clip_network

    model, batch = open_clip.create_model("ViT-B-32", pretrained=None).eval(), pixels(224, n=1)
    features = HubBackbone(open_clip_network(model, 224), "open_clip:ViT-B-32/none").extract(batch)
    with torch.no_grad():
        embedding = model.encode_image(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(features.global_vectors, embedding, atol=1e-4)
    assert features.feature_maps.shape == (1, 49, 768)


def test_a_model_with_code_of_its_own_runs_none_of_it(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    classes = "from transformers import PretrainedConfig as Own, PreTrainedModel as Model"
    (tmp_path / "own.py").write_text(f"open({str(ran)!r}, 'w')\n{classes}\n")
    asked = {"AutoConfig": "own.Own", "AutoModel": "own.Model"}
    for kind in ({"model_type": "own"}, {"model_type": "vit"}):
        (tmp_path / "config.json").write_text(json.dumps({**kind, "auto_map": asked}))
        with pytest.raises(BackboneError, match="cannot be loaded"):
            open_backbone(f"transformers:{tmp_path}")
    assert not ran.exists()
