"""The protocol against a slow loop written straight from its definition."""

import dataclasses
from hashlib import md5

import numpy as np
import pytest

from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import (
    PairResult,
    figures,
    pair_indices,
    place_pairs,
    scenes_of_fold,
    scenes_of_split,
    training_indices,
    twin_scenes,
)
from perfectlook.model.runtime import open_model
from perfectlook.types import Pair
from styled import an_id, styled_set


def some_distances(features):
    """A fixed distance with many ties, by scene row and product row."""
    table = np.random.default_rng(5).integers(0, 20, (len(features.scene_views), len(features.product_ids)))
    return lambda scene, category, rows: table[scene, rows].astype(float), table


def test_figures_equal_a_slow_loop_from_the_definition():
    features = styled_set(scenes=60)
    distances, table = some_distances(features)
    test = [
        (number, pair)
        for number, pair in enumerate(features.pairs)
        if int(md5(pair.scene.encode()).hexdigest()[:8], 16) % 10 == 9
    ]
    shares, ranks = [], []
    for number, pair in test:
        category = features.dataset.products[pair.product].category
        known = {p.product for p in features.dataset.pairs if p.scene == pair.scene}
        true = table[features.pair_scenes[number], features.product_ids.index(pair.product)]
        points, nearer, ties, count = 0.0, 0, 0, 0
        for row, product in enumerate(features.product_ids):
            if features.product_categories[row] != category or product in known:
                continue
            other = table[features.pair_scenes[number], row]
            points += 1.0 if other > true else 0.5 if other == true else 0.0
            nearer, ties, count = nearer + (other < true), ties + (other == true), count + 1
        shares.append(points / count)
        ranks.append(1 + nearer + ties / 2)

    results = place_pairs(features, pair_indices(features, "test"), distances)
    assert [result.share for result in results] == pytest.approx(shares)
    assert [result.rank for result in results] == ranks
    found = figures(results)
    assert found.n_pairs == len(test) > 5
    assert found.n_scenes == len({pair.scene for _, pair in test})
    assert found.binary_accuracy.value == pytest.approx(np.mean(shares))
    assert found.mrr.value == pytest.approx(np.mean([1 / rank for rank in ranks]))
    for k in (1, 5, 10, 20):
        assert found.top_k[k].value == pytest.approx(np.mean([rank <= k for rank in ranks]))


def test_every_row_counts_also_a_repeated_one():
    features = styled_set(scenes=30)
    distances, _ = some_distances(features)
    doubled = dataclasses.replace(
        features,
        pairs=features.pairs * 2,
        pair_scenes=np.tile(features.pair_scenes, 2),
        pair_products=np.tile(features.pair_products, 2),
    )
    once = place_pairs(features, pair_indices(features, "all"), distances)
    twice = place_pairs(doubled, pair_indices(doubled, "all"), distances)
    assert len(twice) == 2 * len(once)
    assert figures(twice).binary_accuracy.value == pytest.approx(figures(once).binary_accuracy.value)


def test_a_scenes_other_products_are_no_candidates():
    features = styled_set(scenes=1, products=3, styles=1, categories=("Chairs",))
    scene, chairs = features.dataset.pairs[0].scene, features.product_ids
    true = features.pair_products[0]
    other = (true + 1) % 3
    features.dataset.pairs.append(Pair(scene, chairs[other]))
    distance = np.zeros(3)
    distance[true], distance[other] = 1.0, 0.0  # nearer, but known to belong to the scene
    distance[3 - true - other] = 2.0
    (result,) = place_pairs(features, [0], lambda s, c, rows: distance[rows])
    assert (result.share, result.rank) == (1.0, 1.0)


def test_a_category_of_one_product_cannot_be_placed():
    features = styled_set(scenes=4, products=1, styles=1)
    assert place_pairs(features, range(4), lambda s, c, rows: np.zeros(len(rows))) == []
    assert figures([]) is None


def test_a_distance_that_is_no_number_is_an_error():
    features = styled_set(scenes=4)
    with pytest.raises(ValueError, match="not a number"):
        place_pairs(features, [0], lambda s, c, rows: np.full(len(rows), np.nan))


def test_training_leaves_out_held_out_scenes_and_their_twins():
    features = styled_set(scenes=40)
    held_out = scenes_of_split(features, "val") | scenes_of_split(features, "test")
    train = scenes_of_split(features, "train")
    copy, original = sorted(train)[0], sorted(held_out)[0]
    twins = {copy: frozenset({original}), original: frozenset({copy})}
    features = dataclasses.replace(features, twins=twins)
    trained = {features.pairs[i].scene for i in training_indices(features, held_out)}
    assert trained == train - {copy}
    assert twin_scenes(features, held_out) == {original}


def test_folds_share_out_training_and_validation_scenes_but_no_test_scene():
    features = styled_set(scenes=80)
    folds = [scenes_of_fold(features, fold) for fold in range(5)]
    assert set.union(*folds) == scenes_of_split(features, "train") | scenes_of_split(features, "val")
    assert sum(map(len, folds)) == len(set.union(*folds))
    scene = an_id("scene", 0)
    fold = int(md5(scene.encode()).hexdigest()[8:16], 16) % 5
    assert scene in folds[fold] or scene in scenes_of_split(features, "test")


def placed(rank: float, n_candidates: int) -> PairResult:
    share = (n_candidates + 1 - rank) / n_candidates
    return PairResult("s", "p", "c", share, rank, n_candidates, 0)


def test_the_chance_of_a_rank_is_that_of_a_draw():
    first = placed(1, 499)
    assert first.n_products == 500
    assert first.chance_of_as_good == 1 / 500
    assert first.chance_of_as_bad == 1
    last = placed(4, 3)
    assert (last.chance_of_as_good, last.chance_of_as_bad) == (1, 1 / 4)
    # a rank of 2 among 4: two of four draws are as good, three of four as bad
    assert (placed(2, 3).chance_of_as_good, placed(2, 3).chance_of_as_bad) == (2 / 4, 3 / 4)


def test_candidates_are_the_category_but_for_the_scenes_known_products(measured):
    features = measured.features
    evaluation = evaluate_on_features(open_model(measured.model), features, split="all")
    dataset = features.dataset
    for each in evaluation.results:
        pair = features.pairs[each.index]
        assert (pair.scene, pair.product) == (each.scene, each.product)
        members = set(dataset.categories[dataset.products[pair.product].category])
        assert each.n_candidates == len(members - dataset.positives[pair.scene])
    assert {each.n_candidates for each in evaluation.results} == {7, 8}
