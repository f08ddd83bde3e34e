"""All engines give the same features, and "auto" chooses the right engine."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pytest

from perfectlook import backbones
from perfectlook.backbones import engines, open_backbone
from perfectlook.backbones.backbone import FeatureBatch
from perfectlook.backbones.efficientnet_lite import WEIGHTS_FOLDER
from perfectlook.backbones.engines import automatic_engine, open_engine
from perfectlook.errors import BackboneError, MissingExtraError
from perfectlook.images import open_picture
from perfectlook.types import Float32Array
from pictures import drawn, patterned

TOLERANCE = 5e-4
"""The largest difference between the fp32 features of two engines. The features are of the order of 1."""

LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")


def needs(engine: str) -> None:
    if engine == "cuda":
        if not engines.cuda_is_available():
            pytest.skip("no CUDA device, or onnxruntime is not built for CUDA")
    elif importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")


def features(name: str, engine: str = "auto") -> FeatureBatch:
    backbone = open_backbone(name, engine=engine)
    return backbone.extract(
        np.stack([backbone.prepare(each) for each in (drawn(300, 200), patterned(90, 120))])
    )


def cosines(one: Float32Array, other: Float32Array) -> Float32Array:
    products = (one * other).sum(axis=-1)
    return products / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)


@pytest.mark.parametrize(
    "name", [LITE[0], *(pytest.param(each, marks=pytest.mark.long) for each in LITE[1:])]
)
@pytest.mark.parametrize("engine", ["openvino", "cuda"])
def test_fp32_features_are_the_same_on_every_engine(name: str, engine: str) -> None:
    needs(engine)
    for one, other in zip(features(name, "onnxruntime"), features(name, engine), strict=True):
        assert np.abs(one - other).max() < TOLERANCE


@pytest.mark.parametrize(
    "name", ["efficientnet-lite0", pytest.param("efficientnet-lite2", marks=pytest.mark.long)]
)
def test_bf16_is_close_to_fp32_and_has_its_own_identity(name: str) -> None:
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


def test_fp32_has_the_same_identity_on_every_engine() -> None:
    needs("openvino")
    usable = [each for each in engines.ENGINES if each != "cuda" or engines.cuda_is_available()]
    opened = [open_backbone("efficientnet-lite0", engine=engine) for engine in usable]
    assert len({backbone.identity for backbone in opened}) == 1


def test_emulated_bf16_logs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    needs("openvino")
    from perfectlook.backbones.engines import import_openvino

    native = "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    open_backbone("efficientnet-lite0:bf16")
    assert ("emulated" in caplog.text) == (not native)


@pytest.mark.parametrize("engine", ["onnxruntime", "cuda"])
def test_only_openvino_runs_bf16(engine: str) -> None:
    with pytest.raises(BackboneError, match=f"engine '{engine}' does not run bf16. Choose 'openvino'"):
        open_backbone("efficientnet-lite0:bf16", engine=engine)


def test_auto_is_cuda_then_openvino_then_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"openvino"}
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr(engines, "cuda_is_available", lambda: False)
    assert automatic_engine() == "openvino"
    installed.clear()
    assert automatic_engine() == "onnxruntime"
    monkeypatch.setattr(engines, "cuda_is_available", lambda: True)
    assert automatic_engine() == "cuda"


def test_openvino_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"Engine 'openvino' needs the extra .*pip install"):
        open_backbone("efficientnet-lite0", engine="openvino")


class FakeSession:
    """The part of onnxruntime's session that an engine uses. Records its arguments."""

    made: ClassVar[list[tuple[Any, Any]]] = []
    works = True
    """Whether CUDA loads. If not, onnxruntime itself falls back to the processor."""

    def __init__(self, path: str, options: Any, providers: list[Any]) -> None:
        print("a message of onnxruntime")
        self._names = [each if isinstance(each, str) else each[0] for each in providers]
        self._session = real_session(path, options, providers=["CPUExecutionProvider"])
        FakeSession.made.append((options, providers))
        self.sizes: list[int] = []

    def get_providers(self) -> list[str]:
        return self._names if FakeSession.works else ["CPUExecutionProvider"]

    def run(self, outputs: Any, feeds: dict[str, Float32Array]) -> Any:
        self.sizes.append(len(feeds["pictures"]))
        return self._session.run(outputs, feeds)


real_session = onnxruntime.InferenceSession


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake a driver and an onnxruntime with CUDA. The processor does the work."""
    monkeypatch.setattr(engines, "cuda_is_available", engines.cuda_is_available.__wrapped__)
    monkeypatch.setattr(engines.ctypes, "CDLL", lambda _: None)
    monkeypatch.setattr(engines.sys, "platform", "linux")
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("loading"), raising=False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(FakeSession, "made", [])


@pytest.mark.usefixtures("fake_gpu")
@pytest.mark.parametrize("engine", ["auto", "cuda"])
def test_a_gpu_runs_whole_batches_in_exact_fp32(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    backbone = open_backbone("efficientnet-lite0", engine=engine)
    assert capsys.readouterr().out == ""  # standard output may carry JSON
    ((options, providers),) = FakeSession.made
    name, settings = providers[0]
    assert name == "CUDAExecutionProvider"
    assert settings["use_tf32"] == "0"
    assert providers[1:] == ["CPUExecutionProvider"]
    assert options.use_deterministic_compute
    batch = np.stack([backbone.prepare(each) for each in (drawn(300, 200), patterned(90, 120))])
    on_processor = features("efficientnet-lite0", "onnxruntime")
    for part, expected in zip(backbone.extract(batch), on_processor, strict=True):
        assert np.abs(part - expected).max() < TOLERANCE
    assert backbone._engine._session.sizes == [2]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("fake_gpu")
def test_cuda_that_does_not_load_is_an_error_and_auto_uses_the_processor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FakeSession, "works", False)
    with pytest.raises(BackboneError, match=r"cannot load CUDA or cuDNN.*onnxruntime-gpu\[cuda,cudnn\]"):
        open_backbone("efficientnet-lite0", engine="cuda")
    backbone = open_backbone("efficientnet-lite0")
    assert "using the processor instead of the GPU" in caplog.text
    assert backbone.extract(backbone.prepare(drawn(30, 20))[None]).global_vectors.shape == (1, 1280)


def test_cuda_without_a_gpu_names_its_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "cuda_is_available", lambda: False)
    with pytest.raises(BackboneError, match=r"requires an NVIDIA GPU .*pip install onnxruntime-gpu"):
        open_backbone("efficientnet-lite0", engine="cuda")


def test_cuda_is_not_available_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr(engines.ctypes, "CDLL", missing)
    assert not engines.cuda_is_available.__wrapped__()


def test_engine_torch_is_for_hub_models_only() -> None:
    with pytest.raises(BackboneError, match=r"hub models only\. Choose 'openvino' or 'onnxruntime' .*'cuda'"):
        open_backbone("efficientnet-lite0", engine="torch")


@pytest.mark.parametrize(
    ("name", "on_gpu"),
    [
        ("efficientnet-lite2", True),
        ("efficientnet-lite2:fp32", True),
        ("efficientnet-lite2:bf16", False),
        ("tiny", False),
        ("tiny+efficientnet-lite0", True),
        ("tiny+efficientnet-lite0:bf16", False),
    ],
)
def test_which_backbones_run_on_a_gpu(monkeypatch: pytest.MonkeyPatch, name: str, on_gpu: bool) -> None:
    monkeypatch.setattr(backbones, "cuda_is_available", lambda: True)
    assert backbones.runs_on_gpu(name) is on_gpu


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_missing_or_damaged_weights_are_refused(tmp_path: Path, engine: str) -> None:
    needs(engine)
    with pytest.raises(BackboneError, match=r"gone\.onnx: no such file\. Install its package again\."):
        open_engine(tmp_path / "gone.onnx", engine=engine, precision="fp32", threads=1)
    whole = (WEIGHTS_FOLDER / "efficientnet-lite0.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        BackboneError, match=rf"(?s)cut\.onnx: cannot be loaded by {engine} .*Install its package again\."
    ):
        open_engine(tmp_path / "cut.onnx", engine=engine, precision="fp32", threads=1)


def modules_after(code: str) -> set[str]:
    """Return the modules that a new interpreter has loaded after running some code."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_opening_a_backbone_does_not_import_torch() -> None:
    opened = "from perfectlook.backbones import open_backbone; open_backbone('efficientnet-lite0')"
    modules = modules_after(opened)
    assert "torch" not in modules
    assert "openvino" in modules or "onnxruntime" in modules


def test_describing_backbones_loads_no_engine() -> None:
    described = "from perfectlook.backbones import describe_backbones; describe_backbones()"
    assert not modules_after(described) & {"torch", "onnx", "onnxruntime", "openvino", "transformers"}


def test_openvino_is_imported_without_its_telemetry() -> None:
    needs("openvino")
    code = "from perfectlook.backbones.engines import import_openvino; import_openvino()"
    modules = modules_after(code)
    assert "openvino" in modules
    assert not [module for module in modules if module.startswith("openvino_telemetry")]


def test_openvino_gives_the_same_numbers_to_one_and_to_several_callers() -> None:
    needs("openvino")
    backbone = open_backbone("efficientnet-lite0", engine="openvino", threads=2)
    batch = np.stack([backbone.prepare(each) for each in (drawn(300, 200), patterned(90, 120))])
    alone = backbone.extract(batch)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: backbone.extract(batch), range(8)))
    for one in found:
        assert all(map(np.array_equal, one, alone))


def test_openvino_serves_several_callers_if_their_network_does_not_compile(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    needs("openvino")
    compiled = engines.OpenVinoEngine._compile

    def compile_one(engine: engines.OpenVinoEngine, streams: int) -> Any:
        if streams > 1:
            raise RuntimeError("too little memory")
        return compiled(engine, streams)

    monkeypatch.setattr(engines.OpenVinoEngine, "_compile", compile_one)
    backbone = open_backbone("efficientnet-lite0", engine="openvino", threads=2)
    batch = backbone.prepare(drawn(300, 200))[None]
    alone = backbone.extract(batch)
    engine = backbone._engine  # type: ignore[attr-defined]
    monkeypatch.setattr(engine, "_shared_at", float("inf"))  # as if another caller always ran
    for _ in range(2):
        assert all(map(np.array_equal, backbone.extract(batch), alone))
        assert engine._together.exception(timeout=60) is not None
    assert "too little memory" in caplog.text
