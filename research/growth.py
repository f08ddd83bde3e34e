"""How costs grow with size: a fit to measurements, and estimates for other sets and budgets."""

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
        costs: mean cost of each size, never below that of a smaller size.
    """

    exponent: float
    constant: float
    sizes: tuple[float, ...]
    costs: tuple[float, ...]

    @classmethod
    def fit(cls, points: Points) -> Self:
        """Fit to measurements. With a single size, growth is taken to be linear."""
        sizes, costs = np.log([size for size, _ in points]), np.log([cost for _, cost in points])
        exponent = float(np.polyfit(sizes, costs, 1)[0]) if np.ptp(sizes) > 0 else 1.0
        constant = math.exp(float(np.mean(costs)) - exponent * float(np.mean(sizes)))
        means = _means(points)
        rising = np.maximum.accumulate(list(means.values()))
        return cls(exponent, constant, tuple(means), tuple(float(cost) for cost in rising))

    def at(self, size: float) -> float:
        """Return the expected cost of a size.

        Between measurements, it is interpolated on logarithms. Below the smallest size, it is the cost of the
        smallest, because the fixed part does not shrink. Beyond the largest size, it grows by the fitted
        exponent, but at least linearly. An exponent below 1 comes from the fixed part, which matters less and
        less; it would make the estimates too low.
        """
        largest = self.sizes[-1]
        if size > largest:
            return self.costs[-1] * math.pow(size / largest, max(1.0, self.exponent))
        return float(np.exp(np.interp(math.log(max(size, 1e-9)), np.log(self.sizes), np.log(self.costs))))


@dataclass(frozen=True, slots=True)
class Line:
    """Memory by size: a fixed part (the program) and a part for each item, by least squares."""

    base: float
    slope: float

    @classmethod
    def fit(cls, points: Points) -> Self:
        """Fit to measurements. With a single size, all memory is the fixed part."""
        sizes, costs = (np.array(values, np.float64) for values in zip(*points, strict=True))
        slope = max(0.0, float(np.polyfit(sizes, costs, 1)[0])) if np.ptp(sizes) > 0 else 0.0
        return cls(max(0.0, float(costs.mean() - slope * sizes.mean())), slope)

    def at(self, size: float) -> float:
        """Return the expected memory of a size."""
        return self.base + self.slope * size


def gain_per_doubling(points: Points) -> float | None:
    """Return the change of a figure when the size doubles, by least squares; None for a single size."""
    sizes = np.log2([size for size, _ in points]) if points else np.empty(0)
    if len(sizes) == 0 or np.ptp(sizes) == 0:
        return None
    return float(np.polyfit(sizes, [value for _, value in points], 1)[0])


@dataclass(frozen=True, slots=True)
class Release:
    """A public release with the sizes of its files."""

    name: str
    pairs: int
    products: int
    scenes: int | None


RELEASES = (
    Release("STL-Fashion", 72_198, 38_111, 29_400),
    Release("STL-Home", 93_274, 41_306, None),
)
"""Pairs are the rows of fashion.json and home.json, products those of the category files."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The proportions of a set, from the set studied.

    Attributes:
        scenes: number of scenes.
        pairs: valid rows.
        products: products in the catalogue.
        views: distinct scene views after the crop rule.
        training_pairs: pairs that the model is trained on.
        test_pairs: pairs that are evaluated.
    """

    scenes: int
    pairs: int
    products: int
    views: int
    training_pairs: int
    test_pairs: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of each step for a set, and the peak memory in bytes, which training needs."""

    extraction: float
    training: float
    evaluation: float
    memory: float | None

    @property
    def seconds(self) -> float:
        """The seconds of all steps together."""
        return self.extraction + self.training + self.evaluation


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of sets with the proportions of the one studied, on this machine.

    Attributes:
        shape: proportions of the set studied.
        extraction: seconds by pictures.
        training: seconds by training pairs.
        memory: bytes by pictures in a training; None where the system does not report memory.
        evaluation_seconds: seconds of evaluating the test split of the set studied.
    """

    shape: Shape
    extraction: Growth
    training: Growth
    memory: Line | None
    evaluation_seconds: float

    def of(self, pairs: float, products: float) -> Cost:
        """Return the cost of a set with these numbers of pairs and products."""
        shape = self.shape
        more_pairs, more_products = pairs / shape.pairs, products / shape.products
        pictures = more_pairs * shape.views + products
        return Cost(
            extraction=self.extraction.at(pictures),
            training=self.training.at(more_pairs * shape.training_pairs),
            # each evaluated pair is ranked among the products of a category
            evaluation=self.evaluation_seconds * max(1.0, more_pairs) * max(1.0, more_products),
            memory=self.memory.at(pictures) if self.memory else None,
        )

    def of_scenes(self, scenes: int) -> Cost:
        """Return the cost of a number of scenes (of all splits) with their pairs and products."""
        part = scenes / self.shape.scenes
        return self.of(part * self.shape.pairs, part * self.shape.products)

    def scenes_within(self, seconds: float) -> int:
        """Return the largest number of scenes within the seconds; 0 if a single scene costs more."""
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
    """What a time budget allows.

    Attributes:
        budget: seconds.
        scenes: scenes of all splits that the budget allows.
        of: scenes of the set.
        cost: cost of these scenes, at most of the whole set.
    """

    budget: float
    scenes: int
    of: int
    cost: Cost


def advise(costs: Costs, budget: float, fewest: int) -> Advice | None:
    """Return how many scenes a budget allows; None if fewer than `fewest`, the smallest subset studied."""
    scenes = costs.scenes_within(budget)
    if scenes < fewest:
        return None
    return Advice(budget, scenes, costs.shape.scenes, costs.of_scenes(min(scenes, costs.shape.scenes)))


def fewest_scenes(costs: Costs, share: float) -> int:
    """Return the size of a set with as many training scenes as a share of the set studied has."""
    return max(1, math.ceil(share * costs.shape.scenes))


def _means(points: Points) -> dict[float, float]:
    sizes = sorted({size for size, _ in points})
    return {size: fmean(cost for other, cost in points if other == size) for size in sizes}
