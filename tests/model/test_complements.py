"""The map from a product to its complements: its numbers, and its file."""

from pathlib import Path

import numpy as np
import pytest

from perfectlook.errors import ModelError
from perfectlook.model.complements import Complements
from perfectlook.model.files import COMPLEMENTS

MAP = Complements(
    np.array([[0.0, 2.0], [2.0, 1.0]], np.float32), np.array([1.0, -1.0], np.float32), weight=1.5
)


def test_the_query_point_of_a_product_by_hand():
    assert MAP.points(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist() == [[9.0, 9.0], [1.0, -1.0]]


def test_products_are_apart_by_the_mean_of_both_directions():
    one, other = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)
    # The query points are (1, 1) for the one, and (3, 0) and (3, 2) for the others.
    there = [1 + 0, 0 + 0]
    back = [4 + 0, 4 + 4]
    assert MAP.apart(one, other).tolist() == [[(there[0] + back[0]) / 2, (there[1] + back[1]) / 2]]
    assert MAP.apart(other, one).tolist() == MAP.apart(one, other).T.tolist()


def test_a_map_is_read_back_unchanged(tmp_path: Path):
    (tmp_path / COMPLEMENTS).write_bytes(MAP.content())
    found = Complements.open(tmp_path, 2)
    assert found is not None
    assert found.matrix.tolist() == MAP.matrix.tolist()
    assert found.offset.tolist() == MAP.offset.tolist()
    assert found.weight == 1.5


def test_a_model_without_a_map_opens_none(tmp_path: Path):
    assert Complements.open(tmp_path, 2) is None


@pytest.mark.parametrize("dimension", [1, 3])
def test_a_map_of_other_vectors_is_refused(tmp_path: Path, dimension: int):
    (tmp_path / COMPLEMENTS).write_bytes(MAP.content())
    with pytest.raises(ModelError, match=r"complements\.npz: cannot be read \(matrix of shape \(2, 2\)"):
        Complements.open(tmp_path, dimension)


def test_a_damaged_map_is_refused(tmp_path: Path):
    (tmp_path / COMPLEMENTS).write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"or delete the file to go without complements\."):
        Complements.open(tmp_path, 2)
