"""What a guess would get: the figures of a random order of each pair's candidates, in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfectlook.metrics import TOP_K
from perfectlook.report.placed import Placed


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
