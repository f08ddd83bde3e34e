"""The fit of a network baseline, and inner products as distances."""

import numpy as np
import pytest
import torch

from perfectlook.errors import TrainingError
from perfectlook.model.networks import SAFETY, InnerProduct
from perfectlook.training.baselines.learned import RankerFit, StyleSpace
from perfectlook.training.baselines.registry import baseline
from perfectlook.training.data import TrainingData
from perfectlook.training.validation import validation_round
from styled import styled_set

SMALL = {"backbone": "tiny", "dimension": 8, "batch_size": 64, "learning_rate": 0.01}


def a_fitting(**given) -> RankerFit:
    features = styled_set(scenes=510, products=24, noise=0.3, categories=("Furniture|Chairs",))
    config = baseline("ibr").config(SMALL | given, name="ibr")
    return RankerFit(
        TrainingData(features, config.model), validation_round(features, config), config, StyleSpace
    )


def test_a_fit_yields_the_untrained_network_and_then_every_epoch():
    fitting = a_fitting()
    epochs = list(fitting.run(3))
    assert [epoch.epoch for epoch in epochs] == [0, 1, 2, 3]
    assert epochs[0].loss is None
    assert epochs[3].loss < epochs[1].loss
    assert epochs[3].binary_accuracy > epochs[0].binary_accuracy


def test_a_fit_stops_when_the_accuracy_stops_rising_and_keeps_the_best_epoch():
    fitting = a_fitting(learning_rate=0.2)
    epochs = list(fitting.run(60, patience=2))
    accuracies = [epoch.binary_accuracy for epoch in epochs]
    assert len(epochs) == fitting.best_epoch + 3 < 60
    assert accuracies[fitting.best_epoch] == max(accuracies)
    fitting.keep_best()
    again = fitting._place(0)
    assert float(again.mean()) == pytest.approx(max(accuracies))


def test_a_loss_that_is_not_a_number_is_an_error(monkeypatch):
    fitting = a_fitting()
    monkeypatch.setattr(fitting.network, "loss", lambda *_: torch.tensor(float("nan")))
    with pytest.raises(TrainingError, match=r"epoch 1: the loss is nan. Lower learning_rate \(now 0.01\)"):
        list(fitting.run(2))


def test_weights_that_are_not_numbers_are_an_error():
    fitting = a_fitting()
    with torch.no_grad():
        fitting.network.projection.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"a distance is not a number\. Lower learning_rate"):
        next(fitting.run(1))


def test_the_nearest_product_has_the_largest_inner_product():
    torch.manual_seed(0)
    scenes, products = torch.randn(20, 6), torch.randn(50, 6) * torch.rand(50, 1) * 3
    inner_product = InnerProduct()
    inner_product.fit(products)
    f_s, f_p = inner_product.extend_scenes(scenes), inner_product.extend_products(products)
    distances = (f_s[:, None] - f_p[None]).square().sum(dim=-1)
    similar = scenes @ products.T
    assert (distances.argsort(dim=1) == (-similar).argsort(dim=1)).all()
    # ‖f_s - f_p‖² = ‖f_s‖² + M² - 2 f_s · f_p
    longest = float(inner_product.longest)
    expected = scenes.square().sum(dim=1, keepdim=True) + longest**2 - 2 * similar
    assert distances.numpy() == pytest.approx(expected.numpy(), abs=1e-3)


def test_the_extended_vectors_by_hand():
    inner_product = InnerProduct()
    inner_product.fit(torch.tensor([[2.0, 0.0]]))
    assert float(inner_product.longest) == 2 * SAFETY == 3
    found = inner_product.extend_products(torch.tensor([[0.0, 1.0], [1.0, 2.0]]))
    assert found.numpy() == pytest.approx(np.array([[0, 1, 8**0.5], [1, 2, 2]]))
    assert inner_product.extend_scenes(torch.tensor([[5.0, 1.0]])).tolist() == [[5, 1, 0]]


def test_a_product_longer_than_m_gets_a_zero_coordinate():
    inner_product = InnerProduct()
    inner_product.fit(torch.tensor([[2.0, 0.0]]))
    assert inner_product.extend_products(torch.tensor([[4.0, 3.0]])).tolist() == [[4, 3, 0]]
