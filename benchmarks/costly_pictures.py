"""Pictures for `hostile.py`: floods of segments, scans and chunks, large pixels in few bytes, and lies."""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image
from pillow_heif import from_pillow


def costly_pictures() -> Iterator[bytes]:
    """Yield pictures that cost a decoder far more than their bytes."""
    red, large = Image.new("RGB", (64, 64), "red"), Image.new("P", (6_300, 6_300))
    jpeg, png, gif = encoded(red, "JPEG"), encoded(red, "PNG"), encoded(red.convert("P"), "GIF")
    yield jpeg[:2] + b"\xff" * 4_000_000 + b"\0"
    yield _progressive(6_300, 6_300, 1_000)
    yield _progressive(6_300, 6_300, 15)
    for marker, content in ((0xE1, b"Exif\0\0A"), (0xE2, b"ICC_PROFILE\0\1\1"), (0xFE, b""), (0xE5, b"")):
        segment = _segment(marker, content)
        yield jpeg[:2] + segment * (4_000_000 // len(segment)) + jpeg[2:]
    profile = zlib.compress(bytes(999_999), 9)
    for kind, content in (
        (b"iCCP", b"a\0\0" + profile),
        (b"tEXt", b"A\0"),
        (b"IDAT", b""),
        (b"zTXt", b"k\0\0" + profile),
    ):
        chunk = _chunk(kind, content)
        yield png[:33] + chunk * (4_000_000 // len(chunk)) + png[33:]
    yield gif[:781] + b"\x21\xfe" + b"\1A" * 1_000_000 + b"\0" + gif[781:]
    yield encoded(large, "GIF")
    yield encoded(large, "PNG")
    yield encoded(large, "TIFF", compression="tiff_lzw")
    yield encoded(Image.new("RGBA", (6_300, 6_300), (1, 2, 3, 0)), "PNG")
    yield encoded(Image.new("RGB", (6_300, 6_300)), "WEBP", method=0)
    yield encoded(Image.new("RGB", (6_300, 6_300)), "JPEG", quality=10, progressive=True)
    lying = bytearray(encoded(Image.new("RGB", (9_000, 9_000)), "AVIF", quality=1, speed=10))
    at = -1
    while (at := lying.find(b"ispe", at + 1)) >= 0:
        lying[at + 8 : at + 16] = struct.pack(">II", 64, 64)
    yield bytes(lying)
    yield encoded(Image.new("I;16", (6_300, 6_300)), "PNG")
    yield encoded(Image.new("1", (6_300, 6_300)), "TIFF", compression="group4")
    yield gif[:6] + b"\xff" * 4 + gif[10:]  # a screen of 4,295 megapixels
    frames = [Image.new("RGB", (1_000, 1_000), (each, 0, 0)) for each in range(100)]
    for animated in ("GIF", "PNG", "WEBP"):
        yield encoded(frames[0], animated, save_all=True, append_images=frames[1:])
    heic = io.BytesIO()
    from_pillow(Image.new("RGB", (6_300, 6_300))).save(heic, quality=10, enc_params={"preset": "ultrafast"})
    yield heic.getvalue()


def _segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Return a picture in a format."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _progressive(width: int, height: int, scans: int) -> bytes:
    """A grey progressive JPEG whose scans after the first are empty: long runs of ends of blocks."""
    blocks = -(-width // 8) * -(-height // 8)
    head = b"\xff\xd8" + _segment(0xDB, b"\0" + b"\1" * 64)
    head += _segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    for table, symbol in ((0x00, 0x00), (0x10, 0xE0)):
        head += _segment(0xC4, bytes([table, 1, *[0] * 15, symbol]))
    first = _segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8))
    bits = ("0" + "1" * 14) * -(-blocks // 32_767)
    bits += "1" * (-len(bits) % 8)
    runs = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return head + first + (_segment(0xDA, b"\1\1\0\1\x3f\0") + runs) * scans + b"\xff\xd9"
