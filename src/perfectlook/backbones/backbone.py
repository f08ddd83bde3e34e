"""The base class of backbones, their features, and the concatenation of several backbones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from PIL import Image

from perfectlook.errors import BackboneError
from perfectlook.types import REGIONS, Float32Array

Channels = tuple[float, ...]
"""One value each for red, green and blue."""
HALF: Channels = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class BackboneDescription:
    """Name, dimensions, licence and source of a backbone."""

    name: str
    input_size: int
    """Side of the square input, in pixels."""
    global_dimension: int
    stage_channels: tuple[int, ...]
    """Numbers of channels of the stages whose style statistics are computed, finest stage first."""
    map_channels: int
    licence: str
    megabytes: float
    """Size of the weights in MB; 0 if unknown."""
    source: str
    summary: str
    members: "tuple[BackboneDescription, ...]" = ()
    """The backbones that a concatenation consists of."""

    @property
    def stage_widths(self) -> tuple[int, ...]:
        """The lengths of the style statistics of each stage: a mean and a deviation of each channel."""
        return tuple(2 * channels for channels in self.stage_channels)

    @property
    def style_dimension(self) -> int:
        """The length of the style statistics: two values for each channel of each stage."""
        return 2 * sum(self.stage_channels)


class FeatureBatch(NamedTuple):
    """Features of n pictures."""

    global_vectors: Float32Array
    """The pooled output, [n, D]."""
    style_statistics: Float32Array
    """For each stage the channel means, then the channel (population) standard deviations, [n, K]."""
    feature_maps: Float32Array
    """The feature map pooled to 7×7 regions, row by row, [n, 49, C]."""

    @property
    def features(self) -> Float32Array:
        """Global vectors and style statistics, [n, D + K]."""
        return np.concatenate([self.global_vectors, self.style_statistics], axis=1)

    def with_features(self, features: Float32Array) -> Self:
        """Return the batch with other global vectors and style statistics, [n, D + K]."""
        head = self.global_vectors.shape[1]
        return self._replace(global_vectors=features[:, :head], style_statistics=features[:, head:])


class Backbone:
    """A frozen network with its own preprocessing.

    A subclass sets the attributes and implements `_run`.
    """

    description: BackboneDescription
    """Name, dimensions, licence and source."""
    identity: str
    """Name, precision and start of the SHA-256 of the weights. Features of two identities are never mixed."""
    _mean_and_std: tuple[Channels, Channels] = (HALF, HALF)

    def prepare(self, picture: Image.Image) -> Float32Array:
        """Turn an RGB picture into the input of the network, [3, S, S]. It is scaled, not cropped."""
        return squash(picture, self.description.input_size, *self._mean_and_std)

    def extract(self, batch: Float32Array) -> FeatureBatch:
        """Extract features from n prepared pictures, stacked to float32 [n, 3, S, S].

        Raises:
            BackboneError: the batch has another shape or type.
        """
        about, shape = self.description, self._input_shape()
        if batch.shape[1:] != shape or batch.dtype != np.float32:
            raise BackboneError(
                f"{about.name}: expected a batch of float32 [n, {', '.join(map(str, shape))}], "
                f"got {batch.dtype} {list(batch.shape)}. Stack the results of prepare()."
            )
        if len(batch):
            return self._run(batch)
        shapes = ((about.global_dimension,), (about.style_dimension,), (REGIONS, about.map_channels))
        return FeatureBatch(*(np.zeros((0, *each), np.float32) for each in shapes))

    def _input_shape(self) -> tuple[int, ...]:
        """Return the shape of one prepared picture."""
        return (3, self.description.input_size, self.description.input_size)

    def _run(self, batch: Float32Array) -> FeatureBatch:
        """Extract features from at least one prepared picture."""
        raise NotImplementedError


def squash(picture: Image.Image, size: int, mean: Channels = HALF, std: Channels = HALF) -> Float32Array:
    """Resize an RGB picture to a square and normalise it to (x / 255 - mean) / std, [3, size, size].

    The picture is not cropped, so the regions cover all of it. The filter is antialiased.
    """
    resized = picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    scale = 1 / (255 * np.asarray(std, np.float32))
    offset = np.asarray(mean, np.float32) / np.asarray(std, np.float32)
    values = np.asarray(resized) * scale - offset
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)


class Concatenated(Backbone):
    """The concatenation of several backbones. Its input is the flattened inputs of the parts, in order.

    Args:
        parts: two or more different backbones.

    Raises:
        BackboneError: a backbone occurs twice.
    """

    def __init__(self, parts: Sequence[Backbone]) -> None:
        self._parts = tuple(parts)
        descriptions = [part.description for part in parts]
        names = [each.name for each in descriptions]
        self.identity = "+".join(part.identity for part in parts)
        if len(set(names)) < len(names):
            raise BackboneError(f"{'+'.join(names)}: contains a backbone twice. Name each backbone once.")
        self.description = BackboneDescription(
            name="+".join(names),
            input_size=max(each.input_size for each in descriptions),
            global_dimension=sum(each.global_dimension for each in descriptions),
            stage_channels=tuple(channels for each in descriptions for channels in each.stage_channels),
            map_channels=sum(each.map_channels for each in descriptions),
            licence="; ".join(dict.fromkeys(each.licence for each in descriptions)),
            megabytes=sum(each.megabytes for each in descriptions),
            source="; ".join(dict.fromkeys(each.source for each in descriptions)),
            summary="several backbones, concatenated",
            members=tuple(descriptions),
        )
        self._shapes = [(3, each.input_size, each.input_size) for each in descriptions]

    def prepare(self, picture: Image.Image) -> Float32Array:
        """Return the flattened inputs of all parts, [sum of 3·S·S]."""
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
