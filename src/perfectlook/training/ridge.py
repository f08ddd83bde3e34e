"""The closed form: ridge regression from scene features to the principal components of centred products.

Ridge regression: Hoerl & Kennard 1970. It trains in seconds. It is a baseline that a network has to beat, and
the starting point of the encoders' linear paths.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perfectlook.data.scenes import fold_of
from perfectlook.evaluation.protocol import training_indices
from perfectlook.model.config import less_centres, pooled
from perfectlook.model.distances import unit_rows
from perfectlook.model.networks import Compatibility, Encoder, Standardise
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.validation import HeldOutPairs, Round, shares_of
from perfectlook.types import Float64Array, IntArray

PENALTIES = (5.0, 20.0, 80.0)
INTERCEPTS = (0.0, 1.0)
COUNTS = (64, 128, 256, 512)
"""Numbers of principal components to try, as far as the dimension allows."""

Components = tuple[Float64Array, Float64Array]
"""Principal directions [k, width] and the standard deviations along them [k]."""


@dataclass(frozen=True, slots=True)
class Ridge:
    """Linear maps from standardised scene and product features into one space; direction is what counts.

    Attributes:
        scene: [dimension, width of scenes].
        product: [dimension, width of products].
        intercept: the mean target, on the scale of the scenes' vectors, [dimension]. Adding it moves every
            scene towards what goes with the average scene.
    """

    scene: Float64Array
    product: Float64Array
    intercept: Float64Array


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """The parts that all fits of one training share: the target space and the settings of the regression.

    Attributes:
        components: principal components of the standardised, centred products.
        penalty: λ.
        intercept: share of the mean target that is added to every prediction.
    """

    components: Components
    penalty: float
    intercept: float


def closed_form(data: TrainingData, training: IntArray, config: TrainingConfig) -> ClosedForm | None:
    """Return the closed form for a training; None for a model that does not start from it.

    With `ridge_choose`, cross-validation by scene over the training pairs chooses λ, the number of
    components, and whether to add the mean target. If every product belongs to one scene only, the mean
    target says nothing about other scenes, and an intercept would only memorise it.
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
    """Create a network with weights from torch's random generator.

    Args:
        data: the sets.
        training: the pairs to train on; constants are fitted to these pairs and to the products' pictures.
        config: the settings.
        form: the start of the linear paths; None for a random start.
    """
    network = Compatibility(config.model, data.widths, len(data.categories))
    with torch.no_grad():
        _fit_standardisation(network, data, training)
        if form is not None:
            _start_from_ridge(network, data, training, form, config)
    return network


def fit_ridges(
    scenes: Float64Array,
    pair_products: Float64Array,
    products: Float64Array,
    *,
    dimension: int,
    penalties: Sequence[float],
    whitening: float,
    components: Components | None = None,
) -> list[Ridge]:
    """Solve for the maps in closed form, once per penalty; several penalties cost little more than one.

    Args:
        scenes: standardised scene features, one row per pair, [n, width].
        pair_products: standardised, centred features of each pair's product, [n, width of products].
        products: standardised, centred features of all products, [N, width of products].
        dimension: number of principal components of the products to predict; missing ones are zero.
        penalties: λ.
        whitening: divide each component by its standard deviation to this power, on both sides.
        components: principal components of the products, if already known.
    """
    directions, deviations = components or principal_components(products, dimension)
    targets = pair_products @ directions.T
    scale = deviations[:, None] ** -whitening
    product = directions * scale
    product = _padded(product / _root_mean_square(products @ product.T), dimension)
    found = []
    for solution in ridge_path(scenes - scenes.mean(axis=0), targets, penalties):
        scene = solution.T * scale
        length = _root_mean_square(scenes @ scene.T)
        intercept = targets.mean(axis=0) * scale[:, 0] / length
        intercept = np.pad(intercept, (0, dimension - len(scale)))
        found.append(Ridge(_padded(scene / length, dimension), product, intercept))
    return found


def principal_components(rows: Float64Array, count: int) -> Components:
    """The first principal directions of centred rows [n, width], and the standard deviations along them.

    At most `count`, fewer if the rows span fewer dimensions: directions [k, width], deviations [k].
    """
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    spanned = values > 1e-9 * values[0]
    return vectors[:, spanned].T, np.sqrt(values[spanned])


def ridge_path(
    inputs: Float64Array, targets: Float64Array, penalties: Sequence[float]
) -> Iterator[Float64Array]:
    """argmin ‖inputs W - targets‖² + penalty ‖W‖², [width, targets], for each penalty.

    Solves the smaller of the two normal equations.
    """
    rows, width = inputs.shape
    if width <= rows:
        gram, right = inputs.T @ inputs, inputs.T @ targets
        for penalty in penalties:
            yield np.asarray(np.linalg.solve(gram + penalty * np.eye(width), right), np.float64)
        return
    gram = inputs @ inputs.T
    for penalty in penalties:
        yield inputs.T @ np.linalg.solve(gram + penalty * np.eye(rows), targets)


def _fit_standardisation(network: Compatibility, data: TrainingData, training: IntArray) -> None:
    config = network.config
    if config.scaling == "none":
        for each in network.modules():
            if isinstance(each, Standardise):
                each.scale.fill_(1.0)
        return
    deviations = _flat(less_centres(*data.products()))
    whole = _flat(data.whole(training))
    if config.tied:  # one encoder reads both, so they share one standardisation
        whole = deviations = torch.cat([whole, deviations])
    blocks = data.widths.blocks(config) if config.scaling == "stages" else None
    for standardise, rows in ((network.standardise_scene, whole), (network.standardise_product, deviations)):
        standardise.fit(rows.mean(dim=0), rows.std(dim=0, correction=0), blocks)
    if config.uses_regions:
        network.standardise_regions.fit(*data.region_moments(training))
    if config.has_memory:
        products, _ = data.products()
        both = torch.cat([network.memory.seen(each) for each in (data.whole(training), products)])
        network.memory.standardise.fit(both.mean(dim=0), both.std(dim=0, correction=0))


def _flat(features: Tensor) -> Tensor:
    """Reshape maps [n, R, width] to [n * R, width]; return vectors unchanged."""
    return features.reshape(-1, features.shape[-1])


def _choose(
    network: Compatibility, data: TrainingData, training: IntArray, form: ClosedForm, config: TrainingConfig
) -> ClosedForm:
    """Return the form with the settings that predict held-out scenes best, the first of ties."""
    inputs, products = _scenes(network, data, training), _products(network, data)
    folds = np.asarray([fold_of(data.features.pairs[index].scene) for index in training])
    most = len(form.components[1])
    counts = sorted({min(count, most) for count in COUNTS} | {most})
    tried = [(penalty, share) for penalty in PENALTIES for share in INTERCEPTS]
    correct = np.zeros((len(tried), len(counts)))
    for fold in np.unique(folds):  # leave out copies of held-out scenes, which a small λ memorises
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
        held = HeldOutPairs(data, Round(f"fold {fold}", training[is_kept], left_out))
        validated = inputs[np.isin(training, held.pairs)]
        predicted = [
            validated @ each.scene.T + share * each.intercept for each in ridges for share in INTERCEPTS
        ]
        targets = products @ ridges[0].product.T  # the same for every penalty
        for place, count in enumerate(counts):  # components are regressed separately: fewer are a prefix
            vectors = unit_rows(targets[:, :count])
            matches = (held.matches(unit_rows(points[:, :count]), vectors) for points in predicted)
            correct[:, place] += [sum(shares_of(found)) for found in matches]
    best, narrowest = np.unravel_index(np.argmax(correct), correct.shape)
    (penalty, share), count = tried[best], counts[narrowest]
    directions, deviations = form.components
    return ClosedForm((directions[:count], deviations[:count]), penalty, share)


def _start_from_ridge(
    network: Compatibility, data: TrainingData, training: IntArray, form: ClosedForm, config: TrainingConfig
) -> None:
    """Put the closed form into the linear paths, and set the output of their networks to zero.

    The linear path of the regions starts from the same regression on the mean region.
    """
    products = _products(network, data)
    pair_products = products[data.features.pair_products[training]]
    (ridge,) = fit_ridges(
        _scenes(network, data, training),
        pair_products,
        products,
        components=form.components,
        dimension=config.model.dimension,
        penalties=[form.penalty],
        whitening=config.ridge_whitening,
    )
    _set_linear(network.product_encoder, ridge.product)
    _set_linear(network.scene_encoder, ridge.scene, form.intercept * ridge.intercept)
    if config.model.uses_regions:
        regions = network.standardise_regions(data.mean_regions(training)).double().numpy()
        regions -= regions.mean(axis=0)
        targets = pair_products @ ridge.product.T
        local = next(ridge_path(regions, targets, [form.penalty])).T
        length = _root_mean_square(regions @ local.T)
        _set_linear(network.local_encoder, local / length)


def _scenes(network: Compatibility, data: TrainingData, pairs: IntArray) -> Float64Array:
    return np.asarray(pooled(network.standardise_scene(data.whole(pairs))), np.float64)


def _products(network: Compatibility, data: TrainingData) -> Float64Array:
    return np.asarray(pooled(network.standardised_product(*data.products())), np.float64)


def _set_linear(encoder: Encoder, weights: Float64Array, bias: Float64Array | None = None) -> None:
    assert encoder.linear is not None
    encoder.linear.weight.copy_(torch.from_numpy(weights))
    if bias is not None:
        encoder.linear.bias.copy_(torch.from_numpy(bias))
    encoder.start_at_linear_path()


def _root_mean_square(vectors: Float64Array) -> float:
    return float(np.sqrt(np.mean(np.sum(vectors**2, axis=1)))) or 1.0


def _padded(matrix: Float64Array, rows: int) -> Float64Array:
    return np.pad(matrix, ((0, rows - len(matrix)), (0, 0)))
