"""What a report looks at: which pairs to show, what a guess would get, and where the model is weak."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from perfectlook.data.scenes import scene_rectangle
from perfectlook.evaluation.evaluate import Evaluation
from perfectlook.evaluation.metrics import TOP_K
from perfectlook.evaluation.protocol import Figures, PairResult, figures
from perfectlook.features.set_features import SetFeatures

Kind = Literal["best", "worst", "random"]

FEW = 20
"""A group or category with fewer pairs has an interval too wide to say anything."""
LISTED = 4
"""The most categories that a finding lists."""
GUESSING = 0.5
"""The binary accuracy of a guess."""


def choose(
    results: Sequence[PairResult],
    count: int,
    *,
    twins: Mapping[str, frozenset[str]] | None = None,
    seed: int = 0,
) -> dict[Kind, list[PairResult]]:
    """Choose `count` pairs at most, a third for each section.

    Best are those whose rank a guess would least often reach: first of 500 is better than first of 5. Worst
    are those whose rank a guess would least often fall to. Neither goes past the middle. Where there
    are no more than `count` pairs, or all lie just in the middle, those left are all among the random ones.
    A scene, with all its copies, comes once in a section; a product once on the page.

    Args:
        results: all evaluated pairs.
        count: how many to choose, at least 1.
        twins: the copies of every scene that has any.
        seed: of the pairs drawn at random.
    """
    products: set[str] = set()

    def first(number: int, ordered: Iterable[PairResult]) -> list[PairResult]:
        """The first whose scene is new in the section, and whose product is new on the page."""
        chosen: list[PairResult] = []
        scenes: set[str] = set()
        for each in ordered:
            if len(chosen) == number:
                break
            if each.scene not in scenes and each.product not in products:
                chosen.append(each)
                products.add(each.product)
                scenes |= {each.scene, *(twins or {}).get(each.scene, frozenset())}
        return chosen

    def order(chance: str) -> Callable[[PairResult], tuple[float, str, str]]:
        return lambda each: (getattr(each, chance), each.scene, each.product)

    count = min(count, len(results))
    a_third, more = divmod(count, 3)
    good = [each for each in results if each.share > GUESSING]
    bad = [each for each in results if each.share < GUESSING]
    best = first(a_third + (more > 0), sorted(good, key=order("chance_of_as_good")))
    worst = first(a_third + (more > 1), sorted(bad, key=order("chance_of_as_bad")))
    drawn = (results[row] for row in np.random.default_rng(seed).permutation(len(results)))
    left = count - len(best) - len(worst)
    random = first(left if count == len(results) or left == count else a_third, drawn)
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


def guess_over(results: Sequence[PairResult]) -> Guess:
    """The expected figures over pairs, at least one: ranks 1 to n are equally likely among n products.

    A rank within the first K comes up in K of n times; the reciprocal rank is (1 + 1/2 + … + 1/n) / n.
    """
    sizes = np.asarray([each.n_products for each in results], np.int64)
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
    evaluation: Evaluation, features: SetFeatures, trained_products: frozenset[str]
) -> list[Finding]:
    """Everything that can be measured on the pairs of an evaluation, in the order of a page.

    Args:
        evaluation: of the pairs.
        features: that it was made on.
        trained_products: in the pairs that the model was trained on.
    """
    results = evaluation.results
    seen = _compared(
        "unseen",
        {
            "products seen in training": [each for each in results if each.product in trained_products],
            "products never seen": [each for each in results if each.product not in trained_products],
        },
    )
    crop = None
    if evaluation.scene == "crop":
        left = [(each, share) for each in results if (share := scene_left(features, each.index)) is not None]
        crop = _compared(
            "crop",
            {
                "half or more is left": [each for each, share in left if share >= 0.5],
                "less than half is left": [each for each, share in left if share < 0.5],
            },
        )
    return [each for each in (seen, crop, _weak_categories(evaluation)) if each is not None]


def scene_left(features: SetFeatures, index: int) -> float | None:
    """The share of the scene's picture that the crop rule leaves for a pair, 0 to 1; None without a box."""
    box = features.pairs[index].box
    left = scene_rectangle(box, vertical_only=features.dataset.is_fashion) if box else None
    return (left.right - left.left) * (left.bottom - left.top) if left else None


def _compared(kind: Literal["unseen", "crop"], sides: Mapping[str, Sequence[PairResult]]) -> Finding | None:
    """Compare two groups of pairs; None where one of them has too few."""
    groups = {
        name: found
        for name, side in sides.items()
        if len(side) >= FEW and (found := figures(side)) is not None
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
