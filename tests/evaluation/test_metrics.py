"""Metrics against values computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.evaluation.metrics import (
    average_precision,
    bootstrap_means,
    hits,
    interval,
    paired_difference,
    placing,
    recall_at,
    reciprocals,
)


def test_placing_by_hand():
    # nearer: 0.1; tie: 0.5; farther: 0.7 and 0.9
    assert placing(0.5, np.array([0.1, 0.5, 0.7, 0.9])) == pytest.approx((2.5 / 4, 2.5))


def test_all_ties_are_a_coin_toss():
    share, rank = placing(1.0, np.ones(9))
    assert share == 0.5
    assert rank == 5.5


@given(st.floats(-1, 1), st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_share_and_rank_say_the_same(true: float, others: list[float]):
    share, rank = placing(true, np.array(others))
    assert rank == pytest.approx(1 + (1 - share) * len(others))


def test_no_candidate_and_no_number_are_errors():
    with pytest.raises(ValueError, match="candidate"):
        placing(0.0, np.array([]))
    with pytest.raises(ValueError, match="not a number"):
        placing(0.0, np.array([1.0, np.nan]))


def test_hits_and_reciprocals():
    assert hits([1, 5, 5.5, 6], 5).tolist() == [1, 1, 0, 0]
    assert reciprocals([1, 2, 4]).tolist() == [1, 0.5, 0.25]


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


def test_the_interval_of_many_coin_tosses_is_the_textbook_one():
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


def test_what_is_hard_for_both_does_not_widen_a_paired_interval():
    draw = np.random.default_rng(2)
    hard = draw.normal(size=200)
    scenes = [str(number) for number in range(200)]
    value, low, high = paired_difference(hard + 0.01, hard, scenes)
    assert [value, low, high] == pytest.approx([0.01, 0.01, 0.01])


def test_a_paired_difference_needs_the_same_pairs():
    with pytest.raises(ValueError, match="2, 3 and 2 pairs"):
        paired_difference(np.zeros(2), np.zeros(3), ["a", "b"])


def test_average_precision_by_hand():
    # Relevant at places 1, 3 and 4: precisions 1, 2/3 and 3/4.
    assert average_precision(np.array([1, 0, 1, 1, 0], bool)) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert average_precision(np.array([0, 0, 1], bool)) == pytest.approx(1 / 3)


def test_recall_by_hand():
    ranking = np.array([1, 0, 1, 1, 0], bool)
    assert [recall_at(ranking, k) for k in (1, 2, 3, 9)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1])


def test_a_ranking_of_nothing_relevant_has_neither():
    for measure in (average_precision, lambda ranking: recall_at(ranking, 1)):
        with pytest.raises(ValueError, match="relevant"):
            measure(np.zeros(3, bool))
