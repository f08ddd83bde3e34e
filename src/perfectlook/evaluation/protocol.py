"""The evaluation protocol: candidates and figures of any distance function over a set.

Split by scene; the candidates of a pair are all products of its category in the set's catalogue except the
scene's other known products; binary accuracy is the share of candidates farther than the true product, ties
counting half (the expected value of the two-way choice of Kang et al. 2019, section 4.3).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from perfectlook.data.scenes import fold_of, split_of
from perfectlook.evaluation.metrics import (
    TOP_K,
    Interval,
    bootstrap_means,
    columns,
    hits,
    interval,
    placing,
    reciprocals,
)
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.distances import DistanceFunction
from perfectlook.types import BoolArray, Float64Array, IntArray

EvaluatedSplit = Literal["train", "val", "test", "all"]


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
        places = np.searchsorted(rows, known)
        among = np.minimum(places, len(rows) - 1)
        mask = np.ones(len(rows), np.bool_)
        mask[among[rows[among] == known]] = False
        return mask


def pair_indices(features: SetFeatures, split: EvaluatedSplit) -> IntArray:
    """Indices into `features.pairs` of the pairs whose scene is in a split."""
    return pairs_of(features, scenes_of_split(features, split))


def pairs_of(features: SetFeatures, scenes: Collection[str]) -> IntArray:
    """Indices into `features.pairs` of the pairs of some scenes."""
    return np.asarray([i for i, pair in enumerate(features.pairs) if pair.scene in scenes], np.int64)


def training_indices(features: SetFeatures, evaluated: Collection[str]) -> IntArray:
    """Pairs that may be trained on when the `evaluated` scenes are held out: not theirs, nor their twins'."""
    barred = set(evaluated)
    for scene in evaluated:
        barred |= features.twins.get(scene, frozenset())
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


def figures(results: Sequence[PairResult], *, seed: int = 0) -> Figures | None:
    """The protocol's figures over pairs, with intervals over resampled scenes; None over no pair."""
    if not results:
        return None
    scenes = [result.scene for result in results]
    per_pair = figures_per_pair(results)
    means = bootstrap_means(per_pair, scenes, seed=seed)
    return Figures(
        n_pairs=len(results),
        n_scenes=len(set(scenes)),
        binary_accuracy=interval(per_pair["share"], means["share"]),
        top_k={k: interval(per_pair[f"top_{k}"], means[f"top_{k}"]) for k in TOP_K},
        mrr=interval(per_pair["reciprocal"], means["reciprocal"]),
    )


def figures_by_category(results: Sequence[PairResult]) -> dict[str, Figures]:
    """The protocol's figures of every category, in alphabetical order."""
    names = sorted({result.category for result in results})
    found = {name: figures([each for each in results if each.category == name]) for name in names}
    return {name: each for name, each in found.items() if each is not None}


def figures_per_pair(results: Sequence[PairResult]) -> dict[str, Float64Array]:
    """One number per pair for each figure: share, reciprocal rank, whether it is within the first K."""
    ranks = np.asarray([result.rank for result in results], np.float64)
    per_pair = {
        "share": np.asarray([result.share for result in results], np.float64),
        "reciprocal": reciprocals(ranks),
    }
    return per_pair | {f"top_{k}": hits(ranks, k) for k in TOP_K}


def binary_accuracy(results: Sequence[PairResult]) -> float:
    """The mean share over pairs; not a number over no pair."""
    return float(np.mean([result.share for result in results])) if results else float("nan")
