"""Where the model looks, softly over the photo."""

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
"""A region is outlined when it has at least twice its even share of the attention,"""
MOST_OUTLINED = 8
"""and is among so many of the strongest."""

FULL_STRENGTH = 2.5
"""How many times its even share the strongest region has when the rest fades fully."""

_PALE, _TINT, _COLOURED, _OVERSAMPLED = 0.45, 0.18, 0.75, 3


def attended(photo: Image.Image, attention: Float32Array) -> Image.Image:
    """Return the photo with what is attended to in full colour and the rest faded; attention [49] sums to 1.

    The fading is as strong as the attention is uneven: even attention, as for a category that the model does
    not know, leaves the photo as it is.
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
    """Return the photo in grey, coloured where regions pull nearer (below zero) or push away; parts [49].

    A part of the size `greatest` has the full colour, so that photos of one page compare; nothing is coloured
    where that is zero.
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
    """Return which regions [7, 7] stand out."""
    order = np.argsort(-attention, kind="stable")[:MOST_OUTLINED]
    chosen = np.zeros(REGIONS, bool)
    chosen[order] = attention[order] >= STRONG
    return chosen.reshape(REGION_ROWS, REGION_COLUMNS)


def _heat(attention: Float32Array, size: tuple[int, int]) -> Image.Image:
    """A smooth mask, white where most attention is."""
    spread = float(attention.max() - attention.min())
    relative = ((attention - attention.min()) / spread).astype(np.float32) ** 0.7
    return Image.fromarray((255 * _smooth(relative, size)).astype(np.uint8))


def _smooth(regions: Float32Array, size: tuple[int, int]) -> Float32Array:
    """Numbers from 0 to 1 of the regions, [49], over a photo, with soft transitions."""
    grid = Image.fromarray(regions.reshape(REGION_ROWS, REGION_COLUMNS))
    return np.asarray(grid.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)


def _outlined(photo: Image.Image, chosen: BoolArray) -> Image.Image:
    """Draw the border between chosen regions and others; oversampled, for smooth lines."""
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
