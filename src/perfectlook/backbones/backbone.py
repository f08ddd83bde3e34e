"""What a backbone is, and what every backbone needs: preprocessing, a check of its input, concatenation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from perfectlook.errors import BackboneError
from perfectlook.types import REGIONS, Float32Array

Channels = tuple[float, ...]
"""A value for each of red, green and blue."""
HALF: Channels = (0.5, 0.5, 0.5)
SEPARATOR = "+"
"""Between the names of backbones side by side."""


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


def squash(picture: Image.Image, size: int, mean: Channels = HALF, std: Channels = HALF) -> Float32Array:
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


def empty_features(description: BackboneDescription) -> FeatureBatch:
    """The features of no picture, in a backbone's dimensions."""
    return FeatureBatch(
        np.zeros((0, description.global_dimension), np.float32),
        np.zeros((0, description.style_dimension), np.float32),
        np.zeros((0, REGIONS, description.map_channels), np.float32),
    )


class Concatenated:
    """Backbones side by side. See `Backbone`; what it prepares is their inputs, flattened, one after another.

    Args:
        parts: two or more backbones, none of them twice.

    Raises:
        BackboneError: a backbone is named twice.
    """

    def __init__(self, parts: Sequence[Backbone]) -> None:
        self._parts = tuple(parts)
        descriptions = [part.description for part in parts]
        names = [each.name for each in descriptions]
        self.identity = SEPARATOR.join(part.identity for part in parts)
        if len(set(names)) < len(names):
            raise BackboneError(f"{SEPARATOR.join(names)}: names a backbone twice; name each once")
        self.description = BackboneDescription(
            name=SEPARATOR.join(names),
            input_size=max(each.input_size for each in descriptions),
            global_dimension=sum(each.global_dimension for each in descriptions),
            stage_channels=tuple(channels for each in descriptions for channels in each.stage_channels),
            map_channels=sum(each.map_channels for each in descriptions),
            licence="; ".join(dict.fromkeys(each.licence for each in descriptions)),
            megabytes=sum(each.megabytes for each in descriptions),
            source="; ".join(dict.fromkeys(each.source for each in descriptions)),
            summary="several backbones side by side",
        )
        self._shapes = [(3, each.input_size, each.input_size) for each in descriptions]

    def prepare(self, picture: Image.Image) -> Float32Array:
        """Every part's input, flattened: [sum of 3·S·S]."""
        return np.concatenate([part.prepare(picture).ravel() for part in self._parts])

    def extract(self, batch: Float32Array) -> FeatureBatch:
        """Run every part on what it prepared, [n, sum of 3·S·S].

        Raises:
            BackboneError: the batch is of another shape or type.
        """
        sizes = [math.prod(shape) for shape in self._shapes]
        if batch.ndim != 2 or batch.shape[1] != sum(sizes) or batch.dtype != np.float32:
            raise BackboneError(
                f"{self.description.name}: a batch of {batch.dtype} {list(batch.shape)} cannot be its input; "
                f"stack what prepare() gives: float32 [n, {sum(sizes)}]"
            )
        inputs = np.split(batch, np.cumsum(sizes)[:-1], axis=1)
        found = [
            part.extract(np.ascontiguousarray(each).reshape(-1, *shape))
            for part, each, shape in zip(self._parts, inputs, self._shapes, strict=True)
        ]
        return FeatureBatch(*(np.concatenate(each, axis=-1) for each in zip(*found, strict=True)))


def _joined(values: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(values))
