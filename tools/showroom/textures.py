"""Procedural pictures of materials: wood, cloth, leather, brick, boards and wallpaper.

Every picture is linear RGB, float32, and repeats without a seam, except for views of windows.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]


def linear(colour: str) -> Picture:
    """Convert a CSS colour to linear light."""
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255
    return np.asarray(
        np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4), np.float32
    )


@cache
def noise(height: int, width: int, seed: int, *, rough: float = 1.0, stretch: float = 1.0) -> Picture:
    """Return noise that repeats, mean 0, deviation 1; `rough`: fall of its spectrum, `stretch`: along x."""
    random = np.random.default_rng(seed)
    fy = np.fft.fftfreq(height)[:, None] * height
    fx = np.fft.fftfreq(width)[None, :] * width * stretch
    fall = 1 / np.maximum(np.hypot(fy, fx), 1.0) ** rough
    fall[0, 0] = 0
    phase = np.fft.fft2(random.standard_normal((height, width)))
    field = np.real(np.fft.ifft2(phase * fall))
    return np.asarray(((field - field.mean()) / field.std()), np.float32)


def blend(a: Picture, b: Picture, share: Picture) -> Picture:
    """Interpolate from `a` to `b` by a share for each pixel."""
    t = np.clip(share, 0, 1)[..., None]
    return np.asarray((a * (1 - t) + b * t), np.float32)


@cache
def wood(colour: str, dark: str, seed: int = 0) -> Picture:
    """Grain along x; one metre by a half."""
    drawn_out = noise(256, 512, seed, rough=1.2, stretch=9.0)
    fine = noise(256, 512, seed + 1, rough=0.6, stretch=26.0)
    across = np.linspace(0, 2 * np.pi * 7, 256, endpoint=False)[:, None]
    rings = 0.5 + 0.5 * np.sin(across + 1.6 * drawn_out)
    share = 0.16 + 0.38 * rings**2.2 + 0.15 * fine + 0.1 * drawn_out
    return blend(linear(colour), linear(dark), share)


def planks(colour: str, dark: str, seed: int = 0, *, rows: int = 8, tone: float = 0.2) -> Picture:
    """Floor boards along x with joints; 2 metres by slightly more than 1."""
    height, width = 512, 1024
    grain = np.tile(wood(colour, dark, seed), (2, 2, 1))
    random = np.random.default_rng(seed + 5)
    out = np.zeros((height, width, 3), np.float32)
    each = height // rows
    for row in range(rows):
        cuts = np.sort(random.choice(np.arange(2, 15), 2, replace=False)) * width // 16
        band = np.roll(grain, (int(random.integers(256)), int(random.integers(512))), (0, 1))[:each].copy()
        edges = [0, *cuts, width]
        for left, right in pairwise(edges):
            band[:, left:right] *= 1 + tone * random.uniform(-1, 1)
        for cut in cuts:
            band[:, max(cut - 1, 0) : cut + 1] *= 0.55
        band[:2] *= 0.55
        out[row * each : row * each + each] = band
    return np.clip(out, 0, 1)


def herringbone(colour: str, dark: str, seed: int = 0, *, tone: float = 0.22) -> Picture:
    """A herringbone of short boards; 1.13 metres square."""
    size, wide = 512, 32
    y, x = np.mgrid[:size, :size]
    long = 4
    u, v = (x + y) // wide, (x - y) // wide
    su, sv = (x + y) / wide, (x - y) / wide
    step = (u + v) % (2 * long)
    flat = step < long
    key_a = (u * 7 + (v + step) * 13) % 97
    key = np.where(flat, v * 31 + (u - step) * 17, u * 29 + (v - (step - long)) * 11 + 53) % 101
    del key_a
    tones = np.random.default_rng(seed).uniform(-1, 1, 101)
    grain = np.tile(wood(colour, dark, seed), (2, 1, 1))
    turned = np.transpose(np.tile(wood(colour, dark, seed + 3), (2, 1, 1)), (1, 0, 2))
    out = np.where(flat[..., None], grain, turned) * (1 + tone * tones[key])[..., None]
    edge = np.where(flat, sv - np.floor(sv), su - np.floor(su))
    out = out * np.where(edge < 0.06, 0.6, 1.0)[..., None]
    return np.asarray(np.clip(out, 0, 1), np.float32)


def parquet(colour: str, dark: str, seed: int = 0, *, tone: float = 0.16) -> Picture:
    """Mosaic squares of strips, every other one turned; one metre square."""
    size, cells, strips = 512, 4, 5
    each = size // cells
    random = np.random.default_rng(seed)
    grain = np.tile(wood(colour, dark, seed), (2, 1, 1))
    out = np.zeros((size, size, 3), np.float32)
    for i in range(cells):
        for j in range(cells):
            tile = np.roll(grain, (int(random.integers(256)), int(random.integers(512))), (0, 1))[
                :each, :each
            ].copy()
            for k in range(strips):
                a, b = k * each // strips, (k + 1) * each // strips
                tile[a:b] *= 1 + tone * random.uniform(-1, 1)
                tile[a : a + 1] *= 0.6
            tile[:, :1] *= 0.6
            out[i * each : (i + 1) * each, j * each : (j + 1) * each] = (
                tile if (i + j) % 2 else tile.transpose(1, 0, 2)
            )
    return np.clip(out, 0, 1)


def cloth(colour: str, other: str = "", pattern: str = "", seed: int = 0) -> Picture:
    """A woven cloth; 40 centimetres square."""
    size = 256
    y, x = np.mgrid[:size, :size]
    base = np.ones((size, size, 3), np.float32) * linear(colour)
    if pattern == "stripe":
        base = blend(base, linear(other), ((x * 5 // size * 1.0 + 0) % 1 + ((x % (size // 4)) < size // 10)))
    elif pattern == "check":
        band = ((x % 64) < 9).astype(np.float32) + ((y % 64) < 9)
        base = blend(base, linear(other), 0.55 * band)
    elif pattern == "damask":
        u, v = 2 * np.pi * x / 128, 2 * np.pi * y / 128
        motif = np.cos(u) * np.cos(v) + 0.6 * np.cos(2 * u + np.sin(v)) * np.cos(v)
        base = blend(base, linear(other), (motif > 0.25).astype(np.float32))
    weave = 0.05 * (np.sin(2 * np.pi * x / 4) * np.sin(2 * np.pi * y / 4))
    melange = 0.05 * noise(size, size, seed + 9, rough=0.4) + 0.04 * noise(size, size, seed + 10, rough=1.1)
    return np.asarray(np.clip(base * (1 + weave + melange)[..., None], 0.003, 0.95), np.float32)


def leather(colour: str, seed: int = 0) -> Picture:
    """Leather with worn clouds and fine pores; 60 centimetres square."""
    clouds = noise(256, 256, seed, rough=1.7)
    pores = noise(256, 256, seed + 1, rough=0.3)
    return np.clip(linear(colour) * (1 + 0.16 * clouds + 0.06 * pores)[..., None], 0.003, 0.9).astype(
        np.float32
    )


def mottled(colour: str, amount: float = 0.03, seed: int = 0, *, rough: float = 1.5) -> Picture:
    """A plain surface that is not quite even; the caller sets the scale."""
    clouds = noise(256, 256, seed, rough=rough)
    return np.asarray(np.clip(linear(colour) * (1 + amount * clouds)[..., None], 0.003, 0.95), np.float32)


def concrete(colour: str, seed: int = 0) -> Picture:
    """Concrete with clouds, pores and the joints of its boards; 2.4 metres square."""
    out = (
        mottled(colour, 0.09, seed, rough=1.3) * (1 + 0.03 * noise(256, 256, seed + 2, rough=0.3))[..., None]
    )
    out[:1] *= 0.75
    out[:, :1] *= 0.75
    return np.clip(out, 0, 0.9)


def bricks(colour: str, seed: int = 0) -> Picture:
    """A wall of bricks; 1.04 metres by 0.6."""
    rows, columns, tall, wide = 8, 4, 36, 104
    random = np.random.default_rng(seed)
    out = np.ones((rows * tall, columns * wide, 3), np.float32) * linear("#b5a897")
    for row in range(rows):
        shift = (row % 2) * wide // 2
        for column in range(columns):
            tone = linear(colour) * (1 + 0.28 * random.uniform(-1, 1)) * (1 + 0.08 * random.uniform(-1, 1, 3))
            rows_at = slice(row * tall + 3, (row + 1) * tall - 2)
            columns_at = (np.arange(column * wide + 3, (column + 1) * wide - 2) + shift) % (columns * wide)
            out[rows_at, columns_at] = tone
    grain = noise(rows * tall, columns * wide, seed + 1, rough=0.7)
    return np.asarray(np.clip(out * (1 + 0.1 * grain)[..., None], 0, 0.9), np.float32)


def boards(colour: str) -> Picture:
    """Painted boards with grooves between them, along x; a metre by 0.9."""
    out = (
        np.ones((216, 240, 3), np.float32)
        * linear(colour)
        * (1 + 0.01 * noise(216, 240, 3, rough=1.0, stretch=8))[..., None]
    )
    for row in range(0, 216, 36):
        out[row : row + 2] *= 0.62
        out[row + 2 : row + 3] *= 0.85
    return np.asarray(np.clip(out, 0, 0.95), np.float32)


def paper(colour: str, other: str) -> Picture:
    """Wallpaper of linked ovals; 60 centimetres square."""
    size = 256
    y, x = np.mgrid[:size, :size]
    u, v = (x % 128) / 64 - 1, (y % 128) / 64 - 1
    ring = np.abs(np.hypot(u * 0.95, v * 0.95) - 0.8) < 0.12
    inner = np.hypot(u, v) < 0.3
    return blend(
        np.ones((size, size, 3), np.float32) * linear(colour),
        linear(other),
        0.6 * (ring | inner).astype(np.float32),
    )


def wicker(colour: str, seed: int = 0) -> Picture:
    """A basket's weave; 20 centimetres square."""
    size = 128
    y, x = np.mgrid[:size, :size]
    over = ((x // 8) + (y // 8)) % 2
    bow = np.where(over, np.sin(np.pi * (y % 8 + 0.5) / 8), np.sin(np.pi * (x % 8 + 0.5) / 8))
    shade = 0.55 + 0.45 * bow + 0.08 * noise(size, size, seed, rough=0.5)
    return np.asarray(np.clip(linear(colour) * shade[..., None], 0.003, 0.9), np.float32)


def sky(kind: str, seed: int = 0) -> Picture:
    """Return the view from a window: a hazy garden or a blue evening; radiance around 1, without repeats."""
    size = 128
    t = np.linspace(1, 0, size)[:, None] * np.ones((1, size))
    hills = (
        0.34
        + 0.07 * noise(size, size, seed, rough=2.2)[:1]
        + 0.02 * noise(size, size, seed + 1, rough=1.2)[:1]
    )
    edge = np.clip((t - hills) * 14 + 0.5, 0, 1)
    leaves = 0.25 * noise(size, size, seed + 2, rough=1.1)
    if kind == "day":
        green = np.array([0.42, 0.52, 0.34]) * (1 + leaves)[..., None]
        blue = np.array([0.95, 0.99, 1.05]) * (1 - 0.12 * t)[..., None]
    else:
        green = np.array([0.010, 0.014, 0.022]) * (1 + leaves)[..., None]
        blue = np.array([0.05, 0.075, 0.14]) * (1 - 0.5 * t)[..., None]
    return np.asarray((green * (1 - edge[..., None]) + blue * edge[..., None]), np.float32)
