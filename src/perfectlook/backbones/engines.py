"""Which engine runs a shipped graph: onnxruntime, OpenVINO or torch, all reading the very same file."""

import ctypes
import functools
import importlib.util
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, cast, get_args

import numpy as np

from perfectlook.backbones.backbone import FeatureBatch
from perfectlook.errors import BackboneError, MissingExtraError, PerfectLookError
from perfectlook.files import cache_folder
from perfectlook.types import Float32Array


class OnnxRuntimeEngine:
    """Runs a shipped graph in fp32 on the processor.

    Pictures go through one by one: on a processor that is as fast as any batch, since one picture's maps fit
    its caches, and a picture's features are then the same, bit for bit, whatever its neighbours in a batch.
    """

    def __init__(self, weights: Path, threads: int, outputs: Sequence[str] = FeatureBatch._fields) -> None:
        import onnxruntime

        self._outputs = list(outputs)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting is not work
        self._session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )

    def run(self, batch: Float32Array) -> FeatureBatch:
        """Features of a batch of at least one picture [n, 3, S, S]."""
        rows = (batch[row : row + 1] for row in range(len(batch)))
        parts = [self._session.run(self._outputs, {"pictures": row}) for row in rows]
        return FeatureBatch(*(np.concatenate(part) for part in zip(*parts, strict=True)))


_LOGGER = logging.getLogger(__name__)

_LATELY = 1.0
"""Seconds. All processors on one picture at a time are faster for it, and slower for many at once."""


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would report the import itself to its makers.

    Raises:
        MissingExtraError: it is not installed.
    """
    name = "openvino_telemetry"
    known = sys.modules.get(name)
    sys.modules[name] = known  # type: ignore[assignment]  # None makes its import fail: OpenVINO then uses a stub
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("the engine openvino", "openvino") from error
    finally:
        if known is None:
            del sys.modules[name]
    return openvino  # type: ignore[no-any-return]


class OpenVinoEngine:
    """Runs a shipped graph in fp32 or bf16 on the processor, pictures one by one (see OnnxRuntimeEngine).

    A picture alone has all `threads`; where several threads bring pictures at once, each runs on one. The
    numbers are the same either way. What OpenVINO compiles is kept in the cache folder: it loads faster.
    The network for many at once is compiled beside the first ones that meet, which do not wait for it.
    """

    def __init__(
        self,
        weights: Path,
        precision: Literal["fp32", "bf16"],
        threads: int,
        outputs: Sequence[str] = FeatureBatch._fields,
    ) -> None:
        self._outputs = tuple(outputs)
        core = import_openvino().Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            _LOGGER.warning(
                "this processor has no bf16 instructions: bf16 is emulated and several times slower than fp32"
            )
        with suppress(OSError):
            core.set_property({"CACHE_DIR": str(_cache())})
        model = core.read_model(str(weights))
        size = model.input(0).get_partial_shape()[2].get_length()
        model.reshape([1, 3, size, size])  # a fixed shape compiles to faster code than a free batch
        settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # or every worker would pin its one thread to the same core
        }

        def requests(streams: int) -> _Requests:
            return _Requests(core.compile_model(model, "CPU", settings | {"NUM_STREAMS": streams}), streams)

        self._crowd = _Crowd()
        self._alone = requests(1)
        self._together = _Beside(lambda: requests(threads)) if threads > 1 else None

    def run(self, batch: Float32Array) -> FeatureBatch:
        """Features of a batch of at least one picture [n, 3, S, S]."""
        with self._crowd.one() as alone, self._requests(alone).one() as request:
            parts = [self._one(request, batch[row : row + 1]) for row in range(len(batch))]
        return FeatureBatch(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _requests(self, alone: bool) -> "_Requests":
        if alone or self._together is None:
            return self._alone
        return self._together.get() or self._alone

    def _one(self, request: Any, picture: Float32Array) -> list[Float32Array]:
        request.infer({"pictures": np.ascontiguousarray(picture)}, share_inputs=True)
        return [np.array(request.get_tensor(name).data) for name in self._outputs]


class _Crowd:
    """Knows whether callers come one by one: none has met another lately."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._met = -inf

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Be inside while the context lasts; yields whether callers come one by one."""
        with self._lock:
            if self._inside:
                self._met = time.monotonic()
            self._inside += 1
            alone = time.monotonic() - self._met > _LATELY
        try:
            yield alone
        finally:
            with self._lock:
                self._inside -= 1


class _Requests:
    """Requests of one compiled network, each for one caller at a time."""

    def __init__(self, compiled: Any, count: int) -> None:
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(compiled.create_infer_request())

    @contextmanager
    def one(self) -> Iterator[Any]:
        """Lend a request while the context lasts."""
        request = self._free.get()
        try:
            yield request
        finally:
            self._free.put(request)


class _Beside:
    """What a thread of its own begins to make when it is first asked for."""

    def __init__(self, make: Callable[[], _Requests]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._making: Future[_Requests | None] | None = None

    def get(self) -> _Requests | None:
        """Return it, or None while it is being made and where it could not be."""
        with self._lock:
            if self._making is None:
                beside = ThreadPoolExecutor(1, thread_name_prefix="compile")
                self._making = beside.submit(self._made)
                beside.shutdown(wait=False)
        return self._making.result() if self._making.done() else None

    def _made(self) -> _Requests | None:
        try:
            return self._make()
        except Exception as error:  # OpenVINO's own; the network for one at a time serves all the same
            _LOGGER.warning("the network for several pictures at once cannot be compiled: %s", error)
            return None


def _cache() -> Path:
    folder = cache_folder() / "openvino"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


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

    return OnnxRuntimeEngine(weights, threads, outputs=outputs)


def _openvino(weights: Path, precision: Precision, threads: int, outputs: Sequence[str]) -> Engine:

    return OpenVinoEngine(weights, precision, threads, outputs=outputs)


def _torch(weights: Path, threads: int, outputs: Sequence[str]) -> Engine:
    from perfectlook.backbones.engine_torch import TorchEngine

    return TorchEngine(weights, threads, outputs=outputs)
