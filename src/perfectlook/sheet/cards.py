"""A white card with rounded corners and a shadow, and the text and pictures on it."""

import functools
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from perfectlook.answers import RankedProduct
from perfectlook.errors import PictureError
from perfectlook.evaluation.overlay import CARD, GLOBAL, INK, LINE, LOCAL, PAPER, QUIET, Colour
from perfectlook.images import open_picture

Font = ImageFont.FreeTypeFont

LONGEST = 300
"""Characters of a text that are used; no line holds more."""

OWN = "own"
"""The font that comes with Pillow, by the name used here."""
FALLBACKS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "FreeSans.ttf",
    "unifont.otf",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "segoeui.ttf",
    "msyh.ttc",
    "seguisym.ttf",
)
"""System fonts for what Pillow's own font lacks; none of them has to be there."""

_PROBE = 16
"""The size at which fonts are asked whether they have a character."""
_ELLIPSIS = "…"
_NO_CHARACTER = "\U0010ffff"


def readable(text: str) -> str:
    """Return the text on one line, cut to what a line can hold, without characters that no font has."""
    composed = unicodedata.normalize("NFC", text[:LONGEST])
    shown = "".join(c if c.isprintable() and _font_for(c, _PROBE) else " " for c in composed)
    return " ".join(shown.split())


def width_of(text: str, size: int) -> float:
    """Return the width of one line of text in pixels."""
    return sum(font.getlength(part) for font, part in _runs(text, size))


def write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    *,
    bold: bool = False,
    right: bool = False,
    room: float | None = None,
) -> float:
    """Write one line of text with its baseline's left (or `right`) end at `place`; returns its width.

    Text that is wider than `room` is cut with an ellipsis.
    """
    if room is not None:
        text = fitted(text, size, room)
    width = width_of(text, size)
    x, y = place
    x -= width if right else 0
    for font, part in _runs(text, size):
        pen.text((x, y), part, colour, font, anchor="ls", stroke_width=size / 60 if bold else 0)
        x += font.getlength(part)
    return width


def fitted(text: str, size: int, width: float) -> str:
    """Return the text, cut with an ellipsis where it is wider than `width`."""
    text = readable(text)
    if width_of(text, size) <= width:
        return text
    return text[: _fitting(text, size, width - width_of(_ELLIPSIS, size))].rstrip() + _ELLIPSIS


def wrapped(text: str, size: int, width: float, lines: int) -> list[str]:
    """Return the text in at most this many lines; the last one is cut with an ellipsis if there is more."""
    rest = readable(text)
    done: list[str] = []
    while rest and len(done) < lines - 1:
        count = _fitting(rest, size, width)
        if count == len(rest):
            break
        space = rest.rfind(" ", 0, count + 1)
        count = space if space > 0 else max(count, 1)
        done.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    return [*done, fitted(rest, size, width)] if rest else done


def _fitting(text: str, size: int, width: float) -> int:
    """The number of leading characters that are no wider than `width`."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width_of(text[:middle], size) <= width else (low, middle - 1)
    return low


def _runs(text: str, size: int) -> Iterator[tuple[Font, str]]:
    """The text in parts that one font can write."""
    for name, characters in groupby(text, lambda character: _font_for(character, size)):
        font = _font(name or OWN, size)
        assert font is not None
        yield font, "".join(characters)


@functools.lru_cache(4096)
def _font_for(character: str, size: int) -> str | None:
    """The name of the first font that has a character; None when none has it."""
    fonts = ((name, _font(name, size)) for name in (OWN, *FALLBACKS))
    return next((name for name, font in fonts if font and _has(font, character)), None)


def _has(font: Font, character: str) -> bool:
    if character.isspace():
        return True
    missing, drawn = font.getmask(_NO_CHARACTER), font.getmask(character)
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))


@functools.cache
def _font(name: str, size: int) -> Font | None:
    """A font by name, or None where the system does not have it."""
    if name == OWN:
        font = ImageFont.load_default(size)
        assert isinstance(font, Font)
        return font
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


RADIUS = 12
PADDING = 12
PICTURE = 160
"""Side of the square that a product's picture is fitted into, in pixels."""
WIDTH = PICTURE + 2 * PADDING
TITLE_SIZE, TITLE_LEADING, TITLE_LINES = 14, 19, 2
RANK_SIZE, ID_SIZE = 17, 12
HEIGHT = PADDING + PICTURE + 34 + 12 + TITLE_LINES * TITLE_LEADING + PADDING

_SHADOW, _SOFTNESS, _OVERSAMPLED = 26, 9, 4


def lay_card(sheet: Image.Image, place: tuple[int, int], size: tuple[int, int]) -> None:
    """Put an empty card on a sheet."""
    x, y = place
    margin = 2 * _SOFTNESS
    sheet.paste((70, 55, 40), (x - margin, y - margin + 4), _shadow(size))
    sheet.paste(CARD, (x, y), _rounded(size, RADIUS))


def lay_picture(
    sheet: Image.Image, picture: Image.Image, place: tuple[int, int], box: tuple[int, int], radius: int = 6
) -> None:
    """Put a picture on a sheet in the middle of a box, as large as fits, with rounded corners."""
    x, y = place
    picture = contained(picture, box)
    at = (x + (box[0] - picture.width) // 2, y + (box[1] - picture.height) // 2)
    sheet.paste(picture, at, _rounded(picture.size, min(radius, *(side // 2 for side in picture.size))))


def contained(picture: Image.Image, box: tuple[int, int]) -> Image.Image:
    """Return the picture scaled to fit into a box, at least one pixel wide and high."""
    scale = min(box[0] / picture.width, box[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def lay_product(
    sheet: Image.Image, place: tuple[int, int], product: RankedProduct, *, note: str = ""
) -> None:
    """Put a product's card on a sheet: picture, rank, price, distance and its two shares, and its title.

    A `note` stands next to the price; by default, the rules that moved the product.
    """
    lay_card(sheet, place, (WIDTH, HEIGHT))
    x, y = place[0] + PADDING, place[1] + PADDING
    pen = ImageDraw.Draw(sheet)
    try:
        lay_picture(sheet, open_picture(Path(product.picture), fit=PICTURE), (x, y), (PICTURE, PICTURE))
    except PictureError:
        _lay_placeholder(pen, (x, y))
    y += PICTURE + 24
    distance = f"{product.distance:.3f}"
    begin = x + write(pen, (x, y), f"{product.rank}", RANK_SIZE, INK, bold=True) + 6
    end = x + PICTURE - write(pen, (x + PICTURE, y), distance, TITLE_SIZE, QUIET, right=True) - 6
    moved = ", ".join(f"{rule.action} {rule.rule}" for rule in product.rules)
    if said := ", ".join(part for part in (product.current_price, note or moved) if part):
        write(pen, (begin, y), said, ID_SIZE, QUIET, room=end - begin)
    y += 10
    if product.distance_global is not None:
        _lay_shares(pen, (x, y), product.distance_global, product.distance)
    y += 12 + TITLE_LEADING
    title = wrapped(product.title or "", TITLE_SIZE, PICTURE, TITLE_LINES)
    if not title:
        write(pen, (x, y), product.id, ID_SIZE, QUIET, room=PICTURE)
    for line in title:
        write(pen, (x, y), line, TITLE_SIZE, INK)
        y += TITLE_LEADING


def _lay_shares(pen: ImageDraw.ImageDraw, place: tuple[int, int], whole: float, distance: float) -> None:
    """A thin bar: how much of the distance comes from the whole photo and how much from its regions."""
    x, y = place
    share = whole / distance if distance > 0 else 0.5
    middle = x + round(PICTURE * min(1.0, max(0.0, share)))
    pen.rounded_rectangle((x, y, x + PICTURE - 1, y + 4), 2, LOCAL if middle < x + PICTURE else GLOBAL)
    if x < middle < x + PICTURE:
        pen.rounded_rectangle((x, y, middle - 1, y + 4), 2, GLOBAL)
        pen.rectangle((middle - 2, y, middle + 1, y + 4), CARD)


def _lay_placeholder(pen: ImageDraw.ImageDraw, place: tuple[int, int]) -> None:
    x, y = place
    pen.rounded_rectangle((x, y, x + PICTURE - 1, y + PICTURE - 1), 6, PAPER, LINE)
    for line, text in enumerate(("picture", "not found")):
        left = x + (PICTURE - width_of(text, TITLE_SIZE)) / 2
        write(pen, (left, y + PICTURE / 2 - 4 + line * TITLE_LEADING), text, TITLE_SIZE, QUIET)


@functools.lru_cache(64)
def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    """A mask with rounded corners, drawn larger and scaled down so that they are smooth."""
    large = Image.new("L", (size[0] * _OVERSAMPLED, size[1] * _OVERSAMPLED))
    corner = (large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius * _OVERSAMPLED, 255)
    return large.resize(size, Image.Resampling.BOX)


@functools.lru_cache(16)
def _shadow(size: tuple[int, int]) -> Image.Image:
    margin = 2 * _SOFTNESS
    shape = Image.new("L", (size[0] + 2 * margin, size[1] + 2 * margin))
    shape.paste(
        _rounded(size, RADIUS).point([round(value * _SHADOW / 255) for value in range(256)]), (margin, margin)
    )
    blurred = shape.filter(ImageFilter.GaussianBlur(_SOFTNESS))
    return ImageChops.add(blurred, Image.new("L", blurred.size))
