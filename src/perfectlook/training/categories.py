"""Fit the category suggester: multi-label logistic regression on the scenes of the training pairs.

The targets of a scene are the categories of ALL its known products. The suggester is fitted to whole
pictures, because `complete` asks about whole pictures. Crops, which the compatibility model learns from,
would leak the target. The crop rule cuts the product away, so the place of a crop shows which product it was
(above the shoes there are no shoes). On stl-fashion, a suggester fitted to crops looks far better than
popularity on crops, but is worse than popularity on whole pictures. See `docs/explanation/suggestion.md`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from perfectlook.data.scenes import FOLDS, fold_of
from perfectlook.errors import TrainingError
from perfectlook.evaluation.protocol import training_indices
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.categories import CategorySuggester, known_categories, scene_views
from perfectlook.model.config import GlobalFeatures, chosen_features
from perfectlook.types import BoolArray, Float64Array, IntArray

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
"""Choices for λ, the penalty on the squared weights; the loss is a sum over scenes and categories."""
COMPONENTS = 128
"""Number of principal components of the scenes' features that get weights; more only cost time."""
OVERSAMPLED, ITERATIONS = 16, 4
STEPS = 100


@dataclass(frozen=True, slots=True)
class SuggesterFit:
    """A suggester, the chosen penalty, and the cross-validated loss of each penalty (per scene)."""

    suggester: CategorySuggester
    penalty: float
    losses: dict[float, float]


def fit_suggester(
    features: SetFeatures,
    training: IntArray,
    categories: Sequence[str],
    *,
    global_features: GlobalFeatures = "both",
    penalties: Sequence[float] = PENALTIES,
) -> SuggesterFit:
    """Fit a suggester to the scenes of the training pairs.

    The chosen penalty has the lowest log loss in five-fold cross-validation by scene. Copies of a held-out
    scene are left out of the training folds.

    Args:
        features: the set with whole scenes: `set_features(..., scene="full")`.
        training: the training pairs.
        categories: categories of the model. A category without a training scene gets a small prior and
            weights near zero.
        global_features: the global features to read.
        penalties: the penalties to choose from, ascending.

    Raises:
        TrainingError: there is no training scene, or scenes are cropped.
    """
    views = _Views(features, training, tuple(categories), global_features)
    losses = dict.fromkeys(penalties, 0.0)
    folds = np.asarray([fold_of(scene) for scene in views.scenes])
    counted = 0.0
    for fold in range(FOLDS) if len(penalties) > 1 else ():
        tested = folds == fold
        held = {scene for scene in views.scenes if fold_of(scene) == fold}
        copies = {copy for scene in held for copy in features.twins.get(scene, ())}
        kept = np.asarray([scene not in held | copies for scene in views.scenes])
        if not tested.any() or not kept.any():
            continue
        counted += float(views.weight[tested].sum())
        for penalty, weights in zip(penalties, views.fit(kept, penalties), strict=True):
            losses[penalty] += views.loss(tested, weights)
    losses = {penalty: loss / max(counted, 1.0) for penalty, loss in losses.items()}
    least = min(losses.values())
    # Of equal losses choose the largest penalty. If no scene can be held out, this gives the popularity.
    penalty = max(penalty for penalty, loss in losses.items() if loss == least)
    return SuggesterFit(views.suggester(penalty), penalty, losses)


def suggestion_file(
    whole: SetFeatures,
    scenes: Collection[str],
    categories: Sequence[str],
    *,
    global_features: GlobalFeatures = "both",
) -> bytes:
    """The file of a suggester, fitted to the whole pictures of training scenes; see `fit_suggester`."""
    others = {pair.scene for pair in whole.dataset.pairs} - set(scenes)
    pairs = training_indices(whole, others)
    return fit_suggester(whole, pairs, categories, global_features=global_features).suggester.content()


_Weights = tuple[Tensor, Tensor]
"""Weights of the principal components, [C, k], and the intercepts, [C]."""


class _Views:
    """The views of scenes, n of them.

    Attributes:
        scenes: scene id of each view.
        wanted: whether each category completes the view's scene, [n, C].
        weight: weight of each view; the views of one scene sum to 1, [n].
        categories: the C categories.
        chosen: the global features to read.
        mean: mean of the features, [width].
        scale: factor that standardises the features, with equal weight for global vector and style
            statistics, [width].
        directions: first principal directions of the standardised features, as columns, [width, k].
        inputs: the features in these directions, [n, k].
    """

    def __init__(
        self, features: SetFeatures, indices: IntArray, categories: tuple[str, ...], chosen: GlobalFeatures
    ) -> None:
        self.categories, self.chosen = categories, chosen
        rows, self.scenes = scene_views(features, indices)
        if not len(rows):
            raise TrainingError(
                f"{features.dataset.name}: no scene to learn categories from. Add pairs to the set."
            )
        if any(features.scene_views[row].crop for row in rows):
            raise TrainingError(
                f"{features.dataset.name}: the scenes are cropped, and a crop shows which product was cut "
                "away. Read the set with scene='full'."
            )
        batch = features.scenes.batch(rows)
        both = batch.global_vectors, batch.style_statistics
        inputs, widths = chosen_features(chosen, *both).astype(np.float64), [each.shape[1] for each in both]
        self.mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        parts = np.repeat(widths, widths) * 2 if chosen == "both" else np.full(len(deviation), len(deviation))
        usable = deviation > 1e-6 * deviation.max()
        self.scale = np.where(usable, 1 / np.maximum(deviation, 1e-12), 0.0) / np.sqrt(parts)
        standardised = (inputs - self.mean) * self.scale
        self.directions = _directions(standardised, COMPONENTS)
        self.inputs: Float64Array = standardised @ self.directions
        _, place, views = np.unique(np.asarray(self.scenes), return_inverse=True, return_counts=True)
        self.wanted = known_categories(features, self.scenes, categories)
        self.weight: Float64Array = 1.0 / views[place]

    def fit(self, rows: BoolArray, penalties: Sequence[float]) -> list[_Weights]:
        """Fit to some views, once per penalty; each fit starts from that of the next larger penalty."""
        inputs, wanted, weight = (
            torch.from_numpy(np.ascontiguousarray(each[rows], np.float64))
            for each in (self.inputs, self.wanted, self.weight)
        )
        zeros = torch.zeros(wanted.shape[1], inputs.shape[1], dtype=torch.float64)
        start, found = (zeros, torch.from_numpy(self.prior(rows))), dict[float, _Weights]()
        for penalty in sorted(penalties, reverse=True):
            start = found[penalty] = _minimised(inputs, wanted, weight, penalty, start)
        return [found[penalty] for penalty in penalties]

    def loss(self, rows: BoolArray, fitted: _Weights) -> float:
        """The log loss of some views, summed over scenes and categories."""
        logits = torch.from_numpy(self.inputs[rows]) @ fitted[0].T + fitted[1]
        wanted = torch.from_numpy(self.wanted[rows].astype(np.float64))
        each = binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=1)
        return float(each.numpy() @ self.weight[rows])

    def suggester(self, penalty: float) -> CategorySuggester:
        """Fit the suggester to all views."""
        everything = np.ones(len(self.scenes), np.bool_)
        ((weights, bias),) = self.fit(everything, [penalty])
        turned = weights.numpy() @ self.directions.T
        arrays = (self.mean, self.scale, turned, bias.numpy(), self.prior(everything))
        return CategorySuggester(self.categories, self.chosen, *(each.astype(np.float32) for each in arrays))

    def prior(self, rows: BoolArray) -> Float64Array:
        """Log-odds of every category over the scenes of some views, with half a scene added to each side."""
        weight, wanted = self.weight[rows], self.wanted[rows]
        odds: Float64Array = np.log((weight @ wanted + 0.5) / (weight @ ~wanted + 0.5))
        return odds


def _minimised(inputs: Tensor, wanted: Tensor, weight: Tensor, penalty: float, start: _Weights) -> _Weights:
    """argmin Σ weight · BCE(inputs Wᵀ + b, wanted) + penalty ‖W‖² / 2, a convex problem, by L-BFGS."""
    scenes = weight.sum()
    weights, bias = (each.clone().requires_grad_() for each in start)
    optimiser = torch.optim.LBFGS(
        [weights, bias], max_iter=STEPS, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimiser.zero_grad()
        each = binary_cross_entropy_with_logits(inputs @ weights.T + bias, wanted, reduction="none")
        loss = (weight @ each.sum(dim=1) + penalty / 2 * weights.square().sum()) / scenes
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach(), bias.detach()


def _directions(rows: Float64Array, count: int) -> Float64Array:
    """The first principal directions of centred rows [n, width] as columns, [width, k], k at most `count`.

    Subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4) is accurate enough, and much cheaper
    than computing all directions of wide features.
    """
    most = min(rows.shape)
    subspace = np.random.default_rng(0).normal(size=(rows.shape[1], min(most, count + OVERSAMPLED)))
    for _ in range(ITERATIONS):
        subspace = np.linalg.qr(rows.T @ (rows @ subspace))[0]
    _, lengths, turned = np.linalg.svd(rows @ subspace, full_matrices=False)
    spanned = lengths[:count] > 1e-6 * max(float(lengths[0]), 1e-12)
    directions: Float64Array = subspace @ turned[:count][spanned].T
    return directions
