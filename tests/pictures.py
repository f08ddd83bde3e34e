"""Pictures that tests draw and encode."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
from pillow_heif import from_pillow

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF")


def drawn(width: int = 96, height: int = 64) -> Image.Image:
    """Draw smooth colours and a disc off the centre. Symmetry would hide a wrong rotation."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 255 * x / width
    green = 255 * y / height
    blue = 127 + 120 * np.sin(x / width * 5 + y / height * 3)
    picture = np.stack([red, green, blue], axis=-1)
    disc = (x - 0.3 * width) ** 2 + (y - 0.35 * height) ** 2 < (0.2 * min(width, height)) ** 2
    picture[disc] = (250, 240, 20)
    return Image.fromarray(picture.astype(np.uint8))


def patterned(width: int, height: int) -> Image.Image:
    """Draw ramps, stripes and blocks with whole numbers, the same on every machine."""
    y, x = np.mgrid[0:height, 0:width]
    red = x * 255 // (width - 1)
    green = (y * 255 // (height - 1) + 3 * x) % 256
    blue = 255 * ((x // 16 + y // 24) % 2)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIF":
        from_pillow(picture).save(buffer, quality=90)
    else:
        picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG by hand, for the pixels that Pillow reads but does not write; `rows` each begin with a zero."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    )
