"""The picture of a room, and the position of each product in it."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from showroom import textures
from showroom.geometry import Floats, Part, box, merged, moved
from showroom.library import parts_of
from showroom.plan import Placed, Room
from showroom.rendering import mesh, met, mi, rendered
from showroom.shell import panes, shell
from showroom.surfaces import bitmap, diffuse, glossy, padding, plain, repeat_of, stowaways, surface
from showroom.wavefront import Look

WIDTH, HEIGHT = 384, 288
SAMPLES, DEPTH, SUN_SAMPLES, SUN_DEPTH = 12, 4, 6, 3
SHAPES = 150
"""The number of meshes of each scene after padding, so that all scenes use one compiled tracer."""
WARM = np.array([1.0, 0.74, 0.48], np.float32)


@dataclass(frozen=True)
class Sight:
    """A product in a picture: its normalised box, its visible pixels, and their share of the rectangle."""

    product: str
    box: tuple[float, float, float, float]
    pixels: int
    seen: float


def light_of(room: Room, unpacked: Path, *, larger: int = 1) -> tuple[Floats, list[Sight]]:
    """Return a room in linear light, `(288, 384, 3)` or a multiple, and the products that it shows."""
    standing = {f"piece{i}": _meshes(f"piece{i}", item, room, unpacked) for i, item in enumerate(room.placed)}
    fixed: dict[str, Any] = {name: made for group in standing.values() for name, made in group.items()}
    fixed |= {
        f"shell{i}": mesh(
            f"shell{i}", s.part, mi.load_dict(_shell_surface(s.picture, s.gloss)), repeat=s.repeat
        )
        for i, s in enumerate(shell(room))
    }
    fixed |= stowaways()
    fixed |= padding(SHAPES - len(fixed))
    camera = _camera(room, larger)
    scene = mi.load_dict({"type": "scene", "camera": camera, **fixed, **_lights(room)})
    linear = rendered(scene, samples=SAMPLES, depth=DEPTH, seed=1)
    sights = _sights(scene, room)
    if room.sun is not None:
        sunny = mi.load_dict({"type": "scene", "camera": camera, **fixed, "sun": _sun(room)})
        linear = linear + rendered(sunny, samples=SUN_SAMPLES, depth=SUN_DEPTH, seed=2)
    return linear, sights


def _shell_surface(picture: textures.Picture, gloss: str) -> dict[str, Any]:
    return glossy(bitmap(picture), gloss) if gloss else diffuse(bitmap(picture))


def _meshes(name: str, item: Placed, room: Room, unpacked: Path) -> dict[str, Any]:
    """Return the meshes of a piece in its place; a lampshade glows in the evening."""
    parts, looks = parts_of(item.piece.id, unpacked)
    found = {}
    for i, part in enumerate(parts):
        placed = moved(part, by=(item.x, item.y, item.z), turn=item.turn)
        bsdf = surface(part.role, item.product, item.finish, looks.get(part.look, Look()))
        glow = _glow(item) if part.role == "shade" and room.evening else None
        found[f"{name}-{i}"] = mesh(
            f"{name}-{i}", placed, bsdf, repeat=repeat_of(part.role, item.finish), glow=glow
        )
    return found


def _glow(item: Placed) -> Floats:
    """Return the light of a lampshade: warm, tinted by its cloth."""
    from showroom.styles import materials

    tint = textures.linear(materials()[item.finish["shade"]].colour)
    strength = {"floorlamp": 9.0, "pendant": 9.0}.get(item.piece.kind, 11.0)
    return np.asarray(strength * WARM * (0.35 + 0.65 * tint / tint.max()), np.float32)


def _lights(room: Room) -> dict[str, Any]:
    """Return the windows by day or by night; at night with light from the ceiling behind the camera."""
    seed = random.Random(room.id).randrange(1000)
    day = not room.evening
    found: dict[str, Any] = {}
    for name, walls, strength in (
        ("sides", ("left", "right"), 14.0),
        ("back", ("back",), 7.0),
        ("front", ("front",), 2.6),
    ):
        parts = panes(room, walls)
        if parts:
            picture = textures.sky("day" if day else "night", seed) * (strength if day else 1.0)
            found[f"pane-{name}"] = _emitting(f"pane-{name}", merged(parts)[0], picture)
    if not day:
        lamp = box(
            "lamp",
            (room.width / 2 - 0.5, room.height - 0.02, room.depth - 1.1),
            (room.width / 2 + 0.5, room.height - 0.01, room.depth - 0.5),
        )
        keep = lamp.normals[:, 0, 1] < -0.5
        below = Part("lamp", lamp.corners[keep], lamp.normals[keep], lamp.places[keep])
        found["ceiling-lamp"] = mesh("ceiling-lamp", below, plain("#1c1c1d"), glow=WARM * 3.0)
    return found


def _emitting(name: str, part: Part, picture: textures.Picture) -> Any:
    """Return a part that emits the radiance of a picture."""
    props = mi.Properties()
    props["mesh_bsdf"] = mi.load_dict(diffuse(bitmap(np.full((2, 2, 3), 0.1, np.float32))))
    props["mesh_emitter"] = mi.load_dict({"type": "area", "radiance": bitmap(picture)})
    count = len(part.corners)
    made = mi.Mesh(name, count * 3, count, has_vertex_normals=False, has_vertex_texcoords=True, props=props)
    params = mi.traverse(made)
    params["vertex_positions"] = part.corners.ravel()
    params["vertex_texcoords"] = part.places.ravel()
    params["faces"] = np.arange(count * 3, dtype=np.uint32)
    params.update()
    return made


def _sun(room: Room) -> dict[str, Any]:
    """Return sunlight through a window in a side wall, or from behind the camera."""
    assert room.sun is not None
    rise, turn = (np.radians(v) for v in room.sun)
    walls = [w.wall for w in room.windows if w.wall != "front"]
    into = {"left": (1, 0), "right": (-1, 0), "back": (0, 1)}.get(walls[0] if walls else "", (0, -1))
    x = into[0] * np.cos(turn) - into[1] * np.sin(turn)
    z = into[0] * np.sin(turn) + into[1] * np.cos(turn)
    way = [float(x * np.cos(rise)), float(-np.sin(rise)), float(z * np.cos(rise))]
    return {
        "type": "directional",
        "direction": way,
        "irradiance": {"type": "rgb", "value": [30.0, 26.5, 21.0]},
    }


def _camera(room: Room, larger: int) -> Any:
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": room.field_of_view,
            "fov_axis": "x",
            "near_clip": 0.05,
            "to_world": mi.ScalarTransform4f().look_at(
                origin=list(room.eye), target=list(room.target), up=[0, 1, 0]
            ),
            "film": {
                "type": "hdrfilm",
                "width": WIDTH * larger,
                "height": HEIGHT * larger,
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
            },
        }
    )


def _sights(scene: Any, room: Room) -> list[Sight]:
    """Return the boxes of the products, from the first shape that each ray hits; 2 × 2 rays a pixel."""
    width, height = WIDTH * 2, HEIGHT * 2
    numbers, names = met(scene, width, height)
    pieces_met = np.full(numbers.shape, -1)
    for number, name in names.items():
        if name.startswith("piece"):
            pieces_met[numbers == number] = int(name[5:].split("-")[0])
    found = []
    for product in dict.fromkeys(item.product.id for item in room.placed if item.product is not None):
        mine = [
            i for i, item in enumerate(room.placed) if item.product is not None and item.product.id == product
        ]
        mask = np.isin(pieces_met, mine)
        if mask.any():
            rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
            limits = (
                columns[0] / width,
                rows[0] / height,
                (columns[-1] + 1) / width,
                (rows[-1] + 1) / height,
            )
            found.append(
                Sight(
                    product,
                    _rounded(*limits),
                    int(mask.sum()) // 4,
                    _whole(room, mine, mask),
                )
            )
    return found


def _rounded(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    return round(float(left), 4), round(float(top), 4), round(float(right), 4), round(float(bottom), 4)


def _whole(room: Room, mine: list[int], mask: npt.NDArray[np.bool_]) -> float:
    """Return the visible pixels, relative to the rectangles that the pieces would fill alone."""
    eye, target = np.array(room.eye), np.array(room.target)
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(ahead, [0, 1, 0])
    right /= np.linalg.norm(right)
    above = np.cross(right, ahead)
    scale = 1 / np.tan(np.radians(room.field_of_view) / 2)
    area = 0.0
    for i in mine:
        item = room.placed[i]
        w, h, d = item.piece.size
        corners = np.array([(u * w / 2, v * h, t * d / 2) for u in (-1, 1) for v in (0, 1) for t in (-1, 1)])
        cos, sin = np.cos(item.turn), np.sin(item.turn)
        world = np.stack(
            [
                corners[:, 0] * cos + corners[:, 2] * sin,
                corners[:, 1],
                -corners[:, 0] * sin + corners[:, 2] * cos,
            ],
            1,
        )
        away = world + np.array([item.x, item.y, item.z]) - eye
        deep = np.maximum(away @ ahead, 0.1)
        u, v = (away @ right) / deep * scale, (away @ above) / deep * scale * WIDTH / HEIGHT
        area += float(np.ptp(u) * np.ptp(v)) / 4
    return round(float(mask.mean() / max(area, 1e-6)), 4)
