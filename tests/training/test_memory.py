"""The memory in training: it is kept only if products recur."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch

from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import place_pairs
from perfectlook.model.config import ModelConfig
from perfectlook.model.runtime import Model
from perfectlook.training.checkpoint import worths
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.loop import MEMORY_WEIGHTS, CompatibilityFit
from perfectlook.training.ridge import closed_form
from perfectlook.training.train import train_on_features
from perfectlook.training.validation import EmbeddedSet, Round
from perfectlook.types import Pair
from styled import styled_set

SMALL = TrainingConfig(
    model=ModelConfig(backbone="tiny", dimension=8, hidden=16, memory=2, memory_dimension=4),
    epochs=12,
    patience=12,
    batch_size=64,
    mixture=False,
)


def a_set_of_favourites():
    """Products share no style with their scenes, but a few of them go with every scene."""
    features = styled_set(scenes=510, products=24, noise=6.0, categories=("Furniture|Chairs",))
    rows = np.random.default_rng(0).integers(0, 4, len(features.pairs))
    pairs = [
        Pair(pair.scene, features.product_ids[row]) for pair, row in zip(features.pairs, rows, strict=True)
    ]
    dataset = dataclasses.replace(features.dataset, pairs=pairs)
    return dataclasses.replace(features, dataset=dataset, pairs=pairs, pair_products=rows)


def test_the_memory_learns_which_products_recur(tmp_path):
    features = a_set_of_favourites()
    assert len(Counter(pair.product for pair in features.pairs)) == 4
    train_on_features(features, tmp_path / "m", SMALL)
    model = Model.open(tmp_path / "m")
    assert model.record.config.has_memory
    assert model.dimension == 8 + 2 * 4
    assert evaluate_on_features(model, features).overall.binary_accuracy.value > 0.8


def test_a_memory_that_does_not_help_is_left_out(tmp_path):
    features = styled_set(scenes=510, products=24, noise=0.3, categories=("Furniture|Chairs",))
    config = dataclasses.replace(SMALL, epochs=0)  # a random memory next to a correct closed form
    record = train_on_features(features, tmp_path / "m", config)
    assert not record.config.has_memory
    assert Model.open(tmp_path / "m").dimension == 8


def test_a_memory_that_was_never_trained_is_left_out_even_if_it_seems_to_help():
    features = styled_set(scenes=60)
    data = TrainingData(features, SMALL.model)
    part = Round("fit", np.arange(20, 120), np.arange(20))
    form = closed_form(data, part.training, SMALL)
    fit = CompatibilityFit(data, part, SMALL, form=form)
    assert list(fit.may_keep(0)) == [True, *[False] * 4]
    assert fit.may_keep(1).all()
    for _ in fit.run(0):
        pass
    fit.shares[0][:] = torch.linspace(0.5, 0.9, len(MEMORY_WEIGHTS))[:, None]  # the more, the better
    values, _, _ = worths([fit])
    assert values.argmax() == 0
    assert fit.history[0].memory == 0


def test_a_random_network_is_not_kept_once_there_is_a_trained_one():
    features = styled_set(scenes=60)
    shape = dataclasses.replace(SMALL.model, linear_path="none", memory=0)
    config = dataclasses.replace(SMALL, model=shape)
    part = Round("fit", np.arange(20, 120), np.arange(20))
    fit = CompatibilityFit(TrainingData(features, shape), part, config)
    assert not fit.may_keep(0).any()
    for _ in fit.run(1):
        pass
    fit.history[:] = [dataclasses.replace(each, binary_accuracy=0.9 - each.epoch / 2) for each in fit.history]
    assert fit.best_epoch == 1


@pytest.mark.parametrize("mode", ["hybrid", "global"])
def test_validating_a_weight_equals_the_network_with_that_weight(mode: str):
    features = styled_set(scenes=60)
    shape = dataclasses.replace(SMALL.model, mode=mode)
    data = TrainingData(features, shape)
    pairs = np.arange(20)
    config = dataclasses.replace(SMALL, model=shape)
    part = Round("fit", np.arange(20, 120), pairs)
    form = closed_form(data, part.training, config)
    fit = CompatibilityFit(data, part, config, form=form)
    for _ in fit.run(1):
        pass
    measured = EmbeddedSet(fit.averaged, data, pairs)
    for weight, shares in zip(MEMORY_WEIGHTS[1:], fit.shares[-1][1:], strict=True):
        fit.averaged.memory.weight.fill_(weight)
        joined = joined_distances(fit.averaged, data, pairs)
        found = measured.distances(weight)
        scene, rows = int(features.pair_scenes[3]), np.flatnonzero(data.product_category == 0)
        constant = joined(scene, data.categories[0], rows) - found(scene, data.categories[0], rows)
        assert constant == pytest.approx(np.full(len(rows), constant.mean()), abs=1e-5)
        placed = place_pairs(features, pairs, joined)
        assert shares.numpy() == pytest.approx([result.share for result in placed], abs=0.03)


def joined_distances(network, data, pairs):
    """Distances of the concatenated vectors, like a model on disk computes them."""
    import torch

    with torch.no_grad():
        products = network.embed_product(*data.products(np.arange(len(data.product_category))))

        def distances(scene_row, category, rows):
            index = next(i for i in pairs if data.features.pair_scenes[i] == scene_row)
            scenes = data.scenes(np.asarray([index]))
            where = torch.tensor([data.categories.index(category)])
            with torch.no_grad():
                return network.distances(scenes, where, products[rows][None]).total[0].double().numpy()

        return distances
