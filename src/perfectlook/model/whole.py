"""Which of a picture's features stand for the whole of it."""

from typing import Any

from perfectlook.model.config import ModelConfig
from perfectlook.namespace import namespace_of


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
