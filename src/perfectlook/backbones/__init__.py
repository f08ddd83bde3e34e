"""Backbones: frozen networks that turn a picture into a global vector, style statistics and a feature map.

`describe_backbones` lists the shipped backbones, and `open_backbone` opens one by name. To add a backbone,
write a file that describes and opens it, and register it here.
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
    """Return the descriptions of the shipped backbones."""
    return list(_DESCRIPTIONS.values())


def open_backbone(name: str, *, engine: str = "auto", threads: int = 1) -> Backbone:
    """Open a backbone to extract features.

    Args:
        name: one of these forms:
            "efficientnet-lite2" or another name of `describe_backbones`, in fp32; "efficientnet-lite2:bf16"
            runs it in bf16.
            "transformers:MODEL" (a name or a local folder), "timm:MODEL" or "open_clip:MODEL/PRETRAINED", a
            hub model.
            "efficientnet-lite0+efficientnet-lite2", the concatenated features of both.
        engine: "onnxruntime" or "openvino" on the processor, "cuda" on an NVIDIA GPU, or "auto" for the
            fastest available one. In fp32 all give the same features within a tolerance of 5e-4. Hub models
            run with "torch", which is also their "auto".
        threads: the number of threads. They share one picture, or each runs one if several callers extract
            at the same time. Several workers with one thread each are faster.

    Raises:
        BackboneError: the name, precision or engine is unknown, "cuda" finds no GPU, or the weights do not
            load.
        MissingExtraError: the backbone or engine needs a package that is not installed.
    """
    if engine not in {"auto", *ENGINES, "torch"}:
        raise BackboneError(f"unknown engine '{engine}'. Choose one of: auto, {', '.join(ENGINES)}.")
    if threads < 1:
        raise BackboneError(f"threads {threads}: must be at least 1.")
    base, _, rest = name.partition(":")
    if base in _HUBS:
        try:
            from perfectlook.backbones import hub

            return hub.open_backbone(base, rest, engine=engine, threads=threads)
        except ImportError as error:
            library = "open_clip_torch" if base == "open_clip" else base
            raise BackboneError(
                f"{name}: {base} cannot be imported ({error}). "
                f"Install it with: pip install torch torchvision {library}"
            ) from error
    if "+" in name:
        return Concatenated([open_backbone(part, engine=engine, threads=threads) for part in name.split("+")])
    if base not in _DESCRIPTIONS:
        near = difflib.get_close_matches(base.lower(), _DESCRIPTIONS, n=1, cutoff=0.4)
        meant = f"Did you mean '{near[0]}'? " if near else ""
        known = ", ".join([*_DESCRIPTIONS, *(f"{hub}:MODEL" for hub in _HUBS)])
        raise BackboneError(f"unknown backbone '{base}'. {meant}Choose one of: {known}.")
    if rest and rest not in PRECISIONS:
        raise BackboneError(f"{name}: unknown precision '{rest}'. Choose one of: {', '.join(PRECISIONS)}.")
    precision = rest or "fp32"
    if base == tiny.DESCRIPTION.name:
        return tiny.Tiny(precision)
    return efficientnet_lite.EfficientNetLite(_DESCRIPTIONS[base], precision, engine, threads)


def runs_on_gpu(name: str) -> bool:
    """Return whether `open_backbone(name)` runs this backbone, or a part of it, on a GPU."""
    base, _, rest = name.partition(":")
    if base in _HUBS:
        with suppress(ImportError):  # `open_backbone` raises an error that says what to install
            import torch

            return torch.cuda.is_available()
        return False
    if "+" in name:
        return any(runs_on_gpu(part) for part in name.split("+"))
    return base != tiny.DESCRIPTION.name and rest != "bf16" and cuda_is_available()
