"""Fitting the suggester: it learns from scenes, falls back to popularity, and refuses crops."""

import dataclasses

import numpy as np
import pytest

from perfectlook.errors import TrainingError
from perfectlook.evaluation.evaluate import suggestion_figures
from perfectlook.evaluation.protocol import pair_indices, scenes_of_split, training_indices
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.categories import sigmoid
from perfectlook.training.categories import fit_suggester
from perfectlook.types import Rectangle
from styled import styled_set

CATEGORIES = ("Chairs", "Lamps", "Rugs", "Sofas")


def telling_set(noise: float) -> SetFeatures:
    """Scenes of style 0 have chairs, scenes of style 1 lamps, and so on; every scene also has rugs."""
    features = styled_set(scenes=400, products=8, categories=CATEGORIES, noise=noise)
    style = {}
    for row, pair in enumerate(features.pairs):
        style.setdefault(pair.scene, int(features.pair_products[row]) % 8 % 4)
    kept = [
        row
        for row, pair in enumerate(features.pairs)
        if features.product_categories[features.pair_products[row]] in ("Rugs", CATEGORIES[style[pair.scene]])
    ]
    pairs = [features.pairs[row] for row in kept]
    features.dataset.pairs[:] = pairs
    return dataclasses.replace(
        features,
        pairs=pairs,
        pair_scenes=features.pair_scenes[kept],
        pair_products=features.pair_products[kept],
    )


def split(features: SetFeatures) -> tuple[np.ndarray, np.ndarray]:
    return training_indices(features, scenes_of_split(features, "test")), pair_indices(features, "test")


def test_it_learns_the_categories_of_each_style():
    features = telling_set(noise=0.5)
    training, test = split(features)
    fit = fit_suggester(features, training, CATEGORIES)
    found = suggestion_figures(fit.suggester, features, test)
    assert found is not None
    assert found.average_precision.value >= 0.97
    assert found.gain_average_precision.low > 0.05
    assert fit.losses[fit.penalty] == min(fit.losses.values())
    batch = features.scenes.batch(features.pair_scenes[test])
    rugs = fit.suggester.probabilities(batch)[:, 2]
    assert rugs.min() > 0.9


def test_uninformative_scenes_give_the_popularity():
    features = telling_set(noise=0.5)
    noise = np.random.default_rng(0).normal(size=features.scenes.global_vectors.shape).astype(np.float16)
    scenes = dataclasses.replace(features.scenes, global_vectors=noise)
    training, _ = split(features)
    fit = fit_suggester(
        dataclasses.replace(features, scenes=scenes), training, CATEGORIES, global_features="head"
    )
    assert fit.penalty >= 10
    found = fit.suggester.probabilities(scenes.batch(np.arange(50)))
    popular = sigmoid(np.asarray(fit.suggester.prior, np.float64))
    assert found == pytest.approx(np.tile(popular, (50, 1)), abs=0.05)


def test_a_large_penalty_gives_the_prior_and_an_unseen_category_a_small_one():
    features = telling_set(noise=0.5)
    training, _ = split(features)
    fit = fit_suggester(features, training, (*CATEGORIES, "Tables"), penalties=[1e9])
    scenes = {features.pairs[i].scene for i in training}
    assert fit.suggester.bias == pytest.approx(fit.suggester.prior, abs=0.02)
    shares = dict(zip(fit.suggester.categories, sigmoid(np.asarray(fit.suggester.prior, float)), strict=True))
    assert shares["Rugs"] == pytest.approx((len(scenes) + 0.5) / (len(scenes) + 1), abs=1e-4)
    assert shares["Tables"] == pytest.approx(0.5 / (len(scenes) + 1), abs=1e-4)


def test_the_same_pairs_give_the_same_suggester():
    features = telling_set(noise=0.5)
    training, _ = split(features)
    first, second = (fit_suggester(features, training, CATEGORIES).suggester for _ in range(2))
    assert first.weights.tobytes() == second.weights.tobytes()


def test_a_few_scenes_are_enough_but_none_is_an_error():
    features = telling_set(noise=0.5)
    fit = fit_suggester(features, np.asarray([0]), CATEGORIES)
    assert np.isfinite(fit.suggester.weights).all()
    assert np.isfinite(fit.suggester.bias).all()
    with pytest.raises(TrainingError, match="no scene"):
        fit_suggester(features, np.empty(0, np.int64), CATEGORIES)


def test_cropped_scenes_are_refused():
    features = telling_set(noise=0.5)
    views = [view._replace(crop=Rectangle(0, 0, 5, 5)) for view in features.scene_views]
    with pytest.raises(TrainingError, match="scene='full'"):
        fit_suggester(dataclasses.replace(features, scene_views=views), np.arange(9), CATEGORIES)
