"""Backbones: frozen networks, from a picture to its global vector, style statistics and feature map.

`describe_backbones` lists those that come with the package, `open_backbone` opens one by name. A further
backbone is a file that describes and opens it, named in this one.
"""

import difflib
from contextlib import suppress

from perfectlook.backbones import efficientnet_lite, tiny
from perfectlook.backbones.backbone import Backbone, BackboneDescription, Concatenated, FeatureBatch
from perfectlook.backbones.engines import ENGINES, PRECISIONS, cuda_is_available
from perfectlook.errors import BackboneError

__all__ = [
    "Backbone",
    "BackboneDescription",
    "FeatureBatch",
    "describe_backbones",
    "open_backbone",
    "runs_on_gpu",
]

_DESCRIPTIONS = {each.name: each for each in (*efficientnet_lite.DESCRIPTIONS, tiny.DESCRIPTION)}
_HUBS = ("transformers", "timm", "open_clip")


def describe_backbones() -> list[BackboneDescription]:
    """The backbones that come with the package, in the order a table shows them."""
    return list(_DESCRIPTIONS.values())


def open_backbone(name: str, *, engine: str = "auto", threads: int = 1) -> Backbone:
    """Open a backbone, ready to extract features.

    Args:
        name: of `describe_backbones`, "efficientnet-lite2" in fp32 or "efficientnet-lite2:bf16" in bf16; or
            of a hub: "transformers:MODEL" (or a local folder), "timm:MODEL", "open_clip:MODEL/PRETRAINED".
            "efficientnet-lite0+efficientnet-lite2" is both, their features side by side.
        engine: "onnxruntime" or "openvino" on the processor, "cuda" on an NVIDIA GPU, or "auto" for the
            fastest of those that work here. In fp32 all give the same features within a tolerance that the
            tests state. Models of a hub run by "torch", which "auto" means for them.
        threads: how many threads may work: on one picture, or on as many at once as callers bring. Several
            workers of one thread are faster.

    Raises:
        BackboneError: an unknown name, precision or engine, no GPU for "cuda", or weights that do not load.
        MissingExtraError: the backbone or engine needs a package that is not installed.
    """
    if engine not in {"auto", *ENGINES, "torch"}:
        raise BackboneError(f"unknown engine '{engine}'; known: auto, {', '.join(ENGINES)}")
    if threads < 1:
        raise BackboneError(f"{threads} threads cannot run a backbone; give 1 or more")
    base, _, rest = name.partition(":")
    if base in _HUBS:
        try:
            from perfectlook.backbones import hub

            return hub.open_backbone(base, rest, engine=engine, threads=threads)
        except ImportError as error:
            library = "open_clip_torch" if base == "open_clip" else base
            raise BackboneError(
                f"{name}: {base} cannot be imported ({error}); pip install torch torchvision {library}"
            ) from error
    if "+" in name:
        return Concatenated([open_backbone(part, engine=engine, threads=threads) for part in name.split("+")])
    if base not in _DESCRIPTIONS:
        near = difflib.get_close_matches(base.lower(), _DESCRIPTIONS, n=1, cutoff=0.4)
        meant = f"did you mean '{near[0]}'? " if near else ""
        known = ", ".join([*_DESCRIPTIONS, *(f"{hub}:MODEL" for hub in _HUBS)])
        raise BackboneError(f"unknown backbone '{base}'; {meant}known: {known}")
    if rest and rest not in PRECISIONS:
        raise BackboneError(f"{name}: unknown precision '{rest}'; known: {', '.join(PRECISIONS)}")
    precision = rest or "fp32"
    if base == tiny.DESCRIPTION.name:
        return tiny.Tiny(precision)
    return efficientnet_lite.EfficientNetLite(_DESCRIPTIONS[base], precision, engine, threads)


def runs_on_gpu(name: str) -> bool:
    """Whether `open_backbone(name)` would run this backbone, or a part of it, on a GPU."""
    base, _, rest = name.partition(":")
    if base in _HUBS:
        with suppress(ImportError):  # opening the model will say what to install
            import torch

            return torch.cuda.is_available()
        return False
    if "+" in name:
        return any(runs_on_gpu(part) for part in name.split("+"))
    return base != tiny.DESCRIPTION.name and rest != "bf16" and cuda_is_available()
