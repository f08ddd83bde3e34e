"""Which pairs are worth looking at: the best, the worst, and some at random to keep those two honest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from perfectlook.report.placed import Placed

Kind = Literal["best", "worst", "random"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The pairs that are shown, each section in its order."""

    best: list[Placed]
    worst: list[Placed]
    random: list[Placed]


def choose(
    placed: Sequence[Placed], count: int, *, twins: Mapping[str, frozenset[str]] | None = None, seed: int = 0
) -> Choice:
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
    shown = _Shown(twins or {})
    count = min(count, len(placed))
    a_third, more = divmod(count, 3)
    good = [each for each in placed if each.result.share > 0.5]
    bad = [each for each in placed if each.result.share < 0.5]
    best = shown.first(a_third + (more > 0), sorted(good, key=_order_of_best))
    worst = shown.first(a_third + (more > 1), sorted(bad, key=_order_of_worst))
    drawn = (placed[row] for row in np.random.default_rng(seed).permutation(len(placed)))
    left = count - len(best) - len(worst)
    return Choice(best, worst, shown.first(left if count == len(placed) or left == count else a_third, drawn))


def _order_of_best(each: Placed) -> tuple[float, str, str]:
    return each.chance_of_as_good, each.result.scene, each.result.product


def _order_of_worst(each: Placed) -> tuple[float, str, str]:
    return each.chance_of_as_bad, each.result.scene, each.result.product


class _Shown:
    """What stands on the page already."""

    def __init__(self, twins: Mapping[str, frozenset[str]]) -> None:
        self._twins = twins
        self._products: set[str] = set()

    def first(self, count: int, ordered: Iterable[Placed]) -> list[Placed]:
        """A section: the first `count` whose scene is new in it, and whose product is new on the page."""
        chosen: list[Placed] = []
        scenes: set[str] = set()
        for each in ordered:
            if len(chosen) == count:
                break
            scene, product = each.result.scene, each.result.product
            if scene in scenes or product in self._products:
                continue
            chosen.append(each)
            self._products.add(product)
            scenes |= {scene, *self._twins.get(scene, frozenset())}
        return chosen
