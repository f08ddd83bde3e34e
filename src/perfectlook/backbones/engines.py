"""Which engine runs a shipped graph: onnxruntime, OpenVINO or torch, all reading the very same file."""

import ctypes
import functools
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

from perfectlook.backbones.backbone import FeatureBatch
from perfectlook.errors import BackboneError, PerfectLookError
from perfectlook.types import Float32Array

EngineName = Literal["onnxruntime", "openvino", "torch"]
Precision = Literal["fp32", "bf16"]

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class Engine(Protocol):
    """Runs one graph."""

    def run(self, batch: Float32Array) -> FeatureBatch:
        """Features of a batch of at least one picture [n, 3, S, S]."""


def open_engine(
    weights: Path,
    *,
    engine: str,
    precision: Precision,
    threads: int,
    outputs: Sequence[str] = FeatureBatch._fields,
) -> Engine:
    """Load a graph into an engine; `outputs` are those that become a feature batch, in its order.

    "auto" takes torch where there is a CUDA device, else OpenVINO where it is installed (in fp32 about 1.25
    times as fast as onnxruntime), else onnxruntime. bf16 always means OpenVINO.

    Raises:
        BackboneError: an unknown engine, one that cannot run this precision, or weights that do not load.
        MissingExtraError: the engine is not installed.
    """
    chosen = _choose(engine, precision)
    if not weights.is_file():
        raise BackboneError(f"{weights}: no such weights; install perfectlook again")
    openers: dict[EngineName, Callable[[], Engine]] = {
        "onnxruntime": lambda: _onnxruntime(weights, threads, outputs),
        "openvino": lambda: _openvino(weights, precision, threads, outputs),
        "torch": lambda: _torch(weights, threads, outputs),
    }
    try:
        return openers[chosen]()
    except PerfectLookError:
        raise
    except Exception as error:  # each engine has exceptions of its own
        raise BackboneError(
            f"{weights}: {chosen} cannot load it ({error}); install perfectlook again"
        ) from error


def _choose(engine: str, precision: Precision) -> EngineName:
    if engine != "auto" and engine not in ENGINES:
        raise BackboneError(f"unknown engine '{engine}'; known: auto, {', '.join(ENGINES)}")
    if precision == "bf16":
        if engine not in {"auto", "openvino"}:
            raise BackboneError(
                f"engine '{engine}' does not run bf16; choose 'openvino', or the backbone in fp32"
            )
        return "openvino"
    return automatic_engine() if engine == "auto" else cast("EngineName", engine)


def automatic_engine() -> EngineName:
    """The engine that "auto" means here, in fp32."""
    if cuda_is_available():
        return "torch"
    return "openvino" if importlib.util.find_spec("openvino") else "onnxruntime"


@functools.cache
def cuda_is_available() -> bool:
    """Whether torch can use a CUDA device; where there is no NVIDIA driver, known without importing torch."""
    library = {"win32": "nvcuda.dll", "linux": "libcuda.so.1"}.get(sys.platform)
    if library is None or not all(importlib.util.find_spec(name) for name in ("torch", "onnx")):
        return False
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()


def _onnxruntime(weights: Path, threads: int, outputs: Sequence[str]) -> Engine:
    from perfectlook.backbones.engine_onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(weights, threads, outputs=outputs)


def _openvino(weights: Path, precision: Precision, threads: int, outputs: Sequence[str]) -> Engine:
    from perfectlook.backbones.engine_openvino import OpenVinoEngine

    return OpenVinoEngine(weights, precision, threads, outputs=outputs)


def _torch(weights: Path, threads: int, outputs: Sequence[str]) -> Engine:
    from perfectlook.backbones.engine_torch import TorchEngine

    return TorchEngine(weights, threads, outputs=outputs)
