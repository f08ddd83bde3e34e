"""The contrastive loss by hand."""

import pytest
import torch

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import Standardise
from perfectlook.training.baselines.siamese import Siamese


class Plain(torch.nn.Module):
    """Passes everything on: distances are those of the features."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def test_the_loss_pulls_together_and_pushes_apart_as_far_as_the_margin():
    network = Siamese(ModelConfig(mode="global", dimension=2, hidden=2), Standardise(2), 2, margin=1.0)
    network.encoder = Plain()
    scenes = torch.tensor([[0.0, 0.0]])
    products = torch.tensor([[0.3, 0.4], [0.6, 0.0], [0.0, 2.0]])
    # the compatible one at 0.5 costs 0.25; incompatible ones cost (1 - 0.6)² and, beyond the margin, nothing
    expected = (0.25 + 0.16 + 0) / 3
    assert network.loss(scenes, products, torch.tensor([[0, 1, 2]])).item() == pytest.approx(expected)


def test_both_sides_pass_the_same_encoder():
    torch.manual_seed(0)
    config = ModelConfig(mode="global", dimension=3, hidden=5, dropout=0.5)
    network = Siamese(config, Standardise(4), 4, margin=1.0).eval()
    rows = torch.randn(3, 4)
    assert torch.equal(network.embed_scene(rows), network.embed_product(rows, torch.zeros(3, 4)))
    assert network.embed_scene(rows).shape == (3, 3)
