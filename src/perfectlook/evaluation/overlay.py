"""Draw attention, or the parts of a distance, over a photo."""

from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from perfectlook.types import REGION_COLUMNS, REGION_ROWS, REGIONS, BoolArray, Float32Array, Float64Array

Colour: TypeAlias = tuple[int, int, int]

PAPER: Colour = (246, 243, 238)
CARD: Colour = (255, 255, 255)
INK: Colour = (38, 35, 32)
QUIET: Colour = (125, 118, 110)
LINE: Colour = (226, 221, 213)
GLOBAL: Colour = (52, 97, 116)
LOCAL: Colour = (228, 141, 66)


STRONG = 2.0 / REGIONS
"""Outline a region with at least twice the average attention."""
MOST_OUTLINED = 8
"""Outline at most this many regions, the strongest."""

FULL_STRENGTH = 2.5
"""The rest fades fully when the strongest region has this multiple of the average attention."""

_PALE, _TINT, _COLOURED, _OVERSAMPLED = 0.45, 0.18, 0.75, 3


def attended(photo: Image.Image, attention: Float32Array) -> Image.Image:
    """Return the photo with attended regions in full colour and the rest faded; attention [49] sums to 1.

    The more uneven the attention, the stronger the fading. Even attention, as for an unknown category, leaves
    the photo unchanged.
    """
    strength = min(1.0, (float(attention.max()) * REGIONS - 1) / (FULL_STRENGTH - 1))
    if strength < 0.02:
        return photo
    heat = _heat(attention, photo.size)
    grey = photo.convert("L").convert("RGB")
    pale = Image.blend(Image.blend(photo, grey, 0.8), Image.new("RGB", photo.size, CARD), _PALE)
    faded = Image.blend(photo, pale, strength)
    shown = Image.composite(photo, faded, heat)
    tint = heat.point([round(value * _TINT * strength) for value in range(256)])
    shown.paste(LOCAL, (0, 0, *shown.size), tint)
    return _outlined(shown, strongest(attention))


def contributed(photo: Image.Image, parts: Float64Array, greatest: float) -> Image.Image:
    """Return the photo in grey, coloured where regions make a product nearer (below zero) or farther.

    Args:
        photo: the photo.
        parts: part of each region, [49].
        greatest: size of a part that gets the full colour, so that the photos of one page are comparable;
            with zero, nothing is coloured.
    """
    grey = photo.convert("L").convert("RGB")
    shown = Image.blend(grey, Image.new("RGB", photo.size, CARD), _PALE)
    if greatest <= 0:
        return shown
    for sign, colour in ((-1, LOCAL), (1, GLOBAL)):
        strength = np.maximum(sign * parts / greatest, 0).astype(np.float32)
        mask = _smooth(strength, photo.size)
        shown.paste(colour, (0, 0, *photo.size), Image.fromarray((_COLOURED * 255 * mask).astype(np.uint8)))
    return shown


def strongest(attention: Float32Array) -> BoolArray:
    """Return whether each region [7, 7] is outlined."""
    order = np.argsort(-attention, kind="stable")[:MOST_OUTLINED]
    chosen = np.zeros(REGIONS, bool)
    chosen[order] = attention[order] >= STRONG
    return chosen.reshape(REGION_ROWS, REGION_COLUMNS)


def _heat(attention: Float32Array, size: tuple[int, int]) -> Image.Image:
    """A smooth mask; white is the most attention."""
    spread = float(attention.max() - attention.min())
    relative = ((attention - attention.min()) / spread).astype(np.float32) ** 0.7
    return Image.fromarray((255 * _smooth(relative, size)).astype(np.uint8))


def _smooth(regions: Float32Array, size: tuple[int, int]) -> Float32Array:
    """Scale one number from 0 to 1 per region, [49], to a photo, with soft transitions."""
    grid = Image.fromarray(regions.reshape(REGION_ROWS, REGION_COLUMNS))
    return np.asarray(grid.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)


def _outlined(photo: Image.Image, chosen: BoolArray) -> Image.Image:
    """Draw the border between chosen regions and others, oversampled for smooth lines."""
    if not chosen.any():
        return photo
    width, height = (side * _OVERSAMPLED for side in photo.size)
    mask = Image.new("L", (width, height))
    pen = ImageDraw.Draw(mask)
    inside = np.pad(chosen, 1)
    for row in range(REGION_ROWS + 1):
        for column in range(REGION_COLUMNS + 1):
            x, y = column * width / REGION_COLUMNS, row * height / REGION_ROWS
            here, left, above = inside[row + 1, column + 1], inside[row + 1, column], inside[row, column + 1]
            if here != left:
                pen.line((x, y, x, y + height / REGION_ROWS), 255, 2 * _OVERSAMPLED)
            if here != above:
                pen.line((x, y, x + width / REGION_COLUMNS, y), 255, 2 * _OVERSAMPLED)
    outlined = photo.copy()
    outlined.paste(LOCAL, (0, 0, *photo.size), mask.resize(photo.size, Image.Resampling.BOX))
    return outlined
