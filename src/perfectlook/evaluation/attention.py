"""The deletion test: whether a model's ranking depends on the regions that it attends to.

The test masks regions and ranks the true product again. If attention explains the ranking, masking the
regions with the largest attention costs more binary accuracy than masking the same number at random.

Samek, Binder, Montavon, Lapuschkin & Müller, IEEE TNNLS 28 (11), 2017, section III, here with regions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, get_args

import numpy as np

from perfectlook.errors import DatasetError, ModelError
from perfectlook.evaluation.protocol import (
    EvaluatedSplit,
    Interval,
    PairResult,
    mean_interval,
    pair_indices,
    paired_difference,
    place_pairs,
)
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.distances import squared_l2
from perfectlook.model.runtime import Model, Popularity, SceneEmbedding
from perfectlook.types import REGIONS, BoolArray, Float32Array, Float64Array, IntArray

COUNTS = (5, 10)
"""How many of the 49 regions are masked."""
DRAWS = 5
"""Number of random masks to average over."""

How = Literal["attention", "features"]
"""How regions are masked. With "attention", their attention goes to the other regions in proportion. With
"features", their features become the scene's mean region, and attention is computed again."""

Choose = Callable[[SceneEmbedding, int, str], BoolArray]
"""(scene, its row, a known category) -> the regions to mask, [R]."""


def deletion_test(
    model: Model,
    features: SetFeatures,
    split: EvaluatedSplit = "test",
    *,
    counts: tuple[int, ...] = COUNTS,
    draws: int = DRAWS,
    seed: int = 0,
) -> "DeletionTest":
    """Run the deletion test on a set, by the protocol.

    Args:
        model: a model with attention.
        features: features of the set.
        split: the split to evaluate.
        counts: numbers of regions to mask, each below the number of regions.
        draws: random masks of each size.
        seed: seed of the random masks.

    Raises:
        ModelError: the model has no attention.
        DatasetError: the split has no pair to rank.
    """
    require_attention(model)
    found = pair_indices(features, split)
    is_known = {name: model.resolve(name).category is not None for name in set(features.product_categories)}
    known = found[[is_known[features.product_categories[row]] for row in features.pair_products[found]]]
    masked = MaskedScenes(model, features, known)
    results = place_pairs(features, known, masked.distances(None, "attention"))
    if not results:
        raise DatasetError(
            f"{features.dataset.name}: no pair of the split '{split}' can be ranked ({len(found)} pairs "
            f"are usable, {len(known)} of them in known categories). Choose another split."
        )
    scenes = [result.scene for result in results]
    unmasked = _shares(results)
    deletions = []
    for how, count in product(get_args(How), counts):
        attended = masked.shares(how, largest(count))
        draw_by_draw = [masked.shares(how, random_mask(count, seed, draw)) for draw in range(draws)]
        at_random = np.mean(draw_by_draw, axis=0)
        compared = ((unmasked, attended), (unmasked, at_random), (at_random, attended))
        falls = (paired_difference(first, second, scenes) for first, second in compared)
        deletions.append(Deletion(how, count, masked.attended(count), *falls))
    return DeletionTest(
        n_pairs=len(results),
        n_scenes=len(set(scenes)),
        n_unknown=len(found) - len(known),
        accuracy=mean_interval(unmasked, scenes),
        draws=draws,
        deletions=deletions,
    )


def require_attention(model: Model | Popularity) -> Model:
    """Check that a model has attention over regions.

    Raises:
        ModelError: the model compares only whole scenes, or reads no pictures.
    """
    if isinstance(model, Model) and model.record.config.uses_regions:
        return model
    raise ModelError(
        f"model {model.name!r} has no attention to explain (it does not use regions). Leave out --explain, "
        "or train a model with --mode hybrid or --mode local."
    )


@dataclass(frozen=True, slots=True)
class Deletion:
    """The cost in binary accuracy of masking some regions in one way.

    Attributes:
        how: how regions are masked.
        count: number of masked regions.
        attention: share of the attention on the `count` regions with the largest attention.
        fall: cost of masking these regions.
        fall_at_random: cost of masking the same number of random regions, the mean of several draws.
        difference: difference of the two costs, paired over the same scenes. Above zero, attention explains
            the ranking.
    """

    how: How
    count: int
    attention: float
    fall: Interval
    fall_at_random: Interval
    difference: Interval

    @property
    def holds(self) -> bool:
        """Whether the whole interval of the difference is above zero."""
        return self.difference.low > 0

    def to_dict(self) -> dict[str, Any]:
        """An entry of `DeletionTest.to_dict`."""
        what = {"how": self.how, "regions": self.count, "attention": self.attention}
        costs = {name: getattr(self, name).to_dict() for name in ("fall", "fall_at_random", "difference")}
        return what | costs | {"holds": self.holds}


@dataclass(frozen=True, slots=True)
class DeletionTest:
    """The deletion test of a model on a split of a set.

    Attributes:
        n_pairs: number of ranked pairs.
        n_scenes: number of their scenes.
        n_unknown: pairs left out because the model does not know their category and attends evenly.
        accuracy: binary accuracy without masks.
        draws: random masks per pair.
        deletions: one for each way and number of masked regions.
    """

    n_pairs: int
    n_scenes: int
    n_unknown: int
    accuracy: Interval
    draws: int
    deletions: list[Deletion]

    @property
    def holds(self) -> bool:
        """Whether attention explains the ranking: masking attention on most regions costs accuracy."""
        return any(
            each.holds for each in self.deletions if each.how == "attention" and each.count == COUNTS[-1]
        )

    def to_dict(self) -> dict[str, Any]:
        """The content of "explain" in `evaluate --json`."""
        return {
            "n_pairs": self.n_pairs,
            "n_scenes": self.n_scenes,
            "n_unknown": self.n_unknown,
            "binary_accuracy": self.accuracy.to_dict(),
            "draws": self.draws,
            "masked": [each.to_dict() for each in self.deletions],
        }

    def to_text(self) -> str:
        """The results as text for a terminal."""
        lines = [
            f"deletion test over {self.n_pairs:,} pairs of {self.n_scenes:,} scenes: how far binary accuracy "
            f"({self.accuracy.value:.4f}) falls when regions are masked"
        ]
        if self.n_unknown:
            lines.append(
                f"note: {self.n_unknown:,} pairs left out (the model does not know their categories)"
            )
        lines += ["", _row("masked", "most attended", f"random, mean of {self.draws}", "difference")]
        for each in self.deletions:
            what = "attention to" if each.how == "attention" else "features of"
            falls = (f"{figure:+.4f}" for figure in (each.fall, each.fall_at_random, each.difference))
            lines.append(_row(f"{what} {each.count} regions", *falls) + ("  holds" if each.holds else ""))
        attended = {each.count: each.attention for each in self.deletions}
        shares = (f"{count} regions have {share:.0%} of the attention" for count, share in attended.items())
        return "\n".join([*lines, "", "  " + "; ".join(shares)])


def _row(masked: str, attended: str, at_random: str, difference: str) -> str:
    return f"  {masked:<24} {attended:<28} {at_random:<28} {difference}"


def largest(count: int) -> Choose:
    """Choose the regions with the largest attention, the first of ties."""
    return lambda scene, _, category: _mask(np.argsort(-scene.attention(category), kind="stable")[:count])


def random_mask(count: int, seed: int, draw: int) -> Choose:
    """Choose random regions, the same for the same scene, category, seed and draw."""

    def choose(scene: SceneEmbedding, row: int, category: str) -> BoolArray:
        source = [seed, draw, row, scene.categories.index(category)]
        return _mask(np.random.default_rng(source).permutation(REGIONS)[:count])

    return choose


def without_attention(scene: SceneEmbedding, category: str, mask: BoolArray) -> SceneEmbedding:
    """Remove a known category's attention from some regions; the others share it in proportion."""
    assert scene.attention_logits is not None
    logits = scene.attention_logits.copy()
    logits[scene.categories.index(category), mask] = -np.inf
    return replace(scene, attention_logits=logits)


class MaskedScenes:
    """A model's distances over a set with masked regions of the scenes."""

    def __init__(self, model: Model, features: SetFeatures, indices: IntArray) -> None:
        """Embed the products of a set and the scenes of some of its pairs, which have known categories."""
        self._model = model
        self._features = features
        self._indices = indices
        self._vectors = model.product_vectors(features)
        self._scenes = model.scene_embeddings(features, indices)

    def shares(self, how: How, choose: Choose) -> Float64Array:
        """The share of every pair with candidates, with the regions from `choose` masked."""
        return _shares(place_pairs(self._features, self._indices, self.distances(choose, how)))

    def distances(self, choose: Choose | None, how: How) -> Callable[[int, str, IntArray], Float64Array]:
        """Distances for the protocol; without `choose`, nothing is masked."""

        def distances(row: int, category: str, products: IntArray) -> Float64Array:
            scene = self._scenes[row]
            known = self._model.resolve(category).category
            assert known is not None
            if choose is not None:
                mask = choose(scene, row, known)
                scene = (
                    without_attention(scene, known, mask)
                    if how == "attention"
                    else self._without_features(row, mask)
                )
            return _ordering(scene, known, self._vectors[products])

        return distances

    def attended(self, count: int) -> float:
        """The mean share of attention on the `count` most attended regions, over the pairs."""
        rows = self._features.pair_scenes[self._indices]
        names = [self._features.product_categories[p] for p in self._features.pair_products[self._indices]]
        weights = [self._scenes[int(r)].attention(name) for r, name in zip(rows, names, strict=True)]
        return float(np.mean(np.sort(weights, axis=1)[:, -count:].sum(axis=1)))

    def _without_features(self, row: int, mask: BoolArray) -> SceneEmbedding:
        """Embed the scene with its masked regions replaced by its mean region."""
        batch = self._features.scenes.batch([row])
        maps = batch.feature_maps
        maps[0, mask] = maps[0].mean(axis=0)
        are_parts = np.array([self._features.scene_views[row].crop is not None])
        return self._model.embed_scenes(batch._replace(feature_maps=maps), are_parts)[0]


def _ordering(scene: SceneEmbedding, category: str, vectors: Float32Array) -> Float64Array:
    """Distances; with squared norms less a constant, which is cheaper and gives the same order."""
    if scene.norm == "squared_l2":
        return np.asarray(squared_l2(scene.query_point(category), vectors), np.float64)
    return np.asarray(scene.distances(category, vectors).total, np.float64)


def _mask(regions: IntArray) -> BoolArray:
    mask = np.zeros(REGIONS, bool)
    mask[regions] = True
    return mask


def _shares(results: list[PairResult]) -> Float64Array:
    return np.asarray([result.share for result in results], np.float64)
