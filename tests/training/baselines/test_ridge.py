"""The ridge baseline: its ranking, and the choice of its settings."""

import numpy as np
import pytest

from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.model.runtime import Model
from perfectlook.training.baselines import ridge
from perfectlook.training.baselines.registry import baseline, train_baseline_on_features
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.validation import folds, learning_pairs
from styled import styled_set

TINY = {"backbone": "tiny"}


def prepared(features, given):
    config = baseline("ridge").config(TINY | given, name="ridge")
    return TrainingData(features, config.model), config


def z_scored(rows: np.ndarray, of: np.ndarray) -> np.ndarray:
    return (rows - of.mean(axis=0)) / of.std(axis=0) / np.sqrt(rows.shape[1])


@pytest.mark.parametrize("intercept", [0.0, 1.0])
def test_ridge_ranks_by_the_inner_product_of_the_formula(intercept: float, tmp_path, monkeypatch):
    """The formula for one kind of features: z-scores, centred products, components, regression, whitening."""
    features = styled_set(scenes=100, products=24, categories=("Furniture|Chairs", "Decor|Rugs"))
    monkeypatch.setattr(ridge, "INTERCEPTS", (intercept,))
    given = {
        "global_features": "style",
        "ridge_choose": True,
        "dimension": 4,
        "ridge_penalty": 3.0,
        "ridge_whitening": 0.75,
    }
    train_baseline_on_features(features, tmp_path / "m", "ridge", TINY | given)
    model = Model.open(tmp_path / "m")
    training = learning_pairs(features, TrainingConfig())

    products = features.products.style_statistics.astype(np.float64)
    for name in set(features.product_categories):
        rows = [row for row, each in enumerate(features.product_categories) if each == name]
        products[rows] -= products[rows].mean(axis=0)
    products = z_scored(products, products)
    raw = features.scenes.style_statistics.astype(np.float64)
    scenes = z_scored(raw, raw[features.pair_scenes[training]])
    values, vectors = np.linalg.eigh(products.T @ products / len(products))
    components, deviations = vectors[:, ::-1][:, :4], np.sqrt(values[::-1][:4])
    x = scenes[features.pair_scenes[training]]
    y = products[features.pair_products[training]] @ components
    solution = np.linalg.inv(x.T @ x + 3.0 * np.eye(10)) @ x.T @ (y - y.mean(axis=0))
    predicted = scenes @ solution + intercept * y.mean(axis=0)
    similar = (predicted / deviations**0.75) @ (products @ components / deviations**0.75).T

    vectors = model.product_vectors(features)
    for row, scene in enumerate(model.embed_scenes(features.scenes.batch(slice(None)))):
        found = scene.distances("Decor|Rugs", vectors).total
        assert np.corrcoef(found, -similar[row])[0, 1] > 0.99999


def test_the_best_settings_by_cross_validation_are_chosen(monkeypatch):
    features = styled_set(scenes=150, products=24, noise=1.5)
    choices = [(2, 0.1), (2, 1000.0), (10, 0.1), (10, 1000.0)]
    monkeypatch.setattr(ridge, "COMPONENTS", (2, 10))
    monkeypatch.setattr(ridge, "PENALTIES", (0.1, 1000.0))
    monkeypatch.setattr(ridge, "WHITENINGS", (0.5,))
    monkeypatch.setattr(ridge, "INTERCEPTS", (0.0,))
    data, config = prepared(features, {})
    learned = ridge.learn(data, config, TINY.keys())
    alone = {}
    for dimension, penalty in choices:
        given = {"dimension": dimension, "ridge_penalty": penalty, "ridge_whitening": 0.5}
        single = ridge.learn(*prepared(features, given), given.keys())
        assert single.found == given | {"intercept": 0.0}
        alone[dimension, penalty] = single.held_out.accuracy.value
    assert learned.held_out.accuracy.value == max(alone.values()) > min(alone.values())
    best = max(alone, key=lambda choice: alone[choice])
    assert (learned.found["dimension"], learned.found["ridge_penalty"]) == best


def test_the_shares_of_a_fold_equal_those_of_a_model_trained_without_it(tmp_path, monkeypatch):
    """The shortcut of the search (one regression for all components) does not change the shares."""
    features = styled_set(scenes=150, products=24, noise=1.0)
    given = {"dimension": 5, "ridge_penalty": 2.0, "ridge_whitening": 0.5}
    one = folds(features, TrainingConfig())[0]
    monkeypatch.setattr(ridge, "folds", lambda *_: [one])
    monkeypatch.setattr(ridge, "learning_pairs", lambda *_: one.training)
    record = train_baseline_on_features(features, tmp_path / "m", "ridge", TINY | given)
    scenes = {features.pairs[i].scene for i in one.validation}
    everything = evaluate_on_features(Model.open(tmp_path / "m"), features, split="all").results
    shares = [result.share for result in everything if result.scene in scenes]
    assert record.training["binary_accuracy"]["value"] == pytest.approx(np.mean(shares), abs=1e-3)
