"""The figures of a guess against all orders of a few candidates."""

from itertools import permutations

import pytest

from perfectlook.evaluation.findings import guess_over
from perfectlook.evaluation.protocol import PairResult


def test_a_guess_gets_what_all_orders_get_on_average():
    sizes = (2, 3, 7)
    found = guess_over([PairResult("s", "p", "c", 1.0, 1.0, size - 1, 0) for size in sizes])
    ranks = [[order.index(0) + 1 for order in permutations(range(size))] for size in sizes]
    for k, share in found.top_k.items():
        hits = [sum(rank <= k for rank in each) / len(each) for each in ranks]
        assert share == pytest.approx(sum(hits) / 3)
    inverse = [sum(1 / rank for rank in each) / len(each) for each in ranks]
    assert found.mrr == pytest.approx(sum(inverse) / 3)
    assert found.top_k[1] == pytest.approx((1 / 2 + 1 / 3 + 1 / 7) / 3)
