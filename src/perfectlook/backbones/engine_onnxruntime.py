"""onnxruntime: the engine of the base install."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perfectlook.backbones.backbone import FeatureBatch
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
