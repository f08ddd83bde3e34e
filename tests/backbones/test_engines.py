"""The engines agree, and "auto" takes the one it should."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from perfectlook.backbones import engines
from perfectlook.backbones.backbone import FeatureBatch
from perfectlook.backbones.efficientnet_lite import WEIGHTS_FOLDER
from perfectlook.backbones.engines import automatic_engine, open_engine
from perfectlook.backbones.registry import open_backbone
from perfectlook.errors import BackboneError, MissingExtraError
from perfectlook.images import open_picture
from perfectlook.types import Float32Array
from pictures import drawn, patterned

TOLERANCE = 5e-4
"""How far fp32 features of two engines may lie apart; the features themselves are of the order of 1."""

LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")


def needs(*libraries: str) -> None:
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")


def features(name: str, engine: str = "auto") -> FeatureBatch:
    backbone = open_backbone(name, engine=engine)
    return backbone.extract(
        np.stack([backbone.prepare(each) for each in (drawn(300, 200), patterned(90, 120))])
    )


def cosines(one: Float32Array, other: Float32Array) -> Float32Array:
    products = (one * other).sum(axis=-1)
    return products / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)


@pytest.mark.parametrize("name", LITE)
@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_fp32_is_the_same_on_every_engine(name: str, engine: str) -> None:
    needs(*{"openvino": ["openvino"], "torch": ["torch", "onnx"]}[engine])
    for one, other in zip(features(name, "onnxruntime"), features(name, engine), strict=True):
        assert np.abs(one - other).max() < TOLERANCE


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite2"])
def test_bf16_is_close_to_fp32_and_an_identity_of_its_own(name: str) -> None:
    needs("openvino")
    for exact, short in zip(features(name), features(f"{name}:bf16"), strict=True):
        assert cosines(exact.reshape(2, -1), short.reshape(2, -1)).min() > 0.98
        assert not np.array_equal(exact, short)
    exact_identity, short_identity = open_backbone(name).identity, open_backbone(f"{name}:bf16").identity
    assert short_identity == exact_identity.replace("-fp32-", "-bf16-")


@pytest.mark.photos
def test_bf16_on_real_photos(photos: Path) -> None:
    needs("openvino")
    exact, short = open_backbone("efficientnet-lite2"), open_backbone("efficientnet-lite2:bf16")
    paths = sorted((photos / "ikea-rooms" / "scenes").iterdir())[:12]
    batch = np.stack([exact.prepare(open_picture(path, fit=260)) for path in paths])
    for one, other in zip(exact.extract(batch), short.extract(batch), strict=True):
        assert np.median(cosines(one.reshape(12, -1), other.reshape(12, -1))) > 0.995


def test_fp32_is_one_identity_on_every_engine() -> None:
    needs("openvino", "torch", "onnx")
    opened = [open_backbone("efficientnet-lite0", engine=engine) for engine in engines.ENGINES]
    assert len({backbone.identity for backbone in opened}) == 1


def test_bf16_without_the_instructions_says_so(caplog: pytest.LogCaptureFixture) -> None:
    needs("openvino")
    from perfectlook.backbones.engines import import_openvino

    native = "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    open_backbone("efficientnet-lite0:bf16")
    assert ("emulated" in caplog.text) == (not native)


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_bf16_is_openvinos_alone(engine: str) -> None:
    with pytest.raises(BackboneError, match=f"engine '{engine}' does not run bf16; choose 'openvino'"):
        open_backbone("efficientnet-lite0:bf16", engine=engine)


def test_auto_is_torch_with_cuda_then_openvino_then_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"openvino"}
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr(engines, "cuda_is_available", lambda: False)
    assert automatic_engine() == "openvino"
    installed.clear()
    assert automatic_engine() == "onnxruntime"
    monkeypatch.setattr(engines, "cuda_is_available", lambda: True)
    assert automatic_engine() == "torch"


@pytest.mark.parametrize(
    ("library", "engine"), [("openvino", "openvino"), ("torch", "torch"), ("onnx", "torch")]
)
def test_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, library: str, engine: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"the engine {engine} needs the extra .*pip install"):
        open_backbone("efficientnet-lite0", engine=engine)


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_weights_that_are_missing_or_damaged(tmp_path: Path, engine: str) -> None:
    needs(engine)
    with pytest.raises(BackboneError, match=r"gone\.onnx: no such weights; install perfectlook again"):
        open_engine(tmp_path / "gone.onnx", engine=engine, precision="fp32", threads=1)
    whole = (WEIGHTS_FOLDER / "efficientnet-lite0.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        BackboneError, match=rf"(?s)cut\.onnx: {engine} cannot load it .*install perfectlook again"
    ):
        open_engine(tmp_path / "cut.onnx", engine=engine, precision="fp32", threads=1)


def test_torch_engine_names_an_operator_it_does_not_have(tmp_path: Path) -> None:
    needs("torch")
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("pictures", onnx.TensorProto.FLOAT, [1, 3, 4, 4])
    node = onnx.helper.make_node("Softplus", ["pictures"], ["result"])
    graph = onnx.helper.make_graph([node], "g", [value], [onnx.helper.make_empty_tensor_value_info("result")])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(BackboneError, match="no operator 'Softplus'"):
        open_engine(tmp_path / "other.onnx", engine="torch", precision="fp32", threads=1)


def test_torch_engine_leaves_the_thread_count_alone() -> None:
    torch = pytest.importorskip("torch")
    needs("onnx")
    before = torch.get_num_threads()
    features("efficientnet-lite0", "torch")
    assert torch.get_num_threads() == before


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has after running some code."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_torch_is_not_imported_without_a_cuda_driver() -> None:
    if engines.cuda_is_available():
        pytest.skip("there is a CUDA device")
    opened = "from perfectlook.backbones.registry import open_backbone; open_backbone('efficientnet-lite0')"
    modules = modules_after(opened)
    assert "torch" not in modules
    assert "openvino" in modules or "onnxruntime" in modules


def test_describing_loads_no_engine() -> None:
    described = "from perfectlook.backbones.registry import describe_backbones; describe_backbones()"
    assert not modules_after(described) & {"torch", "onnx", "onnxruntime", "openvino", "transformers"}


def test_openvino_is_imported_without_its_telemetry() -> None:
    needs("openvino")
    code = "from perfectlook.backbones.engines import import_openvino; import_openvino()"
    modules = modules_after(code)
    assert "openvino" in modules
    assert not [module for module in modules if module.startswith("openvino_telemetry")]


def test_openvino_gives_the_same_numbers_to_one_caller_and_to_many() -> None:
    needs("openvino")
    backbone = open_backbone("efficientnet-lite0", engine="openvino", threads=2)
    batch = np.stack([backbone.prepare(each) for each in (drawn(300, 200), patterned(90, 120))])
    alone = backbone.extract(batch)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: backbone.extract(batch), range(8)))
    for one in found:
        assert all(map(np.array_equal, one, alone))
