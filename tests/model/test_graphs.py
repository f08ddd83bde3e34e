"""Graphs and arrays of models from others: what could run without end, read other files or fill memory."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from perfectlook.files import MODELS
from perfectlook.model.files import read_arrays, write_arrays
from perfectlook.model.graphs import check_graph

onnx = pytest.importorskip("onnx", reason="the extra 'train' is not installed")


def graph(*nodes: object, **more: object) -> bytes:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    made = onnx.helper.make_graph(list(nodes), "g", [value], [value], **more)
    return bytes(onnx.helper.make_model(made).SerializeToString())


def test_the_graphs_of_the_shipped_models_are_accepted():
    for path in MODELS.glob("*/*.onnx"):
        check_graph(path.read_bytes())


@pytest.mark.parametrize("operator", ["Loop", "Scan", "If"])
def test_loops_and_branches_are_refused(operator: str):
    inner = onnx.helper.make_graph([], "inner", [], [])
    with pytest.raises(ValueError, match="not allowed"):
        check_graph(graph(onnx.helper.make_node(operator, ["x"], ["y"], body=inner)))
    with pytest.raises(ValueError, match=f"operator {operator}"):
        check_graph(graph(onnx.helper.make_node(operator, ["x"], ["y"])))


def test_functions_are_refused():
    model = onnx.load_from_string(graph())
    model.functions.append(onnx.helper.make_function("d", "f", [], [], [], []))
    with pytest.raises(ValueError, match="functions"):
        check_graph(model.SerializeToString())


def test_data_in_other_files_is_refused():
    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    for content in (
        graph(initializer=[tensor]),
        graph(onnx.helper.make_node("Constant", [], ["y"], value=tensor)),
    ):
        with pytest.raises(ValueError, match="another file"):
            check_graph(content)


def varint(value: int) -> bytes:
    head, rest = value & 127, value >> 7
    return bytes([head | 128]) + varint(rest) if rest else bytes([head])


def test_what_other_parsers_read_in_another_way_is_refused():
    """onnxruntime cuts a tag to 32 bits, skips unknown groups, and reads padded numbers."""
    whole = graph(onnx.helper.make_node("Loop", ["x"], ["y"]))
    at = whole.index(b"\x3a")  # the tag of the graph
    check_graph(whole[:at] + b"\x7a\0" + whole[-4:])  # the rest of the model alone
    for tag in (varint(0x3A | 1 << 32), varint(0x3A | 1 << 60), b"\xba\x00", b"\xba\x80\x00"):
        with pytest.raises(ValueError, match="malformed"):
            check_graph(whole[:at] + tag + whole[at + 1 :])
    for unknown in (
        b"\x00\x00",
        b"\x02\x00",
        b"\xa3\x06\xa4\x06",
        b"\x08\x80\x00",
        b"\x08" + b"\xff" * 9 + b"\x02",
    ):
        with pytest.raises(ValueError, match="malformed"):
            check_graph(unknown)
    check_graph(b"\x08" + b"\xff" * 9 + b"\x01")  # -1


def test_the_format_of_onnxruntime_is_refused():
    as_onnx = b"\x0a\x06\0\0ORTM"  # a text of six bytes
    with pytest.raises(ValueError, match="the format of onnxruntime"):
        check_graph(as_onnx + graph())


def test_sparse_data_of_attributes_are_refused():
    sparse = onnx.helper.make_sparse_tensor(
        onnx.helper.make_tensor("v", onnx.TensorProto.FLOAT, [1], [1.0]),
        onnx.helper.make_tensor("i", onnx.TensorProto.INT64, [1], [0]),
        [3],
    )
    with pytest.raises(ValueError, match="sparse"):
        check_graph(graph(onnx.helper.make_node("Constant", [], ["y"], sparse_value=sparse)))


def test_malformed_graphs_are_refused():
    whole = graph(onnx.helper.make_node("Add", ["x", "x"], ["y"]))
    for content in (whole[:-3], b"\xff" * 40, b"\x3a\x05ab"):
        with pytest.raises(ValueError, match="malformed"):
            check_graph(content)


def npz(header: bytes | None = None, compression: int = zipfile.ZIP_STORED) -> bytes:
    array = io.BytesIO()
    np.save(array, np.zeros(200_000, np.float32))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as file:
        file.writestr("a.npy", array.getvalue() if header is None else header)
    return packed.getvalue()


def test_arrays_larger_than_their_file_are_refused():
    with pytest.raises(ValueError, match="its arrays are larger than the file"):
        read_arrays(npz(compression=zipfile.ZIP_DEFLATED))
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)})
    with pytest.raises(ValueError, match=r"a\.npy is larger than the file"):
        read_arrays(npz(array.getvalue()))
    assert read_arrays(write_arrays(a=np.arange(3)))["a"].tolist() == [0, 1, 2]


def test_a_model_with_a_loop_does_not_open(tmp_path: Path):
    from perfectlook.errors import ModelError
    from perfectlook.model.runtime import _open_session

    inner = onnx.helper.make_graph([], "inner", [], [])
    path = tmp_path / "scene.onnx"
    path.write_bytes(graph(onnx.helper.make_node("Loop", ["x"], ["y"], body=inner)))
    with pytest.raises(ModelError, match=r"scene\.onnx: damaged \(the graph has the operator Loop"):
        _open_session(path)
