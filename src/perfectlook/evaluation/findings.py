"""What the figures say about where a model is weak: groups of pairs set against each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from perfectlook.data.crop import scene_rectangle
from perfectlook.evaluation.evaluate import Evaluation
from perfectlook.evaluation.metrics import TOP_K, Interval
from perfectlook.evaluation.protocol import Candidates, PairResult, figures, pair_indices
from perfectlook.features.set_features import SetFeatures


@dataclass(frozen=True, slots=True)
class Placed:
    """A pair that was evaluated.

    Attributes:
        index: into `SetFeatures.pairs`.
        result: how it fared.
        n_candidates: the products that its true product was placed among, itself not counted.
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

    Args:
        features: what the evaluation was made on.
        evaluation: of any model.

    Raises:
        ValueError: the evaluation was made on other features.
    """
    candidates = Candidates(features)
    counted: list[tuple[int, int]] = []
    for index in pair_indices(features, evaluation.split):
        category = features.product_categories[features.pair_products[index]]
        if count := int(candidates.mask(features.pairs[index].scene, category).sum()):
            counted.append((int(index), count))
    placed = [
        Placed(index, result, count)
        for (index, count), result in zip(counted, evaluation.results, strict=True)
    ]
    for each in placed:
        pair = features.pairs[each.index]
        if (pair.scene, pair.product) != (each.result.scene, each.result.product):
            raise ValueError(f"pair {each.index} of {evaluation.set_name} is not the one that was evaluated")
    return placed


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


FEW = 20
"""A category with fewer pairs has an interval too wide to say anything."""

LISTED = 4
"""The most categories that a finding lists."""

GUESSING = 0.5
"""The binary accuracy of a guess."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some pairs under one name, with their binary accuracy."""

    name: str
    n_pairs: int
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class Finding:
    """Something measured that tells where to look.

    Attributes:
        title: what was compared.
        text: what came out, and what to do about it.
        groups: the compared pairs; none where there is nothing to compare.
    """

    title: str
    text: str
    groups: tuple[Group, ...] = ()


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
    found = [_unseen(placed, trained_products)]
    if evaluation.scene == "crop":
        found.append(_crop(placed, features))
    found.append(_weak_categories(evaluation))
    return [each for each in found if each is not None]


def _unseen(placed: Sequence[Placed], trained: frozenset[str]) -> Finding | None:
    groups = _two_groups(
        placed,
        lambda each: each.result.product in trained,
        ("products seen in training", "products never seen"),
    )
    if groups is None:
        return None
    return Finding(
        "Does it know the product, or the style?",
        {
            "higher": "Products it met in training do clearly better: part of what it knows seems to be "
            "which "
            "products recur. For new stock, expect the figure of the products never seen.",
            "lower": "Products it never met do better than those it did, so it has not learned products by "
            "heart. Look at whether the two kinds come from the same sort of scene.",
            "alike": "No clear difference, the two intervals overlap: nothing here says that it has learned "
            "products by heart.",
        }[_first_is(groups)],
        groups,
    )


def _crop(placed: Sequence[Placed], features: SetFeatures) -> Finding | None:
    left = {each.index: scene_left(features, each) for each in placed}
    boxed = [each for each in placed if left[each.index] is not None]
    groups = _two_groups(
        boxed,
        lambda each: (left[each.index] or 0) >= 0.5,
        ("half or more is left", "less than half is left"),
    )
    if groups is None:
        return None
    return Finding(
        "Is too little of the scene left?",
        {
            "higher": "Where the product's box takes up much of the picture, little is left to go by, and it "
            "shows. Look at whether those boxes are too large; on a page the whole photo is seen.",
            "lower": "It does better where less of the scene is left. The part that stays may hold what "
            "matters, "
            "or show a piece of the product: look at those crops.",
            "alike": "No clear difference, the two intervals overlap.",
        }[_first_is(groups)],
        groups,
    )


def scene_left(features: SetFeatures, placed: Placed) -> float | None:
    """The share of the scene's picture that the crop rule leaves for a pair, 0 to 1; None without a box."""
    box = features.pairs[placed.index].box
    left = scene_rectangle(box, vertical_only=features.dataset.is_fashion) if box else None
    return (left.right - left.left) * (left.bottom - left.top) if left else None


def _weak_categories(evaluation: Evaluation) -> Finding | None:
    of_category = {name: each for name, each in evaluation.per_category.items() if each.n_scenes > 1}
    if len(of_category) < 2:
        return None
    weak = {name: each for name, each in of_category.items() if each.binary_accuracy.low <= GUESSING}
    title = "Which categories are no better than a guess?"
    if not weak:
        return Finding(title, "None: the whole interval of every category is above 50 %.")
    worst_first = sorted(weak.items(), key=lambda item: (item[1].binary_accuracy.value, item[0]))[:LISTED]
    n_few = sum(each.n_pairs < FEW for each in weak.values())
    few = (
        f"{n_few} {'has' if n_few == 1 else 'have'} fewer than {FEW} pairs, too few to tell; "
        "more pairs will. "
        if n_few
        else ""
    )
    rest = "Where there are pairs enough, look at the pictures: is the category too broad, or mixed?"
    return Finding(
        title,
        f"The interval of {len(weak)} of {len(of_category)} categories reaches down to 50 %. {few}"
        + (rest if n_few < len(weak) else ""),
        tuple(Group(name, each.n_pairs, each.binary_accuracy) for name, each in worst_first),
    )


def _two_groups(
    placed: Sequence[Placed], in_first: Callable[[Placed], bool], names: tuple[str, str]
) -> tuple[Group, Group] | None:
    """Two groups of pairs; None where one of them has too few to be compared."""
    sides = [[each.result for each in placed if in_first(each) is side] for side in (True, False)]
    groups = [
        Group(name, each.n_pairs, each.binary_accuracy)
        for name, results in zip(names, sides, strict=True)
        if len(results) >= FEW and (each := figures(results)) is not None
    ]
    return (groups[0], groups[1]) if len(groups) == 2 else None


def _first_is(groups: tuple[Group, Group]) -> str:
    first, second = (group.accuracy for group in groups)
    if first.low > second.high:
        return "higher"
    return "lower" if second.low > first.high else "alike"
