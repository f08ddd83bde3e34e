"""What a model sees of pictures, and the centres of categories that are subtracted from products."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from perfectlook.model.config import ModelConfig
from perfectlook.model.distances import namespace_of
from perfectlook.types import Float32Array, Float64Array


def whole_picture(config: ModelConfig, head: Any, style: Any, maps: Any) -> Any:
    """What a model sees of whole pictures, from numpy arrays or torch tensors of n pictures.

    Args:
        config: the shape of the model.
        head: global vectors, [n, D].
        style: style statistics, [n, K].
        maps: feature maps, [n, R, C]; anything where the encoder does not sweep over them.

    Returns:
        The maps for a recurrent encoder, else [n, width]: head vectors, style statistics, or both.
    """
    if config.encoder == "recurrent":
        return maps
    if config.global_features == "both":
        return namespace_of(head).concat([head, style], axis=-1)
    return head if config.global_features == "head" else style


def less_centres(whole: Any, centres: Any) -> Any:
    """Products [n, width], or maps [n, R, width], less their categories' centres [n, width]."""
    return whole - (centres if whole.ndim == centres.ndim else centres[:, None, :])


def pooled(whole: Any) -> Any:
    """One vector per picture, [n, width]: the mean over the regions where a model sees maps [n, R, C]."""
    if whole.ndim == 2:
        return whole
    return namespace_of(whole).mean(whole, axis=1)


PRIOR_PRODUCTS = 20
"""The model's centre weighs as much as this many products of the catalogue."""


class Mean:
    """A running mean of rows, in float64."""

    def __init__(self) -> None:
        """Start with no row."""
        self.count = 0
        self._sum: Float64Array | None = None

    def add(self, rows: Float32Array) -> None:
        """Take in rows [n, d]."""
        total = rows.sum(axis=0, dtype=np.float64)
        self._sum = total if self._sum is None else self._sum + total
        self.count += len(rows)

    def shrunk_to(self, prior: Float32Array) -> Float32Array:
        """Return (n·mean + 20·prior) / (n + 20), float32 [d]; the prior itself when there was no row."""
        if self._sum is None:
            return prior
        shrunk: Float32Array = (
            (self._sum + PRIOR_PRODUCTS * prior.astype(np.float64)) / (self.count + PRIOR_PRODUCTS)
        ).astype(np.float32)
        return shrunk


def catalogue_centres(
    prior: Callable[[str], Float32Array], batches: Iterable[tuple[Sequence[str], Float32Array]]
) -> dict[str, Float32Array]:
    """The centre of every category of a catalogue.

    Args:
        prior: the centre that a category's is shrunk to, [d]: `Model.centre`.
        batches: the categories of some products, and their features by `Model.product_inputs`, [n, d].
    """
    means: dict[str, Mean] = {}
    for categories, inputs in batches:
        names = np.asarray(categories)
        for name in sorted(set(categories)):
            means.setdefault(name, Mean()).add(inputs[names == name])
    return {name: mean.shrunk_to(prior(name)) for name, mean in means.items()}
