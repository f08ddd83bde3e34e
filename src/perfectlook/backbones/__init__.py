"""Backbones: frozen networks that turn a picture into a global vector, style statistics and a feature map.

`describe_backbones` lists the backbones, and `open_backbone` opens one by name. Other packages add backbones
by entry points of the group "perfectlook.backbones". An entry point has the name of its backbone, and refers
to a subclass of `Backbone` that has `description` as a class attribute and takes the keywords `precision`,
`engine` and `threads`. Entry points are read only to list backbones, or to open a name that is not shipped.
"""

import difflib
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from perfectlook.backbones import efficientnet_lite, tiny
from perfectlook.backbones.backbone import Backbone, BackboneDescription, Concatenated, FeatureBatch
from perfectlook.backbones.engines import ENGINES, PRECISIONS, cuda_is_available
from perfectlook.errors import BackboneError, MissingExtraError, PerfectLookError

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
_EXTRAS = {"dinov2-small": "dinov2"}
"""The extras that install the backbones of other packages."""
_LOGGER = logging.getLogger(__name__)


def describe_backbones(*, installed: bool = True) -> list[BackboneDescription]:
    """Return the descriptions of the shipped backbones, then of those that other packages add.

    A backbone that cannot be loaded is left out, and a warning says why.

    Args:
        installed: include the backbones of other packages that are installed.
    """
    found = list(_DESCRIPTIONS.values())
    for name, sources in sorted(_installed().items()) if installed else ():
        try:
            found.append(_use(name, sources, lambda backbone: backbone.description))
        except BackboneError as error:
            _LOGGER.warning("%s", error)
    return found


def open_backbone(name: str, *, engine: str = "auto", threads: int = 1) -> Backbone:
    """Open a backbone to extract features.

    Args:
        name: one of these forms:
            "efficientnet-lite2" or another name of `describe_backbones`, in fp32; "efficientnet-lite2:bf16"
            runs it in bf16.
            "dinov2-small" or another backbone of an installed package, with the same precisions.
            "transformers:MODEL" (a name or a local folder), "timm:MODEL" or "open_clip:MODEL/PRETRAINED", a
            hub model.
            "efficientnet-lite0+efficientnet-lite2", the concatenated features of both.
        engine: "onnxruntime" or "openvino" on the processor, "cuda" on an NVIDIA GPU, or "auto" for the
            fastest available one. In fp32 all give the same features within a tolerance of 5e-4. Hub models
            run with "torch", which is also their "auto".
        threads: the number of threads. They share one picture, or each runs one if several callers extract
            at the same time. Several workers with one thread each are faster.

    Raises:
        BackboneError: the name, precision or engine is unknown, "cuda" finds no GPU, the weights do not load,
            or another package's backbone is broken or has a name that is taken.
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
    others = {} if base in _DESCRIPTIONS else _installed()
    if base in _EXTRAS and base not in others:
        raise MissingExtraError(f"backbone '{base}'", _EXTRAS[base])
    if base not in _DESCRIPTIONS and base not in others:
        known = dict.fromkeys([*_DESCRIPTIONS, *_EXTRAS, *others])
        near = difflib.get_close_matches(base.lower(), known, n=1, cutoff=0.4)
        meant = f"Did you mean '{near[0]}'? " if near else ""
        names = ", ".join([*known, *(f"{hub}:MODEL" for hub in _HUBS)])
        raise BackboneError(f"unknown backbone '{base}'. {meant}Choose one of: {names}.")
    if rest and rest not in PRECISIONS:
        raise BackboneError(f"{name}: unknown precision '{rest}'. Choose one of: {', '.join(PRECISIONS)}.")
    options: dict[str, Any] = {"precision": rest or "fp32", "engine": engine, "threads": threads}
    if base == tiny.DESCRIPTION.name:
        return tiny.Tiny(options["precision"])
    if others:
        return _use(base, others[base], lambda backbone: backbone(**options))  # type: ignore[no-any-return]
    return efficientnet_lite.EfficientNetLite(_DESCRIPTIONS[base], **options)


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


def _installed() -> dict[str, dict[str, Any]]:
    """Return the backbones of other packages: by name, the entry point of each package that has this name."""
    from importlib.metadata import entry_points  # only when needed, as it searches all packages

    found: dict[str, dict[str, Any]] = {}
    for entry in entry_points(group="perfectlook.backbones"):
        found.setdefault(entry.name, {})[entry.dist.name if entry.dist else entry.value] = entry
    return found


def _use(name: str, sources: dict[str, Any], action: Callable[..., Any]) -> Any:
    """Load the class of another package's backbone, and return the result of an action on it.

    Raises:
        BackboneError: the name is taken, the entry point does not load or is no backbone of this name, or the
            action fails.
    """
    packages = sorted(sources) + ["perfectlook"] * (name in _DESCRIPTIONS)
    if len(packages) > 1:
        known = " and ".join(packages)
        raise BackboneError(f"backbone '{name}': provided by {known}. Run: pip uninstall {packages[0]}")
    try:
        found = sources[packages[0]].load()
        if not issubclass(found, Backbone) or found.description.name != name:
            raise TypeError(f"expected a Backbone that describes '{name}', got {found!r}")  # noqa: TRY301
        return action(found)
    except PerfectLookError:
        raise
    except Exception as error:  # the code of the package may raise anything
        raise BackboneError(
            f"backbone '{name}': the package {packages[0]} is broken ({type(error).__name__}: {error}). "
            f"Upgrade it, or remove it with: pip uninstall {packages[0]}"
        ) from error
