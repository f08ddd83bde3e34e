"""Metrics against values computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.metrics import bootstrap_means, hits, interval, placing, reciprocals


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
