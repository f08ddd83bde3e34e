"""OpenVINO, of the extra `openvino`: the faster engine on processors, and the one that runs bf16."""

import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np

from perfectlook.backbones.backbone import FeatureBatch
from perfectlook.errors import MissingExtraError
from perfectlook.types import Float32Array

_LOGGER = logging.getLogger(__name__)


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
    """Runs a shipped graph in fp32 or bf16 on the processor, pictures one by one (see OnnxRuntimeEngine)."""

    def __init__(
        self,
        weights: Path,
        precision: Literal["fp32", "bf16"],
        threads: int,
        outputs: Sequence[str] = FeatureBatch._fields,
    ) -> None:
        self._outputs = tuple(outputs)
        openvino = import_openvino()
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            _LOGGER.warning(
                "this processor has no bf16 instructions: bf16 is emulated and several times slower than fp32"
            )
        model = core.read_model(str(weights))
        size = model.input(0).get_partial_shape()[2].get_length()
        model.reshape([1, 3, size, size])  # a fixed shape compiles to faster code than a free batch
        settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # or every worker would pin its one thread to the same core
        }
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        self._lock = threading.Lock()

    def run(self, batch: Float32Array) -> FeatureBatch:
        """Features of a batch of at least one picture [n, 3, S, S]."""
        with self._lock:  # a request is not to be shared between threads
            parts = [self._one(batch[row : row + 1]) for row in range(len(batch))]
        return FeatureBatch(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _one(self, picture: Float32Array) -> list[Float32Array]:
        self._request.infer({"pictures": np.ascontiguousarray(picture)}, share_inputs=True)
        return [np.array(self._request.get_tensor(name).data) for name in self._outputs]
