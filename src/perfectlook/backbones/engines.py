"""Engines that run ONNX graphs: onnxruntime and OpenVINO on the processor, onnxruntime on a GPU.

All engines read the same file. In fp32 they give the same numbers within a tolerance of 5e-4.
"""

import ctypes
import functools
import hashlib
import importlib.util
import logging
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from perfectlook.backbones.backbone import Backbone, FeatureBatch
from perfectlook.errors import BackboneError, MissingExtraError, PerfectLookError
from perfectlook.files import cache_folder
from perfectlook.types import Float32Array

ENGINES = ("onnxruntime", "openvino", "cuda")
PRECISIONS = ("fp32", "bf16")
INSTALL_CUDA = "pip uninstall onnxruntime && pip install onnxruntime-gpu"

_LOGGER = logging.getLogger(__name__)


class GraphBackbone(Backbone):
    """A backbone that is an ONNX graph, run by an engine. A subclass sets `description`.

    Args:
        weights: the graph. Its input is `pictures` [n, 3, S, S], and its outputs are float32.
        outputs: the outputs of the graph that form a feature batch, in its order.
        options: the precision, engine and threads of `open_backbone`, as keywords.

    Raises:
        BackboneError: see `open_engine`; or the file cannot be read.
        MissingExtraError: the engine is not installed.
    """

    def __init__(self, weights: Path, outputs: Sequence[str] = FeatureBatch._fields, **options: Any) -> None:
        self._engine = open_engine(weights, outputs=outputs, **options)
        self._run = self._engine.run  # type: ignore[method-assign]  # same arguments and result
        self.identity = f"{self.description.name}-{options['precision']}-{_sha256(weights)[:12]}"


@functools.cache
def _sha256(weights: Path) -> str:
    try:
        return hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise BackboneError(
            f"{weights}: cannot be read ({error.strerror}). Install its package again."
        ) from error


def open_engine(
    weights: Path, *, engine: str, precision: str, threads: int, outputs: Sequence[str] = FeatureBatch._fields
) -> "OnnxRuntimeEngine | OpenVinoEngine":
    """Load a graph into an engine. `outputs` are the outputs that form a feature batch, in its order.

    "auto" is `automatic_engine()`. If the GPU then cannot be used, "auto" logs a warning and uses the
    processor. bf16 always runs on OpenVINO.

    Raises:
        BackboneError: the engine cannot run this precision, "cuda" finds no GPU, or the weights do not load.
        MissingExtraError: the engine is not installed.
    """
    chosen = _choose(engine, precision)
    if not weights.is_file():
        raise BackboneError(f"{weights}: no such file. Install its package again.")
    try:
        if chosen == "openvino":
            return OpenVinoEngine(weights, precision, threads, outputs)
        return OnnxRuntimeEngine(weights, threads, outputs, on_gpu=chosen == "cuda")
    except Exception as error:  # each engine has its own exceptions
        if engine == "auto" and chosen == "cuda":
            _LOGGER.warning("using the processor instead of the GPU: %s", error)
            return open_engine(
                weights, engine=_processor_engine(), precision=precision, threads=threads, outputs=outputs
            )
        if isinstance(error, PerfectLookError):
            raise
        raise BackboneError(
            f"{weights}: cannot be loaded by {chosen} ({error}). Install its package again."
        ) from error


def automatic_engine() -> str:
    """Return the engine that "auto" stands for in fp32: an NVIDIA GPU, else OpenVINO, else onnxruntime.

    On the processor, OpenVINO is about 1.25 times as fast as onnxruntime.
    """
    return "cuda" if cuda_is_available() else _processor_engine()


@functools.cache
def cuda_is_available() -> bool:
    """Return whether there is an NVIDIA driver and onnxruntime was built for CUDA.

    onnxruntime is imported only if there is a driver.
    """
    try:
        ctypes.CDLL({"win32": "nvcuda.dll", "linux": "libcuda.so.1"}[sys.platform])
    except (KeyError, OSError):  # another system, or no driver
        return False
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _processor_engine() -> str:
    return "openvino" if importlib.util.find_spec("openvino") else "onnxruntime"


def _choose(engine: str, precision: str) -> str:
    if engine == "torch":
        raise BackboneError(
            "engine 'torch' runs hub models only. Choose 'openvino' or 'onnxruntime' for the processor, "
            "or 'cuda' for an NVIDIA GPU."
        )
    if precision == "bf16" and engine not in {"auto", "openvino"}:
        raise BackboneError(f"engine '{engine}' does not run bf16. Choose 'openvino', or use fp32.")
    if engine == "cuda" and not cuda_is_available():
        raise BackboneError(
            "engine 'cuda' requires an NVIDIA GPU with its driver, and onnxruntime built for CUDA. "
            f"Choose 'auto', or install it with: {INSTALL_CUDA}"
        )
    if engine != "auto":
        return engine
    return "openvino" if precision == "bf16" else automatic_engine()


_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
"""Exact fp32 (no TF32), and algorithms that are chosen by shape alone, so that results are repeatable."""


class OnnxRuntimeEngine:
    """Runs a shipped graph in fp32, on the processor or on an NVIDIA GPU.

    On the processor it runs pictures one by one. This is as fast as a batch, because the maps of one picture
    fit into the caches. It also makes the features of a picture independent of the rest of its batch, bit for
    bit. A GPU runs the whole batch, without TF32, which would round numbers to 10 bits.
    """

    def __init__(self, weights: Path, threads: int, outputs: Sequence[str], *, on_gpu: bool) -> None:
        import onnxruntime

        self._outputs = list(outputs)
        self._on_gpu = on_gpu
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # no busy waiting
        # expand int8 weights once; otherwise some versions also round the activations to int8
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        options.use_deterministic_compute = on_gpu  # on the processor results are always repeatable
        providers = [*([("CUDAExecutionProvider", _CUDA_OPTIONS)] if on_gpu else []), "CPUExecutionProvider"]
        # onnxruntime prints errors of CUDA to standard output, which may carry JSON
        with redirect_stdout(sys.stderr) if on_gpu else nullcontext():
            if on_gpu and hasattr(onnxruntime, "preload_dlls"):
                onnxruntime.preload_dlls()  # finds CUDA installed by pip; since onnxruntime 1.21
            self._session = onnxruntime.InferenceSession(str(weights), options, providers=providers)
        if on_gpu and "CUDAExecutionProvider" not in self._session.get_providers():
            raise BackboneError(
                "engine 'cuda': onnxruntime cannot load CUDA or cuDNN. "
                "Install matching versions with: pip install 'onnxruntime-gpu[cuda,cudnn]'"
            )

    def run(self, batch: Float32Array) -> FeatureBatch:
        """Extract the features of a batch of at least one picture, [n, 3, S, S]."""
        size = len(batch) if self._on_gpu else 1
        chunks = (np.ascontiguousarray(batch[row : row + size]) for row in range(0, len(batch), size))
        parts = [self._session.run(self._outputs, {"pictures": chunk}) for chunk in chunks]
        return FeatureBatch(*(np.concatenate(part) for part in zip(*parts, strict=True)))


_RECENT_SECONDS = 1.0
"""How long the network for several callers is used after two callers ran at the same time."""

_Requests = queue.SimpleQueue[Any]
"""The free requests of a compiled network. One caller uses a request at a time."""


class OpenVinoEngine:
    """Runs a shipped graph in fp32 or bf16 on the processor, picture by picture (see OnnxRuntimeEngine).

    A single caller uses all `threads` for one picture. Several callers at the same time use one thread each,
    which is faster in total. The numbers are the same. The network for several callers is compiled in the
    background when it is first needed. OpenVINO keeps compiled networks in the cache folder.
    """

    def __init__(self, weights: Path, precision: str, threads: int, outputs: Sequence[str]) -> None:
        self._outputs = tuple(outputs)
        self._threads = threads
        self._core = import_openvino().Core()
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            _LOGGER.warning(
                "this processor has no bf16 instructions; bf16 is emulated and several times slower than fp32"
            )
        with suppress(OSError):
            folder = cache_folder() / "openvino"
            folder.mkdir(parents=True, exist_ok=True)
            self._core.set_property({"CACHE_DIR": str(folder)})
        self._model = self._core.read_model(str(weights))
        size = self._model.input(0).get_partial_shape()[2].get_length()
        self._model.reshape([1, 3, size, size])  # a fixed shape compiles to faster code
        self._settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # otherwise all workers pin their thread to the same core
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # activations stay fp32 next to int8 weights
        }
        self._lock = threading.Lock()
        self._callers = 0
        self._shared_at = -inf
        """When two callers last ran at the same time."""
        self._alone = self._compile(1)
        self._together: Future[_Requests] | None = None

    def run(self, batch: Float32Array) -> FeatureBatch:
        """Extract the features of a batch of at least one picture, [n, 3, S, S]."""
        parts: list[list[Float32Array]] = []
        with self._request() as request:
            for row in range(len(batch)):
                picture = np.ascontiguousarray(batch[row : row + 1])
                request.infer({"pictures": picture}, share_inputs=True)
                parts.append([np.array(request.get_tensor(name).data) for name in self._outputs])
        return FeatureBatch(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    @contextmanager
    def _request(self) -> Iterator[Any]:
        """Take a request of the network for one or for several callers, and put it back afterwards."""
        with self._lock:
            if self._callers:
                self._shared_at = time.monotonic()
            self._callers += 1
            is_shared = self._threads > 1 and time.monotonic() - self._shared_at <= _RECENT_SECONDS
            free = self._for_many() if is_shared else self._alone
        try:
            request = free.get()
            try:
                yield request
            finally:
                free.put(request)
        finally:
            with self._lock:
                self._callers -= 1

    def _for_many(self) -> _Requests:
        """Return the requests of the network for several callers; until it is compiled, of the other one."""
        if self._together is None:
            background = ThreadPoolExecutor(1, thread_name_prefix="compile")
            self._together = background.submit(self._compile, self._threads)
            self._together.add_done_callback(_warn_of_failure)
            background.shutdown(wait=False)
        ready = self._together.done() and self._together.exception() is None
        return self._together.result() if ready else self._alone

    def _compile(self, streams: int) -> _Requests:
        network = self._core.compile_model(self._model, "CPU", self._settings | {"NUM_STREAMS": streams})
        free: _Requests = queue.SimpleQueue()
        for _ in range(streams):
            free.put(network.create_infer_request())
        return free


def _warn_of_failure(compiled: "Future[_Requests]") -> None:
    if compiled.exception() is not None:  # the network for one caller is used instead
        _LOGGER.warning("cannot compile the network for several callers: %s", compiled.exception())


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would report the import itself.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    with _IMPORTING:
        return _import_openvino()


_IMPORTING = threading.Lock()
"""Two threads that import OpenVINO at the same time get half a module."""


def _import_openvino() -> ModuleType:
    name = "openvino_telemetry"
    known = sys.modules.get(name)
    sys.modules[name] = known  # type: ignore[assignment]  # None makes its import fail, and OpenVINO uses a stub
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("engine 'openvino'", "openvino") from error
    finally:
        if known is None:
            del sys.modules[name]
    return openvino  # type: ignore[no-any-return]
