"""What a backbone is: preprocessing, a check of its input, features; and several backbones side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from perfectlook.errors import BackboneError
from perfectlook.types import REGIONS, Float32Array

Channels = tuple[float, ...]
"""A value for each of red, green and blue."""
HALF: Channels = (0.5, 0.5, 0.5)


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


class Backbone:
    """A frozen network together with its own preprocessing, so that the two cannot drift apart.

    A subclass sets the attributes, and says in `_run` how prepared pictures become features.
    """

    description: BackboneDescription
    """Its name, dimensions, licence and source."""
    identity: str
    """Name, precision and start of the weights' sha256: features of two identities never mix."""
    _mean_and_std: tuple[Channels, Channels] = (HALF, HALF)

    def prepare(self, picture: Image.Image) -> Float32Array:
        """Turn an RGB picture into the network's input, [3, S, S]: the whole of it, squashed to a square."""
        return squash(picture, self.description.input_size, *self._mean_and_std)

    def extract(self, batch: Float32Array) -> FeatureBatch:
        """Run the network on n prepared pictures, stacked: [n, 3, S, S].

        Raises:
            BackboneError: the batch is of another shape or type.
        """
        about, shape = self.description, self._input_shape()
        if batch.shape[1:] != shape or batch.dtype != np.float32:
            raise BackboneError(
                f"{about.name}: a batch of {batch.dtype} {list(batch.shape)} cannot be its input; "
                f"stack what prepare() gives: float32 [n, {', '.join(map(str, shape))}]"
            )
        if len(batch):
            return self._run(batch)
        shapes = ((about.global_dimension,), (about.style_dimension,), (REGIONS, about.map_channels))
        return FeatureBatch(*(np.zeros((0, *each), np.float32) for each in shapes))

    def _input_shape(self) -> tuple[int, ...]:
        """The shape of one prepared picture."""
        return (3, self.description.input_size, self.description.input_size)

    def _run(self, batch: Float32Array) -> FeatureBatch:
        """Features of at least one prepared picture."""
        raise NotImplementedError


def squash(picture: Image.Image, size: int, mean: Channels = HALF, std: Channels = HALF) -> Float32Array:
    """Resize an RGB picture to `size`×`size` and normalise it: [3, size, size], (x / 255 - mean) / std.

    Nothing is cropped away, so that regions cover the whole picture, and the filter is antialiased.
    """
    resized = picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    scale = 1 / (255 * np.asarray(std, np.float32))
    offset = np.asarray(mean, np.float32) / np.asarray(std, np.float32)
    values = np.asarray(resized) * scale - offset
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)


class Concatenated(Backbone):
    """Backbones side by side. What it prepares is their inputs, flattened, one after another.

    Args:
        parts: two or more backbones, none of them twice.

    Raises:
        BackboneError: a backbone is named twice.
    """

    def __init__(self, parts: Sequence[Backbone]) -> None:
        self._parts = tuple(parts)
        descriptions = [part.description for part in parts]
        names = [each.name for each in descriptions]
        self.identity = "+".join(part.identity for part in parts)
        if len(set(names)) < len(names):
            raise BackboneError(f"{'+'.join(names)}: names a backbone twice; name each once")
        self.description = BackboneDescription(
            name="+".join(names),
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

    def _input_shape(self) -> tuple[int, ...]:
        return (sum(map(math.prod, self._shapes)),)

    def _run(self, batch: Float32Array) -> FeatureBatch:
        ends = np.cumsum([math.prod(shape) for shape in self._shapes])
        inputs = np.split(batch, ends[:-1], axis=1)
        found = [
            part.extract(np.ascontiguousarray(each).reshape(-1, *shape))
            for part, each, shape in zip(self._parts, inputs, self._shapes, strict=True)
        ]
        return FeatureBatch(*(np.concatenate(each, axis=-1) for each in zip(*found, strict=True)))
