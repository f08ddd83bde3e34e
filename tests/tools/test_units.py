"""Durations as people write them."""

import pytest

from perfectlook.errors import UsageError
from units import duration_argument, parse_duration, spoken, spoken_bytes


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("45s", 45), ("1h30m", 5400), ("1.5h", 5400)]
)
def test_budgets(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "2d", "-1h", "0s", "h", "2h2h"])
def test_invalid_budgets(text: str):
    with pytest.raises(UsageError, match=r"expected a duration\. Write it like 2h, 90m or 45s"):
        parse_duration(text)


@pytest.mark.parametrize("seconds", [0.2, 44.5, 599.5, 601, 7199.5, 100_000])
def test_a_named_budget_is_enough_and_can_be_typed(seconds: float):
    assert seconds <= parse_duration(duration_argument(seconds)) < seconds + 60


def test_spoken():
    assert [spoken(each) for each in (0.00031, 4.23, 185, 7800)] == [
        "0.31 ms",
        "4.2 s",
        "3 min 05 s",
        "2 h 10 min",
    ]
    assert [spoken_bytes(each) for each in (None, 312 * 2**20, 2.4 * 2**30)] == ["–", "312 MiB", "2.4 GiB"]
