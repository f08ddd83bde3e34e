"""The epoch loop of the baselines."""

import numpy as np
import pytest
import torch

from perfectlook.errors import TrainingError
from perfectlook.training.baselines import ibr
from perfectlook.training.baselines.base import Fitting
from perfectlook.training.baselines.registry import baseline
from perfectlook.training.data import TrainingData
from perfectlook.training.validation import validation_round
from styled import styled_set

SMALL = {"backbone": "tiny", "dimension": 8, "batch_size": 64, "learning_rate": 0.01}


def a_fitting(**given) -> Fitting:
    features = styled_set(scenes=510, products=24, noise=0.3, categories=("Furniture|Chairs",))
    config = baseline("ibr").config(SMALL | given, name="ibr")
    return Fitting(
        TrainingData(features, config.model), validation_round(features, config), config, ibr.start
    )


def test_it_yields_the_untrained_network_and_then_every_epoch():
    fitting = a_fitting()
    epochs = list(fitting.run(3))
    assert [epoch.epoch for epoch in epochs] == [0, 1, 2, 3]
    assert epochs[0].loss is None
    assert epochs[3].loss < epochs[1].loss
    assert epochs[3].binary_accuracy > epochs[0].binary_accuracy


def test_it_stops_when_the_accuracy_no_longer_rises_and_keeps_the_best():
    fitting = a_fitting(learning_rate=0.2)
    epochs = list(fitting.run(60, patience=2))
    accuracies = [epoch.binary_accuracy for epoch in epochs]
    assert len(epochs) == fitting.best_epoch + 3 < 60
    assert accuracies[fitting.best_epoch] == max(accuracies)
    fitting.keep_best()
    again = fitting._place(0)
    assert np.mean([result.share for result in again]) == pytest.approx(max(accuracies))


def test_a_loss_that_is_not_a_number_is_an_error(monkeypatch):
    fitting = a_fitting()
    monkeypatch.setattr(fitting.network, "loss", lambda *_: torch.tensor(float("nan")))
    with pytest.raises(TrainingError, match=r"epoch 1: the loss is nan; lower learning_rate \(now 0.01\)"):
        list(fitting.run(2))


def test_weights_that_are_no_numbers_are_an_error():
    fitting = a_fitting()
    with torch.no_grad():
        fitting.network.projection.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="a distance is not a number; lower learning_rate"):
        next(fitting.run(1))
