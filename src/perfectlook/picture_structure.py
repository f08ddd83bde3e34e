"""Bound the structure of a picture before a library parses or decodes it.

Decoders read every segment, scan and chunk of a file, and some keep all of them. A small file can so cost
minutes. These checks walk over the structure alone. They refuse far more than cameras and editors write.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from perfectlook.errors import PictureError

MAX_SEGMENTS = 2_000
MAX_FILL = 2**16
"""Bytes of a JPEG before its first scan that are in no segment. Pillow reads them one by one in Python."""
MAX_METADATA = 64
"""Segments of Exif, and of a colour profile in PNG. Pillow joins them one by one."""
MAX_SCANS = 64
MAX_SCANNED = 640_000_000
"""Pixels times scans of a JPEG. Each scan passes over all blocks; cameras and editors use about ten."""
MAX_BOXES = 20_000
MAX_STRIPS = 200_000
"""Strips or tiles of a TIFF. Pillow makes a list of all of them."""
MAX_RUNS = 4 * 2**20
"""Bytes of a BMP of runs. Pillow decodes them one by one in Python."""
MAX_SIDE = 65_535


def check_structure(content: bytes, max_pixels: int, max_grid: int | None = None) -> bool:
    """Check a picture of any format. Formats without repeated parts pass.

    Args:
        content: the file.
        max_pixels: the most pixels of a stream.
        max_grid: the most pixels that an AVIF or HEIF may put together from others; by default `max_pixels`.

    Returns:
        Whether it is a JPEG of one scan, which a decoder can scale while it decodes, row by row.

    Raises:
        PictureError: the picture has too many parts, or its stream has too many pixels.
    """
    if content[:2] == b"\xff\xd8":
        return _check_jpeg(content)
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        _check_png(content)
    elif content[:3] == b"GIF":
        _check_gif(content)
    elif content[:2] == b"BM" and content[30:31] in (b"\1", b"\2") and len(content) > MAX_RUNS:
        raise PictureError(f"a BMP of runs with more than {MAX_RUNS:,} bytes. Save it as a PNG.")
    elif content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        _check_tiff(content, "<" if content[:1] == b"I" else ">")
    elif content[:4] == b"RIFF":
        _check_count(sum(1 for _ in _riff(content)), "chunks")
    elif content[4:8] == b"ftyp":
        _check_boxes(content, max_pixels, max_grid or max_pixels)
    return False


_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.S)


def check_pixels(width: int, height: int, most: int) -> None:
    """Raise a PictureError if a picture has more pixels than allowed, or a side longer than `MAX_SIDE`.

    Scaling takes memory for each pixel of a side.
    """
    if max(width, height) > MAX_SIDE:
        raise PictureError(f"a side has more than {MAX_SIDE:,} pixels. Cut it, or scale it down.")
    if width * height > most:
        raise PictureError(
            f"{width}×{height} pixels are over the limit of {most / 1e6:.1f} megapixels. "
            "Scale it down, or raise PictureLimits.max_pixels."
        )


def _check_jpeg(content: bytes) -> bool:
    """Walk over the segments and scans of the first picture. Return whether it has one sequential scan."""
    sequential = True
    segments = exif = scans = pixels = fill = 0
    at = 2
    while found := _MARKER.search(content, at):
        fill += 0 if scans else found.end() - at
        _check_count(fill, "bytes between segments", MAX_FILL)
        marker, at = found[1][0], found.end()
        if marker == 0xD9:  # what follows, such as the other pictures of an MPO, is not decoded
            break
        if marker in _STANDALONE:
            continue
        segments += 1
        length = int.from_bytes(content[at : at + 2], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 3 : at + 7].ljust(4, b"\0"))
            sequential &= marker in (0xC0, 0xC1)
            pixels = max(pixels, width * height)
        exif += marker == 0xE1 and content[at + 2 : at + 6] == b"Exif"
        scans += marker == 0xDA
        _check_count(segments, "segments")
        _check_count(exif, "segments of Exif", MAX_METADATA)
        _check_count(scans, "scans", min(MAX_SCANS, MAX_SCANNED // max(pixels, 1)))
        at += max(length, 2)
    _check_count(0 if scans else len(content) - at, "bytes between segments", MAX_FILL)
    return sequential and scans == 1


def _check_png(content: bytes) -> None:
    at, chunks, profiles = 8, 0, 0
    while len(content) - at >= 12:
        length = int.from_bytes(content[at : at + 4], "big")
        kind = content[at + 4 : at + 8]
        # a decoder reads pixels in pieces of any number, but empty pieces only cost time
        chunks += kind != b"IDAT" or length < 256
        profiles += kind == b"iCCP"
        _check_count(chunks, "chunks")
        _check_count(profiles, "colour profiles", MAX_METADATA)
        if kind == b"IEND":
            return
        at += 12 + length


def _check_gif(content: bytes) -> None:
    """Walk as Pillow does over what comes before the first frame, which is the one that is decoded.

    Pillow skips bytes of no meaning. Except in comments, an extension does not end with an empty first block.
    """
    at, blocks, may_be_empty = 13 + _colours(content[10:11]), 0, 0
    in_extension = False
    while at < len(content) and (in_extension or content[at] not in b",;"):
        if in_extension:
            in_extension = content[at] > 0 or may_be_empty > 0
            at, may_be_empty = at + 1 + content[at], may_be_empty - 1
        elif in_extension := content[at] == 0x21:
            loops = content[at + 1 : at + 2] == b"\xff" and content[at + 3 : at + 14] == b"NETSCAPE2.0"
            may_be_empty = 0 if content[at + 1 : at + 2] == b"\xfe" else 1 + loops
            at += 2
        else:
            at += 1
        blocks += 1
        _check_count(blocks, "blocks")


def _check_tiff(content: bytes, order: str) -> None:
    """Check the numbers of strips and tiles in the first directory of a TIFF or BigTIFF."""
    is_big = content[2:4] in (b"+\0", b"\0+")
    entry = struct.Struct(order + ("HHQ8s" if is_big else "HHI4s"))
    at = int.from_bytes(content[8:16] if is_big else content[4:8], "little" if order == "<" else "big")
    head = 8 if is_big else 2
    number = int.from_bytes(content[at : at + head], "little" if order == "<" else "big")
    _check_count(number, "entries")
    entries = content[at + head : at + head + number * entry.size]
    for tag, _, values, _ in entry.iter_unpack(entries[: len(entries) // entry.size * entry.size]):
        if tag in (273, 324):
            _check_count(values, "strips or tiles", MAX_STRIPS)


def _colours(flags: bytes) -> int:
    return 3 * 2 ** ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _riff(content: bytes) -> Iterator[int]:
    at = 12
    while at + 8 <= len(content):
        yield at
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + size + (size & 1)


_CONTAINERS = frozenset(b"meta iprp iref moov trak mdia minf stbl".split())


def _check_boxes(content: bytes, max_pixels: int, max_grid: int) -> None:  # noqa: PLR0912  (each box)
    """Count the boxes of an AVIF or HEIF, and check the real sizes of all its AV1 streams."""
    boxes, units = 0, 0
    places: list[bytes] = []
    inside: list[int] = []
    properties: list[list[bytes]] = []
    owners: list[bytes] = []
    tracks: list[int] = []
    largest = 0
    waiting = [(0, len(content))]
    while waiting:
        for kind, at, end in _inside(content, *waiting.pop()):
            boxes += 1
            _check_count(boxes, "boxes", MAX_BOXES)
            of_list = content[at + 8 : at + 16]  # after the version and a number
            if kind in _CONTAINERS:
                waiting.append((at + 4 * (kind in (b"meta", b"iref")), end))
            elif kind == b"iloc":
                places.append(content[at:end])
            elif kind == b"ipco":
                properties.append([each for each, _, _ in _inside(content, at, end)])
            elif kind == b"ipma":
                owners.append(content[at:end])
            elif kind == b"idat":
                inside.append(at)
            elif kind == b"iinf" and b"iovl" in content[at:end]:  # its size is in no box
                raise PictureError("lays pictures over each other. Save it as a JPEG.")
            elif kind in (b"stco", b"co64"):  # of an animation, the first picture is decoded
                tracks.append(int.from_bytes(of_list[: 4 if kind == b"stco" else 8], "big"))
            elif kind == b"stsz":
                one_size = int.from_bytes(content[at + 4 : at + 8], "big")
                first = int.from_bytes(content[at + 12 : at + 16], "big")
                largest = max(largest, one_size or first)
    _check_sizes(properties, owners)
    _check_count(len(tracks), "tracks", MAX_METADATA)
    streams = (content[at : at + largest] for at in tracks)
    for stream in chain(_items(content, places, inside), streams):
        if len(stream) in (8, 12) and stream[0] == 0:  # a grid of other items
            middle = len(stream) // 2 + 2
            wide, high = stream[4:middle], stream[middle:]
            check_pixels(int.from_bytes(wide, "big"), int.from_bytes(high, "big"), max_grid)
        for width, height in _unit_sizes(stream):
            units += 1
            _check_count(units, "parts of streams", MAX_BOXES)
            check_pixels(width, height, max_pixels)


def _inside(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each box in a part of a file, where its content begins, and where the box ends."""
    while at + 8 <= end:
        size, kind, head = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        size = end - at if size == 0 else size
        if size < head:
            return
        yield kind, at + head, min(at + size, end)
        at += size


def _check_sizes(properties: Sequence[Sequence[bytes]], owners: Iterable[bytes]) -> None:
    """Check that each item with properties has a size. Without one, its stream may have any size.

    Args:
        properties: the kinds of properties in each `ipco` box; files have one.
        owners: the `ipma` boxes, which say what properties an item has.
    """
    _check_count(len(properties), "lists of properties", 1)
    for box in owners:
        bits = _Bits(box)
        version, bits_of_place = bits.take(8), 15 if bits.take(24) & 1 else 7
        for number in range(bits.take(32)):
            _check_count(number, "items", MAX_BOXES)
            bits.take(32 if version else 16)
            mine = [(bits.take(1), bits.take(bits_of_place))[1] for _ in range(bits.take(8))]
            if b"ispe" not in [properties[0][each - 1] for each in mine if 0 < each <= len(properties[0])]:
                raise PictureError("has a picture without a size. Save it again.")


def _items(content: bytes, places: Iterable[bytes], inside: Sequence[int]) -> Iterator[bytes]:
    """Yield the stream of each item. Items may be in the `idat` box, and in several parts."""
    left = 2 * len(content)
    for box in places:
        for extents, is_inside in _item_places(box):
            for base in inside if is_inside else (0,):
                parts = [slice(base + at, base + at + size if size else None) for at, size in extents]
                left -= sum(len(range(*part.indices(len(content)))) for part in parts)
                if left < 0:
                    raise PictureError("has parts that overlap. Save it again.")
                yield b"".join(content[part] for part in parts)


def _item_places(box: bytes) -> Iterator[tuple[list[tuple[int, int]], bool]]:
    """Yield the place and the size of each part of an item of an `iloc` box, and whether `idat` has it."""
    bits = _Bits(box)
    version = bits.take(8)
    bits.take(24)
    offset, length, base, index = (8 * bits.take(4) for _ in range(4))
    for number in range(bits.take(32 if version == 2 else 16)):
        _check_count(number, "items", MAX_BOXES)
        bits.take(32 if version == 2 else 16)
        method = bits.take(16) & 15 if version else 0
        bits.take(16)
        start = bits.take(base)
        extents = []
        for extent in range(bits.take(16)):
            _check_count(extent, "parts of an item")
            if version and index:
                bits.take(index)
            extents.append((start + bits.take(offset), bits.take(length)))
        yield extents, method == 1


def _unit_sizes(stream: bytes) -> Iterator[tuple[int, int]]:
    """Yield the size in each unit of an AV1 stream that is a sequence header; zeros for other units."""
    at = 0
    while at < len(stream):
        kind, is_extended, is_sized = stream[at] >> 3 & 15, stream[at] >> 2 & 1, stream[at] & 2
        at += 1 + is_extended
        size = 0 if is_sized else len(stream)
        for shift in range(0, 56, 7) if is_sized else ():
            byte = stream[at] if at < len(stream) else 0
            at += 1
            size |= (byte & 127) << shift
            if byte < 128:
                break
        yield _av1_size(stream[at : at + min(size, 256)]) if kind == 1 else (0, 0)
        at += size


def _av1_size(header: bytes) -> tuple[int, int]:
    """Return the size in a sequence header of AV1 (section 5.5 of its specification).

    A header with timing, which pictures do not have, counts as the largest size.
    """
    bits = _Bits(header)
    bits.take(3)  # the profile
    bits.take(1)  # a still picture
    reduced = bits.take(1)
    if reduced:
        bits.take(5)
    elif bits.take(1):  # timing: not in pictures
        return MAX_SIDE, MAX_SIDE
    else:
        delays = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delays and bits.take(1):
                bits.take(4)
    wide, high = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(wide) + 1, bits.take(high) + 1


class _Bits:
    """Reads bits, highest first. Missing bits are zero."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, count: int) -> int:
        start, end = self._at // 8, (self._at + count + 7) // 8
        part = self._content[start:end].ljust(end - start, b"\0")
        self._at += count
        return int.from_bytes(part, "big") >> (8 * end - self._at) & ((1 << count) - 1)


def _check_count(count: int, what: str, most: int = MAX_SEGMENTS) -> None:
    if count > most:
        raise PictureError(f"has more than {most:,} {what}, far more than pictures need. Save it again.")
