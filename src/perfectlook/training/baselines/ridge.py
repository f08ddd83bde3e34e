"""Ridge regression in closed form: predict the principal components of centred products from scene features.

Hoerl & Kennard, Technometrics 1970; its use here is this project's own (`training/ridge.py`). Features are
standardised and divided by √width, and each product's centre is subtracted. Products are ranked by their
inner product with the prediction, with each component divided by its standard deviation to a power. Five-fold
cross-validation by scene chooses the number of components, that power and the penalty λ together, by binary
accuracy. Settings that you give are not chosen.

Two settings turn it into the closed form that this project's model starts from: `scaling = "stages"` and
`ridge_choose = true`. The latter can add an intercept, the mean target, to every prediction.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import GlobalNetwork, InnerProduct, Standardise
from perfectlook.training.baselines.learned import fitted, scene_and_product_rows
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.log import Learned
from perfectlook.training.ridge import Ridge, fit_ridges, principal_components, ridge_path
from perfectlook.training.validation import (
    BY_FOLDS,
    HeldOut,
    HeldOutPairs,
    Round,
    folds,
    learning_pairs,
    shares_of,
)
from perfectlook.types import Float64Array

COMPONENTS = (128, 256, 512)
WHITENINGS = (0.5, 0.75)
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)
INTERCEPTS = (0.0, 1.0)
"""The values to try."""


class RidgeChoice(NamedTuple):
    """Settings of one closed form.

    Attributes:
        dimension: number of components.
        ridge_penalty: λ.
        ridge_whitening: power of the standard deviations.
        intercept: share of the mean target that is added to every prediction.
    """

    dimension: int
    ridge_penalty: float
    ridge_whitening: float
    intercept: float


class LinearPair(GlobalNetwork):
    """A linear map for scenes and one for products, compared by inner product.

    Args:
        config: its dimension is the number of components; the vectors have one more coordinate.
        standardise: standardises scenes, and centred products.
        maps: the closed form; its intercept is added to every scene.
        products: standardised products, [N, width], for the length of the longest.
    """

    def __init__(
        self, config: ModelConfig, standardise: tuple[Standardise, Standardise], maps: Ridge, products: Tensor
    ) -> None:
        super().__init__(replace(config, dimension=len(maps.product) + 1))
        self.standardise_scene, self.standardise_product = standardise
        self.scene, self.product = _linear(maps.scene, maps.intercept), _linear(maps.product)
        self.inner_product = InnerProduct()
        with torch.no_grad():
            self.inner_product.fit(self.product(products))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, components + 1]."""
        return self.inner_product.extend_scenes(self.scene(self.standardise_scene(whole)))

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: features minus their categories' centres, [n, global width] each, to [n, components + 1]."""
        return self.inner_product.extend_products(self.product(self.standardise_product(features - centres)))


def learn(data: TrainingData, config: TrainingConfig, given: Collection[str]) -> Learned:
    """Choose the settings that are not given, then solve for the maps.

    Raises:
        TrainingError: training may use no pair.
    """
    training = learning_pairs(data.features, config)
    scenes, centred = scene_and_product_rows(data, training)
    standardise = fitted(data, scenes), fitted(data, centred)
    products = _float64(standardise[1](centred))
    choices = list(_choices(config, given))
    shares, measured = _cross_validated(data, products, folds(data.features, config), choices)
    best = int(np.argmax(shares.mean(axis=1)))
    choice = choices[best]
    (maps,) = fit_ridges(
        _float64(standardise[0](scenes)),
        products[data.features.pair_products[training]],
        products,
        dimension=choice.dimension,
        penalties=[choice.ridge_penalty],
        whitening=choice.ridge_whitening,
    )
    maps = replace(maps, intercept=choice.intercept * maps.intercept)
    return Learned(
        LinearPair(config.model, standardise, maps, torch.from_numpy(products).float()),
        training,
        found=choice._asdict(),
        chosen_on=BY_FOLDS,
        held_out=HeldOut(measured, shares[best]),
    )


def _choices(config: TrainingConfig, given: Collection[str]) -> Iterator[RidgeChoice]:
    dimensions = (config.model.dimension,) if "dimension" in given else COMPONENTS
    penalties = (config.ridge_penalty,) if "ridge_penalty" in given else PENALTIES
    whitenings = (config.ridge_whitening,) if "ridge_whitening" in given else WHITENINGS
    intercepts = INTERCEPTS if config.ridge_choose else (0.0,)
    for each in product(dimensions, penalties, whitenings, intercepts):
        yield RidgeChoice(*each)


def _cross_validated(
    data: TrainingData, products: Float64Array, rounds: Sequence[Round], choices: Sequence[RidgeChoice]
) -> tuple[Float64Array, list[str]]:
    """The share of every pair with candidates under every choice, [choices, pairs], and the pairs' scenes.

    Components do not depend on the fold, and each component is regressed separately. So one solution with all
    components serves every choice with its λ.
    """
    directions, deviations = principal_components(products, max(choice.dimension for choice in choices))
    penalties = sorted({choice.ridge_penalty for choice in choices})
    projected = products @ directions.T
    shares: list[list[Float64Array]] = [[] for _ in choices]
    scenes: list[str] = []
    for each in rounds:
        held = HeldOutPairs(data, each)
        targets = projected[data.features.pair_products[each.training]]
        standardise = fitted(data, data.whole(each.training))
        inputs = _float64(standardise(data.whole(each.training)))
        validated = _float64(standardise(data.whole(held.pairs)))
        solutions = ridge_path(inputs - inputs.mean(axis=0), targets, penalties)
        predicted = {penalty: validated @ each for penalty, each in zip(penalties, solutions, strict=True)}
        for found, choice in zip(shares, choices, strict=True):
            scale = deviations[: choice.dimension] ** (-2 * choice.ridge_whitening)
            queries = predicted[choice.ridge_penalty] + choice.intercept * targets.mean(axis=0)
            queries = queries[:, : choice.dimension] * scale
            found.append(shares_of(held.matches(queries, projected[:, : choice.dimension])))
        scenes += [data.features.pairs[index].scene for index in held.pairs]
    return np.asarray([np.concatenate(found) for found in shares]), scenes


def _linear(weights: Float64Array, bias: Float64Array | None = None) -> nn.Linear:
    layer = nn.Linear(weights.shape[1], weights.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights))
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))
    return layer


def _float64(tensor: Tensor) -> Float64Array:
    return np.asarray(tensor, np.float64)
