"""A photo to send, however it is given."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, Union

from perfectlook.errors import PictureError

if TYPE_CHECKING:
    from PIL.Image import Image

Photo: TypeAlias = Union[Path, str, bytes, BinaryIO, "Image"]
"""A path, an http(s) address that the server fetches, the bytes or a stream of a picture, or Pillow's."""


def address_of(photo: Photo) -> str | None:
    """Return the address of a photo that is given by one."""
    if isinstance(photo, str) and photo.lower().startswith(("http://", "https://")):
        return photo
    return None


def content_of(photo: Photo) -> bytes:
    """Return the bytes to send; a picture of Pillow's is sent upright, as PNG.

    Raises:
        PictureError: there is no such file, or it cannot be read.
    """
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, Path | str):
        try:
            return Path(photo).read_bytes()
        except (OSError, ValueError) as error:
            raise PictureError(
                f"{photo}: cannot be read ({_why(error)}); give the file of a picture"
            ) from error
    if hasattr(photo, "read"):
        return photo.read()
    from perfectlook.images import to_rgb

    encoded = io.BytesIO()
    to_rgb(photo, name_of(photo)).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def name_of(photo: Photo | None) -> str:
    """Return what messages call a photo: its path, or "" where it has none."""
    if isinstance(photo, Path | str):
        return str(photo)
    name = getattr(photo, "filename", None) or getattr(photo, "name", None)
    return name if isinstance(name, str) else ""


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
