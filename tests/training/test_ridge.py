"""The closed form against definitions, and the choice of its settings."""

import numpy as np
import pytest

from perfectlook.evaluation.protocol import place_pairs
from perfectlook.model.config import ModelConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.ridge import fit_ridges, principal_components, ridge_path
from perfectlook.training.validation import HeldOutPairs, Round, shares_of
from perfectlook.types import Float64Array, IntArray
from styled import styled_set


@pytest.mark.parametrize(("rows", "width"), [(30, 5), (5, 30)])
def test_ridge_is_least_squares_on_rows_extended_by_the_penalty(rows: int, width: int):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(rows, width)), draw.normal(size=(rows, 3))
    extended = np.vstack([x, np.sqrt(2.5) * np.eye(width)])
    expected, *_ = np.linalg.lstsq(extended, np.vstack([y, np.zeros((width, 3))]), rcond=None)
    assert next(ridge_path(x, y, [2.5])) == pytest.approx(expected, abs=1e-9)


def test_principal_components_of_a_stretched_cloud():
    cloud = np.random.default_rng(0).normal(size=(4000, 3)) * [1.0, 5.0, 2.0]
    directions, deviations = principal_components(cloud - cloud.mean(axis=0), 2)
    assert np.abs(directions) == pytest.approx(np.array([[0, 1, 0], [0, 0, 1]]), abs=0.05)
    assert deviations == pytest.approx([5, 2], rel=0.05)


def test_directions_outside_the_span_of_the_rows_are_left_out():
    flat = np.random.default_rng(0).normal(size=(50, 1)) @ np.ones((1, 4))
    directions, deviations = principal_components(flat, 3)
    assert directions.shape == (1, 4)
    assert len(deviations) == 1


def test_a_product_that_is_linear_in_its_scene_is_found():
    draw = np.random.default_rng(0)
    scenes, mixing = draw.normal(size=(300, 6)), draw.normal(size=(6, 8))
    products = scenes @ mixing
    (ridge,) = fit_ridges(scenes, products, products, dimension=10, penalties=[1e-6], whitening=0.5)
    assert ridge.scene.shape == (10, 6)  # six directions exist, the rest is zero
    assert (ridge.scene[6:] == 0).all()
    f_s, f_p = scenes @ ridge.scene.T, products @ ridge.product.T
    cosine = (f_s / np.linalg.norm(f_s, axis=1, keepdims=True)) @ (
        f_p / np.linalg.norm(f_p, axis=1, keepdims=True)
    ).T
    assert (cosine.argmax(axis=1) == np.arange(300)).mean() > 0.99


CATEGORIES = ("Furniture|Chairs", "Decor|Rugs")


def test_scoring_forms_together_equals_scoring_each_alone():
    features = styled_set(scenes=60, products=24, categories=CATEGORIES)
    pairs = np.arange(len(features.pairs))
    random = np.random.default_rng(0)
    by_scene = random.standard_normal((3, len(features.scenes), 5))
    targets = random.standard_normal((len(features.product_ids), 5))

    def unit(rows: Float64Array) -> Float64Array:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    held = HeldOutPairs(TrainingData(features, ModelConfig(backbone="tiny")), Round("all", pairs[:0], pairs))
    queries = by_scene[:, features.pair_scenes[held.pairs]]
    together = [shares_of(held.matches(unit(each), unit(targets))).sum() for each in queries]

    def alone(form: int) -> float:
        def distances(scene: int, _category: str, rows: IntArray) -> Float64Array:
            point = by_scene[form, scene]
            lengths = np.linalg.norm(targets[rows], axis=1) * np.linalg.norm(point)
            return -(targets[rows] @ point) / lengths

        return sum(result.share for result in place_pairs(features, pairs, distances))

    assert together == pytest.approx([alone(form) for form in range(3)])
    assert len(set(together)) == 3
