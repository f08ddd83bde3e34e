"""What the pieces made here are joined from: legs, boards, fronts and cushions; and their register."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from showroom.geometry import Part, box, box_places, lathe, merged, sheet, tube

Maker = Callable[[float, float, float], list[Part]]
SIZES: dict[str, tuple[float, float, float]] = {}
"""Width, height and depth in metres of every piece made here, by its id."""

_MAKERS: dict[str, Maker] = {}


def make(key: str) -> list[Part]:
    """The parts of one of the pieces made here."""
    return merged(_MAKERS[key](*SIZES[key]))


def piece(key: str, width: float, height: float, depth: float) -> Callable[[Maker], Maker]:
    """Register what makes a piece of this id and size."""

    def kept(
        maker: Callable[[float, float, float], list[Part]],
    ) -> Callable[[float, float, float], list[Part]]:
        SIZES[key], _MAKERS[key] = (width, height, depth), maker
        return maker

    return kept


def legs(role: str, w: float, h: float, d: float, thick: float, inset: float = 0.0) -> list[Part]:
    """Four square legs, standing at the corners of w by d."""
    x, z = w / 2 - thick / 2 - inset, d / 2 - thick / 2 - inset
    return [
        box(role, (i * x - thick / 2, 0, k * z - thick / 2), (i * x + thick / 2, h, k * z + thick / 2))
        for i in (-1, 1)
        for k in (-1, 1)
    ]


def tapered(
    role: str, w: float, h: float, d: float, *, foot: float = 0.012, lean: float = 0.05
) -> list[Part]:
    """Round legs that lean outwards."""
    legs = []
    for i in (-1, 1):
        for k in (-1, 1):
            x, z = i * (w / 2 - foot), k * (d / 2 - foot)
            points = [(x, 0, z), (x - i * lean, h, z - k * lean)]
            legs.append(tube(role, [points[0], points[1]], 0.016))
    return legs


def panel(role: str, w: float, low: float, high: float, d: float) -> Part:
    """A board of w by d between two heights."""
    return box(role, (-w / 2, low, -d / 2), (w / 2, high, d / 2))


def fronts(
    role: str, w: float, low: float, high: float, z: float, columns: int, rows: int, *, knob: str = "metal"
) -> list[Part]:
    """Drawer or door fronts in a grid, 4 mm apart, each with a knob or a bar."""
    parts = []
    gap, cw, ch = 0.006, w / columns, (high - low) / rows
    for i in range(columns):
        for j in range(rows):
            x0, y0 = -w / 2 + i * cw + gap, low + j * ch + gap
            x1, y1 = x0 + cw - 2 * gap, y0 + ch - 2 * gap
            parts.append(box(role, (x0, y0, z), (x1, y1, z + 0.012)))
            x, y = (x0 + x1) / 2, (y0 + y1) / 2 + (0 if rows > 1 else ch * 0.2)
            if knob == "knob":
                parts.append(
                    box("metal", (x - 0.013, y - 0.013, z + 0.012), (x + 0.013, y + 0.013, z + 0.03))
                )
            elif knob:
                parts.append(box(knob, (x - 0.06, y - 0.006, z + 0.012), (x + 0.06, y + 0.006, z + 0.026)))
    return parts


def framed(role: str, w: float, low: float, high: float, z: float, columns: int, rows: int) -> list[Part]:
    """Panelled fronts: a frame around a field that lies back."""
    parts = []
    cw, ch = w / columns, (high - low) / rows
    for i in range(columns):
        for j in range(rows):
            x0, y0 = -w / 2 + i * cw + 0.005, low + j * ch + 0.005
            x1, y1, rail = x0 + cw - 0.01, y0 + ch - 0.01, min(0.05, ch * 0.25)
            parts.append(box(role, (x0, y0, z), (x1, y1, z + 0.004)))
            for a, b in (
                ((x0, y0), (x1, y0 + rail)),
                ((x0, y1 - rail), (x1, y1)),
                ((x0, y0 + rail), (x0 + rail, y1 - rail)),
                ((x1 - rail, y0 + rail), (x1, y1 - rail)),
            ):
                parts.append(box(role, (a[0], a[1], z + 0.004), (b[0], b[1], z + 0.016)))
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            parts.append(lathe("metal", [(0.0, 0), (0.014, 0.004), (0.014, 0.012), (0.0, 0.022)], sides=12))
            knob = parts.pop()
            turned = knob.corners[:, :, [0, 2, 1]] + np.array([x, y, z + 0.004], np.float32)
            parts.append(Part("metal", turned, knob.normals[:, :, [0, 2, 1]], knob.places))
    return parts


def soft(
    role: str, low: tuple[float, float, float], high: tuple[float, float, float], round_by: float
) -> Part:
    """A cushion: a box with rounded edges."""
    a, b = np.array(low), np.array(high)
    half = (b - a) / 2
    n = 28
    u = np.linspace(-np.pi / 2, np.pi / 2, n)
    v = np.linspace(-np.pi, np.pi, 2 * n)

    def power(value: npt.NDArray[np.float64], e: float) -> npt.NDArray[np.float64]:
        return np.asarray(np.sign(value) * np.abs(value) ** e)

    e1, e2 = np.clip(round_by / half.min(), 0.12, 0.9), 0.22
    y = power(np.sin(u), e1)[:, None] * np.ones_like(v)
    x = power(np.cos(u), e1)[:, None] * power(np.cos(v), e2)[None]
    z = power(np.cos(u), e1)[:, None] * power(np.sin(v), e2)[None]
    grid = np.stack([x, y, z], 2) * half + (a + b) / 2
    part = sheet(role, grid[:, ::-1], np.zeros((*grid.shape[:2], 2)))
    keep = (
        np.linalg.norm(
            np.cross(part.corners[:, 1] - part.corners[:, 0], part.corners[:, 2] - part.corners[:, 0]), axis=1
        )
        > 1e-9
    )
    corners, normals = part.corners[keep], part.normals[keep]
    outward = (corners - ((a + b) / 2).astype(np.float32)) / half.astype(np.float32)
    flip = np.where((normals * outward).sum(2, keepdims=True) < 0, -1, 1)
    return Part(role, corners, (normals * flip).astype(np.float32), box_places(corners))
