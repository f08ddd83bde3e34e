"""Several backbones as one: each sees the picture its own way, and their features stand side by side."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from perfectlook.backbones.backbone import Backbone, BackboneDescription, FeatureBatch
from perfectlook.errors import BackboneError
from perfectlook.types import Float32Array

SEPARATOR = "+"


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
            licence=_joined([each.licence for each in descriptions]),
            megabytes=sum(each.megabytes for each in descriptions),
            source=_joined([each.source for each in descriptions]),
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
