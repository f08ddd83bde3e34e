"""Small files that once cost minutes or gigabytes are refused unread; what cameras write passes."""

import struct
import zlib
from contextlib import suppress
from itertools import pairwise

import pytest
from PIL import Image

from perfectlook.errors import PictureError
from perfectlook.images import PictureLimits, open_picture, upright_size
from perfectlook.picture_structure import check_structure
from pictures import FORMATS, drawn, encoded

JPEG, PNG = encoded(drawn(), "JPEG"), encoded(drawn(), "PNG")
GIF = encoded(drawn().convert("P"), "GIF")
MOST = 40_000_000


def segment(marker: int, content: bytes = b"") -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def in_jpeg(*segments: bytes) -> bytes:
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def in_png(*chunks: bytes) -> bytes:
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def in_gif(blocks: bytes) -> bytes:
    return GIF[: 13 + 768] + blocks + GIF[13 + 768 :]


def scans(count: int, side: int) -> bytes:
    """A progressive JPEG whose scans are empty."""
    frame = segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    return b"\xff\xd8" + frame + (segment(0xDA, b"\1\1\0\1\x3f\0") + b"\0") * count + b"\xff\xd9"


FLOODS = {
    "segments": in_jpeg(*[segment(0xE5)] * 2_001),
    "comments": in_jpeg(*[segment(0xFE)] * 2_001),
    "profiles of a JPEG": in_jpeg(*[segment(0xE2, b"ICC_PROFILE\0")] * 2_001),
    "Exif": in_jpeg(*[segment(0xE1, b"Exif\0\0A")] * 65),
    "scans": scans(65, 8),
    "scans of a large JPEG": scans(17, 6_300),
    "fill bytes before a scan": scans(65, 8).replace(b"\xff\xda", b"\xff\xff\xff\xda"),
    "fill bytes before a segment": in_jpeg(b"\xff" * 2**17),
    "fill bytes without an end": JPEG[:2] + b"\xff" * 2**17 + b"\0",
    "escaped bytes before a segment": in_jpeg(b"\xff\0" * 2**16),
    "starts of pictures": in_jpeg(b"\xff\xd8" * 2**16),
    "chunks": in_png(*[chunk(b"abCd")] * 2_001),
    "texts": in_png(*[chunk(b"tEXt", b"A\0")] * 2_001),
    "empty pixels": in_png(*[chunk(b"IDAT")] * 2_001),
    "profiles": in_png(*[chunk(b"iCCP", b"a\0\0")] * 65),
    "blocks of a comment": in_gif(b"\x21\xfe" + b"\1A" * 2_001 + b"\0"),
    "comments of a GIF": in_gif(b"\x21\xfe\1A\0" * 1_001),
    "comments after a zero": in_gif(b"\0" + b"\x21\xfe\1A\0" * 1_001),
    "comments after an empty block": in_gif(b"\x21\xf9\0" + b"\x2c" * 45 + b"\0" + b"\x21\xfe\1A\0" * 1_001),
    "comments after a loop": in_gif(
        b"\x21\xff\x0bNETSCAPE2.0\0" + b"\x2c" * 45 + b"\0" + b"\x21\xfe\1A\0" * 1_001
    ),
    "bytes of no meaning": in_gif(b"A" * 2_001),
    "chunks of a WebP": b"RIFF\0\0\0\0WEBP" + (b"ABCD" + bytes(4)) * 2_001,
    "boxes": b"\0\0\0\x10ftypavif" + bytes(4) + b"\0\0\0\x08free" * 20_001,
}


@pytest.mark.parametrize("content", FLOODS.values(), ids=FLOODS.keys())
def test_floods_are_refused(content: bytes) -> None:
    with pytest.raises(PictureError, match=r"has more than [\d,]+ .*, far more than pictures need"):
        open_picture(content)


def test_a_gif_with_other_blocks_passes() -> None:
    loops, control = b"\x21\xff\x0bNETSCAPE2.0\3\1\0\0\0", b"\x21\xf9\4\0\0\0\0\0"
    for before in (loops + control, b"\0" + control, b"\x21\xfe\0" + loops, b"\x21\xf9\0\0" + control):
        assert open_picture(in_gif(before)).tobytes() == open_picture(GIF).tobytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_ordinary_pictures_pass(kind: str) -> None:
    content = encoded(drawn(), kind)
    assert check_structure(content, MOST) == (kind == "JPEG")
    for end in range(0, len(content), 97):  # cut anywhere, nothing but a PictureError may come
        with suppress(PictureError):
            open_picture(content[:end])


def test_a_large_segment_may_hold_the_bytes_of_markers() -> None:
    exif = segment(0xE1, b"Exif\0\0" + b"\xff\xda\0\2" * 10_000)
    assert check_structure(in_jpeg(exif), MOST)


def test_only_a_jpeg_of_one_sequential_scan_can_be_scaled_row_by_row() -> None:
    assert check_structure(encoded(drawn(), "JPEG"), MOST)
    assert not check_structure(encoded(drawn(), "JPEG", progressive=True), MOST)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_avif_cannot_hide_its_size(mode: str) -> None:
    content = bytearray(encoded(Image.new(mode, (1_000, 800)), "AVIF", speed=10))
    with pytest.raises(PictureError, match=r"1000×800 pixels are over the limit of 0\.8 megapixels"):
        check_structure(bytes(content), 799_999)
    assert not check_structure(bytes(content), 800_000)
    at = -1
    while (at := content.find(b"ispe", at + 1)) >= 0:
        content[at + 8 : at + 16] = struct.pack(">II", 64, 64)
    with pytest.raises(PictureError, match=r"1000×800 pixels are over the limit"):
        open_picture(bytes(content), limits=PictureLimits(max_pixels=799_999))


def sequence(width: int, height: int) -> bytes:
    """The sequence header of a still picture in AV1."""
    bits = f"00011{0:05b}{15:04b}{15:04b}{width - 1:016b}{height - 1:016b}".ljust(56, "0")
    return int(bits, 2).to_bytes(7, "big")


def unit(kind: int, content: bytes = b"", more: int = 0) -> bytes:
    """A unit of AV1. Its size may be written with more bytes than it needs."""
    size = bytes([len(content) | 128] + [128] * (more - 1) + [0]) if more else bytes([len(content)])
    return bytes([kind << 3 | 2]) + size + content


def box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack(">I", 8 + len(whole)) + kind + whole


SMALL, LARGE = unit(1, sequence(64, 64)), unit(1, sequence(1_000, 800))
TYPE = box(b"ftyp", b"avif", bytes(4))


def places(*parts: tuple[int, int], method: int = 0) -> bytes:
    """The places of one item."""
    of_parts = b"".join(struct.pack(">II", *part) for part in parts)
    return box(b"iloc", b"\1\0\0\0\x44\0", struct.pack(">HHHHH", 1, 1, method, 0, len(parts)), of_parts)


def item(stream: bytes, *cuts: int) -> bytes:
    """An AVIF of one item, in parts."""
    edges = [0, *cuts, len(stream)]
    parts = list(pairwise(edges))
    start = len(TYPE) + len(box(b"meta", bytes(4), places(*parts))) + 8
    head = box(b"meta", bytes(4), places(*((start + a, b - a) for a, b in parts)))
    return TYPE + head + box(b"mdat", stream)


def animation(stream: bytes) -> bytes:
    def head(start: int) -> bytes:
        sizes = box(b"stsz", bytes(8), struct.pack(">II", 1, len(stream)))
        table = box(b"stbl", sizes, box(b"stco", bytes(4), struct.pack(">II", 1, start)))
        return TYPE + box(b"moov", box(b"trak", box(b"mdia", box(b"minf", table))))

    return head(len(head(0)) + 8) + box(b"mdat", stream)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(item(LARGE), id="plain"),
        pytest.param(item(unit(2) + unit(15, b"abc") + unit(9) + LARGE), id="after other units"),
        pytest.param(item(SMALL + unit(6, b"abc") + LARGE), id="the second of two"),
        pytest.param(item(unit(1, sequence(1_000, 800), more=3)), id="a long size"),
        pytest.param(item(unit(15, bytes(100), more=2) + LARGE), id="after a long unit"),
        pytest.param(item(LARGE, 1, 4), id="in parts"),
        pytest.param(item(b"\x08" + sequence(1_000, 800)), id="without a size"),
        pytest.param(item(LARGE) + box(b"meta", bytes(4), places((4, 2))), id="two lists of places"),
        pytest.param(
            TYPE + box(b"meta", bytes(4), places((0, 9), method=1), box(b"idat", LARGE)), id="in idat"
        ),
        pytest.param(animation(unit(2) + LARGE), id="an animation"),
    ],
)
def test_a_stream_of_av1_cannot_hide_its_size(content: bytes) -> None:
    with pytest.raises(PictureError, match=r"1000×800 pixels are over the limit of 0\.8 megapixels"):
        check_structure(content, 799_999)
    assert not check_structure(content, 800_000)


@pytest.mark.parametrize(("form", "flags"), [(">HH", 0), (">II", 1)])
def test_a_grid_cannot_hide_its_size(form: str, flags: int) -> None:
    content = item(bytes([0, flags, 3, 3]) + struct.pack(form, 8_000, 6_000))
    check_structure(content, MOST, 48_000_000)
    with pytest.raises(PictureError, match="8000×6000 pixels are over"):
        check_structure(content, MOST)


def heic(kind: bytes, *properties: int) -> bytes:
    """A HEIC of one item, of this kind and with these properties: 1 is its size, 2 says how it is decoded."""
    owner = b"\0\0\0\1" + struct.pack(">HB", 1, len(properties)) + bytes(properties)
    known = box(b"ipco", box(b"ispe", bytes(12)), box(b"hvcC", bytes(23)))
    items = box(b"iinf", bytes(4), b"\0\1", box(b"infe", b"\2\0\0\0", b"\0\1\0\0", kind, b"\0"))
    parts = box(b"meta", bytes(4), items, box(b"iprp", known, box(b"ipma", bytes(4), owner)))
    return box(b"ftyp", b"heic", bytes(4)) + parts


def test_a_heic_whose_pictures_have_sizes_passes() -> None:
    check_structure(heic(b"hvc1", 1, 2), MOST)


@pytest.mark.parametrize("properties", [(2,), (), (3,), (0, 2)])
def test_a_heic_with_a_picture_without_size_is_refused(properties: tuple[int, ...]) -> None:
    with pytest.raises(PictureError, match="a picture without a size"):
        check_structure(heic(b"hvc1", *properties), MOST)


def test_a_heic_that_lays_pictures_over_each_other_is_refused() -> None:
    with pytest.raises(PictureError, match="over each other"):
        check_structure(heic(b"iovl", 1), MOST)


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536)])
def test_a_very_long_side_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="a side has more than 65,535 pixels"):
        open_picture(encoded(Image.new("1", size), "PNG"))


def test_items_that_overlap_are_refused() -> None:
    content = item(bytes(1_000)) + box(b"meta", bytes(4), *[places((0, 1_000))] * 3)
    with pytest.raises(PictureError, match="has parts that overlap"):
        check_structure(content, MOST)


@pytest.mark.parametrize("kind", ["AVIF", "WEBP", "GIF", "PNG"])
def test_animations_pass(kind: str) -> None:
    content = encoded(drawn(), kind, save_all=True, append_images=[drawn().rotate(180)] * 2)
    assert not check_structure(content, 96 * 64)
    assert open_picture(content).size == (96, 64)


@pytest.mark.parametrize("head", [b"II*\0\x08\0\0\0", b"II+\0\x08\0\0\0\x10" + bytes(7)])
def test_a_tiff_of_very_many_strips_is_refused(head: bytes) -> None:
    is_big = head[2:3] == b"+"
    number, form = ("<Q", "<HHQ8s") if is_big else ("<H", "<HHI4s")
    for tag in (273, 324):
        entry = struct.pack(form, tag, 4, 200_001, b"")
        with pytest.raises(PictureError, match="more than 200,000 strips or tiles"):
            check_structure(head + struct.pack(number, 1) + entry, MOST)
    with pytest.raises(PictureError, match="more than 2,000 entries"):
        check_structure(head + struct.pack(number, 2_001), MOST)


@pytest.mark.parametrize("runs", [1, 2])
def test_a_large_bmp_of_runs_is_refused(runs: int) -> None:
    content = b"BM" + bytes(28) + bytes([runs]) + bytes(4 * 2**20)
    with pytest.raises(PictureError, match="a BMP of runs"):
        check_structure(content, MOST)
    check_structure(content[: 4 * 2**20], MOST)


def test_a_large_jpeg_is_accepted_where_it_is_scaled_while_decoding() -> None:
    content = encoded(Image.new("L", (8_000, 6_250), 90), "JPEG")  # 50 megapixels
    assert upright_size(content) == (8_000, 6_250)
    assert open_picture(content, fit=260).size == (1_000, 782)
    with pytest.raises(PictureError, match=r"8000×6250 pixels are over the limit of 40\.0 megapixels"):
        open_picture(content)
    with pytest.raises(PictureError, match=r"over the limit of 49\.0 megapixels"):
        open_picture(content, fit=260, limits=PictureLimits(max_jpeg_pixels=49_000_000))
    progressive = encoded(Image.new("L", (8_000, 6_250), 90), "JPEG", progressive=True)
    with pytest.raises(PictureError, match=r"over the limit of 40\.0 megapixels"):
        open_picture(progressive, fit=260)


def test_a_limit_that_is_lowered_holds_for_all_formats() -> None:
    lowered = PictureLimits(max_pixels=1_000)
    assert (lowered.jpeg_pixels, lowered.heic_pixels) == (1_000, 1_000)
    assert (PictureLimits().jpeg_pixels, PictureLimits().heic_pixels) == (120_000_000, 60_000_000)


def test_a_large_picture_of_another_format_is_reduced() -> None:
    content = encoded(Image.new("P", (4_000, 4_200), 0), "PNG")
    assert open_picture(content, fit=260).size == (1_334, 1_400)
    assert open_picture(content).size == (4_000, 4_200)
