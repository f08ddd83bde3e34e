"""The evaluation protocol: candidates and figures of any distance function over a set, with intervals.

Sets are split by scene. The candidates of a pair are all products of its category in the set, except the
scene's other known products. Binary accuracy is the share of candidates farther than the true product; ties
count half. This is the expected value of the two-way choice of Kang et al. 2019.
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
    """The rank of the true product of one pair among its candidates.

    Attributes:
        scene: id of the scene.
        product: id of the product.
        category: category of the product.
        share: share of the candidates that are farther than the true product; ties count half.
        rank: 1 + the number of nearer candidates; ties count half.
        n_candidates: number of candidates, without the true product.
        index: index of the pair in `SetFeatures.pairs`.
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
        """Number of candidates plus the true product; ranks go from 1 to this number."""
        return self.n_candidates + 1

    @property
    def chance_of_as_good(self) -> float:
        """Probability that a guess gets this rank or a better one, 0 to 1."""
        return min(self.rank / self.n_products, 1.0)

    @property
    def chance_of_as_bad(self) -> float:
        """Probability that a guess gets this rank or a worse one, 0 to 1."""
        return min((self.n_products + 1 - self.rank) / self.n_products, 1.0)


class Interval(NamedTuple):
    """A mean with the bounds of its 95 % percentile interval.

    `f"{figure:.3f}"` formats the mean with its bounds: "0.701 [0.683, 0.719]".
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """The figure in JSON reports: its value and `ci95`."""
        return {"value": self.value, "ci95": [self.low, self.high]}

    def __format__(self, spec: str) -> str:
        value, low, high = (format(number, spec) for number in self)
        return f"{value} [{low}, {high}]"


def columns(name: str, figure: Interval | None) -> dict[str, float]:
    """A figure as columns of a data frame: its value, and its bounds with the suffixes `_low` and `_high`."""
    value, low, high = figure or (math.nan,) * 3
    return {name: value, f"{name}_low": low, f"{name}_high": high}


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of the protocol over some pairs, with 95 % intervals."""

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
    """The candidates of every pair: the products of its category, except the known ones of its scene."""

    def __init__(self, features: SetFeatures) -> None:
        self._positives = features.dataset.positives
        self._row = {product: row for row, product in enumerate(features.product_ids)}
        categories = np.asarray(features.product_categories)
        self._of_category = {str(name): np.flatnonzero(categories == name) for name in np.unique(categories)}

    def category_rows(self, category: str) -> IntArray:
        """Rows of all products of a category, ascending."""
        return self._of_category[category]

    def mask(self, scene: str, category: str) -> BoolArray:
        """Whether each of `category_rows` is a candidate for a scene, that is, not known to belong to it."""
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
    """Pairs for training when the `evaluated` scenes are held out, without pairs of these scenes' copies."""
    excluded = set(evaluated).union(*(features.twins.get(scene, ()) for scene in evaluated))
    return np.asarray([i for i, pair in enumerate(features.pairs) if pair.scene not in excluded], np.int64)


def scenes_of_split(features: SetFeatures, split: EvaluatedSplit) -> set[str]:
    """The scenes of a set in a split, including scenes whose pairs the crop rule dropped."""
    return {pair.scene for pair in features.dataset.pairs if split in ("all", split_of(pair.scene))}


def scenes_of_fold(features: SetFeatures, fold: int) -> set[str]:
    """The scenes of the train and validation splits in a cross-validation fold (0 to 4)."""
    scenes = {pair.scene for pair in features.dataset.pairs}
    return {scene for scene in scenes if split_of(scene) != "test" and fold_of(scene) == fold}


def twin_scenes(features: SetFeatures, evaluated: Collection[str]) -> set[str]:
    """The evaluated scenes with a copy among the other scenes."""
    kept = set(evaluated)
    return {scene for scene in kept if features.twins.get(scene, frozenset()) - kept}


def place_pairs(
    features: SetFeatures, indices: Iterable[int], distances: DistanceFunction
) -> list[PairResult]:
    """Rank the true product of every pair among its candidates.

    Pairs without candidates are left out: their category has one product, or only products of their scene.

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
    """Rank the true product of one pair by several distances; None if it has no candidate.

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
    """The share and rank of a true product among its candidates."""

    share: float
    """Share of the candidates that are farther than the true product; ties count half."""
    rank: float
    """1 + the number of nearer candidates + half the ties."""


def placing(true_distance: float, candidate_distances: Float64Array) -> Placing:
    """Rank a true product among its candidates (without the true product).

    The share is the expected value of the two-way choice of Kang et al. 2019.

    Raises:
        ValueError: there is no candidate, or a distance is not a number.
    """
    count = len(candidate_distances)
    if count == 0:
        raise ValueError("expected at least one candidate, got none")
    if np.isnan(true_distance) or np.isnan(candidate_distances).any():
        raise ValueError("a distance is not a number")
    nearer = int(np.count_nonzero(candidate_distances < true_distance))
    ties = int(np.count_nonzero(candidate_distances == true_distance))
    return Placing(share=(count - nearer - ties / 2) / count, rank=1 + nearer + ties / 2)


def figures(results: Sequence[PairResult]) -> Figures | None:
    """The figures over pairs, with intervals from resampled scenes; None without pairs."""
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
    """The figures of every category, in alphabetical order."""
    names = sorted({result.category for result in results})
    found = {name: figures([each for each in results if each.category == name]) for name in names}
    return {name: each for name, each in found.items() if each is not None}


def bootstrap_means(
    figures: Mapping[str, Float64Array], scenes: Sequence[str], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Float64Array]:
    """Resample the pair-weighted means of several figures, all over the same resamples of scenes.

    Scenes are drawn with replacement, each with all its pairs.

    Args:
        figures: name to one number per pair.
        scenes: the scene of each pair.
        seed: seed of the random generator.
        resamples: number of resamples.

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
    """The mean difference, `first` minus `second`, with its 95 % interval from a paired bootstrap.

    Both are measured on the same pairs, and every resample takes the same scenes for both (Efron & Tibshirani
    1993). So a scene that is hard for both does not widen the interval.

    Args:
        first: one number per pair.
        second: another number for each of the same pairs, in the same order.
        scenes: the scene of each pair.

    Raises:
        ValueError: the lengths differ.
    """
    if not len(first) == len(second) == len(scenes):
        raise ValueError(
            f"expected three sequences of the same length, got {len(first)}, {len(second)} and {len(scenes)}"
        )
    return mean_interval(first - second, scenes)
