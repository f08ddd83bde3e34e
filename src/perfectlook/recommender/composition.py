"""Choose the best product for each slot of a look, by branch and bound.

The objective of a look is Σ_c cost(p_c) + λ · mean over pairs of slots of the distance between their
products. A budget may limit the sum of the prices.

The search decides one slot after the other. The lower bound of a partial look gives every open slot its best
product. A pair with one decided slot counts with its real distance. A pair of two open slots counts, for each
of its products, with half of the product's least distance to the other slot.

A budget enters the bound with a Lagrange multiplier μ ≥ 0: for a look within the budget,
cost + μ · price - μ · budget is never more than its cost.

A look may have to differ from earlier looks. If k open slots must have new products, the bound adds the k
smallest differences between the best new product and the best product of an open slot.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import comb, inf
from typing import NamedTuple

import numpy as np

from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray

EXPANDED = 2000
"""How many partial looks the search expands at most."""
UNLIMITED = int(np.iinfo(np.int64).max)
"""The budget of a look without a budget."""

_SLACK = 1e-9
"""Tolerance of comparisons: adding floats in another order changes a sum by less than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The products that may fill a slot: costs [m], vectors [m, d], prices [m] in the smallest unit.

    `unseen` is a lower bound of the costs of the slot's products outside the pool. It is infinite if the pool
    has all of them.
    """

    costs: Float64Array
    vectors: Float32Array
    prices: IntArray
    unseen: float = inf


class Earlier(NamedTuple):
    """An earlier look: which products of each slot's pool repeat it ([m] each), and how many may at most."""

    repeats: Sequence[BoolArray]
    most: int


class Composition(NamedTuple):
    """The row of the product chosen for each slot, the objective, and a lower bound for every look."""

    rows: tuple[int, ...]
    objective: float
    lower_bound: float

    @property
    def proven(self) -> bool:
        """Whether no other look is better."""
        return self.objective <= self.lower_bound + _SLACK


def compose(problem: "SlotProblem", *, most: int = EXPANDED) -> Composition | None:
    """Return the look with the least objective, or None if the pools have no look within the budget.

    The search expands at most `most` partial looks, then returns the best look found so far.
    """
    found = problem.start()
    if found is None and not problem.earlier:
        return None
    rows, objective, bound = _Search(problem, found).run(most)
    if rows is None:
        return None
    return Composition(rows, objective, min(bound, objective, problem.least_with_unseen()))


def compose_best(problems: Sequence["SlotProblem"]) -> tuple[int, Composition] | None:
    """Return the look with the least objective per slot of several problems, and the number of its problem.

    `lower_bound` of the look holds for all problems: it is the least bound per slot, times its slots.
    """
    best: tuple[int, Composition] | None = None
    least, lower = inf, inf  # of the objective and of its lower bound, per slot
    for number in sorted(range(len(problems)), key=lambda each: problems[each].least_per_slot()):
        problem = problems[number]
        size = len(problem.pools)
        if problem.least_per_slot() >= least - _SLACK:  # only products outside its pools can be better
            lower = min(lower, problem.least_with_unseen() / size)
        elif found := compose(problem):
            lower = min(lower, found.lower_bound / size)
            if found.objective / size < least - _SLACK:
                best, least = (number, found), found.objective / size
    if best is None:
        return None
    number, found = best
    bound = len(problems[number].pools) * lower
    return number, found._replace(lower_bound=min(bound, found.objective))


Between = Callable[[Float32Array, Float32Array], Float64Array]
"""(vectors [n, d], vectors [m, d]) -> distances of every product to every other, [n, m]."""


class SlotProblem:
    """The pools of all slots, with the distances between the products of every two slots."""

    def __init__(
        self,
        pools: Sequence[Pool],
        weight: float,
        budget: int | None = None,
        between: "Between | None" = None,
        least: float = 0.0,
        earlier: Sequence[Earlier] = (),
    ) -> None:
        """Compute the distances between the products of every two slots.

        Args:
            pools: one pool for each slot, none of them empty.
            weight: λ, 0 or more.
            budget: the largest sum of prices, in the smallest unit.
            between: the distances between products, by default ‖f_p - f_q‖.
            least: a lower bound of these distances, for any products.
            earlier: looks that the look may repeat only in part.
        """
        self.pools = pools
        self.earlier = earlier
        self.budget = UNLIMITED if budget is None else budget
        self.slots = range(len(pools))
        scale = weight / comb(len(pools), 2) if len(pools) > 1 else 0.0
        self.pairs: dict[tuple[int, int], Float64Array] = {}
        for one, other in combinations(self.slots, 2):
            apart = scale * (between or euclidean)(pools[one].vectors, pools[other].vectors)
            self.pairs[one, other], self.pairs[other, one] = apart, apart.T
        self._least = scale * least
        self.cheapest = [int(pool.prices.min()) for pool in pools]

    def objective(self, rows: Sequence[int]) -> float:
        """Return the objective of a look."""
        alone = sum(float(pool.costs[row]) for pool, row in zip(self.pools, rows, strict=True))
        return alone + sum(float(self.pairs[a, b][rows[a], rows[b]]) for a, b in combinations(self.slots, 2))

    def price(self, rows: Sequence[int]) -> int:
        """Return the price of a look in the smallest unit."""
        return sum(int(pool.prices[row]) for pool, row in zip(self.pools, rows, strict=True))

    def exchanged(self, rows: Sequence[int], slot: int) -> Float64Array:
        """Return the objectives [m] of the looks that differ in one slot; inf above the budget."""
        changed = self.pools[slot].costs + sum(
            (self.pairs[slot, other][:, rows[other]] for other in self.slots if other != slot), np.float64(0)
        )
        rest = [each for each in self.slots if each != slot]
        kept = sum(float(self.pools[each].costs[rows[each]]) for each in rest)
        kept += sum(float(self.pairs[a, b][rows[a], rows[b]]) for a, b in combinations(rest, 2))
        spent = sum(int(self.pools[each].prices[rows[each]]) for each in rest)
        allowed = self.pools[slot].prices <= self.budget - spent
        for repeats, most in self.earlier:
            allowed &= sum(int(repeats[each][rows[each]]) for each in rest) + repeats[slot] <= most
        return np.where(allowed, changed + kept, inf)

    def allows(self, rows: Sequence[int]) -> bool:
        """Whether a look is within the budget, and repeats no earlier look too much."""
        return self.price(rows) <= self.budget and all(
            sum(bool(held[row]) for held, row in zip(repeats, rows, strict=True)) <= most
            for repeats, most in self.earlier
        )

    def least_per_slot(self) -> float:
        """Return a lower bound of the objective of the looks of the pools, per slot."""
        least = sum(float(pool.costs.min()) for pool in self.pools)
        least += sum(float(self.pairs[a, b].min()) for a, b in combinations(self.slots, 2))
        return least / len(self.pools)

    def start(self) -> tuple[int, ...] | None:
        """Return a good look to start from: the nearest or the cheapest products, improved slot by slot.

        It starts from products that repeat no earlier look, where a slot has them.
        """
        nearest, cheapest = [], []
        for slot, pool in enumerate(self.pools):
            new = np.ones(len(pool.costs), bool)
            for repeats, _ in self.earlier:
                new &= ~repeats[slot]
            rows = np.flatnonzero(new) if new.any() else np.arange(len(new))
            nearest.append(int(rows[np.argmin(pool.costs[rows])]))
            cheapest.append(int(rows[np.lexsort((pool.costs[rows], pool.prices[rows]))[0]]))
        within = [rows for rows in map(self._improved, (nearest, cheapest)) if self.allows(rows)]
        return min(within, key=self.objective, default=None)

    def _improved(self, rows: list[int]) -> tuple[int, ...]:
        if not self.allows(rows):
            return tuple(rows)
        best = self.objective(rows)
        while True:
            for slot in self.slots:
                rows[slot] = int(np.argmin(self.exchanged(rows, slot)))
            if (now := self.objective(rows)) >= best - _SLACK:
                return tuple(rows)
            best = now

    def least_with_unseen(self) -> float:
        """Return a lower bound for looks with at least one product outside the pools.

        The bound is the minimum over all sets of slots with an unseen product. These slots cost at least
        `unseen`. The other slots cost at least the least cost of their pools and the least distance between
        their pools. The distance of a pair with an unseen product may be the least of all.
        """
        least = inf
        open_ = [slot for slot in self.slots if self.pools[slot].unseen < inf]
        for count in range(1, len(open_) + 1):
            for unseen in combinations(open_, count):
                rest = [slot for slot in self.slots if slot not in unseen]
                bound = sum(self.pools[slot].unseen for slot in unseen)
                bound += sum(float(self.pools[slot].costs.min()) for slot in rest)
                bound += sum(float(self.pairs[a, b].min()) for a, b in combinations(rest, 2))
                bound += self._least * (comb(len(self.slots), 2) - comb(len(rest), 2))
                least = min(least, bound)
        return least


class _Search:
    """Best-first search: the partial look with the least bound is expanded next."""

    def __init__(self, problem: SlotProblem, start: tuple[int, ...] | None) -> None:
        self._problem = problem
        self._best = start
        self._objective = inf if start is None else problem.objective(start)
        self._keep = [np.arange(len(pool.costs)) for pool in problem.pools]
        self._multiplier = _multiplier(problem)
        self._constant = self._multiplier * problem.budget
        self._costs = [pool.costs + self._multiplier * pool.prices for pool in problem.pools]
        self._shrink()

    def run(self, most: int) -> tuple[tuple[int, ...] | None, float, float]:
        """Return the best look (None if none is allowed), its objective, and a bound for all of the pools."""
        if not all(map(len, self._keep)):
            return None, inf, inf
        waiting: list[tuple[float, tuple[int, ...]]] = [(-inf, ())]
        expanded = 0
        while waiting and waiting[0][0] < self._objective - _SLACK:
            if expanded == most:
                return self._best, self._objective, waiting[0][0]
            expanded += 1
            _, part = heapq.heappop(waiting)
            bounds = self._bounds(part)
            if len(part) == len(self._order) - 1:
                self._finish(part, bounds)
                continue
            for place in np.flatnonzero(bounds < self._objective - _SLACK).tolist():
                heapq.heappush(waiting, (float(bounds[place]), (*part, place)))
        return self._best, self._objective, self._objective

    def _finish(self, part: tuple[int, ...], bounds: Float64Array) -> None:
        """Keep the best of the complete looks that differ in the last slot, if it is a new best."""
        rows = [0] * len(self._order)
        for slot, place in zip(self._order, part, strict=False):
            rows[slot] = int(self._keep[slot][place])
        last = self._order[-1]
        exchanged = self._problem.exchanged(rows, last)[self._keep[last]]
        exchanged = np.where(np.isfinite(bounds), exchanged, inf)
        place = int(np.argmin(exchanged))
        rows[last] = int(self._keep[last][place])
        if np.isfinite(exchanged[place]) and (found := self._problem.objective(rows)) < self._objective:
            self._best, self._objective = tuple(rows), found

    def _shrink(self) -> None:
        """Drop the products that cannot be in a better look, then order the slots by size."""
        before = -1
        while before != (now := sum(map(len, self._keep))):
            before = now
            for slot in self._problem.slots:
                self._arrange([slot, *(each for each in self._problem.slots if each != slot)])
                bounds = self._bounds(())
                self._keep[slot] = self._keep[slot][
                    np.isfinite(bounds) & (bounds <= self._objective + _SLACK)
                ]
                if not len(self._keep[slot]):
                    return
        self._arrange(sorted(self._problem.slots, key=lambda slot: len(self._keep[slot])))

    def _arrange(self, order: list[int]) -> None:
        """Set the order in which slots are decided, and select costs and distances for it."""
        self._order = order
        keep = self._keep
        self._alone = {slot: self._costs[slot][keep[slot]] for slot in order}
        self._prices = {slot: self._problem.pools[slot].prices[keep[slot]] for slot in order}
        self._earlier = [
            ({slot: repeats[slot][keep[slot]] for slot in order}, most)
            for repeats, most in self._problem.earlier
        ]
        self._between = {
            (a, b): self._problem.pairs[a, b][np.ix_(keep[a], keep[b])] for a, b in permutations(order, 2)
        }
        least = {pair: between.min(axis=1) for pair, between in self._between.items()}
        self._halves = [
            {
                slot: 0.5
                * sum((least[slot, other] for other in order[depth:] if other != slot), np.float64(0))
                for slot in order[depth:]
            }
            for depth in range(len(order) + 1)
        ]

    def _bounds(self, part: tuple[int, ...]) -> Float64Array:
        """Return a lower bound [m] for looks that extend a partial look by each product of the next slot."""
        depth = len(part)
        decided, slot, rest = self._order[:depth], self._order[depth], self._order[depth + 1 :]
        done = list(zip(decided, part, strict=True))
        settled = sum(float(self._alone[each][place]) for each, place in done) - self._constant
        settled += sum(float(self._between[a, b][i, j]) for (a, i), (b, j) in combinations(done, 2))

        def reached(each: int) -> Float64Array:
            sums: Float64Array = self._alone[each] + sum(
                (self._between[other, each][place] for other, place in done), np.float64(0)
            )
            return sums

        bounds = settled + reached(slot)
        dearer: list[list[Float64Array]] = [[] for _ in self._earlier]
        for each in rest:
            open_ = self._between[slot, each] + (reached(each) + self._halves[depth + 1][each])[None, :]
            least = open_.min(axis=1)
            bounds = bounds + least
            for (repeats, _), added in zip(self._earlier, dearer, strict=True):
                added.append(open_[:, ~repeats[each]].min(axis=1, initial=inf) - least)
        bounds = bounds + self._differing(done, slot, dearer)
        if self._problem.budget < UNLIMITED:
            spent = sum(int(self._prices[each][place]) for each, place in done)
            spent += sum(int(self._prices[each].min()) for each in rest)
            bounds = np.where(self._prices[slot] <= self._problem.budget - spent, bounds, inf)
        return bounds

    def _differing(
        self, done: Sequence[tuple[int, int]], slot: int, dearer: Sequence[Sequence[Float64Array]]
    ) -> Float64Array:
        """Return the least that it adds to each bound [m] to differ from the earlier looks; inf if it cannot.

        `dearer` has, for each earlier look and each open slot, how much its best new product adds, [m].
        """
        most_added = np.zeros(len(self._keep[slot]))
        for (repeats, most), added in zip(self._earlier, dearer, strict=True):
            left = most - sum(int(repeats[each][place]) for each, place in done) - repeats[slot]
            sums = np.zeros((len(added) + 1, len(left)))
            if added:
                sums[1:] = np.cumsum(np.sort(np.stack(added), axis=0), axis=0)
            new = np.clip(len(added) - left, 0, len(added))
            least = np.where(left < 0, inf, np.take_along_axis(sums, new[None], axis=0)[0])
            most_added = np.maximum(most_added, least)
        return most_added


def _multiplier(problem: SlotProblem) -> float:
    """Return the μ that makes the bound of all looks greatest, or 0 if the budget does not matter."""
    halves = [
        pool.costs
        + 0.5 * sum((problem.pairs[slot, b].min(axis=1) for b in problem.slots if b != slot), np.float64(0))
        for slot, pool in enumerate(problem.pools)
    ]

    def over(multiplier: float) -> bool:
        """Whether the best products exceed the budget if prices count with this multiplier."""
        rows = [int(np.argmin(h + multiplier * p.prices)) for h, p in zip(halves, problem.pools, strict=True)]
        return problem.price(rows) > problem.budget

    low, high = 0.0, 1e-9
    if not over(low):
        return 0.0
    while over(high) and high < 1e6:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if over(middle) else (low, middle)
    return high


def euclidean(one: Float32Array, other: Float32Array) -> Float64Array:
    """Return the Euclidean distances of every row of `one` to every row of `other`, [n, m]."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * (a @ b.T)
    apart: Float64Array = np.sqrt(np.maximum(squares, 0.0))
    return apart
