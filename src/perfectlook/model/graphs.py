"""Check the ONNX graphs of a model from others, before they are loaded. Needs no library for ONNX.

A graph that `train` writes has no subgraphs, so it runs a known number of steps, and it reads no other files.
"""

from collections.abc import Iterator
from typing import Final

_GRAPH, _FUNCTIONS, _TRAINING = 7, 25, 20
"""Fields of a ModelProto."""
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
"""Fields of a GraphProto."""
_OPERATOR, _ATTRIBUTE = 4, 5
"""Fields of a NodeProto."""
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE_TENSORS = 5, 6, 10, 11, (22, 23)
"""Fields of an AttributeProto."""
_EXTERNAL, _LOCATION = 13, 14
"""Fields of a TensorProto."""
_REFUSED: Final = {b"Loop", b"Scan", b"If", b"SequenceMap"}


def check_graph(content: bytes) -> None:
    """Check that a graph has no loops or branches, no functions, and no data in other files.

    Raises:
        ValueError: it has one of them, or is malformed.
    """
    if content[4:8] == b"ORTM":  # onnxruntime tells its own format by these bytes
        raise ValueError("it is in the format of onnxruntime, not of ONNX")
    for number, value in _fields(memoryview(content)):
        if number in (_FUNCTIONS, _TRAINING):
            raise ValueError("the graph defines functions, which are not allowed")
        if number == _GRAPH:
            _check_parts(_bytes(value))


def _check_parts(graph: memoryview) -> None:
    for number, value in _fields(graph):
        if number == _NODE:
            _check_node(_bytes(value))
        elif number == _INITIALIZER:
            _check_tensor(_bytes(value))
        elif number == _SPARSE:
            raise ValueError("the graph has sparse data, which is not allowed")


def _check_node(node: memoryview) -> None:
    for number, value in _fields(node):
        if number == _OPERATOR and bytes(_bytes(value)) in _REFUSED:
            raise ValueError(
                f"the graph has the operator {bytes(_bytes(value)).decode()}, which is not allowed"
            )
        if number == _ATTRIBUTE:
            for inner, part in _fields(_bytes(value)):
                if inner in (_SUBGRAPH, _SUBGRAPHS):
                    raise ValueError("the graph has a subgraph, which is not allowed")
                if inner in _SPARSE_TENSORS:
                    raise ValueError("the graph has sparse data, which is not allowed")
                if inner in (_TENSOR, _TENSORS):
                    _check_tensor(_bytes(part))


def _check_tensor(tensor: memoryview) -> None:
    if any(number == _EXTERNAL or (number == _LOCATION and value != 0) for number, value in _fields(tensor)):
        raise ValueError("the graph has data in another file, which is not allowed")


def _bytes(value: "int | memoryview") -> memoryview:
    if isinstance(value, int):
        raise ValueError("the graph is malformed")  # noqa: TRY004  (the file is wrong, not the caller)
    return value


def _fields(data: memoryview) -> "Iterator[tuple[int, int | memoryview]]":
    """Yield the numbers and values of the fields of a protocol buffer message.

    Other parsers cut numbers to 32 or 64 bits, or skip groups. What they may read in another way is refused.
    """
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if not 8 <= key < 2**32:
            raise ValueError("the graph is malformed")
        if kind == 0:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        size, place = _varint(data, place) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), place)
        if size < 0 or place + size > len(data):
            raise ValueError("the graph is malformed")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Return a number in its shortest form, of up to 64 bits, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value >= 2**64 or (shift and not byte):
                break
            return value, place
    raise ValueError("the graph is malformed")
