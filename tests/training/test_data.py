"""Negatives never belong to the scene, and all other products are drawn equally often."""

import dataclasses

import numpy as np

from perfectlook.training.data import NegativeSampler
from perfectlook.types import Pair
from styled import styled_set


def test_negatives_have_the_category_and_are_not_known_to_belong():
    features = styled_set(scenes=20, products=6)
    indices = np.arange(len(features.pairs))
    drawn = NegativeSampler(features, indices).draw(indices, 50, np.random.default_rng(0))
    for index, rows in zip(indices, drawn, strict=True):
        pair = features.pairs[index]
        categories = {features.product_categories[row] for row in rows}
        assert categories == {features.dataset.products[pair.product].category}
        assert not {features.product_ids[row] for row in rows} & features.dataset.positives[pair.scene]


def test_products_of_a_copy_of_the_scene_are_not_negatives():
    features = styled_set(scenes=2, products=3, styles=1, categories=("Chairs",))
    first, second = features.dataset.scenes
    features.dataset.pairs[:] = [
        Pair(first, features.product_ids[0]),
        Pair(second, features.product_ids[1]),
    ]
    features = dataclasses.replace(
        features,
        pairs=features.dataset.pairs,
        pair_products=np.array([0, 1]),
        twins={first: frozenset({second}), second: frozenset({first})},
    )
    drawn = NegativeSampler(features, np.arange(2)).draw(np.arange(2), 20, np.random.default_rng(0))
    assert (drawn == 2).all()


def test_every_allowed_product_is_drawn_equally_often():
    features = styled_set(scenes=1, products=5, styles=1, categories=("Chairs",))
    drawn = NegativeSampler(features, np.array([0])).draw(np.array([0]), 8000, np.random.default_rng(0))
    counts = np.bincount(drawn[0], minlength=5)
    assert counts[features.pair_products[0]] == 0
    assert (np.delete(counts, features.pair_products[0]) > 1800).all()


def test_a_category_of_one_product_has_no_negatives():
    features = styled_set(scenes=3, products=1, styles=1)
    sampler = NegativeSampler(features, np.arange(9))
    assert sampler.without_negatives.tolist() == list(range(9))


def test_the_same_seed_draws_the_same_negatives():
    features = styled_set(scenes=10)
    sampler = NegativeSampler(features, np.arange(30))
    one, two = (sampler.draw(np.arange(30), 4, np.random.default_rng(7)) for _ in range(2))
    assert (one == two).all()


def test_a_product_of_a_row_with_a_bad_box_still_belongs_to_its_scene():
    features = styled_set(scenes=1, products=3, styles=1, categories=("Chairs",))
    true = features.pair_products[0]
    other = (true + 1) % 3
    (scene,) = features.dataset.scenes
    features.dataset.known.append((scene, features.product_ids[other]))
    drawn = NegativeSampler(features, np.array([0])).draw(np.array([0]), 50, np.random.default_rng(0))
    assert set(drawn[0]) == {3 - true - other}
