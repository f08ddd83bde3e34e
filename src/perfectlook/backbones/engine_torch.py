"""torch, of the extra `train`: runs the shipped graphs on a GPU where there is one."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perfectlook.backbones.backbone import FeatureBatch
from perfectlook.errors import BackboneError, MissingExtraError
from perfectlook.types import Float32Array

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor
    Operation = Callable[[Sequence[Tensor]], Tensor]


class TorchEngine:
    """Executes an ONNX graph of the few operators that the shipped ones need, in fp32, a batch at once."""

    def __init__(
        self,
        weights: Path,
        threads: int,
        device: str | None = None,
        outputs: Sequence[str] = FeatureBatch._fields,
    ) -> None:
        try:
            import onnx
            import torch
        except ImportError as error:
            raise MissingExtraError("the engine torch", "train") from error

        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._threads = threads
        self._outputs = tuple(outputs)
        graph = onnx.load(str(weights)).graph
        self._values = {
            each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy()) for each in graph.initializer
        }
        self._steps: list[tuple[Operation, list[str], str]] = []
        for node in graph.node:
            attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            operation = _operation(node.op_type, attributes)
            if all(name in self._values for name in node.input):  # constants are computed once, now
                self._values[node.output[0]] = operation([self._values[name] for name in node.input])
            else:
                self._steps.append((operation, list(node.input), node.output[0]))
        self._values = {
            name: _laid_out(value).to(self.device) if value.is_floating_point() and value.ndim else value
            for name, value in self._values.items()
        }
        self._last_use = {name: step for step, (_, names, _) in enumerate(self._steps) for name in names}

    def run(self, batch: Float32Array) -> FeatureBatch:
        """Features of a batch of at least one picture [n, 3, S, S]."""
        import torch

        with torch.inference_mode(), exact_and_repeatable(self._threads):
            values = {"pictures": _laid_out(to_tensor(batch).to(self.device))}
            for index, (operation, names, result) in enumerate(self._steps):
                inputs = [values[name] if name in values else self._values[name] for name in names]
                values[result] = operation(inputs)
                for name in names:  # memory holds what is still needed, not the whole network's maps
                    if self._last_use[name] == index:
                        values.pop(name, None)
            return FeatureBatch(*(values[name].cpu().numpy() for name in self._outputs))


def to_tensor(batch: Float32Array) -> "Tensor":
    """A copy, because torch takes neither reversed nor read-only arrays as they are."""
    import torch

    return torch.from_numpy(np.array(batch, order="C"))


def _laid_out(value: "Tensor") -> "Tensor":
    import torch

    return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value


@contextlib.contextmanager
def exact_and_repeatable(threads: int) -> Iterator[None]:
    """True fp32 (no TF32), the same result every time, and no more threads than were granted."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(before)


def _operation(kind: str, attributes: dict[str, Any]) -> "Operation":
    """The torch equivalent of one ONNX operator (opset 17)."""
    import torch

    def conv(inputs: Sequence["Tensor"]) -> "Tensor":
        top, left, bottom, right = attributes["pads"]
        source, padding = inputs[0], (top, left)
        if (top, left) != (bottom, right):
            source, padding = torch.nn.functional.pad(source, (left, right, top, bottom)), (0, 0)
        strides, groups = attributes["strides"], attributes["group"]
        return torch.nn.functional.conv2d(source, inputs[1], inputs[2], strides, padding, 1, groups)

    def reshape(inputs: Sequence["Tensor"]) -> "Tensor":
        sizes = [inputs[0].shape[axis] if size == 0 else size for axis, size in enumerate(inputs[1].tolist())]
        return inputs[0].reshape(sizes)

    def cast(inputs: Sequence["Tensor"]) -> "Tensor":
        if attributes["to"] != 1:  # TensorProto.FLOAT
            raise BackboneError(
                f"the torch engine casts to float32 only, not to ONNX type {attributes['to']}"
            )
        return inputs[0].float()

    axes, keep = attributes.get("axes"), bool(attributes.get("keepdims", 1))
    operations: dict[str, Operation] = {
        "Cast": cast,
        "Conv": conv,
        "Reshape": reshape,
        "Add": lambda inputs: inputs[0] + inputs[1],
        "Sub": lambda inputs: inputs[0] - inputs[1],
        "Mul": lambda inputs: inputs[0] * inputs[1],
        "MatMul": lambda inputs: inputs[0] @ inputs[1],
        "Clip": lambda inputs: inputs[0].clamp(inputs[1].item(), inputs[2].item()),
        "Concat": lambda inputs: torch.cat(list(inputs), attributes["axis"]),
        "Transpose": lambda inputs: inputs[0].permute(attributes["perm"]).contiguous(),
        "ReduceMean": lambda inputs: inputs[0].mean(axes, keep),
        "ReduceL2": lambda inputs: torch.linalg.vector_norm(inputs[0], dim=axes, keepdim=keep),
    }
    if kind not in operations:
        raise BackboneError(f"the torch engine has no operator '{kind}'; add it to engine_torch.py")
    return operations[kind]
