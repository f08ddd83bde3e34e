"""Coffee tables, dining tables and desks."""

import numpy as np

from showroom.drawn.joinery import framed, fronts, legs, panel, piece, tapered
from showroom.geometry import Part, box, lathe, tube


@piece("coffeetable-ownround", 0.8, 0.42, 0.8)
def _coffeetable_round(w: float, h: float, d: float) -> list[Part]:
    top = lathe(
        "wood",
        [
            (0, h - 0.03),
            (w / 2 - 0.01, h - 0.03),
            (w / 2, h - 0.02),
            (w / 2, h - 0.005),
            (w / 2 - 0.005, h),
            (0, h),
        ],
        sides=48,
    )
    return [top, *tapered("wood2", w * 0.72, h - 0.03, d * 0.72)]


@piece("coffeetable-ownhairpin", 1.1, 0.42, 0.6)
def _coffeetable_hairpin(w: float, h: float, d: float) -> list[Part]:
    bars = []
    for i in (-1, 1):
        for k in (-1, 1):
            x, z = i * (w / 2 - 0.06), k * (d / 2 - 0.06)
            bars += [
                tube("metal", [(x, 0, z), (x - i * 0.06, h - 0.035, z)], 0.006, sides=8),
                tube("metal", [(x, 0, z), (x, h - 0.035, z - k * 0.06)], 0.006, sides=8),
            ]
    return [panel("wood", w, h - 0.035, h, d), *bars]


@piece("coffeetable-ownslab", 1.1, 0.44, 0.6)
def _coffeetable_slab(w: float, h: float, d: float) -> list[Part]:
    shelf = box("wood", (-w / 2 + 0.03, 0.12, -d / 2 + 0.03), (w / 2 - 0.03, 0.14, d / 2 - 0.03))
    return [panel("wood", w, h - 0.04, h, d), shelf, *legs("paint", w, h - 0.04, d, 0.055)]


@piece("coffeetable-owndrum", 0.72, 0.4, 0.72)
def _coffeetable_drum(w: float, h: float, d: float) -> list[Part]:
    del d
    r = w / 2
    side = lathe(
        "paint", [(r - 0.04, 0), (r - 0.01, 0.02), (r - 0.02, h / 2), (r - 0.01, h - 0.03)], sides=48
    )
    top = lathe("wood", [(0, h - 0.03), (r, h - 0.03), (r, h), (0, h)], sides=48)
    return [side, top]


@piece("diningtable-ownoval", 1.2, 0.74, 1.2)
def _diningtable_oval(w: float, h: float, d: float) -> list[Part]:
    del d
    r = w / 2
    top = lathe(
        "wood",
        [(0, h - 0.03), (r - 0.05, h - 0.03), (r, h - 0.012), (r, h - 0.004), (r - 0.01, h), (0, h)],
        sides=64,
    )
    profile = [
        (0, 0),
        (0.3, 0.0),
        (0.28, 0.012),
        (0.16, 0.04),
        (0.07, 0.12),
        (0.045, 0.3),
        (0.05, 0.5),
        (0.1, h - 0.05),
        (0.16, h - 0.03),
    ]
    return [top, lathe("paint", profile, sides=40)]


@piece("diningtable-ownmetal", 1.6, 0.75, 0.85)
def _diningtable_metal(w: float, h: float, d: float) -> list[Part]:
    return [panel("wood", w, h - 0.045, h, d), *legs("metal", w, h - 0.045, d, 0.05, 0.04)]


@piece("desk-ownwriting", 1.25, 0.75, 0.6)
def _desk_writing(w: float, h: float, d: float) -> list[Part]:
    apron = box("wood", (-w / 2 + 0.03, h - 0.14, -d / 2 + 0.02), (w / 2 - 0.03, h - 0.03, d / 2 - 0.03))
    faces = fronts("paint", w - 0.12, h - 0.135, h - 0.035, d / 2 - 0.03, 2, 1, knob="knob")
    feet = tapered("wood2", w - 0.06, h - 0.1, d - 0.04, lean=0.03)
    return [panel("wood", w, h - 0.03, h, d), apron, *faces, *feet]


@piece("desk-owniron", 1.3, 0.75, 0.62)
def _desk_iron(w: float, h: float, d: float) -> list[Part]:
    cross = [
        tube("metal", [(-w / 2 + 0.02, 0.1, -d / 2 + 0.02), (w / 2 - 0.02, h - 0.06, -d / 2 + 0.02)], 0.008)
    ]
    cross.append(
        tube("metal", [(w / 2 - 0.02, 0.1, -d / 2 + 0.02), (-w / 2 + 0.02, h - 0.06, -d / 2 + 0.02)], 0.008)
    )
    return [panel("wood", w, h - 0.04, h, d), *legs("metal", w, h - 0.04, d, 0.035), *cross]


@piece("desk-ownbureau", 1.4, 0.77, 0.68)
def _desk_bureau(w: float, h: float, d: float) -> list[Part]:
    parts = [panel("wood", w, h - 0.035, h, d)]
    for i in (-1, 1):
        x0, x1 = sorted((i * (w / 2 - 0.03), i * (w / 2 - 0.42)))
        parts.append(box("paint", (x0, 0.03, -d / 2 + 0.03), (x1, h - 0.035, d / 2 - 0.04)))
        faces = framed("paint", 0.37, 0.06, h - 0.05, d / 2 - 0.04, 1, 3)
        parts += [
            Part(p.role, p.corners + np.array([(x0 + x1) / 2, 0, 0], np.float32), p.normals, p.places)
            for p in faces
        ]
    parts.append(
        box("paint", (-w / 2 + 0.4, h - 0.14, -d / 2 + 0.05), (w / 2 - 0.4, h - 0.035, d / 2 - 0.05))
    )
    return parts
