"""Every backbone by name: `describe_backbones` lists them, `open_backbone` opens one.

A further backbone of a family is a description in the family's file. A further family is a file with
`DESCRIPTIONS` and `open_backbone`, named in `_FAMILIES`.
"""

import difflib
import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from perfectlook.backbones import efficientnet_lite, tiny
from perfectlook.backbones.backbone import Backbone, BackboneDescription, FeatureBatch
from perfectlook.backbones.engines import ENGINES, PRECISIONS, Precision
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


__all__ = ["Backbone", "BackboneDescription", "FeatureBatch", "describe_backbones", "open_backbone"]

_FAMILIES = (efficientnet_lite, tiny)
_Opener = Callable[[BackboneDescription, Precision, str, int], Backbone]
_BACKBONES: dict[str, tuple[BackboneDescription, _Opener]] = {
    each.name: (each, family.open_backbone) for family in _FAMILIES for each in family.DESCRIPTIONS
}
_HUBS = ("transformers", "timm", "open_clip")


def describe_backbones() -> list[BackboneDescription]:
    """The backbones that come with the package, in the order a table shows them."""
    return [description for description, _ in _BACKBONES.values()]


def open_backbone(name: str, *, engine: str = "auto", threads: int = 1) -> Backbone:
    """Open a backbone, ready to extract features.

    Args:
        name: of `describe_backbones`, "efficientnet-lite2" in fp32 or "efficientnet-lite2:bf16" in bf16; or
            of a hub: "transformers:MODEL" (or a local folder), "timm:MODEL", "open_clip:MODEL/PRETRAINED".
            "efficientnet-lite0+efficientnet-lite2" is both, their features side by side.
        engine: "onnxruntime", "openvino", "torch", or "auto" for the fastest that is installed. In fp32 all
            give the same features within a tolerance that the tests state.
        threads: how many threads may work: on one picture, or on as many at once as callers bring. Several
            workers of one thread are faster.

    Raises:
        BackboneError: an unknown name, precision or engine, or weights that cannot be loaded.
        MissingExtraError: what the backbone or engine needs is not installed.
    """
    if engine != "auto" and engine not in ENGINES:
        raise BackboneError(f"unknown engine '{engine}'; known: auto, {', '.join(ENGINES)}")
    if threads < 1:
        raise BackboneError(f"{threads} threads cannot run a backbone; give 1 or more")
    base, _, rest = name.partition(":")
    if SEPARATOR in name and base not in _HUBS:
        parts = [open_backbone(part, engine=engine, threads=threads) for part in name.split(SEPARATOR)]
        return Concatenated(parts)
    if base in _HUBS:
        from perfectlook.backbones import hub

        return hub.open_backbone(base, rest, engine=engine, threads=threads)
    if base not in _BACKBONES:
        raise BackboneError(_unknown(base))
    precision = rest or "fp32"
    if precision not in PRECISIONS:
        raise BackboneError(f"{name}: unknown precision '{rest}'; known: {', '.join(PRECISIONS)}")
    description, opener = _BACKBONES[base]
    return opener(description, precision, engine, threads)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), _BACKBONES, n=1, cutoff=0.4)
    meant = f"did you mean '{near[0]}'? " if near else ""
    hubs = ", ".join(f"{hub}:MODEL" for hub in _HUBS)
    return f"unknown backbone '{name}'; {meant}known: {', '.join(_BACKBONES)}, {hubs}"
