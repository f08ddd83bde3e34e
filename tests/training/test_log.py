"""What a training reports of its choices."""

from typing import Any

import pytest

from perfectlook.training.log import summary

SHARES = {"shares": {"prior": 0.4, "regression": 0.6}}
REPORT: dict[str, Any] = {
    "mixture": SHARES,
    "epoch": 7,
    "closed_forms_weight": 0.2,
    "network_adds": 0.0123,
    "new_products": {"value": 0.66, "low": 0.62, "high": 0.7},
    "known_products": {"value": 0.75, "low": 0.71, "high": 0.79},
    "last_doubling": {"value": 0.012, "low": 0.004, "high": 0.02},
}


def test_a_summary_says_what_was_chosen_and_what_more_pairs_would_bring() -> None:
    assert summary(REPORT) == [
        "Chosen: a network, with closed forms (prior 40 %, regression 60 %) of weight 0.2. The network adds "
        "+0.0123 to the closed forms alone.",
        "On products that no training pair has: 0.6600 [0.6200, 0.7000]. On the others: 0.7500 [0.7100, "
        "0.7900].",
        "From half of the pairs to all of them, the closed forms changed by +0.0120 [+0.0040, +0.0200]. If "
        "that goes on, twice the pairs bring about 0.012 more, or a little less.",
    ]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"epoch": None, "network_adds": 0.0021},
            "Chosen: the closed forms alone (prior 40 %, regression 60 %). With a network, the accuracy "
            "changed by +0.0021, so none is kept.",
        ),
        (
            {"epoch": None, "network_adds": None},
            "Chosen: the closed forms alone (prior 40 %, regression 60 %).",
        ),
        (
            {"mixture": None, "closed_forms_weight": 0.0},
            "Chosen: a network alone. It adds +0.0123 to the closed forms.",
        ),
        (
            {"last_doubling": {"value": 0.002, "low": -0.003, "high": 0.007}},
            "From half of the pairs to all of them, the closed forms changed by +0.0020 [-0.0030, +0.0070]. "
            "That may be chance, so what twice the pairs would bring is not known.",
        ),
        ({"last_doubling": None}, "The pairs are too few to say what twice as many would bring."),
    ],
)
def test_a_summary_is_honest(changed: dict[str, Any], says: str) -> None:
    assert says in summary(REPORT | changed)


def test_there_is_nothing_to_say_where_nothing_was_chosen() -> None:
    assert summary(dict.fromkeys(REPORT)) == []
