"""Opening pictures: every format, every orientation and every kind of pixel."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from perfectlook.errors import PictureError
from perfectlook.images import dhash, encode_jpeg, open_picture
from perfectlook.types import Rectangle
from pictures import FORMATS, drawn, encoded, png


def turned(picture: Image.Image, orientation: int, kind: str, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture, kind, exif=exif, **options)


def pixels(picture: Image.Image) -> NDArray[np.int64]:
    return np.asarray(picture).astype(np.int64)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference, in levels of 255."""
    assert one.size == other.size
    return float(np.abs(pixels(one) - pixels(other)).mean())


# --- formats and sources


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_becomes_rgb(kind: str) -> None:
    opened = open_picture(encoded(drawn(), kind))
    assert opened.mode == "RGB"
    assert difference(opened, drawn()) < 6.0  # lossy kinds and GIF's 256 colours


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_are_exact(kind: str) -> None:
    assert difference(open_picture(encoded(drawn(), kind)), drawn()) == 0


def test_path_text_bytes_and_stream_give_the_same_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(drawn(), "PNG"))
    with path.open("rb") as stream:
        for source in (path, str(path), path.read_bytes(), stream, io.BytesIO(path.read_bytes())):
            assert difference(open_picture(source), drawn()) == 0
        assert not stream.closed


def test_content_decides_not_the_extension(tmp_path: Path) -> None:
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(encoded(drawn(), "PNG"))
    assert difference(open_picture(path), drawn()) == 0


def test_first_frame_of_an_animation() -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    animation = encoded(red, "GIF", save_all=True, append_images=[blue])
    assert open_picture(animation).getpixel((3, 3)) == (255, 0, 0)


def test_threads_do_not_disturb_each_other() -> None:
    files = [encoded(drawn(60 + i, 50), kind) for i, kind in enumerate(FORMATS * 4)]
    alone = [open_picture(content).tobytes() for content in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda content: open_picture(content).tobytes(), files)) == alone


# --- upright


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_every_orientation_is_turned_upright(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    content = turned(drawn(), orientation, kind, **options)
    naive = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    opened = open_picture(content)
    assert opened.size == ((96, 64) if orientation < 5 else (64, 96))
    assert difference(opened, naive.convert("RGB")) == 0
    assert opened.getexif().get(0x0112) is None  # so that other programs do not rotate it again


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_crop_is_in_upright_full_size_pixels(kind: str, orientation: int) -> None:
    content = turned(drawn(), orientation, kind)
    rectangle = Rectangle(11, 5, 40, 57)
    naive = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).crop(rectangle)
    assert difference(open_picture(content, crop=rectangle), naive) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_crop_of_a_scaled_jpeg_is_the_same_part(orientation: int) -> None:
    content = turned(drawn(960, 640), orientation, "JPEG", quality=95)
    rectangle = Rectangle(101, 33, 501, 437)
    naive = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).crop(rectangle)
    opened = open_picture(content, crop=rectangle, fit=50)
    assert opened.size in {(50, 50), (50, 51)}  # 400×404 eight times smaller
    # the edges fall on whole small pixels, up to half of one away from where they were asked for
    assert difference(opened, naive.resize(opened.size, Image.Resampling.BOX)) < 2.5


def test_orientation_beyond_eight_is_ignored() -> None:
    assert difference(open_picture(turned(drawn(), 9, "PNG")), drawn()) == 0


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_metadata_does_not_lose_the_picture() -> None:
    content = encoded(drawn(), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff\x00")
    assert open_picture(content).size == (96, 64)


@pytest.mark.parametrize("rectangle", [(0, 0, 97, 64), (-1, 0, 5, 5), (5, 5, 5, 9), (9, 2, 3, 8)])
def test_crop_outside_the_picture_is_refused(rectangle: tuple[int, int, int, int]) -> None:
    with pytest.raises(PictureError, match=r"crop .* picture of 96×64"):
        open_picture(encoded(drawn(), "PNG"), crop=Rectangle(*rectangle))


# --- scaled decoding


def test_fit_is_close_to_full_decoding_and_resizing() -> None:
    content = encoded(drawn(1024, 768), "JPEG", quality=92)
    full, scaled = open_picture(content), open_picture(content, fit=96)
    assert scaled.size == (128, 96)  # eight times smaller
    assert difference(scaled, full.resize(scaled.size, Image.Resampling.BOX)) < 0.5
    small = [each.resize((96, 96), Image.Resampling.BILINEAR) for each in (full, scaled)]
    assert difference(*small) < 1.0


@pytest.mark.photos
def test_fit_on_real_photos(photos: Path) -> None:
    for path in sorted((photos / "ikea-rooms" / "scenes").iterdir())[:5]:
        small = [
            open_picture(path, fit=fit).resize((260, 260), Image.Resampling.BILINEAR) for fit in (None, 260)
        ]
        assert difference(*small) < 3.0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 120), st.randoms())
def test_fit_never_goes_below_what_was_asked(width: int, height: int, fit: int, random: object) -> None:
    content = encoded(Image.new("RGB", (width, height), "teal"), "JPEG")
    scaled = open_picture(content, fit=fit)
    assert min(scaled.size) >= min(fit, width, height)
    left, top = random.randrange(width), random.randrange(height)  # type: ignore[attr-defined]
    rectangle = Rectangle(left, top, random.randint(left + 1, width), random.randint(top + 1, height))  # type: ignore[attr-defined]
    shortest = min(rectangle.right - left, rectangle.bottom - top)
    assert min(open_picture(content, crop=rectangle, fit=fit).size) >= min(fit, shortest)


def test_fit_leaves_other_formats_alone() -> None:
    assert open_picture(encoded(drawn(), "PNG"), fit=8).size == (96, 64)


# --- kinds of pixel

RED_INK = (0, 255, 255, 0)


def without_adobe_marker(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    assert jpeg[start + 4 : start + 9] == b"Adobe"
    return jpeg[:start] + jpeg[start + 16 :]


@pytest.mark.parametrize("crop", [None, Rectangle(2, 2, 10, 10)])
@pytest.mark.parametrize("kind", ["adobe", "plain", "tiff"])
def test_cmyk_in_both_polarities(kind: str, crop: Rectangle | None) -> None:
    inks = Image.new("CMYK", (16, 16), RED_INK)
    content = {
        "adobe": lambda: encoded(inks, "JPEG"),
        "plain": lambda: without_adobe_marker(encoded(ImageChops.invert(inks), "JPEG")),
        "tiff": lambda: encoded(inks, "TIFF"),
    }[kind]()
    np.testing.assert_allclose(pixels(open_picture(content, crop=crop))[5, 5], (255, 0, 0), atol=3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits_is_scaled_not_clipped(kind: str) -> None:
    values = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
    opened = pixels(open_picture(encoded(Image.fromarray(values), kind)))
    expected = np.rint(values / 257)
    assert np.array_equal(opened, np.repeat(expected[:, :, None], 3, axis=2))


def test_transparent_level_of_16_bit_grey_is_white() -> None:
    transparency = struct.pack(">H", 1000)
    extra = (
        struct.pack(">I", 2) + b"tRNS" + transparency + struct.pack(">I", zlib.crc32(b"tRNS" + transparency))
    )
    content = png(2, 1, 16, 0, b"\0" + struct.pack(">HH", 1000, 1028), extra)
    assert pixels(open_picture(content)).tolist() == [[[255] * 3, [4] * 3]]


def test_colours_of_16_bits() -> None:
    row = b"\0" + struct.pack(">HHHHHH", 65535, 32896, 0, 257, 25700, 51400)
    assert pixels(open_picture(png(2, 1, 16, 2, row))).tolist() == [[[255, 128, 0], [1, 100, 200]]]


def test_one_bit() -> None:
    picture = Image.new("1", (4, 2), 0)
    picture.putpixel((1, 1), 1)
    opened = pixels(open_picture(encoded(picture, "PNG")))
    assert opened[1, 1].tolist() == [255] * 3
    assert opened.sum() == 3 * 255


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (200, 100, 0, 255), (200, 100, 0)),
        ("RGBA", (200, 100, 0, 0), (255, 255, 255)),
        ("RGBA", (200, 100, 0, 102), (233, 193, 153)),  # 255 + 0.4 (c - 255)
        ("LA", (100, 102), (193, 193, 193)),
        ("L", 100, (100, 100, 100)),
    ],
)
def test_alpha_over_white(mode: str, colour: int | tuple[int, ...], expected: tuple[int, ...]) -> None:
    opened = open_picture(encoded(Image.new(mode, (4, 4), colour), "PNG"))
    np.testing.assert_allclose(pixels(opened)[1, 1], expected, atol=1)


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_transparency(kind: str, transparency: int | bytes) -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([10, 20, 30, 200, 0, 0])
    picture.putpixel((2, 2), 1)
    opened = open_picture(encoded(picture, kind, transparency=transparency if kind == "PNG" else 1))
    assert opened.getpixel((0, 0)) == (10, 20, 30)
    assert opened.getpixel((2, 2)) == (255, 255, 255)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_without_an_agreed_range_are_refused(dtype: type) -> None:
    with pytest.raises(PictureError, match=r"32-bit pixels have no defined range"):
        open_picture(encoded(Image.fromarray(np.ones((4, 4), dtype)), "TIFF"))


# --- pictures that Pillow has opened


def opened_otherwise() -> dict[str, bytes]:
    inks = Image.new("CMYK", (16, 16), RED_INK)
    grey = Image.fromarray(np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64))
    return {
        "cmyk of Adobe": encoded(inks, "JPEG"),
        "cmyk": without_adobe_marker(encoded(ImageChops.invert(inks), "JPEG")),
        "16 bits": encoded(grey, "PNG"),
        "alpha": encoded(Image.new("RGBA", (4, 4), (200, 100, 0, 102)), "PNG"),
        "turned JPEG": turned(drawn(), 6, "JPEG"),
        "turned TIFF": turned(drawn(), 6, "TIFF"),
    }


@pytest.mark.parametrize("kind", opened_otherwise())
def test_a_pillow_picture_becomes_what_its_file_becomes(kind: str) -> None:
    content = opened_otherwise()[kind]
    picture = Image.open(io.BytesIO(content))
    converted = open_picture(picture)
    assert (converted.mode, converted.info) == ("RGB", {})
    assert difference(converted, open_picture(content)) == 0
    assert difference(open_picture(picture), converted) == 0  # the picture itself is as it was
    assert difference(open_picture(converted), converted) == 0


def test_a_pillow_picture_that_cannot_be_used_is_named() -> None:
    chair = Image.fromarray(np.ones((4, 4), np.float32))
    chair.filename = "chair"  # type: ignore[attr-defined]
    with pytest.raises(PictureError, match="chair: 32-bit pixels"):
        open_picture(chair)
    truncated = Image.open(io.BytesIO(encoded(drawn(), "PNG")[:300]))
    with pytest.raises(PictureError, match="<picture>: truncated or damaged"):
        open_picture(truncated)


# --- hash and encoding


def test_dhash_of_ramps() -> None:
    ramp = np.tile(np.arange(0, 255, 15, dtype=np.uint8), (16, 1))  # 17 columns, each brighter than the last
    assert dhash(Image.fromarray(ramp)).tolist() == [255] * 32
    assert dhash(Image.fromarray(ramp[:, ::-1].copy())).tolist() == [0] * 32
    half = ramp.copy()
    half[8:] = half[8:, ::-1]
    assert dhash(Image.fromarray(half)).tolist() == [255] * 16 + [0] * 16


def test_dhash_bit_order() -> None:
    levels = np.zeros((16, 17), np.uint8)
    levels[3, 10] = 200  # brighter than its left neighbour in column 9: row 3, bit 9
    expected = np.zeros(256, np.uint8)
    expected[3 * 16 + 9] = 1
    assert dhash(Image.fromarray(levels)).tolist() == np.packbits(expected).tolist()


def test_dhash_survives_scaling_and_compression() -> None:
    original = drawn(640, 480)
    copy = open_picture(encode_jpeg(original.resize((320, 240)), quality=60))
    other = ImageOps.mirror(original)
    assert np.bitwise_count(dhash(original) ^ dhash(copy)).sum() <= 10
    assert np.bitwise_count(dhash(original) ^ dhash(other)).sum() > 60


def test_encoded_jpeg_opens_again() -> None:
    assert difference(open_picture(encode_jpeg(drawn(), quality=95)), drawn()) < 3.0
    assert len(encode_jpeg(drawn(), quality=30)) < len(encode_jpeg(drawn(), quality=95))


@pytest.mark.parametrize("size", [(96, 64), (101, 67), (64, 200)])
def test_a_large_heic_is_reduced_like_the_whole_picture(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(drawn(*size), "HEIF")
    whole = open_picture(content)
    monkeypatch.setattr("perfectlook.images.LARGE", 1_000)
    assert difference(open_picture(content, fit=6), whole.reduce(min(size) // 24)) == 0
    crop = Rectangle(5, 3, 62, 61)
    assert difference(open_picture(content, crop=crop, fit=6), whole.crop(crop).reduce(2)) == 0
    assert difference(open_picture(content, fit=60), whole) == 0
