"""Pictures that are refused: missing, empty, truncated, damaged, too large, of another format."""

import io
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from perfectlook.errors import PictureError
from perfectlook.images import PictureLimits, open_picture, picture_problem
from pictures import FORMATS, drawn, encoded, png

# --- what is refused


def test_missing_file_names_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"nowhere\.jpg: no such file\. Check the path"):
        open_picture(tmp_path / "nowhere.jpg")


def test_picture_problem_returns_the_reason(tmp_path: Path) -> None:
    whole = encoded(drawn(24, 24), "PNG")
    assert picture_problem(whole) is None
    assert (picture_problem(whole[:100]) or "").startswith("truncated or damaged")
    assert "nowhere.jpg: no such file" in (picture_problem(tmp_path / "nowhere.jpg") or "")


def test_a_url_is_not_a_file():
    with pytest.raises(
        PictureError, match=r"shop\.example/room\.jpg: no such file\. Download the picture first"
    ):
        open_picture("https://shop.example/room.jpg")


@pytest.mark.parametrize("wrong", [None, 3, ["a.jpg"]])
def test_a_value_of_another_type_is_named(wrong) -> None:
    with pytest.raises(PictureError, match=rf"^expected a path, .*, got {re.escape(repr(wrong))}\.$"):
        open_picture(wrong)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"a folder, not a picture"):
        open_picture(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(PictureError, match=r"empty\.jpg: empty \(0 bytes\)"):
        open_picture(tmp_path / "empty.jpg")


def test_text_called_a_picture(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html>404 not found</html>")
    with pytest.raises(PictureError, match=r"page\.jpg: not a picture of a known format \(JPEG, PNG"):
        open_picture(tmp_path / "page.jpg")


def test_impossible_path() -> None:
    with pytest.raises(PictureError, match=r"cannot be read"):
        open_picture("a\0b.jpg")


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Drop the rights of root for a moment, because root can read every file."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are different on Windows")
def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(drawn(), "PNG"))
    path.chmod(0)
    with (
        ordinary_user(),
        pytest.raises(PictureError, match=r"secret\.png: cannot be read \(Permission denied\)"),
    ):
        open_picture(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match=r"not a regular file"):
        open_picture(tmp_path / "pipe.jpg")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_truncated_pictures_are_refused(kind: str, share: float) -> None:
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8))
    content = encoded(noisy, kind)
    with pytest.raises(PictureError, match=r"<bytes>: (truncated|not a picture)"):
        open_picture(content[: int(len(content) * share)])


@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_jpeg_is_refused_when_scaled_too(progressive: bool) -> None:
    content = encoded(drawn(800, 800), "JPEG", quality=95, progressive=progressive)
    with pytest.raises(PictureError, match=r"truncated"):
        open_picture(content[: len(content) * 2 // 3], fit=100)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX", "EPS"])
def test_formats_not_listed_are_refused(kind: str) -> None:
    with pytest.raises(PictureError, match=r"not a picture of a known format"):
        open_picture(encoded(drawn(), kind))


# --- limits


def test_bytes_are_capped_before_parsing(tmp_path: Path) -> None:
    content = encoded(drawn(), "BMP")
    (tmp_path / "large.bmp").write_bytes(content)
    limits = PictureLimits(max_bytes=len(content) - 1)
    for source in (content, tmp_path / "large.bmp", io.BytesIO(content)):
        with pytest.raises(PictureError, match=r"over the limit of 18,485 bytes\. .*max_bytes"):
            open_picture(source, limits=limits)
    open_picture(content, limits=PictureLimits(max_bytes=len(content)))


class Endless(io.RawIOBase):
    """An endless stream that returns small parts and counts the bytes read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0
        part = b"\xff" * min(size, 700)
        self.taken += len(part)
        return part


def test_streams_are_read_no_further_than_the_limit() -> None:
    stream = Endless()
    with pytest.raises(PictureError, match=r"<stream>: over the limit of 1,000 bytes"):
        open_picture(stream, limits=PictureLimits(max_bytes=1000))  # type: ignore[arg-type]
    assert stream.taken == 1001


def test_streams_that_fail_or_hold_text_are_named() -> None:
    class Broken(io.RawIOBase):
        name = "camera.jpg"

        def read(self, size: int | None = -1) -> bytes:
            raise OSError("device unplugged")

    with pytest.raises(PictureError, match=r"camera\.jpg: cannot be read \(device unplugged\)"):
        open_picture(Broken())  # type: ignore[arg-type]
    with pytest.raises(PictureError, match=r"<stream>: cannot be read"):
        open_picture(io.StringIO("text"))  # type: ignore[arg-type]


def test_bomb_of_18_kilobytes_is_refused_from_its_header() -> None:
    bomb = png(12000, 12000, 1, 0, bytes(12000 * 1501))
    assert len(bomb) < 20_000
    with pytest.raises(PictureError, match=r"over the limit of 40\.0 megapixels .*144000000 pixels"):
        open_picture(bomb)


def test_pixels_between_our_limit_and_pillows() -> None:
    with pytest.raises(
        PictureError, match=r"7000×6000 pixels are over the limit of 40\.0 megapixels\. .*max_pixels"
    ):
        open_picture(png(7000, 6000, 1, 0, b""))
    with pytest.raises(
        PictureError, match=r"damaged"
    ):  # within the limit, so decoding begins, and finds nothing
        open_picture(png(7000, 5000, 1, 0, b""))


@pytest.mark.parametrize("kind", FORMATS)
def test_pixel_limit_holds_for_every_format(kind: str) -> None:
    content = encoded(drawn(), kind)
    with pytest.raises(PictureError, match=r"96×64"):
        open_picture(content, limits=PictureLimits(max_pixels=96 * 64 - 1))
    assert open_picture(content, limits=PictureLimits(max_pixels=96 * 64)).size == (96, 64)


def test_gif_frame_larger_than_its_screen() -> None:
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, 65000, 1000, 0)
    content = (
        b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + frame + b"\x02\x02\x44\x01\x00;"
    )
    with pytest.raises(PictureError, match=r"65000×1000 pixels are over"):
        open_picture(content)


def test_tiff_with_tiles_larger_than_the_picture() -> None:
    tags = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, 40000), (323, 40000)]
    body = zlib.compress(bytes(1000))
    start = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags += [(324, start), (325, len(body))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    content = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + body
    with pytest.raises(PictureError, match=r"40000×40000 pixels are over"):
        open_picture(content)


def test_damaged_metadata_prints_nothing(tmp_path: Path) -> None:
    entries = b"".join(struct.pack("<HHII", tag, 1, 9_000, 8) for tag in range(1_000))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1_000) + entries + bytes(4)
    (tmp_path / "a.png").write_bytes(encoded(drawn(), "PNG", exif=exif))
    code = "import sys; from perfectlook.images import open_picture; print(open_picture(sys.argv[1]).size)"
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(96, 64)\n", "")


def test_png_text_bomb_is_refused() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 80_000_000, zip=True)
    with pytest.raises(PictureError, match=r"too large|limit"):
        open_picture(encoded(drawn(), "PNG", pnginfo=text))


# --- garbage


@pytest.mark.filterwarnings(
    "ignore"
)  # decoders warn of what is odd and go on; what counts here is that they end
@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_pictures_open_or_are_refused_and_nothing_else(kind: str) -> None:
    random = np.random.default_rng(list(kind.encode()))
    whole = encoded(drawn(48, 40), kind)
    refused = 0
    for case in range(40):
        content = bytearray(whole)
        for _ in range(1 + case % 8):
            position = int(random.integers(0, len(content) if case % 2 else min(len(content), 120)))
            content[position] = int(random.integers(0, 256))
        if case % 5 == 0:
            del content[int(random.integers(1, len(content))) :]
        try:
            opened = open_picture(bytes(content), fit=10, limits=PictureLimits(max_pixels=1_000_000))
            assert opened.mode == "RGB"
        except PictureError as error:
            assert str(error).startswith("<bytes>: ")
            refused += 1
    assert refused > 0


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_never_a_picture(content: bytes) -> None:
    with pytest.raises(PictureError):
        open_picture(content)


def test_a_tiff_with_16_bits_in_separate_planes_is_refused():
    """Pillow would decode its planes as one after another."""
    entries = [(256, 3, 2), (257, 3, 2), (258, 3, (16, 16, 16)), (259, 3, 1), (262, 3, 2)]
    entries += [(273, 4, (8, 16, 24)), (277, 3, 3), (278, 3, 2), (279, 4, (8, 8, 8)), (284, 3, 2)]
    pixels, directory, values = b"\x00\x80" * 12, struct.pack("<H", len(entries)), b""
    end = 8 + len(pixels) + 2 + 12 * len(entries) + 4
    for tag, kind, value in entries:
        form = "H" if kind == 3 else "I"
        if isinstance(value, int):
            directory += struct.pack("<HHI", tag, kind, 1) + struct.pack(f"<{form}", value).ljust(4, b"\0")
        else:
            directory += struct.pack("<HHII", tag, kind, len(value), end + len(values))
            values += struct.pack(f"<{len(value)}{form}", *value)
    tiff = b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory + b"\0" * 4 + values
    with pytest.raises(PictureError, match="16-bit channels in separate planes"):
        open_picture(tiff)
