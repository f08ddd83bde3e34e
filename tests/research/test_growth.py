"""Growth fitted to costs with a known law."""

import pytest

from growth import Growth, Line, gain_per_doubling


def test_a_power_law_is_recovered():
    growth = Growth.fit([(size, 3 * size**1.5) for size in (10, 100, 1000)])
    assert growth.exponent == pytest.approx(1.5)
    assert growth.constant == pytest.approx(3)
    assert growth.at(50) == pytest.approx(3 * 50**1.5)
    assert growth.at(5000) == pytest.approx(3 * 5000**1.5)


def test_growth_beyond_the_largest_size_is_at_least_linear():
    growth = Growth.fit([(10, 5.0), (100, 6.0)])
    assert growth.exponent == pytest.approx(0.079, abs=1e-3)
    assert growth.at(1000) == pytest.approx(60)


def test_the_fixed_part_stays_below_the_smallest_size():
    assert Growth.fit([(10, 5.0), (100, 6.0)]).at(1) == pytest.approx(5)


def test_seeds_are_averaged_and_a_larger_size_never_costs_less():
    growth = Growth.fit([(100, 3.0), (10, 4.0), (10, 6.0)])
    assert growth.sizes == (10, 100)
    assert growth.costs == (5.0, 5.0)


def test_one_size_counts_as_linear():
    growth = Growth.fit([(20, 4.0), (20, 4.0)])
    assert (growth.exponent, growth.constant) == pytest.approx((1.0, 0.2))
    assert growth.at(40) == pytest.approx(8)


def test_memory_is_a_fixed_part_and_a_part_for_each_item():
    line = Line.fit([(100, 700.0), (200, 900.0)])
    assert (line.base, line.slope) == pytest.approx((500, 2))
    assert line.at(1000) == pytest.approx(2500)
    assert Line.fit([(100, 900.0), (200, 700.0)]) == Line(800.0, 0.0)
    assert Line.fit([(100, 900.0)]) == Line(900.0, 0.0)


def test_the_gain_of_a_doubling():
    assert gain_per_doubling([(100, 0.6), (200, 0.62), (400, 0.64)]) == pytest.approx(0.02)
    assert gain_per_doubling([(100, 0.6)]) is None
    assert gain_per_doubling([]) is None
