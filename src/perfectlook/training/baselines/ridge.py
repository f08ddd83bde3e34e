"""Ridge regression in closed form: scene features regressed on the principal components of centred products.

Hoerl & Kennard, Technometrics 1970; the use here is this project's (`training/ridge.py`). Every feature is
z-scored and divided by √width; from each product its category's centre is subtracted; products are ranked
by the inner product with the prediction, each component divided by its standard deviation to a power. The
number of components, that power and the penalty λ are chosen together by five-fold cross-validation, by
scene, over the scenes that may be learned from, by binary accuracy. A setting that is given is not chosen.

Two settings make it the closed form that this project's own model starts from: `scaling = "stages"`, and
`ridge_choose = true`, which lets the choice add an intercept, the mean target, to every prediction.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from perfectlook.evaluation.metrics import placing
from perfectlook.evaluation.protocol import Candidates
from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import GlobalNetwork, Standardise
from perfectlook.training.baselines.base import InnerProduct, fitted
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.log import Learned
from perfectlook.training.ridge import Ridge, fit_ridges, principal_components, ridge_path
from perfectlook.training.validation import BY_FOLDS, HeldOut, Round, folds, learning_pairs
from perfectlook.types import Float64Array, IntArray

COMPONENTS = (128, 256, 512)
WHITENINGS = (0.5, 0.75)
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)
INTERCEPTS = (0.0, 1.0)
"""What is tried for each of them."""


@dataclass(frozen=True, slots=True)
class RidgeChoice:
    """Settings of one closed form.

    Attributes:
        dimension: how many components.
        ridge_penalty: λ.
        ridge_whitening: the power of the standard deviations.
        intercept: share of the mean target that is added to every prediction.
    """

    dimension: int
    ridge_penalty: float
    ridge_whitening: float
    intercept: float


class LinearPair(GlobalNetwork):
    """A linear map for scenes and one for products, compared by inner product.

    Args:
        config: its dimension is the number of components; the vectors are one wider.
        standardise: of scenes, and of centred products.
        maps: the closed form; its intercept is added to every scene.
        products: what a product can be, standardised, [N, width]: for the length of the longest.
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
        """f_p: features less their categories' centres, [n, global width] each, to [n, components + 1]."""
        return self.inner_product.extend_products(self.product(self.standardise_product(features - centres)))


def learn(data: TrainingData, config: TrainingConfig, given: Collection[str]) -> Learned:
    """Choose the settings that are not given, then solve for the maps.

    Raises:
        TrainingError: there is no pair to learn from.
    """
    training = learning_pairs(data.features, config)
    catalogue = _Catalogue.of(data)
    choices = list(_choices(config, given))
    rounds = folds(data.features, config)
    shares, scenes = _cross_validated(data, catalogue, rounds, choices)
    best = int(np.argmax(shares.mean(axis=1)))
    choice = choices[best]
    standardise = fitted(data, data.whole(training))
    (maps,) = fit_ridges(
        _float64(standardise(data.whole(training))),
        catalogue.products[data.features.pair_products[training]],
        catalogue.products,
        dimension=choice.dimension,
        penalties=[choice.ridge_penalty],
        whitening=choice.ridge_whitening,
    )
    maps = replace(maps, intercept=choice.intercept * maps.intercept)
    products = torch.from_numpy(catalogue.products).float()
    return Learned(
        LinearPair(config.model, (standardise, catalogue.standardise), maps, products),
        training,
        found=asdict(choice),
        chosen_on=BY_FOLDS,
        held_out=HeldOut(scenes, shares[best]),
    )


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """The products of the sets, from pictures alone: the same in every fold.

    `products` are standardised and centred, [N, width]; `standardise` is what did it.
    """

    standardise: Standardise
    products: Float64Array

    @classmethod
    def of(cls, data: TrainingData) -> "_Catalogue":
        features, centres = data.products(np.arange(len(data.product_category)))
        standardise = fitted(data, features - centres)
        return cls(standardise, _float64(standardise(features - centres)))


def _choices(config: TrainingConfig, given: Collection[str]) -> Iterator[RidgeChoice]:
    dimensions = (config.model.dimension,) if "dimension" in given else COMPONENTS
    penalties = (config.ridge_penalty,) if "ridge_penalty" in given else PENALTIES
    whitenings = (config.ridge_whitening,) if "ridge_whitening" in given else WHITENINGS
    intercepts = INTERCEPTS if config.ridge_choose else (0.0,)
    for each in product(dimensions, penalties, whitenings, intercepts):
        yield RidgeChoice(*each)


def _cross_validated(
    data: TrainingData, catalogue: _Catalogue, rounds: Sequence[Round], choices: Sequence[RidgeChoice]
) -> tuple[Float64Array, list[str]]:
    """The share of every pair that can be placed under every choice, [choices, pairs], and the pairs' scenes.

    Components do not depend on the fold, and the regressions of different components not on each other: one
    solution for all of them serves every choice with its λ.
    """
    most = max(choice.dimension for choice in choices)
    directions, deviations = principal_components(catalogue.products, most)
    projected = catalogue.products @ directions.T
    shares: list[list[float]] = [[] for _ in choices]
    scenes: list[str] = []
    for each in rounds:
        targets = projected[data.features.pair_products[each.training]]
        predicted = _predictions(data, targets, each, sorted({choice.ridge_penalty for choice in choices}))
        places = _places(data, each.validation)
        for number, choice in enumerate(choices):
            scale = deviations[: choice.dimension] ** (-2 * choice.ridge_whitening)
            queries = predicted[choice.ridge_penalty] + choice.intercept * targets.mean(axis=0)
            distances = -(queries[:, : choice.dimension] * scale) @ projected[:, : choice.dimension].T
            shares[number] += [place.share(distances) for place in places]
        scenes += [data.features.pairs[each.validation[place.pair]].scene for place in places]
    return np.asarray(shares, np.float64), scenes


def _predictions(
    data: TrainingData, targets: Float64Array, each: Round, penalties: Sequence[float]
) -> dict[float, Float64Array]:
    """Per λ, the components that the scenes of the validation pairs predict, less their mean: [pairs, k]."""
    standardise = fitted(data, data.whole(each.training))
    inputs = _float64(standardise(data.whole(each.training)))
    asked = _float64(standardise(data.whole(each.validation)))
    solutions = ridge_path(inputs - inputs.mean(axis=0), targets, penalties)
    return {penalty: asked @ solution for penalty, solution in zip(penalties, solutions, strict=True)}


@dataclass(frozen=True, slots=True)
class _Place:
    """One validation pair, by its place among them, its product's row, and the rows of its candidates."""

    pair: int
    product: int
    candidates: IntArray

    def share(self, distances: Float64Array) -> float:
        """By distances of all pairs to all products."""
        return placing(float(distances[self.pair, self.product]), distances[self.pair, self.candidates]).share


def _places(data: TrainingData, validation: IntArray) -> list[_Place]:
    """The pairs that can be placed: the protocol's candidates, found once for all choices."""
    features, candidates = data.features, Candidates(data.features)
    found = []
    for at, index in enumerate(validation):
        row = int(features.pair_products[index])
        category = features.product_categories[row]
        mask = candidates.mask(features.pairs[index].scene, category)
        if mask.any():
            found.append(_Place(at, row, candidates.category_rows(category)[mask]))
    return found


def _linear(weights: Float64Array, bias: Float64Array | None = None) -> nn.Linear:
    layer = nn.Linear(weights.shape[1], weights.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights))
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))
    return layer


def _float64(tensor: Tensor) -> Float64Array:
    array: Float64Array = tensor.double().numpy()
    return array
