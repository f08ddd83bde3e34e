"""From what was measured to what was not: the whole releases, and how many scenes a budget allows."""

import math
from dataclasses import dataclass

from perfectlook.study.growth import Growth, Line


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
