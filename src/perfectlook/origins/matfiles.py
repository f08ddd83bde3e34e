"""Reads one named variable of a stranger's MATLAB file (version 5): bounded, and nothing in it is run."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook.errors import DatasetError, MissingExtraError
from perfectlook.types import IntArray

LARGEST = 40_000_000
"""Elements of the largest matrix that is read."""


def read_matrix(file: Path, name: str) -> IntArray:
    """The whole numbers of a matrix, [rows, columns].

    Raises:
        DatasetError: there is no such matrix, or the file is damaged.
        MissingExtraError: scipy is not installed.
    """
    matrix = _variable(file, name)
    if matrix.ndim != 2 or matrix.dtype.kind not in "uif" or not matrix.size:
        raise DatasetError(f"{file}: '{name}' is no matrix of numbers; delete the file and fetch it again")
    numbers: IntArray = np.asarray(matrix).astype(np.int64)
    return numbers


def read_names(file: Path, name: str) -> list[str]:
    """The texts of a cell array, in its order.

    Raises:
        DatasetError: there is no such array, or the file is damaged.
        MissingExtraError: scipy is not installed.
    """
    cells = _variable(file, name).ravel()
    names = [str(np.ravel(cell)[0]) if np.size(cell) else "" for cell in cells]
    if not names or cells.dtype.kind != "O":
        raise DatasetError(f"{file}: '{name}' is no list of names; fetch the file again")
    return names


def _variable(file: Path, name: str) -> Any:
    try:
        from scipy.io import loadmat, whosmat
    except ImportError as error:
        raise MissingExtraError("reading MATLAB files", "data") from error
    content = file.read_bytes()
    try:
        # what the header promises is what a reader would make room for
        _check(whosmat(io.BytesIO(content), appendmat=False), name)
        return loadmat(io.BytesIO(content), appendmat=False, variable_names=[name])[name]
    except Exception as error:  # on garbage scipy raises nearly anything
        reason = str(error) or type(error).__name__
        raise DatasetError(f"{file}: not read ({reason}); fetch it again") from error


def _check(listed: list[tuple[str, tuple[int, ...], str]], name: str) -> None:
    shapes = {found: shape for found, shape, _ in listed}
    if name not in shapes:
        raise ValueError(f"it holds {', '.join(sorted(shapes)) or 'nothing'}, and no '{name}'")
    if np.prod(shapes[name], dtype=float) > LARGEST:
        raise ValueError(f"'{name}' is of {'×'.join(map(str, shapes[name]))} elements")
