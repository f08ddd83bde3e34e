"""The networks against their formulas, written out in loops."""

import math

import numpy as np
import pytest
import torch

from perfectlook.model.config import ModelConfig
from perfectlook.model.distances import attention_weights
from perfectlook.model.networks import (
    Compatibility,
    Dropout,
    Encoder,
    SceneBatch,
    Standardise,
    Widths,
    triplet_hinge,
)

WIDTHS = Widths(head=6, stages=(4,), regions=5)


def a_network(seed: int = 0, **changes):
    torch.manual_seed(seed)
    config = ModelConfig(**({"dimension": 8, "hidden": 7, "linear_path": "random", "memory": 0} | changes))
    return Compatibility(config, WIDTHS, categories=3).eval()


def some_scenes(network, count: int = 4, seed: int = 1):
    draw = torch.Generator().manual_seed(seed)
    width = WIDTHS.global_width(network.config)
    return SceneBatch(
        torch.randn(count, width, generator=draw), torch.randn(count, 49, WIDTHS.regions, generator=draw)
    )


def test_standardised_features_have_unit_mean_square_length():
    rows = torch.randn(500, 16) * 3 + 7
    standardise = Standardise(16)
    standardise.fit(rows.mean(0), rows.std(0, correction=0))
    assert standardise(rows).square().sum(1).mean().item() == pytest.approx(1.0, rel=1e-5)
    assert standardise(rows).mean(0).abs().max().item() < 1e-6


def test_a_constant_feature_is_standardised_to_zero():
    rows = torch.randn(50, 3)
    rows[:, 1] = 4.0
    standardise = Standardise(3)
    standardise.fit(rows.mean(0), rows.std(0, correction=0))
    assert (standardise(rows + 100)[:, 1] == 0).all()


def test_embeddings_have_unit_length():
    network = a_network()
    scenes = some_scenes(network)
    for embedded in (network.embed_scene(scenes.whole), network.embed_regions(scenes.regions)):
        assert embedded.norm(dim=-1).detach().numpy() == pytest.approx(np.ones(embedded.shape[:-1]), abs=1e-5)


def test_an_encoder_that_starts_at_its_linear_path_is_that_path():
    config = ModelConfig(dimension=3, hidden=4)
    encoder = Encoder(config, 5, sweeps=False, linear=True, decodes=False).eval()
    encoder.start_at_linear_path()
    inputs = torch.randn(6, 5)
    expected = inputs @ encoder.linear.weight.T
    expected = expected / expected.norm(dim=1, keepdim=True)
    assert torch.allclose(encoder(inputs), expected, atol=1e-6)


def test_tied_encoders_are_the_same_module():
    network = a_network(tied=True)
    assert network.scene_encoder is network.product_encoder
    assert a_network(tied=False).scene_encoder is not a_network(tied=False).product_encoder


def test_attention_is_a_softmax_over_distances_to_the_category_embedding():
    network = a_network(temperature=0.3)
    scenes = some_scenes(network)
    category = torch.tensor([0, 2, 1, 2])
    with torch.no_grad():
        found = attention_weights(network.attention_logits(scenes.regions, category)).numpy()
        hidden = network.attention.encoder(network.standardise_regions(scenes.regions)).numpy()
        vectors = network.attention.categories.weight.numpy()
    for scene in range(4):
        e = vectors[category[scene]] / np.linalg.norm(vectors[category[scene]])
        raw = [math.exp(-np.linalg.norm(h - e) / 0.3) for h in hidden[scene]]
        assert found[scene] == pytest.approx(np.array(raw) / sum(raw), rel=1e-4)


def test_at_temperature_one_the_best_of_49_regions_gets_at_most_13_percent():
    best, others = math.exp(0), 48 * math.exp(-2)  # distances of unit vectors are between 0 and 2
    assert best / (best + others) == pytest.approx(0.133, abs=1e-3)


def test_logits_for_all_categories_include_those_for_one():
    network = a_network()
    scenes = some_scenes(network)
    every = network.attention_logits(scenes.regions)
    assert every.shape == (4, 3, 49)
    one = network.attention_logits(scenes.regions, torch.tensor([1, 1, 1, 1]))
    assert torch.allclose(every[:, 1], one, atol=1e-6)


@pytest.mark.parametrize("distance", ["l2", "squared_l2"])
@pytest.mark.parametrize(("mode", "w"), [("global", 1.0), ("local", 0.0), ("hybrid", 0.3)])
def test_distances_equal_the_formula(mode: str, w: float, distance: str):
    network = a_network(mode=mode, distance=distance, mixing=0.3)
    scenes = some_scenes(network)
    category = torch.tensor([0, 1, 2, 0])
    products = torch.nn.functional.normalize(torch.randn(4, 6, 8), dim=-1)
    with torch.no_grad():
        found = network.distances(scenes, category, products)
        whole = network.embed_scene(scenes.whole)
        if mode != "global":
            regions = network.embed_regions(scenes.regions)
            attention = attention_weights(network.attention_logits(scenes.regions, category))
    power = 1 if distance == "l2" else 2
    for s in range(4):
        for p in range(6):
            d_global = math.dist(whole[s], products[s, p]) ** power
            d_local = 0.0
            if mode != "global":
                d_local = sum(
                    float(a) * math.dist(f, products[s, p]) ** power
                    for a, f in zip(attention[s], regions[s], strict=True)
                )
            assert found.total[s, p].item() == pytest.approx(w * d_global + (1 - w) * d_local, rel=1e-3)
            assert found.from_global[s, p].item() == pytest.approx(w * d_global, rel=1e-3)


def test_centres_are_subtracted_before_standardising():
    network = a_network()
    features, centres = torch.randn(5, 10), torch.randn(5, 10)
    shifted = network.embed_product(features + centres, centres)
    assert torch.allclose(shifted, network.embed_product(features, torch.zeros(5, 10)), atol=1e-5)


def test_triplet_hinge_by_hand():
    positive, negatives = torch.tensor([1.0, 0.5]), torch.tensor([[0.9, 1.5], [0.5, 0.8]])
    # max(0, 1 - .9 + .2) = .3, max(0, 1 - 1.5 + .2) = 0, max(0, .2) = .2, max(0, .5 - .8 + .2) = 0
    assert triplet_hinge(positive, negatives, margin=0.2).item() == pytest.approx(0.5 / 4)


def test_triplets_beyond_the_margin_have_zero_loss_and_gradient():
    positive = torch.tensor([0.1], requires_grad=True)
    loss = triplet_hinge(positive, torch.tensor([[1.0]]))
    loss.backward()
    assert loss.item() == 0
    assert positive.grad.item() == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
def test_dropout_zeroes_a_share_and_keeps_the_mean(share: float):
    torch.manual_seed(0)

    left = Dropout(share)(torch.ones(1000, 777))

    # The share is rounded by up to 1 / 512, and the mean of 777,000 draws is within 0.002 of it.
    assert (left == 0).double().mean().item() == pytest.approx(share, abs=0.004)
    assert left.double().mean().item() == pytest.approx(1, abs=0.01)


def test_dropout_scales_the_kept_values():
    torch.manual_seed(0)

    left = Dropout(0.5)(torch.full((64,), 3.0))

    assert set(left.tolist()) == {0.0, 6.0}


def test_dropout_drops_every_place_equally_often():
    torch.manual_seed(0)
    dropout = Dropout(0.5)

    often = torch.stack([dropout(torch.ones(3, 11)) for _ in range(4000)]).ne(0).double().mean(dim=0)

    assert often.sub(0.5).abs().max() < 0.04  # five standard deviations


def test_dropout_drops_neighbours_independently():
    torch.manual_seed(0)
    left = Dropout(0.5)(torch.ones(20_000, 9)) / 2

    assert torch.corrcoef(left.T).sub(torch.eye(9)).abs().max() < 0.04


def test_dropout_with_the_same_seed_is_the_same():
    dropout = Dropout(0.5)
    first, second = (dropout(_seeded()) for _ in range(2))

    assert torch.equal(first, second)


def test_dropout_passes_gradients_of_kept_values_only():
    torch.manual_seed(0)
    values = torch.ones(5, 7, requires_grad=True)
    left = Dropout(0.5)(values)

    left.sum().backward()

    assert torch.equal(values.grad, left.detach())


def test_dropout_keeps_everything_outside_training():
    values = torch.ones(5, 7)

    assert Dropout(0.5).eval()(values) is values


def test_a_dropout_share_of_zero_keeps_everything():
    values = torch.ones(5, 7)

    assert Dropout(0.0)(values) is values


def test_dropout_of_an_empty_array():
    assert Dropout(0.5)(torch.ones(0, 7)).shape == (0, 7)


def _seeded() -> torch.Tensor:
    torch.manual_seed(3)
    return torch.ones(5, 7)
