"""The style space by hand."""

import math

import pytest
import torch

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import Standardise
from perfectlook.training.baselines.ibr import StyleSpace


def test_the_loss_is_minus_the_log_likelihood_of_links_and_non_links():
    space = StyleSpace(ModelConfig(mode="global", dimension=1), Standardise(1), 1)
    with torch.no_grad():
        space.projection.weight.fill_(2.0)
        space.threshold.fill_(1.0)
    scenes, products = torch.tensor([[0.0]]), torch.tensor([[0.5], [1.0]])
    # d = ‖(x_i - x_j) Y‖² = 1 for the link, 4 for the non-link; P = σ(1 - d)
    linked, unlinked = 1 / (1 + math.exp(0)), 1 / (1 + math.exp(3))
    expected = -(math.log(linked) + math.log(1 - unlinked)) / 2
    assert space.loss(scenes, products, torch.tensor([[0, 1]])).item() == pytest.approx(expected)
    assert space.embed_product(products, torch.zeros(2, 1)).flatten().tolist() == [1.0, 2.0]


def test_scenes_and_products_are_one_space():
    torch.manual_seed(0)
    space = StyleSpace(ModelConfig(mode="global", dimension=4), Standardise(6), 6)
    rows = torch.randn(3, 6)
    assert torch.equal(space.embed_scene(rows), space.embed_product(rows, torch.zeros(3, 6)))
