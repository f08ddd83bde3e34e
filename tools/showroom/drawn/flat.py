"""Rugs, and pictures in frames."""

import numpy as np

from showroom.drawn.joinery import piece
from showroom.geometry import Part, box, lathe


def _rug(w: float, h: float, d: float) -> list[Part]:
    part = box("rug", (-w / 2, 0, -d / 2), (w / 2, h, d / 2))
    places = part.corners[:, :, [0, 2]] / np.array([w, d], np.float32) + 0.5
    return [Part("rug", part.corners, part.normals, places.astype(np.float32))]


for _name, _w, _d in (("ownrect", 2.0, 1.4), ("ownlarge", 2.8, 1.9)):
    piece(f"rug-{_name}", _w, 0.012, _d)(_rug)


@piece("rug-ownround", 1.7, 0.012, 1.7)
def _rug_round(w: float, h: float, d: float) -> list[Part]:
    del d
    part = lathe("rug", [(0, h), (w / 2 - 0.004, h), (w / 2, 0)], sides=64)
    places = part.corners[:, :, [0, 2]] / np.float32(w) + 0.5
    up = np.where(part.normals[:, :, 1:2] < 0, -1, 1) * part.normals
    return [Part("rug", part.corners, up.astype(np.float32), places.astype(np.float32))]


def _art(w: float, h: float, d: float) -> list[Part]:
    bar = 0.022
    frame = [
        box("frame", (-w / 2, 0, -d / 2), (w / 2, bar, d / 2)),
        box("frame", (-w / 2, h - bar, -d / 2), (w / 2, h, d / 2)),
        box("frame", (-w / 2, bar, -d / 2), (-w / 2 + bar, h - bar, d / 2)),
        box("frame", (w / 2 - bar, bar, -d / 2), (w / 2, h - bar, d / 2)),
    ]
    sheet = box("art", (-w / 2 + bar, bar, -d / 2 + 0.002), (w / 2 - bar, h - bar, d / 2 - 0.008))
    places = sheet.corners[:, :, :2] / np.array([w - 2 * bar, h - 2 * bar], np.float32) + np.array(
        [0.5, -bar / (h - 2 * bar)], np.float32
    )
    return [*frame, Part("art", sheet.corners, sheet.normals, places.astype(np.float32))]


for _name, _w, _h in (("ownportrait", 0.6, 0.84), ("ownlandscape", 1.0, 0.7), ("ownsquare", 0.7, 0.7)):
    piece(f"art-{_name}", _w, _h, 0.03)(_art)
