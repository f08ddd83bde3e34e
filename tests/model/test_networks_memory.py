"""The second style space against its formulas, written out in loops."""

import math

import numpy as np
import pytest
import torch

from perfectlook.model.config import ModelConfig
from perfectlook.model.distances import attention_weights
from perfectlook.model.networks import Compatibility, SceneBatch, Widths, questions_by_scene

WIDTHS = Widths(head=6, stages=(4,), regions=5)
SHAPE = {"dimension": 8, "hidden": 7, "linear_path": "random", "memory": 2, "memory_dimension": 3}


def a_network(weight: float = 0.3, **changes) -> Compatibility:
    torch.manual_seed(0)
    network = Compatibility(ModelConfig(**(SHAPE | changes)), WIDTHS, categories=3).eval()
    network.memory.weight.fill_(weight)
    return network


def pictures(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_the_squared_distance_is_the_weighted_sum_of_those_in_both_spaces():
    network = a_network(weight=0.3, mode="global")
    scenes, products, none = pictures(2, 1), pictures(3, 2), torch.zeros(3, 10)
    f_s, f_p = network.embed_scene(scenes), network.embed_product(products, none)
    assert f_s.shape == (2, 8 + 2 * 3)
    styles = network.scene_style(scenes), network.product_style(products, none)
    members = network.memory.members(scenes), network.memory.members(products)
    for s in range(2):
        for p in range(3):
            first = math.dist(styles[0][s], styles[1][p]) ** 2
            second = [math.dist(members[0][s, m], members[1][p, m]) ** 2 for m in range(2)]
            expected = 0.7 * first + 0.3 * np.mean(second)
            assert math.dist(f_s[s], f_p[p]) ** 2 == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_in_the_memory_regions_are_equally_far_from_every_product():
    network = a_network(weight=0.3, mixing=0.6)
    scenes = SceneBatch(pictures(2, 1), torch.randn(2, 49, 5))
    category, products = torch.tensor([0, 2]), network.embed_product(pictures(3, 2), torch.zeros(3, 10))
    found = network.distances(scenes, category, products.expand(2, -1, -1)).total
    styles = network.product_style(pictures(3, 2), torch.zeros(3, 10))
    first = network.distances(scenes, category, styles.expand(2, -1, -1), with_memory=False).total
    around, vectors = network.memory(scenes.whole), network.memory(pictures(3, 2))
    for s in range(2):
        for p in range(3):
            second = math.dist(around[s], vectors[p]) ** 2
            expected = 0.7 * first[s, p].item() + 0.3 * (0.6 * second + 0.4)
            assert found[s, p].item() == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_region_distances_in_the_first_space_do_not_depend_on_the_memory():
    network = a_network(mixing=0.6)
    scenes = SceneBatch(pictures(2, 1), torch.randn(2, 49, 5))
    category, styles = torch.tensor([0, 2]), network.product_style(pictures(3, 2), torch.zeros(3, 10))
    found = network.distances(scenes, category, styles.expand(2, -1, -1), with_memory=False).total
    attention = attention_weights(network.attention_logits(scenes.regions, category))
    whole, regions = network.scene_style(scenes.whole), network.region_style(scenes.regions)
    by_hand = [
        0.4 * float(a) * math.dist(f, styles[1]) ** 2 for a, f in zip(attention[0], regions[0], strict=True)
    ]
    assert found[0, 1].item() == pytest.approx(
        0.6 * math.dist(whole[0], styles[1]) ** 2 + sum(by_hand), rel=1e-4
    )


def test_the_memory_reads_the_global_vector_without_centring():
    network = a_network(mode="global")
    assert network.memory.width == 6
    features, centres = pictures(4, 3), pictures(4, 4)
    with_centres = network.embed_product(features, centres)[:, 8:]
    assert torch.equal(with_centres, network.embed_product(features, torch.zeros(4, 10))[:, 8:])
    changed = torch.cat([features[:, :6], pictures(4, 5)[:, 6:]], dim=1)
    assert torch.equal(network.memory(changed), network.memory(features))


@pytest.mark.parametrize("changes", [{"mode": "local"}, {"distance": "l2"}, {"memory": 0}])
def test_without_squared_norms_or_whole_scenes_there_is_no_memory(changes):
    config = ModelConfig(**(SHAPE | changes))
    assert not config.has_memory
    assert config.vector_dimension == config.dimension
    assert not any(
        name.startswith("memory") for name, _ in Compatibility(config, WIDTHS, 3).named_parameters()
    )


@torch.no_grad()
def test_without_memory_only_the_first_space_remains():
    network = a_network()
    alone = network.without_memory()
    assert not alone.config.has_memory
    assert torch.equal(alone.embed_scene(pictures(2, 1)), network.scene_style(pictures(2, 1)))


@torch.no_grad()
def test_a_scene_with_two_questions_is_embedded_once():
    network = a_network()
    products = network.embed_product(pictures(3, 2), torch.zeros(3, 10)).expand(4, -1, -1)
    scenes = SceneBatch(pictures(2, 1), torch.randn(2, 49, 5))
    rows, category = torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 2, 0])
    each = SceneBatch(scenes.whole[rows], scenes.regions[rows])
    found = network.distances(SceneBatch(scenes.whole, scenes.regions, rows), category, products).total
    assert torch.allclose(found, network.distances(each, category, products).total, atol=1e-6)


def test_the_loss_of_the_memory_is_the_sum_of_hinges():
    network = a_network(mode="global")
    scenes, products, places = pictures(2, 1), pictures(4, 2), torch.tensor([[0, 1, 2], [3, 0, 1]])
    with torch.no_grad():
        around, vectors = network.memory.members(scenes), network.memory.members(products)
        found = network.memory.loss(around, products, places, margin=0.2).item()
    expected = 0.0
    for m in range(2):
        hinges = []
        for s, (true, *negatives) in enumerate(places.tolist()):
            d = [math.dist(around[s, m], vectors[p, m]) ** 2 for p in (true, *negatives)]
            hinges += [max(0.0, d[0] - each + 0.2) for each in d[1:]]
        expected += float(np.mean(hinges))
    assert found == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("mode", ["hybrid", "local", "global"])
@pytest.mark.parametrize("rows", [None, [1, 0, 1, 1]])
def test_squared_distances_to_query_points_are_those_of_the_method_up_to_a_constant(mode: str, rows):
    network = a_network(mode=mode, mixing=0.6, learn_mixing=True) if mode != "local" else None
    if network is None:
        torch.manual_seed(0)
        network = Compatibility(ModelConfig(**(SHAPE | {"mode": mode})), WIDTHS, categories=3).eval()
    count = 2 if rows else 4
    scenes = SceneBatch(pictures(count, 1), torch.randn(count, 49, 5), torch.tensor(rows) if rows else None)
    category = torch.tensor([0, 2, 1, 2])
    styles = network.product_style(pictures(3, 2), torch.zeros(3, 10))
    expected = network.distances(scenes, category, styles.expand(4, -1, -1), with_memory=False).total
    points = network.query_points(scenes, category)
    found = (points[:, None, :] - styles).square().sum(dim=-1)
    apart = found - expected
    assert torch.allclose(apart, apart[:, :1].expand(-1, 3), atol=1e-5)


def test_questions_are_arranged_by_their_scenes():
    table, slots = questions_by_scene(torch.tensor([1, 0, 1, 1]), torch.tensor([5, 6, 7, 8]), scenes=3)
    assert table.tolist() == [[6, 0, 0], [5, 7, 8], [0, 0, 0]]
    assert slots.tolist() == [0, 0, 1, 2]
