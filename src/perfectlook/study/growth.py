"""How a cost grows with size: fitted to measurements, and carried beyond them with care."""

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


def _means(points: Points) -> dict[float, float]:
    sizes = sorted({size for size, _ in points})
    return {size: fmean(cost for other, cost in points if other == size) for size in sizes}
