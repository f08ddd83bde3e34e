"""The colours of a picture, by names that people use.

Pixels get the name of the nearest colour of `colours.toml` in CIELAB. The pixels of one name form a swatch:
their share of the picture and their mean.
"""

import functools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perfectlook.types import BoolArray, ByteArray, Float32Array

SIDE = 64
"""Pictures are reduced to this many pixels a side."""
EVEN, SHADOW = 4.0, 14.0
"""How far a background's pixels are from its colour, and how much darker its shadows are, at most."""
LEAST, MOST = 0.02, 8
"""The least share of a swatch, and the largest number of swatches of a picture."""
PALE = 14.0
"""Below this chroma, light and shade decide the name, so only charcoal and black are certain."""
_WEIGHTS = np.array([0.7, 1.0, 1.0], np.float32)
"""Lightness counts less than hue and chroma, because light and shade change it."""


@dataclass(frozen=True, slots=True)
class Swatch:
    """The pixels of one colour name.

    Attributes:
        share: their share of the picture, or of a product without its background.
        lab: their mean in CIELAB.
    """

    share: float
    lab: tuple[int, int, int]

    @property
    def name(self) -> str:
        """The nearest name of the palette."""
        return _name(self.lab)

    @property
    def is_certain(self) -> bool:
        """Whether people would agree on the name, in any light."""
        name = self.name
        chroma = math.hypot(*self.lab[1:])
        return not palette()[name].get("vague") and (chroma >= PALE or name in ("charcoal", "black"))


@functools.cache
def palette() -> Mapping[str, Mapping[str, str]]:
    """Return the colours by name, as in `colours.toml`."""
    path = Path(__file__).with_name("colours.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def swatches(picture: Image.Image, *, product: bool = False) -> list[Swatch]:
    """Return the colours of an RGB picture, largest first. `product`: without an even background."""
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    pixels = np.asarray(small).reshape(-1, 3)
    if product:
        pixels = pixels[_foreground(pixels)]
    red, green, blue = (pixels >> 3).astype(np.intp).T
    names, lab = _table()[red, green, blue], to_lab(pixels)
    counts = np.bincount(names)
    large = np.flatnonzero(counts >= LEAST * len(names))
    means = np.stack([np.bincount(names, each)[large] for each in lab.T], axis=1) / counts[large, None]
    found = [
        Swatch(count / len(names), (round(light), round(a), round(b)))
        for count, (light, a, b) in zip(counts[large].tolist(), means.tolist(), strict=True)
    ]
    return sorted(found, key=lambda each: -each.share)[:MOST]


def write(found: Sequence[Swatch]) -> str:
    """Return swatches as a short text for a record: the share and the CIELAB mean of each."""
    return " ".join(f"{each.share:.2f}:{','.join(map(str, each.lab))}" for each in found)


@functools.lru_cache(4096)
def read(text: str) -> tuple[Swatch, ...]:
    """Return the swatches in a text of `write`. Other words are skipped."""
    found = []
    for word in text.split():
        share, _, lab = word.partition(":")
        try:
            light, a, b = map(int, lab.split(","))
            found.append(Swatch(float(share), (light, a, b)))
        except ValueError:
            continue
    return tuple(found)


def to_lab(pixels: ByteArray) -> Float32Array:
    """Convert sRGB [n, 3] to CIELAB [n, 3], with the white of D65."""
    xyz = _LINEAR[pixels] @ _XYZ.T
    cubic = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = cubic.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1).astype(np.float32)


def _foreground(pixels: ByteArray) -> BoolArray:
    """Return the pixels of a product, without its blurred outline unless little else is left."""
    whole = ~_background(to_lab(pixels).reshape(SIDE, SIDE, 3))
    inner = whole.copy()
    inner[1:] &= whole[:-1]
    inner[:-1] &= whole[1:]
    inner[:, 1:] &= whole[:, :-1]
    inner[:, :-1] &= whole[:, 1:]
    return (inner if inner.sum() > 0.3 * whole.sum() else whole).reshape(-1)


def _background(lab: Float32Array) -> BoolArray:
    """Return the pixels of an even background and of shadows on it; none if there is none."""
    none = np.zeros((SIDE, SIDE), bool)
    behind = np.median(_edge(lab), axis=0)
    even: BoolArray = np.linalg.norm(lab - behind, axis=2) < EVEN
    if _edge(even).mean() < 0.5:
        return none
    darker = behind[0] - lab[..., 0]
    soft = (np.linalg.norm((lab - behind)[..., 1:], axis=2) < EVEN) & (darker > -EVEN) & (darker < SHADOW)
    found = even.copy()
    for turn in range(4):  # what is soft from an edge on, without a gap
        found |= np.rot90(np.logical_and.accumulate(np.rot90(soft, turn), axis=0), -turn)
    return next((each for each in (found, even) if each.mean() < 0.98), none)


def _edge(cells: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]])


@functools.cache
def _points() -> Float32Array:
    colours = [list(bytes.fromhex(each["rgb"][1:])) for each in palette().values()]
    return to_lab(np.array(colours, np.uint8)) * _WEIGHTS


@functools.lru_cache(4096)
def _name(lab: tuple[int, int, int]) -> str:
    apart = ((_points() - np.array(lab, np.float32) * _WEIGHTS) ** 2).sum(axis=1)
    return list(palette())[int(apart.argmin())]


@functools.cache
def _table() -> ByteArray:
    """Return the number of the nearest colour of the palette, for each colour of a grid of 32³."""
    level = (np.arange(32) * 8 + 4).astype(np.uint8)
    lab = to_lab(np.stack(np.meshgrid(level, level, level, indexing="ij"), axis=-1).reshape(-1, 3)) * _WEIGHTS
    points = _points()
    apart = (points**2).sum(axis=1) - 2 * lab @ points.T
    nearest: ByteArray = apart.argmin(axis=1).astype(np.uint8)
    return nearest.reshape(32, 32, 32)


_VALUES = np.arange(256) / 255
_LINEAR = np.where(_VALUES <= 0.04045, _VALUES / 12.92, ((_VALUES + 0.055) / 1.055) ** 2.4)
_XYZ = np.array(  # sRGB to XYZ (IEC 61966-2-1), divided by the white point, so that white is (1, 1, 1)
    [
        [0.4123908 / 0.9504559, 0.3575843 / 0.9504559, 0.1804808 / 0.9504559],
        [0.2126390, 0.7151687, 0.0721923],
        [0.0193308 / 1.0890578, 0.1191948 / 1.0890578, 0.9505322 / 1.0890578],
    ]
)
