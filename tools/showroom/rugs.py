"""Rugs, drawn in the colours of a palette."""

import random
from itertools import pairwise

import numpy as np
from PIL import Image

from showroom.canvas import Canvas, Drawing
from showroom.textures import Picture, noise


def rug(pattern: str, colours: list[str], seed: int, *, round_one: bool = False) -> Picture:
    """Draw a rug of a pattern; 3 : 2, or square for a round one."""
    rng = random.Random(seed)
    order = [colours[0], *rng.sample(colours[1:], len(colours) - 1)]
    canvas = Canvas(384, 384 if round_one else 256, order[0])
    _RUGS[pattern](canvas, order, rng)
    if round_one:
        canvas.disc(0.5, 0.5, 0.51, order[1], ring=0.055)  # past the rim: no pattern shows outside the ring
    picture = canvas.done()
    pile = noise(picture.shape[0], picture.shape[1], seed, rough=0.35)
    return np.asarray(np.clip(picture * (1 + 0.09 * pile)[..., None], 0.003, 0.9), np.float32)


def _plain(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, rng.choice(colours[:3]))
    c.rectangle(0, 0, 0.015, 1, colours[1])
    c.rectangle(0.985, 0, 1, 1, colours[1])


def _lines(c: Canvas, colours: list[str], rng: random.Random) -> None:
    for i in range(14):
        y = (i + 0.5) / 14
        c.line([(0, y), (1, y)], colours[1 + (i % 2)], rng.choice((0.008, 0.016)))


def _diamonds(c: Canvas, colours: list[str], rng: random.Random) -> None:
    n = rng.choice((4, 5, 6))
    for i in range(-1, n + 1):
        c.line([(i / n, 0), ((i + n * 0.66) / n, 1)], colours[1], 0.012)
        c.line([((i + n * 0.66) / n, 0), (i / n, 1)], colours[1], 0.012)
        c.line([((i - n * 0.66) / n, 0), (i / n, 1)], colours[1], 0.012)
        c.line([(i / n, 0), ((i - n * 0.66) / n, 1)], colours[1], 0.012)


def _worn(c: Canvas, colours: list[str], rng: random.Random) -> None:
    """Draw an old carpet, with a faded pattern."""
    _persian(c, colours, rng)
    faded = Image.new("RGB", c.size, colours[0])
    width, height = c.size
    wear = noise(256, 384, rng.randrange(1000), rough=1.6)
    share = np.clip(0.52 + 0.16 * wear, 0.2, 0.85) * 255
    mask = Image.fromarray(share.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    c.image = Image.composite(faded, c.image, mask)
    c.soften(0.004)


def _arcs(c: Canvas, colours: list[str], rng: random.Random) -> None:
    n = 4
    for i in range(n + 1):
        for j in range(3):
            for k, share in enumerate((0.24, 0.18, 0.12, 0.06)):
                c.disc(i / n, (j + 0.5 * (i % 2)) / 2, share * 1.35, colours[(k + i + 1) % len(colours)])
    del rng


def blocks(c: Canvas, colours: list[str], rng: random.Random) -> None:
    """Draw blocks of colour in columns."""
    xs = [0.0, *sorted(rng.uniform(0.15, 0.85) for _ in range(3)), 1.0]
    for x0, x1 in pairwise(xs):
        cut = rng.uniform(0.25, 0.75)
        c.rectangle(x0, 0, x1, cut, rng.choice(colours))
        c.rectangle(x0, cut, x1, 1, rng.choice(colours))
    for x in xs[1:-1]:
        c.line([(x, 0), (x, 1)], colours[0], 0.01)


def _stripes(c: Canvas, colours: list[str], rng: random.Random) -> None:
    n = rng.choice((8, 10, 12))
    for i in range(n):
        if i % 2:
            c.rectangle(
                i / n,
                0,
                (i + 1) / n,
                1,
                colours[1] if i % 4 == 1 else colours[2 if rng.random() < 0.5 else 1],
            )


def _braid(c: Canvas, colours: list[str], rng: random.Random) -> None:
    for k in range(12):
        s = k / 24
        c.rectangle(s, s, 1 - s, 1 - s, colours[k % 3] if k % 3 != 1 else colours[0])
    del rng


def _persian(c: Canvas, colours: list[str], rng: random.Random) -> None:
    field, light, second, dark = colours[1], colours[0], colours[2], colours[3]
    c.rectangle(0, 0, 1, 1, dark)
    c.rectangle(0.02, 0.03, 0.98, 0.97, second)
    for k in range(30):
        for y in (0.085, 0.915):
            c.disc((k + 0.5) / 30, y, 0.022, light if k % 2 else field)
    for k in range(18):
        for x in (0.055, 0.945):
            c.disc(x, (k + 0.5) / 18, 0.022, light if k % 2 else field)
    c.rectangle(0.095, 0.14, 0.905, 0.86, light)
    c.rectangle(0.105, 0.155, 0.895, 0.845, field)
    for _ in range(70):
        x, y = rng.uniform(0.13, 0.5), rng.uniform(0.2, 0.5)
        colour, r = rng.choice((light, second, dark)), rng.uniform(0.006, 0.018)
        for u in (x, 1 - x):
            for v in (y, 1 - y):
                c.disc(u, v, r, colour)
    for k, colour in enumerate((light, second, dark, light, field)):
        s = 1 - k * 0.19
        c.polygon(
            [(0.5 - 0.24 * s, 0.5), (0.5, 0.5 - 0.3 * s), (0.5 + 0.24 * s, 0.5), (0.5, 0.5 + 0.3 * s)], colour
        )
    for u in (0.105, 0.895):
        for v in (0.155, 0.845):
            sx, sy = (1 if u < 0.5 else -1), (1 if v < 0.5 else -1)
            c.polygon([(u, v), (u + sx * 0.14, v), (u, v + sy * 0.2)], second)
            c.polygon([(u, v), (u + sx * 0.1, v), (u, v + sy * 0.14)], light)


def _border(c: Canvas, colours: list[str], rng: random.Random) -> None:
    field = rng.choice(colours[1:])
    for k, colour in enumerate((colours[3], colours[0], field, colours[0], field)):
        s = (0, 0.03, 0.045, 0.1, 0.11)[k]
        c.rectangle(s, s * 1.5, 1 - s, 1 - s * 1.5, colour)
    for i in range(1, 12):
        for j in range(1, 8):
            c.disc(0.11 + i * 0.78 / 12, 0.165 + j * 0.67 / 8, 0.012, colours[0])


def _patchwork(c: Canvas, colours: list[str], rng: random.Random) -> None:
    for i in range(6):
        for j in range(4):
            c.rectangle(i / 6, j / 4, (i + 1) / 6, (j + 1) / 4, rng.choice(colours))
            if rng.random() < 0.4:
                c.disc((i + 0.5) / 6, (j + 0.5) / 4, 0.07, rng.choice(colours))


def _dots(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, rng.choice(colours))
    for i in range(9):
        for j in range(6):
            c.disc((i + 0.5 + 0.5 * (j % 2)) / 9.5, (j + 0.5) / 6, 0.055, rng.choice(colours))


def _zigzag(c: Canvas, colours: list[str], rng: random.Random) -> None:
    start = rng.randrange(4)
    for k in range(9):
        y = k / 8 - 0.1
        top = [(i / 12, y + (0.07 if i % 2 else 0)) for i in range(13)]
        bottom = [(x, v + 0.125) for x, v in reversed(top)]
        c.polygon([*top, *bottom], colours[(k + start) % len(colours)])


_RUGS: dict[str, Drawing] = {
    "plain": _plain,
    "lines": _lines,
    "diamonds": _diamonds,
    "worn": _worn,
    "arcs": _arcs,
    "blocks": blocks,
    "stripes": _stripes,
    "braid": _braid,
    "persian": _persian,
    "border": _border,
    "patchwork": _patchwork,
    "dots": _dots,
    "zigzag": _zigzag,
}
