"""Prints for walls, drawn in the colours of a palette."""

import math
import random

import numpy as np

from showroom.canvas import Canvas, Drawing
from showroom.rugs import blocks
from showroom.textures import Picture


def print_of(subject: str, colours: list[str], seed: int, width: float, height: float) -> Picture:
    """Draw a print of a subject for a frame of `width` × `height` metres."""
    rng = random.Random(seed)
    canvas = Canvas(256, round(256 * height / width), "#f3f0e9")
    _PRINTS[subject](canvas, colours, rng)
    return np.ascontiguousarray(canvas.done()[::-1] * 0.9)[::-1].copy()


def _mat(c: Canvas, ground: str, margin: float = 0.12) -> None:
    c.rectangle(0, 0, 1, 1, "#f3f0e9")
    c.rectangle(margin, margin, 1 - margin, 1 - margin, ground)


def _hills(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, colours[0])
    c.disc(rng.uniform(0.3, 0.7), 0.3, 0.13, colours[1])
    for k in range(1, 4):
        a, b = rng.uniform(0, 6), rng.uniform(5, 9)
        ridge = [
            (
                i / 40,
                0.35 + 0.17 * k + 0.07 * math.sin(a + b * i / 40) + 0.03 * math.sin(2.3 * a + 2 * b * i / 40),
            )
            for i in range(41)
        ]
        c.polygon([*ridge, (1, 1), (0, 1)], colours[k])


def _leaf(c: Canvas, colours: list[str], rng: random.Random) -> None:
    _mat(c, colours[0], 0.08)
    tone = rng.choice(colours[2:])
    c.line([(0.5, 0.88), (0.48, 0.5), (0.5, 0.16)], tone, 0.012)
    for k in range(7):
        y = 0.76 - k * 0.09
        for side in (-1, 1):
            tip = (0.5 + side * (0.3 - 0.02 * k), y - 0.13)
            c.polygon([(0.49, y), (0.5 + side * 0.14, y - 0.13), tip, (0.5 + side * 0.18, y - 0.02)], tone)


def _circles(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, colours[0])
    for k in range(3):
        c.disc(rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75), rng.uniform(0.12, 0.3), colours[1 + k])
    c.line([(rng.random(), 0.05), (rng.random(), 0.95)], colours[3], 0.012)


def _city(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, colours[0])
    for layer, colour in enumerate((colours[1], colours[3])):
        x = -0.05
        while x < 1:
            w = rng.uniform(0.05, 0.16)
            top = rng.uniform(0.25, 0.6) + 0.18 * layer
            c.rectangle(x, top, x + w, 1, colour)
            for y in range(int(top * 30) + 2, 30, 2):
                c.line([(x + 0.015, y / 30), (x + w - 0.015, y / 30)], colours[0], 0.004)
            x += w + rng.uniform(0, 0.02)


def _gauge(c: Canvas, colours: list[str], rng: random.Random) -> None:
    _mat(c, colours[3], 0.06)
    c.disc(0.5, 0.5, 0.36, colours[0])
    c.disc(0.5, 0.5, 0.33, colours[3], ring=0.012)
    for k in range(24):
        a = math.pi * (0.75 + 1.5 * k / 23)
        u, v = math.cos(a), math.sin(a)
        wide, tall = min(c.size) / c.size[0], min(c.size) / c.size[1]
        c.line(
            [(0.5 + 0.26 * u * wide, 0.5 + 0.26 * v * tall), (0.5 + 0.31 * u * wide, 0.5 + 0.31 * v * tall)],
            colours[3],
            0.01,
        )
    a = math.pi * rng.uniform(0.9, 2.1)
    c.line([(0.5, 0.5), (0.5 + 0.2 * math.cos(a), 0.5 + 0.2 * math.sin(a))], colours[2], 0.02)


def _boomerang(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, colours[0])
    for k in range(6):
        x, y, s = rng.uniform(0.15, 0.8), rng.uniform(0.12, 0.85), rng.uniform(0.12, 0.22)
        points = [
            (x - s, y - s * 0.2),
            (x - s * 0.2, y - s * 0.5),
            (x + s * 0.9, y + s * 0.1),
            (x, y - s * 0.1),
            (x - s * 0.6, y + s * 0.7),
        ]
        c.polygon(points, colours[1 + k % 3])
        c.disc(x + s * 0.4, y + s * 0.6, 0.02, colours[3])


def _sunburst(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, colours[0])
    n = 18
    turn = rng.random()
    for k in range(n):
        a, b = 2 * math.pi * (k + turn) / n, 2 * math.pi * (k + 0.5 + turn) / n
        c.polygon(
            [(0.5, 0.55), (0.5 + math.cos(a), 0.55 + math.sin(a)), (0.5 + math.cos(b), 0.55 + math.sin(b))],
            colours[1 + k % 2],
        )
    c.disc(0.5, 0.55, 0.2, colours[3])
    c.disc(0.5, 0.55, 0.14, colours[1])


def _sea(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, "#dfe9ee")
    for k in range(6):
        y = 0.5 + k * 0.085
        a = rng.uniform(0, 6)
        wave = [(i / 40, y + 0.012 * math.sin(a + i * 0.7)) for i in range(41)]
        c.polygon([*wave, (1, 1), (0, 1)], colours[1] if k % 2 else colours[2])
    c.rectangle(0, 0.9, 1, 1, colours[3])


def _shell(c: Canvas, colours: list[str], rng: random.Random) -> None:
    _mat(c, colours[0], 0.08)
    for k in range(11):
        a = math.pi * (1.1 + 0.8 * k / 10)
        c.polygon(
            [
                (0.5, 0.74),
                (0.5 + 0.33 * math.cos(a), 0.7 + 0.44 * math.sin(a)),
                (0.5 + 0.33 * math.cos(a + 0.2), 0.7 + 0.44 * math.sin(a + 0.2)),
            ],
            colours[1] if k % 2 else colours[3],
        )
    del rng


def _boat(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, colours[0])
    c.rectangle(0, 0.68, 1, 1, colours[2])
    x = rng.uniform(0.4, 0.6)
    c.polygon([(x - 0.22, 0.64), (x + 0.22, 0.64), (x + 0.14, 0.74), (x - 0.14, 0.74)], colours[1])
    c.polygon([(x, 0.2), (x, 0.61), (x + 0.2, 0.61)], "#ffffff")
    c.polygon([(x - 0.02, 0.28), (x - 0.02, 0.61), (x - 0.16, 0.61)], colours[3])


def _landscape(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, "#b9a878")
    c.rectangle(0, 0, 1, 0.5, "#c9c3a6")
    for k, colour in enumerate(("#8d9070", "#6b7048", "#4b4a2b", "#33301c")):
        a = rng.uniform(0, 6)
        ridge = [(i / 40, 0.44 + 0.12 * k + 0.05 * math.sin(a + 5 * i / 40)) for i in range(41)]
        c.polygon([*ridge, (1, 1), (0, 1)], colour)
    for _ in range(14):
        x, y = rng.choice((rng.uniform(0, 0.3), rng.uniform(0.75, 1))), rng.uniform(0.4, 0.75)
        c.disc(x, y, rng.uniform(0.04, 0.1), rng.choice(("#3b4526", "#4d5a30", "#2c331c")))
    c.soften(0.008)
    del colours


def _stilllife(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, "#4a3826")
    c.disc(0.45, 0.35, 0.4, "#6e5638")
    c.soften(0.08)
    c.rectangle(0, 0.74, 1, 1, "#33241a")
    c.polygon([(0.4, 0.8), (0.36, 0.66), (0.44, 0.56), (0.56, 0.56), (0.64, 0.66), (0.6, 0.8)], colours[2])
    for _ in range(26):
        x, y = rng.gauss(0.5, 0.13), rng.gauss(0.38, 0.09)
        c.disc(
            x,
            y,
            rng.uniform(0.025, 0.06),
            rng.choice(("#4d5a34", "#6b7445", "#c9a2a0", "#d9c7a0", "#a84a45", colours[0])),
        )
    for x in (0.2, 0.29, 0.76):
        c.disc(x, 0.79, 0.055, rng.choice(("#a34a2c", "#b98a35", "#7d2f2b")))
    c.soften(0.006)


def _botanical(c: Canvas, colours: list[str], rng: random.Random) -> None:
    _mat(c, "#efe6cf", 0.06)
    c.line([(0.5, 0.9), (0.52, 0.55), (0.48, 0.2)], "#55653c", 0.012)
    for k in range(6):
        y = 0.78 - 0.1 * k
        side = 1 if k % 2 else -1
        c.line([(0.5, y), (0.5 + side * 0.2, y - 0.1)], "#55653c", 0.008)
        c.disc(0.5 + side * 0.2, y - 0.1, 0.05, colours[rng.choice((0, 2))])
        c.disc(0.5 - side * 0.1, y - 0.04, 0.035, "#6d7d4b")


def _popart(c: Canvas, colours: list[str], rng: random.Random) -> None:
    for i in range(2):
        for j in range(2):
            order = rng.sample(colours, 4)
            c.rectangle(i / 2, j / 2, (i + 1) / 2, (j + 1) / 2, order[0])
            c.disc(i / 2 + 0.25, j / 2 + 0.25, 0.17, order[1])
            c.polygon(
                [(i / 2 + 0.25, j / 2 + 0.1), (i / 2 + 0.4, j / 2 + 0.38), (i / 2 + 0.1, j / 2 + 0.38)],
                order[2],
            )


def _shapes(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, colours[3])
    for k in range(9):
        x, y, s = rng.random(), rng.random(), rng.uniform(0.06, 0.16)
        if k % 3 == 0:
            c.disc(x, y, s, colours[k % 3])
        elif k % 3 == 1:
            c.polygon([(x - s, y + s), (x + s, y + s), (x, y - s)], colours[(k + 1) % 3])
        else:
            c.rectangle(x - s, y - s / 3, x + s, y + s / 3, colours[(k + 2) % 3])


def _rainbow(c: Canvas, colours: list[str], rng: random.Random) -> None:
    c.rectangle(0, 0, 1, 1, colours[3])
    for k in range(6):
        c.disc(0.5, 0.82, 0.44 - 0.065 * k, colours[k % 3])
    c.disc(0.5, 0.82, 0.06, colours[3])
    c.rectangle(0, 0.82, 1, 1, colours[rng.randrange(3)])


_PRINTS: dict[str, Drawing] = {
    "hills": _hills,
    "leaf": _leaf,
    "circles": _circles,
    "blocks": blocks,
    "gauge": _gauge,
    "city": _city,
    "boomerang": _boomerang,
    "sunburst": _sunburst,
    "sea": _sea,
    "shell": _shell,
    "boat": _boat,
    "landscape": _landscape,
    "still life": _stilllife,
    "botanical": _botanical,
    "pop art": _popart,
    "shapes": _shapes,
    "rainbow": _rainbow,
}
