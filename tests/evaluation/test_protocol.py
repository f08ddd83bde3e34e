"""The protocol against a slow loop that follows its definition, and figures by hand."""

import dataclasses
from hashlib import md5

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import (
    PairResult,
    bootstrap_means,
    figures,
    interval,
    pair_indices,
    paired_difference,
    place_pairs,
    placing,
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


def test_every_row_counts_including_repeated_ones():
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


def test_other_products_of_the_scene_are_not_candidates():
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


def test_a_pair_whose_category_has_one_product_is_left_out():
    features = styled_set(scenes=4, products=1, styles=1)
    assert place_pairs(features, range(4), lambda s, c, rows: np.zeros(len(rows))) == []
    assert figures([]) is None


def test_a_distance_that_is_not_a_number_is_an_error():
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


def test_folds_contain_training_and_validation_scenes_but_no_test_scenes():
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


def test_the_chance_of_a_rank_equals_that_of_random_draws():
    first = placed(1, 499)
    assert first.n_products == 500
    assert first.chance_of_as_good == 1 / 500
    assert first.chance_of_as_bad == 1
    last = placed(4, 3)
    assert (last.chance_of_as_good, last.chance_of_as_bad) == (1, 1 / 4)
    # rank 2 of 4: two of four draws are at least as good, three of four at least as bad
    assert (placed(2, 3).chance_of_as_good, placed(2, 3).chance_of_as_bad) == (2 / 4, 3 / 4)


def test_candidates_are_the_category_except_the_scenes_known_products(measured):
    features = measured.features
    evaluation = evaluate_on_features(open_model(measured.model), features, split="all")
    dataset = features.dataset
    for each in evaluation.results:
        pair = features.pairs[each.index]
        assert (pair.scene, pair.product) == (each.scene, each.product)
        members = set(dataset.categories[dataset.products[pair.product].category])
        assert each.n_candidates == len(members - dataset.positives[pair.scene])
    assert {each.n_candidates for each in evaluation.results} == {7, 8}


def test_placing_by_hand():
    # nearer: 0.1; tie: 0.5; farther: 0.7 and 0.9
    assert placing(0.5, np.array([0.1, 0.5, 0.7, 0.9])) == pytest.approx((2.5 / 4, 2.5))


def test_a_share_of_ties_only_is_one_half():
    share, rank = placing(1.0, np.ones(9))
    assert share == 0.5
    assert rank == 5.5


@given(st.floats(-1, 1), st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_share_and_rank_agree(true: float, others: list[float]):
    share, rank = placing(true, np.array(others))
    assert rank == pytest.approx(1 + (1 - share) * len(others))


def test_no_candidate_and_nan_distances_are_errors():
    with pytest.raises(ValueError, match="candidate"):
        placing(0.0, np.array([]))
    with pytest.raises(ValueError, match="not a number"):
        placing(0.0, np.array([1.0, np.nan]))


def test_figures_by_hand():
    results = [PairResult("s", "p", "c", 0.5, rank, 30, 0) for rank in (1, 4, 5, 5.5)]
    found = figures(results)
    assert found is not None
    assert {k: figure.value for k, figure in found.top_k.items()} == {1: 0.25, 5: 0.75, 10: 1, 20: 1}
    assert found.mrr.value == pytest.approx((1 + 1 / 4 + 1 / 5 + 1 / 5.5) / 4)


def test_a_resample_of_one_scene_is_that_scene():
    means = bootstrap_means({"x": np.array([0.0, 1.0, 1.0])}, ["a", "a", "a"])
    assert means["x"] == pytest.approx(np.full(1000, 2 / 3))


def test_resamples_draw_scenes_not_pairs_and_weigh_by_pair():
    # Of two scenes a resample is aa, ab, ba or bb: means 0, 3/4 (three of four pairs), 3/4 and 1.
    values = np.array([0.0, 1.0, 1.0, 1.0])
    means = bootstrap_means({"x": values}, ["a", "b", "b", "b"], resamples=4000)["x"]
    seen, counts = np.unique(means.round(6), return_counts=True)
    assert seen.tolist() == [0.0, 0.75, 1.0]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_the_interval_of_many_coin_tosses_is_the_normal_approximation():
    tosses = np.random.default_rng(1).integers(0, 2, 1000).astype(float)
    means = bootstrap_means({"x": tosses}, [str(i) for i in range(1000)])
    value, low, high = interval(tosses, means["x"])
    assert value == tosses.mean()
    assert (high - low) / 2 == pytest.approx(1.96 * tosses.std() / np.sqrt(1000), rel=0.08)


def test_the_same_seed_gives_the_same_interval():
    figures = {"x": np.arange(5.0)}
    again = [bootstrap_means(figures, list("abcde"), seed=3)["x"].tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_a_paired_difference_is_that_of_a_loop_over_resamples():
    draw = np.random.default_rng(5)
    scenes = [f"scene {number}" for number in draw.integers(0, 30, 120)]
    hard = dict(zip(sorted(set(scenes)), draw.normal(size=30), strict=False))
    first = np.array([hard[scene] for scene in scenes]) + draw.normal(0.1, 0.2, 120)
    second = np.array([hard[scene] for scene in scenes]) + draw.normal(0.0, 0.2, 120)
    value, low, high = paired_difference(first, second, scenes)
    names = sorted(set(scenes))
    rows = {name: [i for i, scene in enumerate(scenes) if scene == name] for name in names}
    generator = np.random.default_rng(0)
    found = []
    for _ in range(1000):
        drawn = [row for place in generator.integers(0, len(names), len(names)) for row in rows[names[place]]]
        found.append(np.mean([first[row] for row in drawn]) - np.mean([second[row] for row in drawn]))
    assert value == pytest.approx(first.mean() - second.mean())
    assert [low, high] == pytest.approx(np.percentile(found, [2.5, 97.5]))


def test_scenes_that_are_hard_for_both_do_not_widen_a_paired_interval():
    draw = np.random.default_rng(2)
    hard = draw.normal(size=200)
    scenes = [str(number) for number in range(200)]
    value, low, high = paired_difference(hard + 0.01, hard, scenes)
    assert [value, low, high] == pytest.approx([0.01, 0.01, 0.01])


def test_a_paired_difference_needs_the_same_pairs():
    with pytest.raises(ValueError, match="got 2, 3 and 2"):
        paired_difference(np.zeros(2), np.zeros(3), ["a", "b"])
