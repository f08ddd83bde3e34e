"""MATLAB files, written by scipy and read safely."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from perfectlook.data.fetch import ccp as matfiles
from perfectlook.data.fetch.ccp import read_matrix, read_names
from perfectlook.errors import DatasetError


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float64])
def test_a_matrix_is_read_as_whole_numbers(tmp_path: Path, compressed: bool, kind: type):
    file = tmp_path / "a.mat"
    savemat(
        file, {"groundtruth": np.array([[1, 2, 3], [4, 5, 6]], kind), "other": 1}, do_compression=compressed
    )
    assert read_matrix(file, "groundtruth").tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("names", [["null", "shoes", "t-shirt"], ["one"]])
def test_names_are_read_in_their_order(tmp_path: Path, names: list[str]):
    cells = np.empty((1, len(names)), dtype=object)
    cells[0, :] = names
    savemat(tmp_path / "a.mat", {"label_list": cells})
    assert read_names(tmp_path / "a.mat", "label_list") == names


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"other": np.eye(2)}, "expected 'groundtruth', got other"),
        ({}, "expected 'groundtruth', got nothing"),
        ({"groundtruth": np.zeros((2, 2, 2))}, "not a matrix of numbers"),
        ({"groundtruth": "text"}, "not a matrix of numbers"),
        ({"groundtruth": {"a": 1}}, "not a matrix of numbers"),
    ],
)
def test_other_variables_are_refused(tmp_path: Path, variables: dict[str, object], reason: str):
    savemat(tmp_path / "a.mat", variables)
    with pytest.raises(DatasetError, match=rf"a\.mat: .*{reason}"):
        read_matrix(tmp_path / "a.mat", "groundtruth")


def test_other_values_than_names_are_refused(tmp_path: Path):
    savemat(tmp_path / "a.mat", {"label_list": np.eye(2)})
    with pytest.raises(DatasetError, match="not a list of names"):
        read_names(tmp_path / "a.mat", "label_list")


def test_a_too_large_matrix_is_refused_from_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(matfiles, "LARGEST", 99)
    savemat(tmp_path / "a.mat", {"groundtruth": np.zeros((10, 10))}, do_compression=True)
    with pytest.raises(DatasetError, match="'groundtruth' has 10×10 elements, more than 99"):
        read_matrix(tmp_path / "a.mat", "groundtruth")


def test_a_truncated_file_is_an_error_at_any_length(tmp_path: Path):
    file = tmp_path / "a.mat"
    savemat(file, {"groundtruth": np.arange(600).reshape(20, 30)}, do_compression=True)
    whole = file.read_bytes()
    for length in range(0, len(whole), 17):
        file.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=r"a\.mat: cannot be read"):
            read_matrix(file, "groundtruth")
