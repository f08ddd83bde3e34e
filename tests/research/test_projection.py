"""Estimated costs, compared with values computed by hand."""

import pytest

from growth import Costs, Growth, Line, Shape, advise, fewest_scenes

SHAPE = Shape(scenes=100, pairs=200, products=50, views=150, training_pairs=160, test_pairs=20)
COSTS = Costs(
    shape=SHAPE,
    extraction=Growth.fit([(100, 10.0), (200, 20.0)]),  # 0.1 s a picture
    training=Growth.fit([(16, 8.0), (160, 8.0)]),  # a fixed part alone: linear beyond
    memory=Line(1000.0, 2.0),
    evaluation_seconds=1.0,
)


def test_the_set_itself_costs_what_was_measured():
    cost = COSTS.of(SHAPE.pairs, SHAPE.products)
    assert (cost.extraction, cost.training, cost.evaluation) == pytest.approx((20, 8, 1))
    assert cost.seconds == pytest.approx(29)
    assert cost.memory == pytest.approx(1000 + 2 * 200)


def test_a_larger_set_by_its_pairs_and_products():
    cost = COSTS.of(2000, 100)  # 1,500 views and 100 products; 1,600 training pairs
    assert cost.extraction == pytest.approx(160)
    assert cost.training == pytest.approx(80)
    assert cost.evaluation == pytest.approx(10 * 2)


def test_a_budget_allows_the_most_scenes_within_it():
    for budget in (29.0, 100.0, 12345.0):
        scenes = COSTS.scenes_within(budget)
        assert COSTS.of_scenes(scenes).seconds <= budget < COSTS.of_scenes(scenes + 1).seconds


def test_advice_names_the_scenes_and_what_they_cost():
    found = advise(COSTS, 100.0, 10)
    assert found.scenes > found.of == 100
    assert found.cost.seconds == pytest.approx(29)  # of the set's own scenes: there are no more


def test_a_budget_below_the_smallest_subset_has_no_answer():
    fewest = fewest_scenes(COSTS, 0.1)
    assert fewest == 10
    least = COSTS.of_scenes(fewest).seconds
    assert advise(COSTS, least - 0.01, fewest) is None
    assert advise(COSTS, least, fewest) is not None
    assert COSTS.scenes_within(0.5) == 0
