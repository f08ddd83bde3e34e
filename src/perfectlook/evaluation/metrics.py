"""Ranking figures and their intervals: pure functions of distances and of figures per pair."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from perfectlook.types import BoolArray, Float64Array, IntArray

TOP_K = (1, 5, 10, 20)
RESAMPLES = 1000


class Interval(NamedTuple):
    """A mean with the bounds of its 95 % percentile interval.

    Formatted, it is the mean with its bounds: `f"{figure:.3f}"` is "0.701 [0.683, 0.719]".
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """The figure as JSON reports have it: its value and `ci95`."""
        return {"value": self.value, "ci95": [self.low, self.high]}

    def __format__(self, spec: str) -> str:
        value, low, high = (format(number, spec) for number in self)
        return f"{value} [{low}, {high}]"


def columns(name: str, figure: Interval | None) -> dict[str, float]:
    """A figure as columns of a data frame: its value, and its bounds as `_low` and `_high`."""
    value, low, high = figure or (math.nan,) * 3
    return {name: value, f"{name}_low": low, f"{name}_high": high}


class Placing(NamedTuple):
    """Where the true product stands among its candidates."""

    share: float
    """The part of the candidates that lie farther than the true product, ties counting half."""
    rank: float
    """1 + nearer + half the ties."""


def placing(true_distance: float, candidate_distances: Float64Array) -> Placing:
    """Place a true product among its candidates (the true product itself is not one of them).

    The share is the expected value of the two-way choice of Kang et al. 2019, section 4.3.

    Raises:
        ValueError: there is no candidate, or a distance is not a number.
    """
    count = len(candidate_distances)
    if count == 0:
        raise ValueError("a pair needs at least one candidate")
    if np.isnan(true_distance) or np.isnan(candidate_distances).any():
        raise ValueError("a distance is not a number")
    nearer = int(np.count_nonzero(candidate_distances < true_distance))
    ties = int(np.count_nonzero(candidate_distances == true_distance))
    return Placing(share=(count - nearer - ties / 2) / count, rank=1 + nearer + ties / 2)


def hits(ranks: Sequence[float] | Float64Array, k: int) -> Float64Array:
    """1 for every rank within the first k, else 0."""
    within: Float64Array = (np.asarray(ranks, np.float64) <= k).astype(np.float64)
    return within


def reciprocals(ranks: Sequence[float] | Float64Array) -> Float64Array:
    """1 / rank of every pair; their mean is the mean reciprocal rank."""
    inverse: Float64Array = 1.0 / np.asarray(ranks, np.float64)
    return inverse


def bootstrap_means(
    figures: Mapping[str, Float64Array], scenes: Sequence[str], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Float64Array]:
    """Resampled pair-weighted means of several figures over the same resamples of scenes.

    Scenes are drawn with replacement; a scene drawn brings all its pairs.

    Args:
        figures: name to one number per pair.
        scenes: the scene of each pair.
        seed: of the generator.
        resamples: how many.

    Returns:
        Name to `resamples` means, paired: the difference of two entries is a paired bootstrap.
    """
    order, of_pair = np.unique(np.asarray(scenes), return_inverse=True)
    draws = _scene_draws(len(order), resamples, seed)
    pairs_drawn = draws @ np.bincount(of_pair, minlength=len(order))
    return {
        name: (draws @ np.bincount(of_pair, weights=values, minlength=len(order))) / pairs_drawn
        for name, values in figures.items()
    }


def interval(values: Float64Array, resampled: Float64Array) -> Interval:
    """The mean of `values` with the 2.5 and 97.5 percentiles of its resampled means."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(float(np.mean(values)), float(low), float(high))


def paired_difference(
    first: Float64Array,
    second: Float64Array,
    scenes: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """How much higher `first` is than `second` on average, with its 95 % interval by a paired bootstrap.

    Both are measured on the same pairs, so every resample of scenes (Efron & Tibshirani 1993, section 13.3)
    takes both from the same scenes: what makes a scene hard for both does not widen the interval.

    Args:
        first: one number per pair.
        second: another number for each of the same pairs, in the same order.
        scenes: the scene of each pair.
        seed: of the generator.
        resamples: how many.

    Raises:
        ValueError: the three are not of one length.
    """
    if not len(first) == len(second) == len(scenes):
        raise ValueError(
            f"{len(first)}, {len(second)} and {len(scenes)} pairs: a paired bootstrap needs the same"
        )
    differences = first - second
    means = bootstrap_means({"difference": differences}, scenes, seed=seed, resamples=resamples)
    return interval(differences, means["difference"])


def _scene_draws(scenes: int, resamples: int, seed: int) -> IntArray:
    """How often each resample draws each scene: [resamples, scenes]."""
    generator = np.random.default_rng(seed)
    draws = np.zeros((resamples, scenes), np.int64)
    for resample in range(resamples):
        draws[resample] = np.bincount(generator.integers(0, scenes, scenes), minlength=scenes)
    return draws


def average_precision(relevant: BoolArray) -> float:
    """The mean, over the relevant entries of a ranking [n], of the precision down to each of them.

    Raises:
        ValueError: nothing is relevant.
    """
    places = np.flatnonzero(relevant)
    if not len(places):
        raise ValueError("a ranking needs a relevant entry")
    return float(np.mean(np.arange(1, len(places) + 1) / (places + 1)))


def recall_at(relevant: BoolArray, k: int) -> float:
    """The share of the relevant entries of a ranking [n] that are among its first k.

    Raises:
        ValueError: nothing is relevant.
    """
    count = int(np.count_nonzero(relevant))
    if not count:
        raise ValueError("a ranking needs a relevant entry")
    return int(np.count_nonzero(relevant[:k])) / count
