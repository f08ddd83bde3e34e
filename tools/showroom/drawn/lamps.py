"""Floor lamps, table lamps and pendant lamps."""

from itertools import pairwise

import numpy as np

from showroom.drawn.joinery import piece
from showroom.geometry import Part, lathe, tube


def _shade(
    low: float, high: float, bottom: float, top: float, at: tuple[float, float] = (0, 0)
) -> list[Part]:
    return [lathe("shade", [(bottom, low), (top, high)], at=at, sides=36)]


@piece("floorlamp-owntripod", 0.56, 1.5, 0.56)
def _floorlamp_tripod(w: float, h: float, d: float) -> list[Part]:
    del d
    feet = []
    for k in range(3):
        a = 2 * np.pi * k / 3 + 0.5
        x, z = 0.25 * np.cos(a), 0.25 * np.sin(a)
        feet.append(tube("wood", [(x, 0, z), (x * 0.12, h - 0.3, z * 0.12)], 0.014))
    return [
        *feet,
        lathe("metal", [(0.0, h - 0.32), (0.04, h - 0.31), (0.04, h - 0.28), (0, h - 0.27)]),
        *_shade(h - 0.33, h, w / 2 - 0.04, w / 2 - 0.08),
    ]


@piece("floorlamp-ownarc", 1.1, 1.85, 0.36)
def _floorlamp_arc(w: float, h: float, d: float) -> list[Part]:
    del d
    x0 = -w / 2 + 0.16
    x1 = w / 2 - 0.18
    angle = np.linspace(0, np.pi * 0.93, 24)
    centre, radius = (x0 + x1) / 2, (x1 - x0) / 2
    rise = h - 0.9
    points: list[tuple[float, float, float]] = [(x0, 0.03, 0), (x0, 0.5, 0), (x0, 0.88, 0)]
    points += [(centre - radius * float(np.cos(a)), 0.9 + rise * float(np.sin(a)), 0.0) for a in angle]
    foot = lathe("stone", [(0, 0), (0.15, 0), (0.15, 0.04), (0, 0.045)], at=(x0, 0), sides=32)
    low = points[-1][1] - 0.16
    dome = lathe(
        "metal", [(0.17, low), (0.155, low + 0.07), (0.1, low + 0.14), (0.02, low + 0.17)], at=(x1, 0)
    )
    glow = lathe(
        "shade",
        [(0, low + 0.03), (0.06, low + 0.03), (0.07, low + 0.06), (0.0, low + 0.1)],
        at=(x1, 0),
        sides=16,
    )
    return [foot, tube("metal", points, 0.012), dome, glow]


@piece("floorlamp-owncolumn", 0.46, 1.55, 0.46)
def _floorlamp_column(w: float, h: float, d: float) -> list[Part]:
    del d
    turned = [
        (0, 0),
        (0.14, 0),
        (0.14, 0.02),
        (0.03, 0.05),
        (0.018, 0.1),
        (0.018, 0.5),
        (0.035, 0.56),
        (0.018, 0.62),
        (0.014, h - 0.3),
    ]
    return [lathe("metal", turned), *_shade(h - 0.32, h, w / 2, w / 2 - 0.09)]


@piece("floorlamp-owntask", 0.5, 1.45, 0.3)
def _floorlamp_task(w: float, h: float, d: float) -> list[Part]:
    del d
    x0 = -w / 2 + 0.13
    arm: list[tuple[float, float, float]] = [
        (x0, 0.02, 0),
        (x0, h * 0.6, 0),
        (x0, h - 0.08, 0),
        (x0 + 0.03, h - 0.02, 0),
        (x0 + 0.1, h - 0.01, 0),
        (w / 2 - 0.12, h - 0.1, 0),
    ]
    foot = lathe("metal", [(0, 0), (0.13, 0), (0.13, 0.018), (0, 0.022)], at=(x0, 0))
    x1, low = w / 2 - 0.12, h - 0.27
    cone = lathe(
        "paint", [(0.115, low), (0.06, low + 0.13), (0.03, low + 0.18), (0, low + 0.185)], at=(x1, 0)
    )
    glow = lathe(
        "shade",
        [(0, low + 0.02), (0.035, low + 0.025), (0.035, low + 0.08), (0, low + 0.09)],
        at=(x1, 0),
        sides=16,
    )
    return [foot, tube("metal", arm, 0.009), cone, glow]


@piece("floorlamp-ownglobe", 0.34, 1.5, 0.34)
def _floorlamp_globe(w: float, h: float, d: float) -> list[Part]:
    del d
    r = w / 2 - 0.02
    a = np.linspace(-np.pi / 2, np.pi / 2, 20)
    globe = [(float(r * np.cos(t)), float(h - r + r * np.sin(t))) for t in a]
    stem = [(0, 0), (0.14, 0), (0.14, 0.015), (0.02, 0.03), (0.011, 0.06), (0.011, h - 2 * r)]
    return [lathe("metal", stem), lathe("shade", globe)]


@piece("tablelamp-ownglobe", 0.26, 0.38, 0.26)
def _tablelamp_globe(w: float, h: float, d: float) -> list[Part]:
    del d
    r = w / 2
    a = np.linspace(-np.pi / 2, np.pi / 2, 20)
    globe = [(float(r * np.cos(t)), float(h - r + r * np.sin(t))) for t in a]
    return [
        lathe("wood", [(0, 0), (0.075, 0), (0.07, 0.06), (0.05, 0.13), (0, 0.135)]),
        lathe("shade", globe),
    ]


def _hung(h: float) -> Part:
    return tube("black", [(0, h - 0.5, 0), (0, h, 0)], 0.004, sides=8)


@piece("pendant-ownpaper", 0.5, 0.95, 0.5)
def _pendant_paper(w: float, h: float, d: float) -> list[Part]:
    del d
    r = w / 2
    a = np.linspace(-np.pi / 2 + 0.2, np.pi / 2 - 0.2, 41)
    globe = [
        (float(r * np.cos(t) * (0.985 + 0.015 * (k % 2))), float(r + r * np.sin(t))) for k, t in enumerate(a)
    ]
    return [lathe("shade", globe), _hung(h)]


@piece("pendant-ownbell", 0.42, 0.85, 0.42)
def _pendant_bell(w: float, h: float, d: float) -> list[Part]:
    del d
    r = w / 2
    bell = lathe(
        "paint",
        [(r, 0), (r * 0.97, 0.06), (r * 0.75, 0.17), (r * 0.3, 0.25), (0.04, 0.27), (0.035, 0.34), (0, 0.35)],
        sides=40,
    )
    return [bell, lathe("shade", [(0, 0.04), (0.06, 0.06), (0.07, 0.1), (0.03, 0.16)], sides=20), _hung(h)]


@piece("pendant-ownbasket", 0.5, 0.85, 0.5)
def _pendant_basket(w: float, h: float, d: float) -> list[Part]:
    del d
    r = w / 2
    profile = [(r * 0.7, 0.0), (r * 0.95, 0.1), (r, 0.18), (r * 0.8, 0.28), (r * 0.4, 0.34), (0.05, 0.36)]
    bands: list[Part] = []
    for (r0, y0), (r1, y1) in pairwise(profile):
        for k in range(4):
            s, t = k / 4, k / 4 + 0.17
            bands.append(
                lathe(
                    "wood",
                    [(r0 + (r1 - r0) * s, y0 + (y1 - y0) * s), (r0 + (r1 - r0) * t, y0 + (y1 - y0) * t)],
                    sides=36,
                )
            )
    for k in range(16):
        a = 2 * np.pi * k / 16
        bands.append(tube("wood", [(q * np.cos(a), y, q * np.sin(a)) for q, y in profile], 0.004, sides=6))
    glow = lathe("shade", [(0, 0.12), (0.05, 0.13), (0.06, 0.18), (0.02, 0.24)], sides=20)
    return [*bands, glow, _hung(h)]


@piece("pendant-owndrum", 0.5, 0.8, 0.5)
def _pendant_drum(w: float, h: float, d: float) -> list[Part]:
    del d
    return [*_shade(0, 0.24, w / 2, w / 2 - 0.03), _hung(h)]
