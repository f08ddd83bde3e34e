"""Opens pictures safely: any common format becomes an upright RGB picture, or an error that says why not."""

import functools
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageChops, UnidentifiedImageError

from perfectlook.errors import PictureError
from perfectlook.types import ByteArray, Rectangle

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif")
"""Names that end like this (in any case) are pictures; the earlier one wins if an id has two."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
"""What is read, by content and never by extension; Pillow's other decoders are not reachable from here."""

_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn a picture upright, by its EXIF orientation; from 5 on, its width and height change places."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What a picture may cost: bytes before anything parses them, pixels before anything decodes them.

    Pillow's own limit (`PIL.Image.MAX_IMAGE_PIXELS`, 89 megapixels) holds as well, whatever is set here.
    """

    max_bytes: int = 50 * 2**20
    max_pixels: int = 40_000_000


DEFAULT_LIMITS = PictureLimits()

Source: TypeAlias = Path | str | bytes | BinaryIO
"""A picture's path, its bytes, or a stream of them."""
Photo: TypeAlias = Source | Image.Image
"""The same, or a picture opened by Pillow."""


def open_picture(
    source: Photo,
    *,
    crop: Rectangle | None = None,
    fit: int | None = None,
    limits: PictureLimits = DEFAULT_LIMITS,
) -> Image.Image:
    """Decode a picture to RGB, upright (EXIF rotation applied), transparency over white.

    Reads JPEG, PNG, WebP, AVIF, GIF (first frame), BMP, TIFF (first page) and HEIC, recognised by content.

    Args:
        source: a file's path, its bytes, a stream open for reading (read, never closed), or a picture that
            Pillow has opened or made, which stays as it is; `fit` and `limits` do not apply to it.
        crop: the part to return, in pixels of the upright full-size picture.
        fit: allow a JPEG to be decoded 2, 4 or 8 times smaller, which is faster, as long as both sides of
            what is returned stay at least this many pixels; edges of `crop` then fall on whole small pixels.
        limits: the most bytes and pixels accepted.

    Raises:
        PictureError: the picture is missing, unreadable, empty, truncated, damaged, too large or of another
            format, or `crop` is not inside it; the message names the file, what is wrong and the remedy.
    """
    with _opened(source, limits) as opened:
        size, scale = opened.size, 1
        if fit is not None and opened is not source and opened.format in {"JPEG", "MPO"}:
            scale = _draft(opened, crop, fit)
        opened.load()
        if opened.format == "TIFF":
            size = opened.size  # Pillow turns TIFF upright itself while loading
        orientation = _orientation(opened)
        picture: Image.Image = opened
        if crop is not None:
            picture = opened.crop(_stored_rectangle(crop, size, orientation, scale))
        return _upright_rgb(picture, opened, orientation)


def picture_problem(source: Path | bytes) -> str | None:
    """Return why a picture cannot be opened; None if it can be, at least small."""
    try:
        open_picture(source, fit=64)
    except PictureError as error:
        return str(error).removeprefix("<bytes>: ")
    return None


def upright_size(source: Source, *, limits: PictureLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Return width and height of a picture as `open_picture` would return it, from its header alone.

    Raises:
        PictureError: as `open_picture`, where the header tells.
    """
    with _opened(source, limits) as opened:
        width, height = opened.size
        return (height, width) if _orientation(opened) >= 5 else (width, height)


def photo_name(photo: Photo, unnamed: str = "<picture>") -> str:
    """Return what answers and messages call a photo: its path where it has one."""
    if isinstance(photo, bytes | bytearray | memoryview):
        return "<bytes>"
    if isinstance(photo, Path | str):
        return str(photo)
    name = getattr(photo, "filename", None) or getattr(photo, "name", None)
    return name if isinstance(name, str) and name else unnamed


def encode_jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    """Encode an RGB or grey picture as JPEG (quality 1 to 95)."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def dhash(picture: Image.Image) -> ByteArray:
    """256-bit difference hash, uint8 [32]: the picture grey at 17×16, each pixel against its right neighbour.

    Bit 16·row + column, highest first, is set where the neighbour is brighter. Copies that were scaled or
    saved again differ in few bits.
    """
    grey = np.asarray(picture.convert("L").resize((17, 16), Image.Resampling.LANCZOS))
    return np.packbits(grey[:, 1:] > grey[:, :-1])


@contextmanager
def _opened(photo: Photo, limits: PictureLimits) -> Iterator[Image.Image]:
    """Open a picture, not decoded yet; whatever is raised on it becomes a PictureError with the remedy."""
    try:
        if isinstance(photo, Image.Image):
            yield photo
            return
        _prepare_pillow()
        opened = Image.open(io.BytesIO(_read(photo, limits.max_bytes)), formats=FORMATS)
        _check_pixels(opened, limits.max_pixels)
        yield opened
    except Exception as error:  # on garbage Pillow's decoders raise nearly anything
        if isinstance(error, PictureError):
            reason = str(error)
        elif isinstance(error, UnidentifiedImageError):
            reason = (
                f"not a picture of a known format ({', '.join(FORMATS)}), or its header is damaged; "
                "convert it to one of them, or fetch it again"
            )
        elif isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
            reason = f"over the limit of {limits.max_pixels / 1e6:.1f} megapixels ({error}); scale it down"
        else:
            reason = f"truncated or damaged ({str(error) or type(error).__name__}); fetch or copy it again"
        name = photo_name(photo, "<picture>" if isinstance(photo, Image.Image) else "<stream>")
        raise PictureError(f"{name}: {reason}") from error


def _check_pixels(opened: Image.Image, max_pixels: int) -> None:
    tags = getattr(opened, "tag_v2", None) or {}  # a TIFF's tiles are decoded whole, however little they show
    for width, height in (opened.size, (int(tags.get(322, 0)), int(tags.get(323, 0)))):
        if width * height > max_pixels:
            raise PictureError(
                f"{width}×{height} is {width * height / 1e6:.1f} megapixels, over the limit of "
                f"{max_pixels / 1e6:.1f}; scale it down or raise PictureLimits.max_pixels"
            )


def _read(source: Source, max_bytes: int) -> bytes:
    try:
        if isinstance(source, Path | str):
            path = Path(source)
            if path.is_dir():
                raise PictureError("a folder, not a picture; name a file in it")
            if path.exists() and not path.is_file():
                raise PictureError("not a regular file; copy the picture to one")
            with path.open("rb") as stream:
                return _read(stream, max_bytes)
        if isinstance(source, bytes | bytearray | memoryview):
            source = io.BytesIO(source)
        parts: list[bytes] = []
        missing = max_bytes + 1
        while missing > 0 and (part := source.read(missing)):  # sockets and pipes give less than asked for
            parts.append(part)
            missing -= len(part)
        content = b"".join(parts)
    except FileNotFoundError as error:
        remedy = "download it first: an address is no file" if "://" in str(source) else "check the path"
        raise PictureError(f"no such file; {remedy}") from error
    except PermissionError as error:
        raise PictureError("permission denied; make it readable for this user") from error
    except (OSError, ValueError, TypeError) as error:
        raise PictureError(f"cannot be read ({error}); check the path and the disk") from error
    if not content:
        raise PictureError("empty (0 bytes); fetch or copy it again")
    if len(content) > max_bytes:
        raise PictureError(
            f"over the limit of {max_bytes:,} bytes; save it smaller or raise PictureLimits.max_bytes"
        )
    return content


def _upright_rgb(picture: Image.Image, opened: Image.Image, orientation: int) -> Image.Image:
    """An opened picture, or the part of it that is wanted, as RGB and upright."""
    if opened.format in {"JPEG", "MPO"} and picture.mode == "CMYK" and "adobe" not in opened.info:
        picture = ImageChops.invert(picture)  # Pillow takes every CMYK JPEG for Adobe's, which are inverted
    if picture.mode.startswith("I;16"):
        picture = _from_16_bit(picture)
    elif picture.mode in {"I", "F"}:
        raise PictureError("32-bit pixels have no agreed range; save it with 8 or 16 bits per channel")
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    picture = picture.convert("RGB")
    if orientation in _TO_UPRIGHT:
        picture = picture.transpose(_TO_UPRIGHT[orientation])
    picture.info = {}  # what was read from the file, its orientation above all, is no longer true
    return picture


@functools.cache
def _prepare_pillow() -> None:
    """Teach Pillow, once, to read HEIC (not to write it) and to refuse what it would only warn about.

    Both are settings of the whole process: changing them around each call would race between threads.
    """
    from pillow_heif import HeifImageFile

    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

    brands = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
    Image.register_open("HEIF", HeifImageFile, lambda start: start[4:8] == b"ftyp" and start[8:12] in brands)


def _draft(opened: Image.Image, crop: Rectangle | None, fit: int) -> int:
    """Ask the JPEG decoder for a smaller picture; returns how many times smaller it will be."""
    width, height = opened.size
    shortest = min(crop.right - crop.left, crop.bottom - crop.top) if crop else min(width, height)
    for scale in (8, 4, 2):
        if shortest // scale >= max(fit, 1):
            agreed = opened.draft(None, (width // scale, height // scale))
            return scale if agreed is not None else 1
    return 1


def _orientation(opened: Image.Image) -> int:
    try:
        orientation = int(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata is no reason to refuse a picture whose pixels are whole
        return 1
    return orientation if orientation in _TO_UPRIGHT else 1


def _stored_rectangle(
    crop: Rectangle, size: tuple[int, int], orientation: int, scale: int
) -> tuple[int, int, int, int]:
    """Where a rectangle of the upright picture lies in the stored one, `scale` times smaller."""
    width, height = size
    left, top, right, bottom = crop
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        upright = (height, width) if orientation >= 5 else size
        raise PictureError(
            f"the crop {tuple(crop)} is empty or not inside the picture of {upright[0]}×{upright[1]} pixels; "
            "give left, top, right, bottom in pixels of the upright picture"
        )
    # half up, not Python's half to even: rectangles of one size stay of one size wherever they lie
    left, top, right, bottom = ((2 * edge + scale) // (2 * scale) for edge in (left, top, right, bottom))
    return left, top, right, bottom


def _from_16_bit(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits to 8, scaled and rounded (Pillow's own conversion clips at 255)."""
    values = np.asarray(picture).astype(np.uint32)
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    transparent = picture.info.get("transparency")
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey
