"""A product alone on white, as a shop shows it."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from showroom.development import bytes_of, faded, srgb
from showroom.geometry import Floats, Part
from showroom.library import parts_of, pieces
from showroom.products import Product
from showroom.rendering import mesh, met, mi, rendered
from showroom.surfaces import bitmap, diffuse, padding, plain, repeat_of, stowaways, surface
from showroom.wavefront import Look

SIDE, LARGER = 256, 1.125
"""The side of the picture in pixels, and the factor by which it is rendered larger."""
SAMPLES, DEPTH = 14, 6
TURN, RISE = (
    {"rug": 0.0, "art": 0.0, "bed": 0.62, "sofa": 0.45},
    {"rug": 0.85, "art": 0.03, "pendant": -0.05},
)
"""The angles of the camera around and above a kind, in radians. For pieces on the floor, the angle above is
more than half the field of view. Otherwise the far edge of the floor would be visible."""
FIELD, FILLED = 24, 0.87
"""The field of view of the camera in degrees, and the share of it that the piece fills."""
KNEE = 0.8
"""Whites above this display value are compressed in dimmed pixels."""


@cache
def _dome() -> Any:
    """Return soft light from all directions, brighter from above left, and a constant floor."""
    height, width = 64, 128
    theta = (np.arange(height) + 0.5) / height * np.pi
    phi = (np.arange(width) + 0.5) / width * 2 * np.pi
    up = np.cos(theta)[:, None] * np.ones((1, width))
    x, z = np.sin(theta)[:, None] * np.sin(phi)[None], -np.sin(theta)[:, None] * np.cos(phi)[None]
    key = np.array([-0.55, 0.75, 0.5])
    key /= np.linalg.norm(key)
    lobe = np.exp(-(1 - (x * key[0] + up * key[1] + z * key[2])) * 9)
    light = 0.62 + 0.3 * np.maximum(up, 0) + 3.2 * lobe
    picture = np.repeat(light[..., None], 3, 2).astype(np.float32)
    return mi.load_dict({"type": "envmap", "bitmap": mi.Bitmap(picture)})


def _camera(parts: list[Part], kind: str, side: int = SIDE, filled: float = FILLED) -> Any:
    """Return a camera that sees the whole piece, from the front and slightly from the side."""
    turn, rise = TURN.get(kind, 0.55), RISE.get(kind, 0.3)
    way = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
    points = np.concatenate([part.corners.reshape(-1, 3) for part in parts])
    centre = (points.min(0) + points.max(0)) / 2
    right = np.cross([0, 1, 0], way)
    right /= np.linalg.norm(right)
    above = np.cross(way, right)
    field = np.radians(FIELD)
    offset = points - centre
    for _ in range(3):
        spread = np.maximum(np.abs(offset @ right), np.abs(offset @ above)) / (np.tan(field / 2) * filled)
        away = float((spread + offset @ way).max())
        eye = centre + way * away
        seen = [(offset @ axis) / (away - offset @ way) for axis in (right, above)]
        centre = (
            centre
            + right * float((seen[0].max() + seen[0].min()) / 2 * away)
            + above * float((seen[1].max() + seen[1].min()) / 2 * away)
        )
        offset = points - centre
    side = round(side * LARGER)
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": float(np.degrees(field)),
            "to_world": mi.ScalarTransform4f().look_at(
                origin=[float(v) for v in eye], target=[float(v) for v in centre], up=[0, 1, 0]
            ),
            "film": {
                "type": "hdrfilm",
                "width": side,
                "height": side,
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
            },
        }
    )  # fmt: skip


def photo(
    product: Product, unpacked: Path, *, side: int = SIDE, filled: float = FILLED
) -> npt.NDArray[np.uint8]:
    """Return the picture of the product, `(side, side, 3)`; the piece fills a share of its side."""
    kind = product.piece.kind
    parts, looks = parts_of(product.piece.id, unpacked)
    shapes: dict[str, Any] = {
        f"part{i}": mesh(
            f"part{i}",
            part,
            surface(part.role, product, product.finish, looks.get(part.look, Look())),
            repeat=repeat_of(part.role, product.finish),
        )
        for i, part in enumerate(parts)
    }
    white = bitmap(np.full((1, 1, 3), 0.9, np.float32))
    ground = {
        "type": "rectangle",
        "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], -90).scale([40, 40, 1]),
        "bsdf": diffuse(white),
    }
    if kind in ("art", "pendant"):
        behind = -0.02 if kind == "art" else -1.2
        ground = {
            "type": "rectangle",
            "to_world": mi.ScalarTransform4f().translate([0, 0, behind]).scale([40, 40, 1]),
            "bsdf": diffuse(white),
        }
    scene = {
        "type": "scene",
        "sky": _dome(),
        "ground": ground,
        **shapes,
        **stowaways(),
        **padding(14 - len(shapes)),
        "camera": _camera(parts, kind, side, filled),
    }
    made = mi.load_dict(scene)
    picture = rendered(made, samples=SAMPLES, depth=DEPTH, seed=1)
    values = developed(picture, _seen(made, len(picture)) if kind == "pendant" else None, side)
    if side == SIDE:
        return faded(values)
    fine = Image.fromarray(_seen(made, 4 * side).astype(np.uint8) * 255)
    return faded(values, np.asarray(fine.resize((side, side), Image.Resampling.BOX)) / 255)


def _seen(scene: Any, side: int) -> npt.NDArray[np.bool_]:
    """Return the mask of the piece in the rendered picture."""
    numbers, names = met(scene, side, side)
    return np.isin(numbers, [number for number, name in names.items() if name.startswith("part")])


def seen_roles(key: str, unpacked: Path) -> dict[str, float]:
    """Return the roles that fill at least 4 % of a piece in its photo, largest first, with their shares.

    Glass counts as transparent.
    """
    parts = [part for part in parts_of(key, unpacked)[0] if part.role != "glass"]
    shapes = {f"part{i}": mesh(f"part{i}", part, plain("#808080")) for i, part in enumerate(parts)}
    camera = _camera(parts, pieces()[key].kind)
    numbers, names = met(mi.load_dict({"type": "scene", "camera": camera, **shapes}), SIDE, SIDE)
    seen: dict[str, int] = {}
    for number, name in names.items():
        role = parts[int(name.removeprefix("part"))].role
        seen[role] = seen.get(role, 0) + int((numbers == number).sum())
    shares = {role: round(count / sum(seen.values()), 2) for role, count in seen.items()}
    return {role: shares[role] for role in sorted(shares, key=lambda r: -shares[r]) if shares[role] >= 0.04}


def developed(picture: Floats, dimmed: npt.NDArray[np.bool_] | None, side: int) -> npt.NDArray[np.uint8]:
    """Put the picture on pure white: the brightest part of the backdrop becomes white.

    Pixels that are brighter than their backdrop, such as lamps, are `dimmed` so that they stay visible.
    """
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    level = picture / np.maximum(np.percentile(border, 60, axis=0), 1e-6)
    values = srgb(np.clip(level * 1.02, 0, 1))
    if dimmed is not None:
        white = np.maximum(values.min(2), KNEE)
        share = np.where(dimmed, (KNEE + (white - KNEE) * 0.6) / white, 1)
        values = values * share[..., None]
    values = np.where(values > 0.965, values + (values - 0.965) * 0.5, values)
    return np.asarray(Image.fromarray(bytes_of(values)).resize((side, side), Image.Resampling.LANCZOS))
