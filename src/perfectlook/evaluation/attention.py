"""The deletion test: whether a model's ranking rests on what it attends to.

Regions are masked, and the true product is placed again. If attention explains the ranking, masking the
regions with the largest attention must cost more binary accuracy than masking as many at random (Samek et al.
2017, "Evaluating the Visualization of What a Deep Neural Network Has Learned", section III, by regions).
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
"""How many regions of 49 are masked."""
DRAWS = 5
"""How many random masks the mean is taken over."""

How = Literal["attention", "features"]
"""How regions are masked: their attention goes to the others in proportion; or their features become the
scene's mean region, which takes away what they show and lets attention look anew."""

Choose = Callable[[SceneEmbedding, int, str], BoolArray]
"""(scene, its row, a category that the model knows) -> which of its regions to mask, [R]."""


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
        model: with attention.
        features: of the set.
        split: whose pairs are placed.
        counts: how many regions to mask, each below the number of regions.
        draws: random masks of each size.
        seed: of the random masks.

    Raises:
        ModelError: the model has no attention.
        DatasetError: the split holds no pair to place.
    """
    require_attention(model)
    found = pair_indices(features, split)
    is_known = {name: model.resolve(name).category is not None for name in set(features.product_categories)}
    known = found[[is_known[features.product_categories[row]] for row in features.pair_products[found]]]
    masked = MaskedScenes(model, features, known)
    results = place_pairs(features, known, masked.distances(None, "attention"))
    if not results:
        raise DatasetError(
            f"{features.dataset.name}: no pair of the split '{split}' can be placed ({len(found)} pairs are "
            f"usable, {len(known)} of them in categories the model knows); choose another --split"
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
    """Make sure that a model attends to regions.

    Raises:
        ModelError: it compares whole scenes only, or looks at none.
    """
    if isinstance(model, Model) and model.record.config.uses_regions:
        return model
    raise ModelError(
        f"model {model.name!r} has no attention to mask: it does not look at the regions of a scene; leave "
        "--explain out, or train one with --mode hybrid or local"
    )


@dataclass(frozen=True, slots=True)
class Deletion:
    """What masking so many regions in one way costs, in binary accuracy.

    Attributes:
        how: the way of masking.
        count: of the masked regions.
        attention: the share of the attention that the regions with the largest attention have.
        fall: when those are masked.
        fall_at_random: when as many random regions are, the mean of several draws.
        difference: of the two, paired over the same scenes. The explanation holds where it is above zero.
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
        """An entry of the test's `to_dict`."""
        what = {"how": self.how, "regions": self.count, "attention": self.attention}
        costs = {name: getattr(self, name).to_dict() for name in ("fall", "fall_at_random", "difference")}
        return what | costs | {"holds": self.holds}


@dataclass(frozen=True, slots=True)
class DeletionTest:
    """The deletion test of a model on a split of a set.

    Attributes:
        n_pairs: that were placed.
        n_scenes: of their scenes.
        n_unknown: pairs left out because the model does not know their category: attention is even there.
        accuracy: binary accuracy with nothing masked.
        draws: random masks per pair.
        deletions: one for each way and count.
    """

    n_pairs: int
    n_scenes: int
    n_unknown: int
    accuracy: Interval
    draws: int
    deletions: list[Deletion]

    def to_dict(self) -> dict[str, Any]:
        """What `evaluate --json` says under "explain"."""
        return {
            "n_pairs": self.n_pairs,
            "n_scenes": self.n_scenes,
            "n_unknown": self.n_unknown,
            "binary_accuracy": self.accuracy.to_dict(),
            "draws": self.draws,
            "masked": [each.to_dict() for each in self.deletions],
        }

    def to_text(self) -> str:
        """What a person reads."""
        lines = [
            f"deletion test over {self.n_pairs:,} pairs of {self.n_scenes:,} scenes: how far binary accuracy "
            f"({self.accuracy.value:.4f}) falls when regions are masked"
        ]
        if self.n_unknown:
            lines.append(f"note: {self.n_unknown:,} pairs left out, of categories the model does not know")
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
    """Choose the regions with the largest attention; of equal ones the first."""
    return lambda scene, _, category: _mask(np.argsort(-scene.attention(category), kind="stable")[:count])


def random_mask(count: int, seed: int, draw: int) -> Choose:
    """Choose regions at random, the same for the same scene, category, seed and draw."""

    def choose(scene: SceneEmbedding, row: int, category: str) -> BoolArray:
        source = [seed, draw, row, scene.categories.index(category)]
        return _mask(np.random.default_rng(source).permutation(REGIONS)[:count])

    return choose


def without_attention(scene: SceneEmbedding, category: str, mask: BoolArray) -> SceneEmbedding:
    """The scene with no attention on some regions for a known category; the others share it as before."""
    assert scene.attention_logits is not None
    logits = scene.attention_logits.copy()
    logits[scene.categories.index(category), mask] = -np.inf
    return replace(scene, attention_logits=logits)


class MaskedScenes:
    """A model's distances over a set when regions of the scenes are masked."""

    def __init__(self, model: Model, features: SetFeatures, indices: IntArray) -> None:
        """Embed the products of a set and the scenes of some of its pairs, of categories the model knows."""
        self._model = model
        self._features = features
        self._indices = indices
        self._vectors = model.product_vectors(features)
        self._scenes = model.scene_embeddings(features, indices)

    def shares(self, how: How, choose: Choose) -> Float64Array:
        """The share of every pair that can be placed when what `choose` says is masked."""
        return _shares(place_pairs(self._features, self._indices, self.distances(choose, how)))

    def distances(self, choose: Choose | None, how: How) -> Callable[[int, str, IntArray], Float64Array]:
        """Distances for the protocol; nothing is masked without `choose`."""

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
        """The mean share of attention that the `count` most attended regions have, over the pairs."""
        rows = self._features.pair_scenes[self._indices]
        names = [self._features.product_categories[p] for p in self._features.pair_products[self._indices]]
        weights = [self._scenes[int(r)].attention(name) for r, name in zip(rows, names, strict=True)]
        return float(np.mean(np.sort(weights, axis=1)[:, -count:].sum(axis=1)))

    def _without_features(self, row: int, mask: BoolArray) -> SceneEmbedding:
        """The scene as the model sees it when masked regions look like its mean region."""
        batch = self._features.scenes.batch([row])
        maps = batch.feature_maps
        maps[0, mask] = maps[0].mean(axis=0)
        return self._model.embed_scene(batch._replace(feature_maps=maps))


def _ordering(scene: SceneEmbedding, category: str, vectors: Float32Array) -> Float64Array:
    """Distances, or with squared norms what they have over a constant: that is cheaper and orders alike."""
    if scene.norm == "squared_l2":
        return np.asarray(squared_l2(scene.query_point(category), vectors), np.float64)
    return np.asarray(scene.distances(category, vectors).total, np.float64)


def _mask(regions: IntArray) -> BoolArray:
    mask = np.zeros(REGIONS, bool)
    mask[regions] = True
    return mask


def _shares(results: list[PairResult]) -> Float64Array:
    return np.asarray([result.share for result in results], np.float64)
