"""The evaluation protocol: candidates and figures of any distance function over a set, with intervals.

Split by scene; the candidates of a pair are all products of its category in the set's catalogue except the
scene's other known products; binary accuracy is the share of candidates farther than the true product, ties
counting half (the expected value of the two-way choice of Kang et al. 2019, section 4.3).
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from perfectlook.data.scenes import fold_of, split_of
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.distances import DistanceFunction
from perfectlook.types import BoolArray, Float64Array, IntArray

EvaluatedSplit = Literal["train", "val", "test", "all"]
TOP_K = (1, 5, 10, 20)
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class PairResult:
    """Where the true product of one pair came among its candidates.

    Attributes:
        scene: its id.
        product: its id.
        category: of the product.
        share: of the candidates that are farther than the true product, ties counting half.
        rank: 1 + the candidates that are nearer, ties counting half.
        n_candidates: the products that the true product was placed among, itself not counted.
        index: of the pair, into `SetFeatures.pairs`.
    """

    scene: str
    product: str
    category: str
    share: float
    rank: float
    n_candidates: int
    index: int

    @property
    def n_products(self) -> int:
        """The candidates and the true product: ranks go from 1 to this."""
        return self.n_candidates + 1

    @property
    def chance_of_as_good(self) -> float:
        """How often a guess gets a rank as low as this one, 0 to 1."""
        return min(self.rank / self.n_products, 1.0)

    @property
    def chance_of_as_bad(self) -> float:
        """How often a guess gets a rank as high as this one, 0 to 1."""
        return min((self.n_products + 1 - self.rank) / self.n_products, 1.0)


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


@dataclass(frozen=True, slots=True)
class Figures:
    """The protocol's figures over some pairs, with 95 % intervals."""

    n_pairs: int
    n_scenes: int
    binary_accuracy: Interval
    top_k: dict[int, Interval]
    mrr: Interval

    def record(self) -> dict[str, float]:
        """The figures as a row of a data frame."""
        record: dict[str, float] = {"n_pairs": self.n_pairs, "n_scenes": self.n_scenes}
        record |= columns("binary_accuracy", self.binary_accuracy)
        for k, figure in self.top_k.items():
            record |= columns(f"top_{k}", figure)
        return record | columns("mrr", self.mrr)


class Candidates:
    """The candidates of every pair of a set: the products of its category but for the scene's known ones."""

    def __init__(self, features: SetFeatures) -> None:
        self._positives = features.dataset.positives
        self._row = {product: row for row, product in enumerate(features.product_ids)}
        categories = np.asarray(features.product_categories)
        self._of_category = {str(name): np.flatnonzero(categories == name) for name in np.unique(categories)}

    def category_rows(self, category: str) -> IntArray:
        """Rows of all products of a category, ascending."""
        return self._of_category[category]

    def mask(self, scene: str, category: str) -> BoolArray:
        """Which of `category_rows` are candidates for a scene: those not known to belong to it."""
        rows = self._of_category[category]
        known = [self._row[product] for product in self._positives[scene] if product in self._row]
        return np.isin(rows, known, invert=True)


def pair_indices(features: SetFeatures, split: EvaluatedSplit) -> IntArray:
    """Indices into `features.pairs` of the pairs whose scene is in a split."""
    return pairs_of(features, scenes_of_split(features, split))


def pairs_of(features: SetFeatures, scenes: Collection[str]) -> IntArray:
    """Indices into `features.pairs` of the pairs of some scenes."""
    return np.asarray([i for i, pair in enumerate(features.pairs) if pair.scene in scenes], np.int64)


def training_indices(features: SetFeatures, evaluated: Collection[str]) -> IntArray:
    """Pairs that may be trained on when the `evaluated` scenes are held out: not theirs, nor their twins'."""
    barred = set(evaluated).union(*(features.twins.get(scene, ()) for scene in evaluated))
    return np.asarray([i for i, pair in enumerate(features.pairs) if pair.scene not in barred], np.int64)


def scenes_of_split(features: SetFeatures, split: EvaluatedSplit) -> set[str]:
    """The scenes of a set that are in a split, whether their pairs survived the crop rule or not."""
    return {pair.scene for pair in features.dataset.pairs if split in ("all", split_of(pair.scene))}


def scenes_of_fold(features: SetFeatures, fold: int) -> set[str]:
    """The scenes of splits train and validation that are in a cross-validation fold (0 to 4)."""
    scenes = {pair.scene for pair in features.dataset.pairs}
    return {scene for scene in scenes if split_of(scene) != "test" and fold_of(scene) == fold}


def twin_scenes(features: SetFeatures, evaluated: Collection[str]) -> set[str]:
    """The evaluated scenes that have a copy among the scenes that are not evaluated."""
    kept = set(evaluated)
    return {scene for scene in kept if features.twins.get(scene, frozenset()) - kept}


def place_pairs(
    features: SetFeatures, indices: Iterable[int], distances: DistanceFunction
) -> list[PairResult]:
    """Place the true product of every pair among its candidates.

    A pair that has no candidate (its category holds one product, or only products of its scene) is left out.

    Raises:
        ValueError: a distance is not a number.
    """
    candidates = Candidates(features)
    return [
        placed for index in indices for placed in place_pair(features, candidates, index, [distances]) or []
    ]


def place_pair(
    features: SetFeatures, candidates: Candidates, index: int, ways: Sequence[DistanceFunction]
) -> list[PairResult] | None:
    """Place the true product of one pair by several distances; None where it has no candidate.

    Raises:
        ValueError: a distance is not a number.
    """
    pair, row = features.pairs[index], int(features.pair_products[index])
    category = features.product_categories[row]
    rows, mask = candidates.category_rows(category), candidates.mask(pair.scene, category)
    n_candidates = int(np.count_nonzero(mask))
    if not n_candidates:
        return None
    true = int(np.searchsorted(rows, row))
    results = []
    for distances in ways:
        found = distances(int(features.pair_scenes[index]), category, rows)
        share, rank = placing(float(found[true]), found[mask])
        results.append(PairResult(pair.scene, pair.product, category, share, rank, n_candidates, int(index)))
    return results


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


def figures(results: Sequence[PairResult]) -> Figures | None:
    """The protocol's figures over pairs, with intervals over resampled scenes; None over no pair."""
    if not results:
        return None
    scenes = [result.scene for result in results]
    ranks = np.asarray([result.rank for result in results], np.float64)
    per_pair = {
        "share": np.asarray([result.share for result in results], np.float64),
        "reciprocal": 1 / ranks,
    }
    per_pair |= {f"top_{k}": (ranks <= k).astype(np.float64) for k in TOP_K}
    means = bootstrap_means(per_pair, scenes)
    found = {name: interval(values, means[name]) for name, values in per_pair.items()}
    return Figures(
        n_pairs=len(results),
        n_scenes=len(set(scenes)),
        binary_accuracy=found["share"],
        top_k={k: found[f"top_{k}"] for k in TOP_K},
        mrr=found["reciprocal"],
    )


def figures_by_category(results: Sequence[PairResult]) -> dict[str, Figures]:
    """The protocol's figures of every category, in alphabetical order."""
    names = sorted({result.category for result in results})
    found = {name: figures([each for each in results if each.category == name]) for name in names}
    return {name: each for name, each in found.items() if each is not None}


def binary_accuracy(results: Sequence[PairResult]) -> float:
    """The mean share over pairs; not a number over no pair."""
    return float(np.mean([result.share for result in results])) if results else float("nan")


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
    n_scenes, generator = len(order), np.random.default_rng(seed)
    drawn = (generator.integers(0, n_scenes, n_scenes) for _ in range(resamples))
    draws = np.stack([np.bincount(scenes_drawn, minlength=n_scenes) for scenes_drawn in drawn])
    pairs_drawn = draws @ np.bincount(of_pair)
    return {
        name: (draws @ np.bincount(of_pair, weights=values)) / pairs_drawn for name, values in figures.items()
    }


def interval(values: Float64Array, resampled: Float64Array) -> Interval:
    """The mean of `values` with the 2.5 and 97.5 percentiles of its resampled means."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(float(np.mean(values)), float(low), float(high))


def mean_interval(values: Float64Array, scenes: Sequence[str]) -> Interval:
    """The mean of one number per pair, with its 95 % interval over resamples of scenes."""
    return interval(values, bootstrap_means({"": values}, scenes)[""])


def paired_difference(first: Float64Array, second: Float64Array, scenes: Sequence[str]) -> Interval:
    """How much higher `first` is than `second` on average, with its 95 % interval by a paired bootstrap.

    Both are measured on the same pairs, so every resample of scenes (Efron & Tibshirani 1993, section 13.3)
    takes both from the same scenes: what makes a scene hard for both does not widen the interval.

    Args:
        first: one number per pair.
        second: another number for each of the same pairs, in the same order.
        scenes: the scene of each pair.

    Raises:
        ValueError: the three are not of one length.
    """
    if not len(first) == len(second) == len(scenes):
        raise ValueError(
            f"{len(first)}, {len(second)} and {len(scenes)} pairs: a paired bootstrap needs the same"
        )
    return mean_interval(first - second, scenes)
