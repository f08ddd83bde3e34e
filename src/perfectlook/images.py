"""Open pictures safely: any common format becomes an upright RGB picture, or raises a `PictureError`."""

import functools
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageFile, UnidentifiedImageError

from perfectlook.errors import PictureError
from perfectlook.picture_structure import check_pixels, check_structure
from perfectlook.texts import clean_line
from perfectlook.types import ByteArray, Rectangle

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif")
"""Suffixes of picture files, in any case. If an id has two pictures, the earlier suffix wins."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
"""Formats that are read, recognised by content and not by suffix. Pillow's other decoders are never used."""

_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn a picture upright, by EXIF orientation. From 5 on, width and height are swapped."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Limits of a picture: bytes are checked before parsing, pixels before decoding.

    Attributes:
        max_bytes: the largest file.
        max_pixels: the most pixels that are decoded.
        max_jpeg_pixels: the most pixels of a JPEG that is scaled while it is decoded, with `fit`.
            What is left of them is within `max_pixels`. A progressive JPEG cannot be decoded so.
        max_heic_pixels: the most pixels of a HEIC.

    By default, these two are three times and one and a half times the default of `max_pixels`. If you change
    `max_pixels` only, it holds for all formats.
    """

    max_bytes: int = 50 * 2**20
    max_pixels: int = 40_000_000
    max_jpeg_pixels: int | None = None
    max_heic_pixels: int | None = None

    @property
    def jpeg_pixels(self) -> int:
        """The most pixels of a JPEG that is scaled while it is decoded."""
        return self._larger(self.max_jpeg_pixels, 120_000_000)

    @property
    def heic_pixels(self) -> int:
        """The most pixels of a HEIC."""
        return self._larger(self.max_heic_pixels, 60_000_000)

    def _larger(self, chosen: int | None, default: int) -> int:
        if chosen is None:
            return default if self.max_pixels == PictureLimits().max_pixels else self.max_pixels
        return max(chosen, self.max_pixels)


DEFAULT_LIMITS = PictureLimits()
LARGE = 16_000_000
"""Above this many pixels, memory matters more than the exact way of scaling."""

Source: TypeAlias = Path | str | bytes | BinaryIO
"""A picture's path, its bytes, or a stream of them."""
Photo: TypeAlias = Source | Image.Image
"""A `Source`, or a picture that Pillow has opened."""


def open_picture(
    source: Photo,
    *,
    crop: Rectangle | None = None,
    fit: int | None = None,
    limits: PictureLimits = DEFAULT_LIMITS,
) -> Image.Image:
    """Decode a picture to RGB: upright (EXIF rotation applied), with transparency shown on white.

    Reads JPEG, PNG, WebP, AVIF, GIF (first frame), BMP, TIFF (first page) and HEIC, recognised by content.

    Args:
        source: a path, the bytes of a file, a stream open for reading, or a Pillow picture. A stream is not
            closed. A Pillow picture is not changed, and `fit` and `limits` do not apply to it.
        crop: the part to return, in pixels of the upright full-size picture.
        fit: decode a JPEG 2, 4 or 8 times smaller, which is faster, while both sides of the result stay at
            least this many pixels. The edges of `crop` are then rounded to whole pixels of the small picture.
            A whole picture of another format and more than 16 megapixels is reduced after decoding, to at
            least 4 times as many pixels, which saves memory.
        limits: the largest number of bytes and pixels accepted.

    Raises:
        PictureError: the picture is missing, unreadable, empty, truncated, damaged, too large or of another
            format, or `crop` is not inside it.
    """
    with _opened(source, limits) as opened:
        size, scale = opened.size, 1
        tags = getattr(opened, "tag_v2", {}) if opened.format == "TIFF" else {}
        if tags.get(284) == 2 and max(tags.get(258, (8,))) > 8:  # Pillow decodes these wrongly
            raise PictureError("16-bit channels in separate planes. Save it with 8 bits, or interleaved.")
        if opened is not source:
            if fit is not None and opened.format in {"JPEG", "MPO"}:
                scale = _draft(opened, crop, fit, limits.max_pixels)
            most = limits.heic_pixels if opened.format == "HEIF" else limits.max_pixels
            check_pixels(*opened.size, most)
        orientation = _orientation(opened)
        if fit is not None and opened.format == "HEIF" and opened is not source:
            part = (0, 0, *size) if crop is None else _stored_rectangle(crop, size, orientation, 1)
            if (small := _from_heic(opened, part, fit)) is not None:
                return _upright_rgb(small, opened, orientation)
        opened.load()
        if opened.format == "TIFF":
            size, orientation = opened.size, _orientation(opened)  # Pillow turns it upright while loading it
        picture: Image.Image = opened
        if crop is not None:
            picture = opened.crop(_stored_rectangle(crop, size, orientation, scale))
        elif fit is not None and opened is not source and size[0] * size[1] > LARGE:
            picture = _reduced(opened, fit)
        return _upright_rgb(picture, opened, orientation)


def picture_problem(source: Path | bytes) -> str | None:
    """Return the reason why a picture cannot be opened; None if it can be decoded, at reduced size."""
    try:
        open_picture(source, fit=64)
    except PictureError as error:
        return str(error).removeprefix("<bytes>: ")
    return None


def upright_size(source: Source, *, limits: PictureLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Return the width and height of a picture after `open_picture`, read from its header alone.

    Raises:
        PictureError: as `open_picture`, as far as the header shows it.
    """
    with _opened(source, limits) as opened:
        width, height = opened.size
        return (height, width) if _orientation(opened) >= 5 else (width, height)


def photo_name(photo: Photo, unnamed: str = "<picture>") -> str:
    """Return the name of a photo in answers and messages: its path, if it has one."""
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
    """Return the 256-bit difference hash of a picture, uint8 [32].

    The picture is scaled to 17×16 grey pixels. Bit 16·row + column, highest first, is set if the pixel's
    right neighbour is brighter. Copies that were scaled or saved again differ in few bits.
    """
    grey = np.asarray(picture.convert("L").resize((17, 16), Image.Resampling.LANCZOS))
    return np.packbits(grey[:, 1:] > grey[:, :-1])


@contextmanager
def _opened(photo: Photo, limits: PictureLimits) -> Iterator[Image.Image]:
    """Open a picture without decoding it. Every error inside the block becomes a PictureError."""
    kinds = Path | str | bytes | bytearray | memoryview | Image.Image
    if not isinstance(photo, kinds) and not hasattr(photo, "read"):
        raise PictureError(f"expected a path, bytes, a stream or a Pillow picture, got {photo!r:.80}.")
    try:
        if isinstance(photo, Image.Image):
            yield photo
            return
        _prepare_pillow()
        content = _read(photo, limits.max_bytes)
        is_scalable = check_structure(content, limits.max_pixels, limits.heic_pixels)
        opened = Image.open(io.BytesIO(content), formats=FORMATS)
        most = {"JPEG": limits.jpeg_pixels} if is_scalable else {"HEIF": limits.heic_pixels}
        _check_pixels(opened, most.get(opened.format or "", limits.max_pixels))
        yield opened
    except Exception as error:  # Pillow's decoders raise almost any type of error on invalid data
        if isinstance(error, PictureError):
            reason = str(error)
        elif isinstance(error, UnidentifiedImageError):
            reason = (
                f"not a picture of a known format ({', '.join(FORMATS)}), or its header is damaged. "
                "Convert it to one of these formats, or fetch it again."
            )
        elif isinstance(error, MemoryError) or "allocation error: Unspec" in str(error):
            reason = "needs more memory than there is. Scale it down, or save it as a JPEG."
        elif isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
            cause = str(error).removesuffix(".")
            reason = f"over the limit of {limits.max_pixels / 1e6:.1f} megapixels ({cause}). Scale it down."
        else:
            cause = clean_line(str(error)) or type(error).__name__
            reason = f"truncated or damaged ({cause}). Fetch or copy it again."
        name = photo_name(photo, "<picture>" if isinstance(photo, Image.Image) else "<stream>")
        raise PictureError(f"{name}: {reason}") from error


def _check_pixels(opened: Image.Image, max_pixels: int) -> None:
    tags = getattr(opened, "tag_v2", None) or {}  # a TIFF's tiles may be larger than the picture
    check_pixels(*opened.size, max_pixels)
    check_pixels(int(tags.get(322, 0)), int(tags.get(323, 0)), max_pixels)


def _read(source: Source, max_bytes: int) -> bytes:
    try:
        if isinstance(source, Path | str):
            path = Path(source)
            if path.is_dir():
                raise PictureError("a folder, not a picture. Name a picture in it.")
            if path.exists() and not path.is_file():
                raise PictureError("not a regular file. Copy the picture to a regular file.")
            with path.open("rb") as stream:
                return _read(stream, max_bytes)
        if isinstance(source, bytes | bytearray | memoryview):
            source = io.BytesIO(source)
        parts: list[bytes] = []
        missing = max_bytes + 1
        while missing > 0 and (part := source.read(missing)):  # sockets and pipes return less than requested
            parts.append(part)
            missing -= len(part)
        content = b"".join(parts)
    except FileNotFoundError as error:
        remedy = "Download the picture first." if "://" in str(source) else "Check the path."
        raise PictureError(f"no such file. {remedy}") from error
    except (OSError, ValueError, TypeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise PictureError(f"cannot be read ({cause}). Check its permissions and the disk.") from error
    if not content:
        raise PictureError("empty (0 bytes). Fetch or copy it again.")
    if len(content) > max_bytes:
        raise PictureError(
            f"over the limit of {max_bytes:,} bytes. Save it smaller, or raise PictureLimits.max_bytes."
        )
    return content


def _reduced(picture: Image.Image, fit: int) -> Image.Image:
    """Return a large picture with whole numbers of its pixels averaged to one."""
    factor = min(picture.size) // (4 * max(fit, 1))
    if factor < 2 or picture.mode in {"I", "F"} or picture.mode.startswith("I;"):
        return picture
    if picture.mode not in {"RGB", "RGBA", "L", "LA", "CMYK"}:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return picture.reduce(factor)


def _from_heic(opened: Image.Image, part: tuple[int, int, int, int], fit: int) -> Image.Image | None:
    """Return a large part of a HEIC as `_reduced` does, band by band; None if it stays as it is.

    The library's pixels are read where they are. A copy of Pillow's would need more memory than they do.
    """
    from pillow_heif import open_heif

    left, top, right, bottom = part
    factor = min(right - left, bottom - top) // (4 * max(fit, 1))
    is_large = factor >= 2 and (right - left) * (bottom - top) > LARGE
    if not (isinstance(opened, ImageFile.ImageFile) and opened.mode == "RGB" and is_large):
        return None
    file = open_heif(opened.fp, convert_hdr_to_8bit=True, remove_stride=False)
    heic = file[file.primary_index]
    if heic.size != opened.size or heic.mode != "RGB":
        return None
    rows = np.frombuffer(heic.data, np.uint8).reshape(-1, heic.stride)[:, 3 * left : 3 * right]
    small = Image.new("RGB", (-(-(right - left) // factor), -(-(bottom - top) // factor)))
    for at in range(top, bottom, 8 * factor):
        band = np.ascontiguousarray(rows[at : min(at + 8 * factor, bottom)])
        whole = Image.frombuffer("RGB", (right - left, len(band)), band, "raw", "RGB", 0, 1)
        small.paste(whole.reduce(factor), (0, (at - top) // factor))
    return small


def _upright_rgb(picture: Image.Image, opened: Image.Image, orientation: int) -> Image.Image:
    """Convert an opened picture, or a part of it, to upright RGB."""
    if opened.format in {"JPEG", "MPO"} and picture.mode == "CMYK" and "adobe" not in opened.info:
        picture = ImageChops.invert(picture)  # Pillow inverts every CMYK JPEG; only Adobe's need it
    if picture.mode.startswith("I;16"):
        picture = _from_16_bit(picture)
    elif picture.mode in {"I", "F"}:
        raise PictureError("32-bit pixels have no defined range. Save it with 8 or 16 bits per channel.")
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    picture = picture.convert("RGB")
    if orientation in _TO_UPRIGHT:
        picture = picture.transpose(_TO_UPRIGHT[orientation])
    picture.info = {}  # the metadata of the file, such as its orientation, no longer applies
    return picture


@functools.cache
def _prepare_pillow() -> None:
    """Register HEIC for reading, and turn Pillow's warnings about huge pictures into errors.

    Its other warnings are not shown: one picture can cause thousands. The settings belong to the process.
    Changing them around each call would be a race between threads.
    """
    from pillow_heif import HeifImageFile

    warnings.filterwarnings("ignore", module="PIL|pillow_heif")
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, DEFAULT_LIMITS.jpeg_pixels)

    brands = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
    Image.register_open("HEIF", HeifImageFile, lambda start: start[4:8] == b"ftyp" and start[8:12] in brands)


def _draft(opened: Image.Image, crop: Rectangle | None, fit: int, max_pixels: int) -> int:
    """Set the JPEG decoder to a smaller scale. Return how many times smaller the picture becomes."""
    width, height = opened.size
    least = next((scale for scale in (1, 2, 4) if width * height <= max_pixels * scale**2), 8)
    shortest = min(crop.right - crop.left, crop.bottom - crop.top) if crop else min(width, height)
    for scale in (8, 4, 2):
        if shortest // scale >= max(fit, 1) or scale <= least > 1:
            agreed = opened.draft(None, (width // scale, height // scale))
            return scale if agreed is not None else 1
    return 1


def _orientation(opened: Image.Image) -> int:
    try:
        orientation = int(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the pixels can be used even if the metadata is damaged
        return 1
    return orientation if orientation in _TO_UPRIGHT else 1


def _stored_rectangle(
    crop: Rectangle, size: tuple[int, int], orientation: int, scale: int
) -> tuple[int, int, int, int]:
    """Convert a rectangle of the upright picture to one of the stored picture, `scale` times smaller."""
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
            f"the crop {tuple(crop)} is empty or not inside the picture of {upright[0]}×{upright[1]} pixels. "
            "Give left, top, right and bottom in pixels of the upright picture."
        )
    # round half up, not half to even, so that rectangles of equal size keep equal sizes
    left, top, right, bottom = ((2 * edge + scale) // (2 * scale) for edge in (left, top, right, bottom))
    return left, top, right, bottom


def _from_16_bit(picture: Image.Image) -> Image.Image:
    """Convert 16-bit grey to 8 bits, scaled and rounded. Pillow's own conversion clips at 255."""
    values = np.asarray(picture).astype(np.uint32)
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    transparent = picture.info.get("transparency")
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey
