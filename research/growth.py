"""How costs grow with size: fitted to measurements, and projected to other sets and to budgets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

import numpy as np

Points = Sequence[tuple[float, float]]
"""(size, cost) of every measurement, all above 0."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Seconds by size: cost ≈ constant · size ^ exponent, by least squares on logarithms.

    Attributes:
        exponent: 1 is linear growth.
        constant: the fitted cost of size 1.
        sizes: measured, ascending.
        costs: the mean cost of each of them, never below that of a smaller one.
    """

    exponent: float
    constant: float
    sizes: tuple[float, ...]
    costs: tuple[float, ...]

    @classmethod
    def fit(cls, points: Points) -> Self:
        """Fit to measurements. Those of one size alone count as linear growth."""
        sizes, costs = np.log([size for size, _ in points]), np.log([cost for _, cost in points])
        exponent = float(np.polyfit(sizes, costs, 1)[0]) if np.ptp(sizes) > 0 else 1.0
        constant = math.exp(float(np.mean(costs)) - exponent * float(np.mean(sizes)))
        means = _means(points)
        rising = np.maximum.accumulate(list(means.values()))
        return cls(exponent, constant, tuple(means), tuple(float(cost) for cost in rising))

    def at(self, size: float) -> float:
        """The cost to expect of a size.

        Between measurements it is interpolated on logarithms. Below the smallest it is the smallest's, whose
        fixed part does not shrink. Beyond the largest it grows from the largest by the fitted exponent, but
        never less than linearly: an exponent below 1 is a fixed part that counts less and less, and carried
        far it would promise too much.
        """
        largest = self.sizes[-1]
        if size > largest:
            return self.costs[-1] * math.pow(size / largest, max(1.0, self.exponent))
        return float(np.exp(np.interp(math.log(max(size, 1e-9)), np.log(self.sizes), np.log(self.costs))))


@dataclass(frozen=True, slots=True)
class Line:
    """Memory by size: a fixed part (the program) and a part per item, by least squares; neither below 0."""

    base: float
    slope: float

    @classmethod
    def fit(cls, points: Points) -> Self:
        """Fit to measurements. Those of one size alone are all fixed part."""
        sizes, costs = (np.array(values, np.float64) for values in zip(*points, strict=True))
        slope = max(0.0, float(np.polyfit(sizes, costs, 1)[0])) if np.ptp(sizes) > 0 else 0.0
        return cls(max(0.0, float(costs.mean() - slope * sizes.mean())), slope)

    def at(self, size: float) -> float:
        """The memory to expect of a size."""
        return self.base + self.slope * size


def gain_per_doubling(points: Points) -> float | None:
    """By how much a figure rises when the size doubles, by least squares; None for a single size."""
    sizes = np.log2([size for size, _ in points]) if points else np.empty(0)
    if len(sizes) == 0 or np.ptp(sizes) == 0:
        return None
    return float(np.polyfit(sizes, [value for _, value in points], 1)[0])


@dataclass(frozen=True, slots=True)
class Release:
    """A public release, as large as its own files are."""

    name: str
    pairs: int
    products: int
    scenes: int | None


RELEASES = (
    Release("STL-Fashion", 72_198, 38_111, 29_400),
    Release("STL-Home", 93_274, 41_306, None),
)
"""Rows of fashion.json and home.json, products of their category files; the scenes of Fashion are counted."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a set's sizes hang together, taken from the one studied.

    Attributes:
        scenes: of the set.
        pairs: its valid rows.
        products: its catalogue.
        views: distinct scene views that the crop rule leaves.
        training_pairs: those that its model is trained on.
        test_pairs: those that are evaluated.
    """

    scenes: int
    pairs: int
    products: int
    views: int
    training_pairs: int
    test_pairs: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of each step for a set, all of them, and the bytes that the hungriest one (training) needs."""

    extraction: float
    training: float
    evaluation: float
    memory: float | None

    @property
    def seconds(self) -> float:
        """All steps, one after the other."""
        return self.extraction + self.training + self.evaluation


@dataclass(frozen=True, slots=True)
class Costs:
    """What sets of the studied one's shape cost on this machine.

    Attributes:
        shape: of the set studied.
        extraction: seconds by pictures.
        training: seconds by training pairs.
        memory: bytes by pictures whose features a training holds; None where the system does not tell.
        evaluation_seconds: of the test split of the set studied.
    """

    shape: Shape
    extraction: Growth
    training: Growth
    memory: Line | None
    evaluation_seconds: float

    def of(self, pairs: float, products: float) -> Cost:
        """The cost of a set with so many pairs and products."""
        shape = self.shape
        more_pairs, more_products = pairs / shape.pairs, products / shape.products
        pictures = more_pairs * shape.views + products
        return Cost(
            extraction=self.extraction.at(pictures),
            training=self.training.at(more_pairs * shape.training_pairs),
            # every evaluated pair is placed among the products of a category
            evaluation=self.evaluation_seconds * max(1.0, more_pairs) * max(1.0, more_products),
            memory=self.memory.at(pictures) if self.memory else None,
        )

    def of_scenes(self, scenes: int) -> Cost:
        """The cost of so many scenes (training, validation and test) with their pairs and products."""
        part = scenes / self.shape.scenes
        return self.of(part * self.shape.pairs, part * self.shape.products)

    def scenes_within(self, seconds: float) -> int:
        """The most scenes whose cost is within the seconds; 0 when that of a single one is not."""
        if self.of_scenes(1).seconds > seconds:
            return 0
        low, high = 1, 2
        while self.of_scenes(high).seconds <= seconds:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            if self.of_scenes(middle).seconds <= seconds:
                low = middle
            else:
                high = middle
        return low


@dataclass(frozen=True, slots=True)
class Advice:
    """What a budget of time is good for.

    Attributes:
        budget: seconds.
        scenes: as many of them as are studied within it, training, validation and test together.
        of: how many the set has.
        cost: of that many, at most all of the set's.
    """

    budget: float
    scenes: int
    of: int
    cost: Cost


def advise(costs: Costs, budget: float, fewest: int) -> Advice | None:
    """How many scenes a budget allows; None when not even `fewest`, the smallest subset studied."""
    scenes = costs.scenes_within(budget)
    if scenes < fewest:
        return None
    return Advice(budget, scenes, costs.shape.scenes, costs.of_scenes(min(scenes, costs.shape.scenes)))


def fewest_scenes(costs: Costs, share: float) -> int:
    """The scenes of a whole set whose training scenes are as many as a share of the studied one's."""
    return max(1, math.ceil(share * costs.shape.scenes))


def _means(points: Points) -> dict[float, float]:
    sizes = sorted({size for size, _ in points})
    return {size: fmean(cost for other, cost in points if other == size) for size in sizes}
