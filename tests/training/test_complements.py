"""Complements are learned from products that share a training scene, in closed form."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from perfectlook.evaluation.complements import (
    ProductPair,
    complement_figures,
    place_products,
    product_pairs,
    scene_products,
)
from perfectlook.evaluation.protocol import scenes_of_split
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.complements import Complements
from perfectlook.model.files import COMPLEMENTS
from perfectlook.model.runtime import Model
from perfectlook.training.baselines.registry import train_baseline_on_features
from perfectlook.training.complements import fit_complements, moments, solve
from styled import styled_set

A, B = "Furniture|Chairs", "Lighting|Lamps"


def small(scenes: dict[str, list[str]], categories: dict[str, str]) -> SetFeatures:
    """Only what moments and placings read of a set."""
    dataset = SimpleNamespace(positives={name: frozenset(known) for name, known in scenes.items()})
    listed = {"product_ids": list(categories), "product_categories": list(categories.values())}
    return SimpleNamespace(dataset=dataset, **listed)  # type: ignore[return-value]


FOUR = small({"one": ["a", "b", "c"], "two": ["b", "d"]}, {"a": A, "b": B, "c": B, "d": A})


def test_pairs_are_ordered_and_of_two_categories():
    assert scene_products(FOUR) == {"one": [0, 1, 2], "two": [1, 3]}
    assert product_pairs(FOUR, {"one"}) == [
        ProductPair("one", 0, 1),
        ProductPair("one", 0, 2),
        ProductPair("one", 1, 0),
        ProductPair("one", 2, 0),
    ]


def test_moments_by_brute_force():
    vectors = np.random.default_rng(0).normal(size=(4, 3))
    together, alone = moments(FOUR, vectors, ["one", "two"])
    pairs = product_pairs(FOUR, {"one", "two"})
    assert together == pytest.approx(
        np.mean([np.outer(vectors[pair.product], vectors[pair.other]) for pair in pairs], axis=0)
    )
    assert alone == pytest.approx(
        np.mean([np.outer(vectors[pair.product], vectors[pair.product]) for pair in pairs], axis=0)
    )


def test_the_map_of_one_dimension_by_hand():
    # (2 + 1) ** -0.75 on both sides of 0.5 + 0.15 * 2, with s = 2 and a penalty of one half
    assert solve(np.array([[0.5]]), np.array([[2.0]]), 0.5, 0.15) == pytest.approx(0.8 * 3**-1.5)


def test_candidates_share_no_scene_with_the_product():
    numbers = np.array([0.0, 3.0, 2.0, 1.0])
    # For b, the chairs are a (distance 3) and d (2). Both share a scene with it, so neither has a candidate.
    shares = place_products(
        FOUR, product_pairs(FOUR, {"one"}), [lambda p, rows: abs(numbers[rows] - numbers[p])]
    )
    # For a, the lamps b and c share its scene too. For c, the chair d is left: a is farther (2) than d (1).
    assert shares.tolist()[0][3] == 0.0
    assert np.isnan(shares[0, :3]).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[SetFeatures, Path]:
    features, folder = styled_set(), tmp_path_factory.mktemp("model")
    train_baseline_on_features(features, folder, "ridge", {"backbone": "tiny", "dimension": 16})
    return features, folder


def test_training_writes_complements_that_find_the_style(trained: tuple[SetFeatures, Path]):
    features, folder = trained
    assert (folder / COMPLEMENTS).is_file()
    figures = complement_figures(Model.open(folder), features, "test")
    assert figures.complements.value > 0.75
    assert figures.gain.value == pytest.approx(figures.complements.value - figures.cosine.value)
    assert figures.n_pairs == len(product_pairs(features, scenes_of_split(features, "test")))


def test_only_the_given_scenes_are_learned_from(trained: tuple[SetFeatures, Path]):
    features, folder = trained
    model = Model.open(folder)
    scenes = scenes_of_split(features, "train")
    first = fit_complements(model, features, scenes)
    dataset = features.dataset
    known = [pair for pair in dataset.pairs if pair.scene in scenes]
    without = replace(features, dataset=replace(dataset, pairs=known))
    again = fit_complements(model, without, scenes)
    assert first is not None
    assert again is not None
    assert np.array_equal(first.matrix, again.matrix)


def test_the_map_is_symmetric_and_survives_its_file(trained: tuple[SetFeatures, Path], tmp_path: Path):
    features, folder = trained
    fitted = fit_complements(Model.open(folder), features, scenes_of_split(features, "train"))
    assert fitted is not None
    assert np.array_equal(fitted.matrix, fitted.matrix.T)
    (tmp_path / COMPLEMENTS).write_bytes(fitted.content())
    found = Complements.open(tmp_path)
    assert found is not None
    assert np.array_equal(found.matrix, fitted.matrix)


def test_a_few_scenes_teach_nothing(trained: tuple[SetFeatures, Path]):
    features, folder = trained
    few = sorted(scenes_of_split(features, "train"))[:9]
    assert fit_complements(Model.open(folder), features, few) is None
