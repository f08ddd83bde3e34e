"""The composed look is the best of all looks, compared with an exhaustive search."""

from itertools import combinations, product

import numpy as np
import pytest

from perfectlook.recommender.composition import Earlier, Pool, SlotProblem, compose, compose_best


def objective(pools: list[Pool], rows: tuple[int, ...], weight: float) -> float:
    """The definition: the costs, plus λ times the mean distance over pairs of slots."""
    vectors = [pool.vectors[row].astype(float) for pool, row in zip(pools, rows, strict=True)]
    apart = [float(np.linalg.norm(a - b)) for a, b in combinations(vectors, 2)]
    costs = sum(float(pool.costs[row]) for pool, row in zip(pools, rows, strict=True))
    return costs + weight * (float(np.mean(apart)) if apart else 0.0)


def price(pools: list[Pool], rows: tuple[int, ...]) -> int:
    return sum(int(pool.prices[row]) for pool, row in zip(pools, rows, strict=True))


def all_looks(pools: list[Pool]) -> list[tuple[int, ...]]:
    return list(product(*(range(len(pool.costs)) for pool in pools)))


def random_pools(random: np.random.Generator, slots: int, most: int, spread: float = 1.0) -> list[Pool]:
    pools = []
    for _ in range(slots):
        count = int(random.integers(1, most + 1))
        vectors = random.standard_normal((count, 3)).astype(np.float32)
        pools.append(Pool(spread * random.random(count), vectors, random.integers(1, 50, count)))
    return pools


@pytest.mark.parametrize("seed", range(60))
def test_the_best_of_all_looks_is_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    pools = random_pools(random, int(random.integers(1, 5)), 7)
    weight = float(random.choice([0.0, 0.3, 1.0, 5.0]))
    budget = None if seed % 3 == 0 else int(random.integers(5, 110))
    within = [rows for rows in all_looks(pools) if budget is None or price(pools, rows) <= budget]
    found = compose(SlotProblem(pools, weight, budget))
    if not within:
        assert found is None
        return
    assert found is not None
    assert found.objective == pytest.approx(min(objective(pools, rows, weight) for rows in within), abs=1e-9)
    assert found.objective == pytest.approx(objective(pools, found.rows, weight), abs=1e-9)
    assert budget is None or price(pools, found.rows) <= budget
    assert found.proven


def test_an_example_computed_by_hand() -> None:
    line = np.asarray([[0.0], [3.0]], np.float32)
    pools = [Pool(np.asarray(costs), line, np.asarray(prices)) for costs, prices in (
        ([1.0, 1.5], [10, 1]), ([2.0, 1.0], [10, 1]), ([1.0, 1.0], [10, 1])
    )]  # fmt: skip
    alone = compose(SlotProblem(pools, 0.0))
    assert alone is not None
    assert (alone.rows[:2], alone.objective) == ((0, 1), 3.0)
    # all products at 3 cost 3.5 with distance 0; the look above has a mean distance of 2 (3, 3 and 0)
    together = compose(SlotProblem(pools, 1.0))
    assert together == ((1, 1, 1), 3.5, 3.5)
    cheap = compose(SlotProblem(pools, 0.0, 12))
    assert cheap is not None
    assert (cheap.rows, cheap.objective) == ((0, 1, 1), 3.0)
    assert compose(SlotProblem(pools, 0.0, 2)) is None


def test_the_bound_covers_products_outside_the_pools() -> None:
    random = np.random.default_rng(1)
    whole = random_pools(random, 3, 12)
    whole = [Pool(np.sort(pool.costs), pool.vectors, pool.prices) for pool in whole]
    exact = min(objective(whole, rows, 0.5) for rows in all_looks(whole))
    proven = []
    for count in range(1, 13):
        pools = [
            Pool(p.costs[:count], p.vectors[:count], p.prices[:count], *p.costs[count : count + 1])
            for p in whole
        ]
        found = compose(SlotProblem(pools, 0.5))
        assert found is not None
        assert found.lower_bound <= exact + 1e-9
        assert found.objective >= exact - 1e-9
        if found.proven:
            assert found.objective == pytest.approx(exact)
        proven.append(found.proven)
    assert not proven[0]
    assert proven[-1]


def test_the_bound_holds_if_the_search_stops_early() -> None:
    pools = random_pools(np.random.default_rng(5), 4, 9, spread=0.1)
    exact = min(objective(pools, rows, 4.0) for rows in all_looks(pools))
    for most in (0, 1, 3):
        found = compose(SlotProblem(pools, 4.0), most=most)
        assert found is not None
        assert found.lower_bound <= exact + 1e-9 <= found.objective + 2e-9


def test_the_objectives_with_one_product_exchanged() -> None:
    pools = random_pools(np.random.default_rng(8), 4, 6)
    problem = SlotProblem(pools, 1.5, 80)
    rows = tuple(0 for _ in pools)
    for slot, pool in enumerate(pools):
        exchanged = problem.exchanged(rows, slot)
        for row in range(len(pool.costs)):
            changed = (*rows[:slot], row, *rows[slot + 1 :])
            expected = objective(pools, changed, 1.5) if price(pools, changed) <= 80 else np.inf
            assert exchanged[row] == pytest.approx(expected)


def random_earlier(random: np.random.Generator, pools: list[Pool], looks: int) -> list[Earlier]:
    return [
        Earlier([random.random(len(pool.costs)) < 0.5 for pool in pools], int(random.integers(0, len(pools))))
        for _ in range(looks)
    ]


def differs(rows: tuple[int, ...], earlier: list[Earlier]) -> bool:
    """The definition: at most `most` of the products repeat those of the earlier look."""
    return all(
        sum(repeats[row] for repeats, row in zip(each.repeats, rows, strict=True)) <= each.most
        for each in earlier
    )


@pytest.mark.parametrize("seed", range(80))
def test_the_best_look_that_differs_from_earlier_ones_is_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    pools = random_pools(random, int(random.integers(1, 5)), 7)
    weight = float(random.choice([0.0, 1.0, 5.0]))
    budget = None if seed % 3 == 0 else int(random.integers(20, 110))
    earlier = random_earlier(random, pools, int(random.integers(1, 4)))
    allowed = [
        rows
        for rows in all_looks(pools)
        if (budget is None or price(pools, rows) <= budget) and differs(rows, earlier)
    ]
    problem = SlotProblem(pools, weight, budget, earlier=earlier)
    found = compose(problem)
    if not allowed:
        assert found is None
        return
    assert found is not None
    assert found.objective == pytest.approx(min(objective(pools, rows, weight) for rows in allowed), abs=1e-9)
    assert found.rows in allowed
    assert found.proven
    assert all(problem.allows(rows) == (rows in allowed) for rows in all_looks(pools))


@pytest.mark.parametrize("seed", range(40))
def test_the_best_of_several_problems_has_the_least_objective_per_slot(seed: int) -> None:
    random = np.random.default_rng(seed)
    budget = None if seed % 2 else int(random.integers(5, 90))
    problems, every = [], []
    for number in range(int(random.integers(1, 5))):
        pools = random_pools(random, int(random.integers(1, 4)), 6)
        weight = 0.5 * len(pools)
        problems.append(SlotProblem(pools, weight, budget))
        every += [
            (objective(pools, rows, weight) / len(pools), number, rows)
            for rows in all_looks(pools)
            if budget is None or price(pools, rows) <= budget
        ]
    best = compose_best(problems)
    if not every:
        assert best is None
        return
    assert best is not None
    least, number, rows = min(every)
    assert (best[0], best[1].rows) == (number, rows)
    assert best[1].objective / len(rows) == pytest.approx(least, abs=1e-9)
    assert best[1].proven


def test_the_bound_of_several_problems_covers_products_outside_their_pools() -> None:
    near, far = np.asarray([1.0]), np.asarray([3.0])
    vectors, prices = np.zeros((1, 2), np.float32), np.asarray([1])
    whole = SlotProblem([Pool(near, vectors, prices)], 0.0)
    for unseen, bound in ((0.25, 0.25), (5.0, 1.0)):
        best = compose_best([whole, SlotProblem([Pool(far, vectors, prices, unseen)], 0.0)])
        assert best is not None
        assert (best[0], best[1].objective, best[1].lower_bound) == (0, 1.0, bound)
