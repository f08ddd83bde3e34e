"""Text on a picture: any size, any script for which the system has a font, cut to fit."""

import functools
import unicodedata
from collections.abc import Iterator
from itertools import groupby

from PIL import ImageDraw, ImageFont

from perfectlook.sheet.palette import Colour

Font = ImageFont.FreeTypeFont

LONGEST = 300
"""Characters of a text that are looked at; no line holds more."""

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
    """Return the text on one line, as far as any line can hold it, without what no font can write."""
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
) -> float:
    """Write one line of text with its baseline's left (or `right`) end at `place`; returns its width."""
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
    """Return the text in at most so many lines, the last one cut with an ellipsis where there is more."""
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
