"""The network before the first epoch: fitted standardisation, and the closed form in its linear path."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from perfectlook.data.split import fold_of
from perfectlook.evaluation.protocol import Candidates, place_pair, training_indices
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.inputs import less_centres, pooled
from perfectlook.model.networks import Compatibility, Encoder
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.ridge import (
    Components,
    fit_ridge,
    fit_ridges,
    principal_components,
    ridge_regression,
)
from perfectlook.types import Float64Array, IntArray

PENALTIES = (5.0, 20.0, 80.0)
INTERCEPTS = (0.0, 1.0)
COUNTS = (64, 128, 256, 512)
"""Of principal components, as far as the dimension allows."""


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """What all fits of one training share: the target space and the settings of the regression.

    Attributes:
        components: of the catalogue's standardised, centred products.
        penalty: λ.
        intercept: share of the mean target that is added to every prediction.
    """

    components: Components
    penalty: float
    intercept: float


def closed_form(data: TrainingData, training: IntArray, config: TrainingConfig) -> ClosedForm | None:
    """The closed form for a training; None for a model that does not start from it.

    With `ridge_choose`, λ, the number of components and whether to predict the mean target too are chosen by
    scene-wise cross-validation over the training pairs: where every product belongs to just one scene, what
    was liked there says nothing about others, and an intercept would only remember it.
    """
    if config.model.linear_path != "ridge":
        return None
    with torch.no_grad():
        network = Compatibility(config.model, data.widths, len(data.categories))
        _fit_standardisation(network, data, training)
        components = principal_components(_products(network, data), config.model.dimension)
        form = ClosedForm(components, config.ridge_penalty, 0.0)
        if not config.ridge_choose:
            return form
        return _choose(network, data, training, form, config)


def start_network(
    data: TrainingData, training: IntArray, config: TrainingConfig, form: ClosedForm | None
) -> Compatibility:
    """A network for some pairs, its weights drawn from torch's generator.

    Args:
        data: the sets.
        training: the pairs to train on; constants are fitted to nothing else but the catalogue's pictures.
        config: the settings.
        form: where its linear paths start; at random without one.
    """
    network = Compatibility(config.model, data.widths, len(data.categories))
    with torch.no_grad():
        _fit_standardisation(network, data, training)
        if form is not None:
            _start_from_ridge(network, data, training, form, config)
    return network


def _fit_standardisation(network: Compatibility, data: TrainingData, training: IntArray) -> None:
    config = network.config
    deviations = _flat(less_centres(*data.products(np.arange(len(data.product_category)))))
    whole = _flat(data.whole(training))
    if config.tied:  # one encoder sees both, so one yardstick measures both
        whole = deviations = torch.cat([whole, deviations])
    blocks = data.widths.blocks(config) if config.scaling == "stages" else None
    for standardise, rows in (
        (network.standardise_scene, whole),
        (network.standardise_product, deviations),
    ):
        standardise.fit(rows.mean(dim=0), rows.std(dim=0, correction=0), blocks)
    if config.uses_regions:
        network.standardise_regions.fit(*data.region_moments(training))
    if config.remembers:
        products, _ = data.products(np.arange(len(data.product_category)))
        both = torch.cat([network.memory.seen(each) for each in (data.whole(training), products)])
        network.memory.standardise.fit(both.mean(dim=0), both.std(dim=0, correction=0))


def _flat(features: Tensor) -> Tensor:
    """Maps [n, R, width] as [n * R, width]; vectors as they are."""
    return features.reshape(-1, features.shape[-1])


def _choose(
    network: Compatibility, data: TrainingData, training: IntArray, form: ClosedForm, config: TrainingConfig
) -> ClosedForm:
    """The form with the settings that predict best for scenes left out, the first of equals."""
    inputs, products = _scenes(network, data, training), _products(network, data)
    folds = np.asarray([fold_of(data.features.pairs[index].scene) for index in training])
    most = len(form.components[1])
    counts = sorted({min(count, most) for count in COUNTS} | {most})
    candidates = Candidates(data.features)
    tried = [(penalty, share) for penalty in PENALTIES for share in INTERCEPTS]
    correct = np.zeros((len(tried), len(counts)))
    for fold in np.unique(folds):  # without copies of what is left out, or a small λ would remember those
        left_out = training[folds == fold]
        held_out = {data.features.pairs[index].scene for index in left_out}
        is_kept = np.isin(training, training_indices(data.features, held_out))
        if not is_kept.any():
            continue
        ridges = fit_ridges(
            inputs[is_kept],
            products[data.features.pair_products[training[is_kept]]],
            products,
            components=form.components,
            dimension=config.model.dimension,
            penalties=PENALTIES,
            whitening=config.ridge_whitening,
        )
        by_penalty = dict(zip(PENALTIES, ridges, strict=True))
        asked = inputs[folds == fold]
        predicted = np.stack(
            [
                asked @ by_penalty[penalty].scene.T + share * by_penalty[penalty].intercept
                for penalty, share in tried
            ]
        )
        targets = products @ ridges[0].product.T  # the same for every penalty
        for place, count in enumerate(counts):
            correct[:, place] += _correct(
                data.features, candidates, left_out, predicted[..., :count], targets[:, :count]
            )
    best, narrowest = np.unravel_index(np.argmax(correct), correct.shape)
    penalty, share = tried[best]
    return ClosedForm(leading(form.components, counts[narrowest]), penalty, share)


def leading(components: Components, count: int) -> Components:
    """The first `count` principal components."""
    directions, deviations = components
    return directions[:count], deviations[:count]


def _correct(
    features: SetFeatures,
    candidates: Candidates,
    pairs: IntArray,
    points: Float64Array,
    targets: Float64Array,
) -> Float64Array:
    """Sums of some pairs' shares by the direction of what several forms predict for their scenes, [f].

    Components are regressed one by one, so fewer of them are the first ones of all of them.

    Args:
        features: the set.
        candidates: of its pairs.
        pairs: indices of the pairs.
        points: predictions [f, p, d].
        targets: all products in the same space, [N, d].
    """
    together = _Together(candidates, _unit(points), _unit(targets), features.pair_scenes[pairs])
    placed = (place_pair(features, candidates, index, together.ways) for index in pairs)
    shares = [[result.share for result in results] for results in placed if results]
    return np.sum(shares, axis=0) if shares else np.zeros(len(points))


class _Together:
    """Distances by several forms at once: a category's products are read once for all of them."""

    def __init__(
        self, candidates: Candidates, points: Float64Array, vectors: Float64Array, scenes: IntArray
    ) -> None:
        self._candidates = candidates
        self._points = dict(zip(scenes.tolist(), points.transpose(1, 2, 0), strict=True))
        self._vectors = vectors
        self._blocks: dict[str, Float64Array] = {}
        self._asked: tuple[int, str] | None = None
        self._found = np.empty((0, 0))
        self.ways = [partial(self._distances, form) for form in range(len(points))]

    def _distances(self, form: int, scene: int, category: str, _rows: IntArray) -> Float64Array:
        if self._asked != (scene, category):
            self._found = -(self._block(category) @ self._points[scene])
            self._asked = (scene, category)
        return self._found[:, form]

    def _block(self, category: str) -> Float64Array:
        if category not in self._blocks:
            self._blocks[category] = self._vectors[self._candidates.category_rows(category)]
        return self._blocks[category]


def _start_from_ridge(
    network: Compatibility,
    data: TrainingData,
    training: IntArray,
    form: ClosedForm,
    config: TrainingConfig,
) -> None:
    """Put the closed form into the linear paths and let the networks beside them start at zero.

    The regions' linear path starts from the same regression on the mean over the regions.
    """
    products = _products(network, data)
    pair_products = products[data.features.pair_products[training]]
    ridge = fit_ridge(
        _scenes(network, data, training),
        pair_products,
        products,
        components=form.components,
        dimension=config.model.dimension,
        penalty=form.penalty,
        whitening=config.ridge_whitening,
    )
    _set_linear(network.product_encoder, ridge.product)
    _set_linear(network.scene_encoder, ridge.scene, form.intercept * ridge.intercept)
    if config.model.uses_regions:
        regions = network.standardise_regions(data.mean_regions(training)).double().numpy()
        regions -= regions.mean(axis=0)
        targets = pair_products @ ridge.product.T
        local = ridge_regression(regions, targets, form.penalty).T
        length = float(np.sqrt(np.mean(np.sum((regions @ local.T) ** 2, axis=1)))) or 1.0
        _set_linear(network.local_encoder, local / length)


def _scenes(network: Compatibility, data: TrainingData, pairs: IntArray) -> Float64Array:
    scenes: Float64Array = pooled(network.standardise_scene(data.whole(pairs))).double().numpy()
    return scenes


def _products(network: Compatibility, data: TrainingData) -> Float64Array:
    everything = np.arange(len(data.product_category))
    products: Float64Array = pooled(network.standardised_product(*data.products(everything))).double().numpy()
    return products


def _unit(vectors: Float64Array) -> Float64Array:
    lengths: Float64Array = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def _set_linear(encoder: nn.Module, weights: Float64Array, bias: Float64Array | None = None) -> None:
    assert isinstance(encoder, Encoder)
    assert encoder.linear is not None
    encoder.linear.weight.copy_(torch.from_numpy(weights))
    if bias is not None:
        encoder.linear.bias.copy_(torch.from_numpy(bias))
    encoder.start_at_linear_path()
