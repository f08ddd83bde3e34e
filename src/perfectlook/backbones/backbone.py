"""From a picture to a network's input, and the check that it is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from perfectlook.errors import BackboneError
from perfectlook.types import Float32Array


@dataclass(frozen=True, slots=True)
class BackboneDescription:
    """What is known of a backbone before it is opened."""

    name: str
    input_size: int
    """Side of the square picture it sees, in pixels."""
    global_dimension: int
    stage_channels: tuple[int, ...]
    """Channels of the maps that style statistics are taken of, finest first."""
    map_channels: int
    licence: str
    megabytes: float
    """Size of the weights file; 0 where it is not known before it is opened."""
    source: str
    summary: str

    @property
    def style_dimension(self) -> int:
        """Length of the style statistics: a mean and a standard deviation for each channel of each stage."""
        return 2 * sum(self.stage_channels)


class FeatureBatch(NamedTuple):
    """Features of n pictures."""

    global_vectors: Float32Array
    """[n, D]: the pooled output."""
    style_statistics: Float32Array
    """[n, K]: stage by stage, its channel means and then its channel (population) standard deviations."""
    feature_maps: Float32Array
    """[n, 49, C]: the feature map pooled to 7×7 regions, row by row."""


class Backbone(Protocol):
    """A frozen network together with its own preprocessing, so that the two cannot drift apart."""

    @property
    def description(self) -> BackboneDescription:
        """Its name, dimensions, licence and source."""

    @property
    def identity(self) -> str:
        """Name, precision and start of the weights' sha256: features of two identities never mix."""

    def prepare(self, picture: Image.Image) -> Float32Array:
        """Turn an RGB picture into the network's input, [3, S, S]: the whole of it, squashed to a square."""

    def extract(self, batch: Float32Array) -> FeatureBatch:
        """Run the network on prepared pictures, [n, 3, S, S]."""


def squash(
    picture: Image.Image,
    size: int,
    mean: Sequence[float] = (0.5,) * 3,
    std: Sequence[float] = (0.5,) * 3,
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
