"""Nightstands, sideboards and shelves."""

import numpy as np

from showroom.drawn.joinery import framed, fronts, legs, panel, piece, tapered
from showroom.geometry import Part, box, lathe, tube


@piece("nightstand-ownlegs", 0.46, 0.52, 0.4)
def _nightstand_legs(w: float, h: float, d: float) -> list[Part]:
    body = box("wood", (-w / 2, 0.24, -d / 2), (w / 2, h, d / 2 - 0.014))
    faces = fronts("paint", w - 0.03, 0.25, h - 0.015, d / 2 - 0.014, 1, 2, knob="knob")
    return [body, *faces, *tapered("wood2", w * 0.9, 0.24, d * 0.9, lean=0.03)]


@piece("nightstand-ownround", 0.44, 0.55, 0.44)
def _nightstand_round(w: float, h: float, d: float) -> list[Part]:
    del d
    r = w / 2
    top = lathe("wood", [(0, h - 0.025), (r, h - 0.025), (r, h), (0, h)], sides=40)
    low = lathe("wood", [(0, 0.17), (r - 0.04, 0.17), (r - 0.04, 0.19), (0, 0.19)], sides=40)
    return [
        top,
        low,
        *(
            tube("metal", [(x, 0, z), (x, h - 0.02, z)], 0.011)
            for x, z in ((-0.14, -0.14), (0.14, -0.14), (-0.14, 0.14), (0.14, 0.14))
        ),
    ]


@piece("nightstand-owniron", 0.42, 0.55, 0.38)
def _nightstand_iron(w: float, h: float, d: float) -> list[Part]:
    shelf = box("wood", (-w / 2 + 0.01, 0.16, -d / 2 + 0.01), (w / 2 - 0.01, 0.18, d / 2 - 0.01))
    drawer = box("paint", (-w / 2 + 0.02, h - 0.17, -d / 2 + 0.02), (w / 2 - 0.02, h - 0.03, d / 2 - 0.014))
    return [
        panel("wood", w, h - 0.03, h, d),
        shelf,
        drawer,
        *legs("metal", w, h - 0.03, d, 0.022),
        *fronts("paint", w - 0.05, h - 0.165, h - 0.035, d / 2 - 0.014, 1, 1),
    ]


@piece("nightstand-ownpanel", 0.48, 0.6, 0.4)
def _nightstand_panel(w: float, h: float, d: float) -> list[Part]:
    body = box("paint", (-w / 2 + 0.02, 0.06, -d / 2), (w / 2 - 0.02, h - 0.03, d / 2 - 0.03))
    top = panel("wood", w, h - 0.03, h, d)
    return [
        body,
        top,
        *framed("paint", w - 0.05, 0.08, h - 0.04, d / 2 - 0.03, 1, 2),
        *legs("paint", w - 0.04, 0.07, d - 0.04, 0.05),
    ]


@piece("sideboard-ownlegs", 1.6, 0.74, 0.45)
def _sideboard_legs(w: float, h: float, d: float) -> list[Part]:
    body = box("wood", (-w / 2, 0.2, -d / 2), (w / 2, h, d / 2 - 0.014))
    left = fronts("wood", w * 0.62, 0.215, h - 0.015, d / 2 - 0.014, 2, 1, knob="metal")
    right = fronts("paint", w * 0.34, 0.215, h - 0.015, d / 2 - 0.014, 1, 3, knob="metal")
    shift = [
        Part(p.role, p.corners + np.array([-w * 0.18, 0, 0], np.float32), p.normals, p.places) for p in left
    ]
    shift += [
        Part(p.role, p.corners + np.array([w * 0.315, 0, 0], np.float32), p.normals, p.places) for p in right
    ]
    return [body, *shift, *tapered("wood2", w * 0.9, 0.2, d * 0.88, lean=0.04)]


@piece("sideboard-ownlocker", 1.3, 0.78, 0.42)
def _sideboard_locker(w: float, h: float, d: float) -> list[Part]:
    body = box("paint", (-w / 2, 0.12, -d / 2), (w / 2, h - 0.03, d / 2 - 0.014))
    return [
        body,
        panel("wood", w, h - 0.03, h, d),
        *fronts("paint", w, 0.125, h - 0.035, d / 2 - 0.014, 3, 1),
        *legs("metal", w, 0.12, d, 0.03, 0.03),
    ]


@piece("sideboard-ownpanel", 1.5, 0.88, 0.46)
def _sideboard_panel(w: float, h: float, d: float) -> list[Part]:
    body = box("wood", (-w / 2 + 0.02, 0.08, -d / 2), (w / 2 - 0.02, h - 0.03, d / 2 - 0.03))
    doors = framed("wood", w - 0.06, 0.09, h - 0.26, d / 2 - 0.03, 3, 1)
    drawers = framed("wood", w - 0.06, h - 0.25, h - 0.04, d / 2 - 0.03, 3, 1)
    return [
        body,
        panel("wood", w, h - 0.03, h, d),
        *doors,
        *drawers,
        *legs("wood", w - 0.04, 0.09, d - 0.02, 0.06),
    ]


@piece("sideboard-ownlouvre", 1.4, 0.8, 0.44)
def _sideboard_louvre(w: float, h: float, d: float) -> list[Part]:
    parts = [
        box("wood", (-w / 2 + 0.01, 0.1, -d / 2), (w / 2 - 0.01, h - 0.03, d / 2 - 0.03)),
        panel("wood", w, h - 0.03, h, d),
    ]
    columns, low, high, z = 4, 0.13, h - 0.06, d / 2 - 0.03
    for i in range(columns):
        x0 = -w / 2 + 0.02 + i * (w - 0.04) / columns
        x1 = x0 + (w - 0.04) / columns - 0.01
        parts += [
            box("wood", (x0, low, z), (x0 + 0.04, high, z + 0.02)),
            box("wood", (x1 - 0.04, low, z), (x1, high, z + 0.02)),
        ]
        parts += [box("wood", (x0, y, z), (x1, y + 0.018, z + 0.014)) for y in np.arange(low, high, 0.032)]
    return [*parts, *legs("wood", w - 0.04, 0.1, d - 0.02, 0.05)]


_BOOKS = ((0.24, 0.03), (0.2, 0.025), (0.27, 0.04), (0.22, 0.03), (0.25, 0.022), (0.19, 0.035), (0.26, 0.028))


def _books(x: float, y: float, z: float, width: float, seed: int) -> list[Part]:
    """A row of books of several covers, and perhaps a vase at its end."""
    parts, at, i = [], x, seed
    while at < x + width:
        height, thick = _BOOKS[i % 7]
        role = ("book1", "book2", "book3", "book4")[(i * 5 + seed) % 4]
        parts.append(box(role, (at, y, z), (at + thick, y + height, z + 0.17)))
        at, i = at + thick + 0.002, i + 1
    return parts


def _shelf(
    w: float, h: float, d: float, rows: int, board: str, upright: str, *, books: bool = True, back: str = ""
) -> list[Part]:
    parts: list[Part] = [box(back, (-w / 2, 0.05, -d / 2), (w / 2, h, -d / 2 + 0.01))] if back else []
    for j in range(rows):
        y = 0.08 + j * (h - 0.1) / (rows - 1)
        parts.append(box(board, (-w / 2 + 0.02, y - 0.025, -d / 2 + 0.01), (w / 2 - 0.02, y, d / 2 - 0.005)))
        if books and j < rows - 1:
            start = (-w / 2 + 0.05, -w / 10, -w / 4)[j % 3]
            parts += _books(start, y, -d / 2 + 0.05, w * (0.35, 0.5, 0.28)[(j * 2) % 3], j)
            if j % 2:
                vase = [(0, y), (0.05, y), (0.07, y + 0.08), (0.03, y + 0.17), (0.04, y + 0.2)]
                parts.append(
                    lathe("pot", vase, at=(w / 2 - 0.14 if start < -w / 8 else -w / 2 + 0.14, 0), sides=20)
                )
    if upright == "metal":
        return [*parts, *legs("metal", w, h, d, 0.024)]
    sides = [
        box(upright, (i * (w / 2 - 0.012) - 0.012, 0, -d / 2), (i * (w / 2 - 0.012) + 0.012, h, d / 2))
        for i in (-1, 1)
    ]
    return [*parts, *sides]


@piece("shelf-ownpipes", 1.0, 1.85, 0.35)
def _shelf_pipes(w: float, h: float, d: float) -> list[Part]:
    return _shelf(w, h, d, 5, "wood", "metal")


@piece("shelf-ownladder", 0.75, 1.8, 0.38)
def _shelf_ladder(w: float, h: float, d: float) -> list[Part]:
    parts: list[Part] = []
    for j in range(5):
        y, deep = 0.12 + j * 0.37, d - j * 0.045
        parts.append(box("wood", (-w / 2 + 0.03, y - 0.022, -d / 2), (w / 2 - 0.03, y, -d / 2 + deep)))
        if j in (0, 2, 3):
            parts += _books(-w / 2 + 0.08 + 0.1 * (j % 2), y, -d / 2 + 0.03, 0.3, j)
        if j in (1, 4):
            vase = [(0, y), (0.06, y), (0.08, y + 0.07), (0.035, y + 0.16), (0.05, y + 0.19)]
            parts.append(lathe("pot", vase, at=(0.12, -d / 2 + deep / 2), sides=20))
    for i in (-1, 1):
        x = i * (w / 2 - 0.015)
        parts.append(tube("paint", [(x, 0, d / 2 - 0.015), (x, h, -d / 2 + 0.15)], 0.015))
        parts.append(tube("paint", [(x, 0, -d / 2 + 0.015), (x, h * 0.97, -d / 2 + 0.015)], 0.015))
    return parts


@piece("shelf-ownlibrary", 1.1, 2.1, 0.36)
def _shelf_library(w: float, h: float, d: float) -> list[Part]:
    plinth = box("wood", (-w / 2, 0, -d / 2), (w / 2, 0.08, d / 2))
    crown = box("wood", (-w / 2, h - 0.05, -d / 2), (w / 2, h, d / 2))
    return [plinth, crown, *_shelf(w, h - 0.02, d - 0.02, 6, "wood", "wood", back="wood")]
