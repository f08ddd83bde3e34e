"""What a report looks at: which pairs to show, what a guess would get, and where the model is weak."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from perfectlook.data.crop import scene_rectangle
from perfectlook.evaluation.evaluate import Evaluation
from perfectlook.evaluation.metrics import TOP_K
from perfectlook.evaluation.protocol import Candidates, Figures, PairResult, figures, pair_indices
from perfectlook.features.set_features import SetFeatures

Kind = Literal["best", "worst", "random"]

FEW = 20
"""A group or category with fewer pairs has an interval too wide to say anything."""
LISTED = 4
"""The most categories that a finding lists."""
GUESSING = 0.5
"""The binary accuracy of a guess."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A pair that was evaluated.

    Attributes:
        index: into `SetFeatures.pairs`.
        result: where its true product came.
        n_candidates: the products that the true product was placed among, itself not counted.
    """

    index: int
    result: PairResult
    n_candidates: int

    @property
    def n_products(self) -> int:
        """The candidates and the true product: ranks go from 1 to this."""
        return self.n_candidates + 1

    @property
    def chance_of_as_good(self) -> float:
        """How often a guess gets a rank as low as this one, 0 to 1."""
        return min(self.result.rank / self.n_products, 1.0)

    @property
    def chance_of_as_bad(self) -> float:
        """How often a guess gets a rank as high as this one, 0 to 1."""
        return min((self.n_products + 1 - self.result.rank) / self.n_products, 1.0)


def placed_pairs(features: SetFeatures, evaluation: Evaluation) -> list[Placed]:
    """The evaluated pairs in the order of `Evaluation.results`, each with its place in the set.

    Raises:
        ValueError: the evaluation was made on other features.
    """
    candidates = Candidates(features)
    counts: list[tuple[int, int]] = []
    for index in pair_indices(features, evaluation.split):
        category = features.product_categories[features.pair_products[index]]
        if count := int(candidates.mask(features.pairs[index].scene, category).sum()):
            counts.append((int(index), count))
    placed = [
        Placed(index, result, count)
        for (index, count), result in zip(counts, evaluation.results, strict=True)
    ]
    for each in placed:
        pair = features.pairs[each.index]
        if (pair.scene, pair.product) != (each.result.scene, each.result.product):
            raise ValueError(f"pair {each.index} of {evaluation.set_name} is not the one that was evaluated")
    return placed


def choose(
    placed: Sequence[Placed], count: int, *, twins: Mapping[str, frozenset[str]] | None = None, seed: int = 0
) -> dict[Kind, list[Placed]]:
    """Choose `count` pairs at most, a third for each section.

    Best are those whose rank a guess would least often reach: first of 500 is better than first of 5. Worst
    are those whose rank a guess would least often fall to. Neither goes past the middle. Where there
    are no more than `count` pairs, or all lie just in the middle, those left are all among the random ones.
    A scene, with all its copies, comes once in a section; a product once on the page.

    Args:
        placed: all evaluated pairs.
        count: how many to choose, at least 1.
        twins: the copies of every scene that has any.
        seed: of the pairs drawn at random.
    """
    products: set[str] = set()

    def first(number: int, ordered: Iterable[Placed]) -> list[Placed]:
        """The first whose scene is new in the section, and whose product is new on the page."""
        chosen: list[Placed] = []
        scenes: set[str] = set()
        for each in ordered:
            if len(chosen) == number:
                break
            scene, product = each.result.scene, each.result.product
            if scene not in scenes and product not in products:
                chosen.append(each)
                products.add(product)
                scenes |= {scene, *(twins or {}).get(scene, frozenset())}
        return chosen

    def by_chance(chance: Callable[[Placed], float]) -> Callable[[Placed], tuple[float, str, str]]:
        return lambda each: (chance(each), each.result.scene, each.result.product)

    count = min(count, len(placed))
    a_third, more = divmod(count, 3)
    good = [each for each in placed if each.result.share > GUESSING]
    bad = [each for each in placed if each.result.share < GUESSING]
    best = first(a_third + (more > 0), sorted(good, key=by_chance(lambda each: each.chance_of_as_good)))
    worst = first(a_third + (more > 1), sorted(bad, key=by_chance(lambda each: each.chance_of_as_bad)))
    drawn = (placed[row] for row in np.random.default_rng(seed).permutation(len(placed)))
    left = count - len(best) - len(worst)
    random = first(left if count == len(placed) or left == count else a_third, drawn)
    return {"best": best, "worst": worst, "random": random}


@dataclass(frozen=True, slots=True)
class Guess:
    """Expected figures of a random order; its binary accuracy is always one half.

    Attributes:
        top_k: K to the expected share of pairs whose rank is within the first K.
        mrr: the expected reciprocal rank.
    """

    top_k: dict[int, float]
    mrr: float


def guess_over(placed: Sequence[Placed]) -> Guess:
    """The expected figures over pairs, at least one: ranks 1 to n are equally likely among n products.

    A rank within the first K comes up in K of n times; the reciprocal rank is (1 + 1/2 + … + 1/n) / n.
    """
    sizes = np.asarray([each.n_products for each in placed], np.int64)
    harmonic = np.cumsum(1 / np.arange(1, sizes.max() + 1))
    return Guess(
        top_k={k: float(np.mean(np.minimum(k, sizes) / sizes)) for k in TOP_K},
        mrr=float(np.mean(harmonic[sizes - 1] / sizes)),
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """Something measured that tells where to look; the report's templates say it in words.

    Attributes:
        kind: what was compared: products seen in training with unseen ones, scenes of which much is left with
            others, or categories with a guess.
        outcome: whether the first group is "higher" or "lower" than the second, or the two are "alike"; of
            categories, whether "some" or "none" are no better than a guess.
        groups: name to figures of the compared pairs, the first one first; of categories, the worst ones.
        counts: of categories: `all`, `weak`, and `few` of the weak with too few pairs.
    """

    kind: Literal["unseen", "crop", "categories"]
    outcome: Literal["higher", "lower", "alike", "some", "none"]
    groups: dict[str, Figures]
    counts: dict[str, int] = field(default_factory=dict)


def findings(
    evaluation: Evaluation, features: SetFeatures, placed: Sequence[Placed], trained_products: frozenset[str]
) -> list[Finding]:
    """Everything that can be measured on these pairs, in the order of a page.

    Args:
        evaluation: of the pairs.
        features: that it was made on.
        placed: its pairs.
        trained_products: in the pairs that the model was trained on.
    """
    seen = _compared(
        "unseen",
        {
            "products seen in training": [e for e in placed if e.result.product in trained_products],
            "products never seen": [e for e in placed if e.result.product not in trained_products],
        },
    )
    crop = None
    if evaluation.scene == "crop":
        left = [(each, share) for each in placed if (share := scene_left(features, each)) is not None]
        crop = _compared(
            "crop",
            {
                "half or more is left": [each for each, share in left if share >= 0.5],
                "less than half is left": [each for each, share in left if share < 0.5],
            },
        )
    return [each for each in (seen, crop, _weak_categories(evaluation)) if each is not None]


def scene_left(features: SetFeatures, placed: Placed) -> float | None:
    """The share of the scene's picture that the crop rule leaves for a pair, 0 to 1; None without a box."""
    box = features.pairs[placed.index].box
    left = scene_rectangle(box, vertical_only=features.dataset.is_fashion) if box else None
    return (left.right - left.left) * (left.bottom - left.top) if left else None


def _compared(kind: Literal["unseen", "crop"], sides: Mapping[str, Sequence[Placed]]) -> Finding | None:
    """Compare two groups of pairs; None where one of them has too few."""
    groups = {
        name: found
        for name, side in sides.items()
        if len(side) >= FEW and (found := figures([each.result for each in side])) is not None
    }
    if len(groups) < 2:
        return None
    first, second = (each.binary_accuracy for each in groups.values())
    if first.low > second.high:
        return Finding(kind, "higher", groups)
    return Finding(kind, "lower" if second.low > first.high else "alike", groups)


def _weak_categories(evaluation: Evaluation) -> Finding | None:
    """The categories whose interval reaches down to a guess; None where there are not two to compare."""
    of_category = {name: each for name, each in evaluation.per_category.items() if each.n_scenes > 1}
    if len(of_category) < 2:
        return None
    weak = {name: each for name, each in of_category.items() if each.binary_accuracy.low <= GUESSING}
    worst_first = sorted(weak.items(), key=lambda item: (item[1].binary_accuracy.value, item[0]))[:LISTED]
    few = sum(each.n_pairs < FEW for each in weak.values())
    counts = {"all": len(of_category), "weak": len(weak), "few": few}
    return Finding("categories", "some" if weak else "none", dict(worst_first), counts)
