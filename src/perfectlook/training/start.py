"""The network before the first epoch: fitted standardisation, and the closed form in its linear path."""

import numpy as np
import torch
from torch import Tensor, nn

from perfectlook.model.compatibility import Compatibility, Widths
from perfectlook.model.encoders import Encoder, Standardise
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.ridge import fit_ridge, ridge_regression
from perfectlook.types import Float64Array, IntArray


def start_network(data: TrainingData, training: IntArray, config: TrainingConfig) -> Compatibility:
    """A network for some pairs, its weights drawn from torch's generator.

    Args:
        data: the sets.
        training: the pairs to train on; constants are fitted to nothing else but the catalogue's pictures.
        config: the settings.
    """
    network = Compatibility(config.model, data.widths, len(data.categories))
    with torch.no_grad():
        _fit_standardisation(network, data, training)
        if config.model.linear_path == "ridge":
            _start_from_ridge(network, data, training, config)
    return network


def _fit_standardisation(network: Compatibility, data: TrainingData, training: IntArray) -> None:
    products, centres = data.products(np.arange(len(data.product_category)))
    deviations = products - centres
    whole = data.whole(training)
    if network.config.tied:  # one encoder sees both, so one yardstick measures both
        whole = deviations = torch.cat([whole, deviations])
    _fit(network.standardise_scene, whole, data.widths, network)
    _fit(network.standardise_product, deviations, data.widths, network)
    if network.config.uses_regions:
        network.standardise_regions.fit(*data.region_moments(training))


def _fit(standardise: Standardise, rows: Tensor, widths: Widths, network: Compatibility) -> None:
    standardise.fit(rows.mean(dim=0), rows.std(dim=0, correction=0))
    if network.config.global_features == "both":
        _balance(standardise, widths)


def _balance(standardise: Standardise, widths: Widths) -> None:
    """Give the head vector and the style statistics equal weight, whatever their widths."""
    width = widths.head + widths.style
    standardise.scale[: widths.head] *= (width / widths.head / 2) ** 0.5
    standardise.scale[widths.head :] *= (width / widths.style / 2) ** 0.5


def _start_from_ridge(
    network: Compatibility, data: TrainingData, training: IntArray, config: TrainingConfig
) -> None:
    """Put the closed form into the linear paths and let the networks beside them start at zero.

    The regions' linear path starts from the same regression on the mean over the regions.
    """
    products = _float64(network.standardise_product(_centred(data)))
    pair_products = products[data.features.pair_products[training]]
    inputs = _float64(network.standardise_scene(data.whole(training)))
    ridge = fit_ridge(
        inputs,
        pair_products,
        products,
        dimension=config.model.dimension,
        penalty=config.ridge_penalty,
        whitening=config.ridge_whitening,
    )
    _set_linear(network.product_encoder, ridge.product)
    _set_linear(network.scene_encoder, ridge.scene)
    if config.model.uses_regions:
        regions = _float64(network.standardise_regions(data.mean_regions(training)))
        regions -= regions.mean(axis=0)
        targets = pair_products @ ridge.product.T
        local = ridge_regression(regions, targets, config.ridge_penalty).T
        length = float(np.sqrt(np.mean(np.sum((regions @ local.T) ** 2, axis=1)))) or 1.0
        _set_linear(network.local_encoder, local / length)


def _centred(data: TrainingData) -> Tensor:
    products, centres = data.products(np.arange(len(data.product_category)))
    return products - centres


def _set_linear(encoder: nn.Module, weights: Float64Array) -> None:
    assert isinstance(encoder, Encoder)
    assert encoder.linear is not None
    encoder.linear.weight.copy_(torch.from_numpy(weights))
    encoder.start_at_linear_path()


def _float64(tensor: Tensor) -> Float64Array:
    return tensor.double().numpy()
