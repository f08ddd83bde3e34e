"""The pairs of an evaluation with the number of candidates that each was placed among."""

from dataclasses import dataclass

from perfectlook.evaluation import Evaluation
from perfectlook.features.setfeatures import SetFeatures
from perfectlook.protocol import Candidates, PairResult, pair_indices


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
