"""Token buckets, by a clock of the test."""

from perfectlook.service.security import CALLERS, Rates


def test_a_burst_then_the_rate():
    now = 0.0
    rates = Rates(2.0, 3, clock=lambda: now)
    assert [rates.wait("a") for _ in range(4)] == [0, 0, 0, 1]
    assert rates.wait("b") == 0  # each has its own
    now = 0.5
    assert [rates.wait("a"), rates.wait("a")] == [0, 1]
    now = 100.0
    assert [rates.wait("a") for _ in range(4)] == [0, 0, 0, 1]  # never more than the burst


def test_the_wait_is_long_enough():
    now = 0.0
    rates = Rates(0.1, 1, clock=lambda: now)
    rates.wait("a")
    wait = rates.wait("a")
    assert wait == 10
    now = float(wait)
    assert rates.wait("a") == 0


def test_cheap_calls_cost_less_and_no_rate_is_no_limit():
    now = 0.0
    rates = Rates(1.0, 1, clock=lambda: now)
    assert [rates.wait("a", 0.25) for _ in range(5)] == [0, 0, 0, 0, 1]
    assert not any(Rates(0.0, 1).wait("a") for _ in range(100))


def test_only_so_many_callers_are_remembered():
    rates = Rates(1.0, 1, clock=lambda: 0.0)
    for number in range(CALLERS + 10):
        rates.wait(str(number))
    assert len(rates._buckets) == CALLERS
