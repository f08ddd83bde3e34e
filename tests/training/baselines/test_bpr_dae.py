"""The dual auto-encoder by hand."""

import math

import pytest
import torch

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import Standardise
from perfectlook.training.baselines.bpr_dae import AutoEncoder, DualAutoEncoder


def a_network(width: int = 1, dimension: int = 1) -> DualAutoEncoder:
    torch.manual_seed(0)
    coders = (AutoEncoder(Standardise(width), width, dimension) for _ in range(2))
    return DualAutoEncoder(ModelConfig(mode="global", dimension=dimension), *coders)


def test_the_loss_is_the_ranking_of_codes_and_the_errors_of_both_reconstructions():
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
