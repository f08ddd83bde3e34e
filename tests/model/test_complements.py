"""The map from a product to its complements: its numbers, and its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from perfectlook.errors import ModelError
from perfectlook.model.complements import Complements
from perfectlook.model.files import COMPLEMENTS
from perfectlook.model.runtime import Model
from random_model import random_model

MAP = Complements(
    np.array([[0.0, 2.0], [2.0, 1.0]], np.float32), np.array([1.0, 2.0], np.float32), weight=1.5
)


def test_the_query_point_of_a_product_by_hand():
    # Less the mean (1, 2), the products are (2, 2) and (0, 0).
    assert MAP.points(np.array([[3.0, 4.0], [1.0, 2.0]], np.float32)).tolist() == [[4.0, 6.0], [0.0, 0.0]]


def test_how_far_products_are_from_going_together_by_hand():
    one, other = np.array([[3.0, 4.0]], np.float32), np.array([[1.0, 2.0], [2.0, 1.0]], np.float32)
    # The query point of the one is (4, 6); the others are (0, 0) and (1, -1) less the mean.
    assert MAP.apart(one, other).tolist() == [[0.0, -2 * (4 - 6)]]
    assert MAP.apart(other, one).tolist() == MAP.apart(one, other).T.tolist()


def test_no_products_go_together_better_than_the_lower_bound():
    vectors = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    longest = float(np.linalg.norm(vectors - MAP.mean, axis=1).max())
    assert MAP.apart(vectors, vectors).min() >= MAP.least_apart(longest)


def test_a_map_is_read_back_unchanged(tmp_path: Path):
    (tmp_path / COMPLEMENTS).write_bytes(MAP.content())
    found = Complements.open(tmp_path)
    assert found is not None
    assert found.matrix.tolist() == MAP.matrix.tolist()
    assert found.mean.tolist() == MAP.mean.tolist()
    assert found.weight == 1.5


def test_a_model_without_a_map_opens_none(tmp_path: Path):
    assert Complements.open(tmp_path) is None


def test_a_map_of_other_vectors_is_refused(tmp_path: Path):
    folder = random_model(drawn_set(tmp_path / "set", scenes=4), tmp_path / "m", memory=0)
    (folder / COMPLEMENTS).write_bytes(MAP.content())
    with pytest.raises(ModelError, match=r"complements\.npz: expected 2 numbers of a product vector, got 8"):
        _ = Model.open(folder).complements
    (folder / COMPLEMENTS).write_bytes(replace(MAP, mean=np.zeros(3, np.float32)).content())
    with pytest.raises(ModelError, match=r"matrix has shape \(2, 2\), expected \(3, 3\)"):
        Complements.open(folder)


def test_a_damaged_map_is_refused(tmp_path: Path):
    (tmp_path / COMPLEMENTS).write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"or delete the file to go without complements\."):
        Complements.open(tmp_path)
