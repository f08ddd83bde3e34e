"""The losses of the network baselines, by hand."""

import math

import pytest
import torch

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import Standardise
from perfectlook.training.baselines.learned import DualAutoEncoder, Siamese, StyleSpace
from perfectlook.training.config import TrainingConfig


def shaped(**shape) -> TrainingConfig:
    """The margin is 1."""
    return TrainingConfig(model=ModelConfig(mode="global", linear_path="none", **shape), margin=1.0)


def test_the_loss_is_minus_the_log_likelihood_of_links_and_non_links():
    space = StyleSpace(shaped(dimension=1), Standardise(1))
    with torch.no_grad():
        space.projection.weight.fill_(2.0)
        space.threshold.fill_(1.0)
    scenes, products = torch.tensor([[0.0]]), torch.tensor([[0.5], [1.0]])
    # d = ‖(x_i - x_j) Y‖² = 1 for the link, 4 for the non-link; P = σ(1 - d)
    linked, unlinked = 1 / (1 + math.exp(0)), 1 / (1 + math.exp(3))
    expected = -(math.log(linked) + math.log(1 - unlinked)) / 2
    assert space.loss(scenes, products, torch.tensor([[0, 1]])).item() == pytest.approx(expected)
    assert space.embed_product(products, torch.zeros(2, 1)).flatten().tolist() == [1.0, 2.0]


def test_scenes_and_products_share_one_space():
    torch.manual_seed(0)
    space = StyleSpace(shaped(dimension=4), Standardise(6))
    rows = torch.randn(3, 6)
    assert torch.equal(space.embed_scene(rows), space.embed_product(rows, torch.zeros(3, 6)))


class Plain(torch.nn.Module):
    """An encoder that returns its input, so distances are those of the features."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def test_the_contrastive_loss_by_hand():
    network = Siamese(shaped(dimension=2, hidden=2), Standardise(2))
    network.encoder = Plain()
    scenes = torch.tensor([[0.0, 0.0]])
    products = torch.tensor([[0.3, 0.4], [0.6, 0.0], [0.0, 2.0]])
    # Compatible at 0.5: cost 0.25. Incompatible: cost (1 - 0.6)² and, beyond the margin, 0.
    expected = (0.25 + 0.16 + 0) / 3
    assert network.loss(scenes, products, torch.tensor([[0, 1, 2]])).item() == pytest.approx(expected)


def test_scenes_and_products_share_one_encoder():
    torch.manual_seed(0)
    network = Siamese(shaped(dimension=3, hidden=5, dropout=0.5), Standardise(4)).eval()
    rows = torch.randn(3, 4)
    assert torch.equal(network.embed_scene(rows), network.embed_product(rows, torch.zeros(3, 4)))
    assert network.embed_scene(rows).shape == (3, 3)


def a_network(width: int = 1, dimension: int = 1) -> DualAutoEncoder:
    torch.manual_seed(0)
    return DualAutoEncoder(shaped(dimension=dimension), Standardise(width), Standardise(width))


def test_the_loss_adds_ranking_and_both_reconstruction_errors():
    network = a_network()
    with torch.no_grad():
        for coder in (network.scenes, network.products):
            coder.encoder.weight.fill_(1.0)
            coder.encoder.bias.zero_()
            coder.decoder.weight.fill_(2.0)
            coder.decoder.bias.zero_()

    def code(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    scene, own, other = 0.5, 1.0, -1.0
    ranking = -math.log(code(code(scene) * (code(own) - code(other))))
    of_scene = (2 * code(scene) - scene) ** 2 / 2
    of_products = ((2 * code(own) - own) ** 2 + (2 * code(other) - other) ** 2) / 4
    found = network.loss(torch.tensor([[scene]]), torch.tensor([[own], [other]]), torch.tensor([[0, 1]]))
    assert found.item() == pytest.approx(ranking + of_scene + of_products)


def test_nearer_means_a_larger_inner_product_of_codes():
    network = a_network(width=6, dimension=5)
    scenes, products = torch.randn(7, 6), torch.randn(40, 6)
    none = torch.zeros_like(products)
    with torch.no_grad():
        network.settle(products, none)
        f_s, f_p = network.embed_scene(scenes), network.embed_product(products, none)
        codes = network.scenes(scenes) @ network.products(products).T
    assert f_p.shape == (40, network.config.dimension) == (40, 6)
    distances = (f_s[:, None] - f_p[None]).square().sum(dim=-1)
    assert (distances.argsort(dim=1) == (-codes).argsort(dim=1)).all()
