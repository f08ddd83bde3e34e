"""A photo that has passed the backbone and the model once, for several questions about it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from PIL import Image

from perfectlook.images import open_picture, to_rgb

if TYPE_CHECKING:
    from perfectlook.backbones import FeatureBatch
    from perfectlook.model.runtime import SceneEmbedding


Photo: TypeAlias = Path | str | bytes | BinaryIO | Image.Image
"""A path, the bytes or a stream of a picture, or a picture opened by Pillow."""


def opened_photo(photo: Photo, fit: int | None = None) -> Image.Image:
    """Return the photo upright, in RGB, transparency over white; `fit` and errors as in `open_picture`."""
    if isinstance(photo, Image.Image):
        return to_rgb(photo, name_of(photo))
    return open_picture(photo, fit=fit)


def name_of(photo: Photo) -> str:
    """Return what an answer calls the photo: its path where it has one."""
    if isinstance(photo, bytes):
        return "<bytes>"
    if isinstance(photo, Path | str):
        return str(photo)
    name = getattr(photo, "filename", None) or getattr(photo, "name", None)
    return name if isinstance(name, str) and name else "<picture>"


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of a photo: what answers call it, its features (a batch of one) and its scene."""

    name: str
    features: "FeatureBatch"
    scene: "SceneEmbedding"
