"""From a picture to a network's input, and the check that it is one."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from perfectlook.errors import BackboneError
from perfectlook.types import Float32Array


def squash(
    picture: Image.Image, size: int, mean: Sequence[float] = (0.5,) * 3, std: Sequence[float] = (0.5,) * 3
) -> Float32Array:
    """Resize an RGB picture to `size`×`size` and normalise it: [3, size, size], (x / 255 - mean) / std.

    Nothing is cropped away, so that regions cover the whole picture, and the filter is antialiased.
    """
    resized = picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    scale = 1 / (255 * np.asarray(std, np.float32))
    offset = np.asarray(mean, np.float32) / np.asarray(std, np.float32)
    values = np.asarray(resized) * scale - offset
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)


def check_batch(batch: Float32Array, size: int, name: str) -> None:
    """Raise BackboneError unless the array is what `prepare` gives, stacked."""
    if batch.ndim != 4 or batch.shape[1:] != (3, size, size) or batch.dtype != np.float32:
        raise BackboneError(
            f"{name}: a batch of {batch.dtype} {list(batch.shape)} cannot be its input; "
            f"stack what prepare() gives: float32 [n, 3, {size}, {size}]"
        )
