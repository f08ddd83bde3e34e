"""A product alone on white, as a shop shows it."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from showroom.development import bytes_of, srgb
from showroom.geometry import Floats, Part
from showroom.library import parts_of
from showroom.products import Product
from showroom.rendering import mesh, mi, rendered
from showroom.surfaces import bitmap, diffuse, padding, repeat_of, stowaways, surface
from showroom.wavefront import Look

SIDE, LARGER = 256, 1.125
"""The side of the picture, and how much larger it is rendered."""
SAMPLES, DEPTH = 14, 6
TURN, RISE = (
    {"rug": 0.0, "art": 0.0, "bed": 0.62, "sofa": 0.45},
    {"rug": 0.85, "art": 0.03, "pendant": -0.05, "chair": 0.2},
)


@cache
def _dome() -> Any:
    """Soft light from all around, brighter from above left; a constant floor."""
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


def _camera(parts: list[Part], kind: str) -> Any:
    """A camera that sees the whole piece, from the front and a little aside."""
    turn, rise = TURN.get(kind, 0.55), RISE.get(kind, 0.3)
    way = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
    points = np.concatenate([part.corners.reshape(-1, 3) for part in parts])
    centre = (points.min(0) + points.max(0)) / 2
    right = np.cross([0, 1, 0], way)
    right /= np.linalg.norm(right)
    above = np.cross(way, right)
    field = np.radians(24)
    offset = points - centre
    for _ in range(3):
        spread = np.maximum(np.abs(offset @ right), np.abs(offset @ above)) / (np.tan(field / 2) * 0.87)
        away = float((spread + offset @ way).max())
        eye = centre + way * away
        seen = [(offset @ axis) / (away - offset @ way) for axis in (right, above)]
        centre = (
            centre
            + right * float((seen[0].max() + seen[0].min()) / 2 * away)
            + above * float((seen[1].max() + seen[1].min()) / 2 * away)
        )
        offset = points - centre
    side = round(SIDE * LARGER)
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


def photo(product: Product, unpacked: Path, *, samples: int = SAMPLES) -> npt.NDArray[np.uint8]:
    """The product's picture, `(256, 256, 3)`."""
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
        "camera": _camera(parts, kind),
    }
    picture = rendered(mi.load_dict(scene), samples=samples, depth=DEPTH, seed=1)
    return developed(picture)


def developed(picture: Floats) -> npt.NDArray[np.uint8]:
    """On pure white: the brightest of the backdrop becomes it."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    white = np.percentile(border, 60, axis=0)
    level = picture / np.maximum(white, 1e-6)
    values = srgb(np.clip(level * 1.02, 0, 1))
    values = np.where(values > 0.965, values + (values - 0.965) * 0.5, values)
    image = Image.fromarray(bytes_of(values)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)
