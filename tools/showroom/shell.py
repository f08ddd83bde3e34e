"""The walls, floor, ceiling, windows and curtains of a room, as parts with their materials."""

import random
from dataclasses import dataclass

import numpy as np

from showroom.geometry import Part, box, merged, sheet
from showroom.plan import Room, Window
from showroom.styles import materials, styles
from showroom.textures import (
    Picture,
    blend,
    boards,
    bricks,
    concrete,
    herringbone,
    linear,
    mottled,
    paper,
    parquet,
    planks,
)

THICK = 0.14


@dataclass(frozen=True)
class Surface:
    """A part of the shell: its picture, the repeats in a metre, and whether it is shiny."""

    part: Part
    picture: Picture
    repeat: tuple[float, float]
    gloss: str = ""


def shell(room: Room) -> list[Surface]:
    """Return the parts of the room without its furniture and window panes."""
    rng = random.Random(f"shell {room.id}")
    found = [
        _floor(room, rng),
        _plain(
            box("ceiling", (0, room.height, 0), (room.width, room.height + 0.1, room.depth)),
            styles()[room.zones[0].style].ceiling,
        ),
    ]
    for zone in room.zones:
        style = styles()[zone.style]
        wall = rng.choice(style.palettes[zone.palette].wall)
        picture, repeat = wall_picture(wall)
        quads = _strips(room, "back", zone.left, zone.right)
        if zone.left < 0.01:
            quads += _strips(room, "left", 0, room.depth)
        if zone.right > room.width - 0.01:
            quads += _strips(room, "right", 0, room.depth)
        quads += _strips(room, "front", zone.left, zone.right)
        found += [Surface(part, picture, repeat) for part in merged(quads)]
        found += _trim(room, zone.style, zone.left, zone.right, panelled=wall.startswith("panel"))
    for window in room.windows:
        found += _window(room, window, rng)
    return found


def _plain(part: Part, colour: str) -> Surface:
    return Surface(part, mottled(colour, 0.012), (0.4, 0.4))


def _floor(room: Room, rng: random.Random) -> Surface:
    zone = room.zones[0]
    kind, _, name = rng.choice(styles()[zone.style].palettes[zone.palette].floor).partition(" ")
    part = box("floor", (0, -0.1, 0), (room.width, 0, room.depth))
    if kind == "concrete":
        return Surface(part, concrete(name), (1 / 2.4, 1 / 2.4), "satin")
    wood = materials()[name]
    seed = rng.randrange(5)
    if kind == "herringbone":
        return Surface(part, herringbone(wood.colour, wood.dark, seed), (1 / 1.13, 1 / 1.13), "satin")
    if kind == "parquet":
        return Surface(part, parquet(wood.colour, wood.dark, seed), (1.0, 1.0), "satin")
    return Surface(part, planks(wood.colour, wood.dark, seed), (0.5, 1 / 1.1), "satin")


def wall_picture(wall: str) -> tuple[Picture, tuple[float, float]]:
    """Return the picture of a wall, `KIND COLOUR` in styles.toml, and its repeats in a metre along and up."""
    kind, _, colour = wall.partition(" ")
    match kind:
        case "brick":
            return bricks(colour), (1 / 1.04, 1 / 0.6)
        case "concrete":
            return concrete(colour), (1 / 2.4, 1 / 2.4)
        case "boards":
            return boards(colour), (1.0, 1 / 0.9)
        case "paper":
            lighter = blend(linear(colour), np.ones(3, np.float32), np.array(0.35, np.float32))
            return paper(colour, _css(lighter)), (1 / 0.6, 1 / 0.6)
        case _:
            return mottled(colour, 0.018), (0.4, 0.4)


def _css(colour: Picture) -> str:
    values = np.where(colour <= 0.0031308, colour * 12.92, 1.055 * colour ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(float(v) * 255):02x}" for v in np.clip(values, 0, 1))


def _at(
    room: Room,
    wall: str,
    along: tuple[float, float],
    up: tuple[float, float],
    out: tuple[float, float],
    role: str,
) -> Part:
    """Make a box at a wall: along it, upwards, and `out` from its face into the room (negative: the wall)."""
    match wall:
        case "back":
            return box(role, (along[0], up[0], out[0]), (along[1], up[1], out[1]))
        case "front":
            return box(role, (along[0], up[0], room.depth - out[1]), (along[1], up[1], room.depth - out[0]))
        case "left":
            return box(role, (out[0], up[0], along[0]), (out[1], up[1], along[1]))
        case _:
            return box(role, (room.width - out[1], up[0], along[0]), (room.width - out[0], up[1], along[1]))


def _strips(room: Room, wall: str, start: float, end: float) -> list[Part]:
    """Make the wall around its windows."""
    holes = sorted((w for w in room.windows if w.wall == wall), key=lambda w: w.start)
    parts, at = [], start
    for hole in holes:
        left, right = max(hole.start, start), min(hole.end, end)
        if right <= left:
            continue
        parts.append(_at(room, wall, (at, left), (0, room.height), (-THICK, 0), "wall"))
        parts.append(_at(room, wall, (left, right), (0, hole.low), (-THICK, 0), "wall"))
        parts.append(_at(room, wall, (left, right), (hole.high, room.height), (-THICK, 0), "wall"))
        at = right
    parts.append(_at(room, wall, (at, end), (0, room.height), (-THICK, 0), "wall"))
    return [part for part in parts if np.ptp(part.corners.reshape(-1, 3), axis=0).min() > 1e-4]


def _trim(room: Room, style_name: str, left: float, right: float, *, panelled: bool) -> list[Surface]:
    """Make skirting boards, and for panelled walls a dado, frames above it and a cornice."""
    style = styles()[style_name]
    tall = 0.12 if panelled else 0.08
    runs = [("back", left, right)]
    runs += [("left", 0.0, room.depth)] if left < 0.01 else []
    runs += [("right", 0.0, room.depth)] if right > room.width - 0.01 else []
    parts = []
    for wall, start, end in runs:
        parts.append(_at(room, wall, (start, end), (0, tall), (0, 0.014), "trim"))
        if not panelled:
            continue
        parts.append(_at(room, wall, (start, end), (room.height - 0.09, room.height), (0, 0.07), "trim"))
        spans = [(w.start - 0.08, w.end + 0.08) for w in room.windows if w.wall == wall]
        for a, b in _without(start, end, spans):
            parts.append(_at(room, wall, (a, b), (tall, 0.88), (0, 0.006), "trim"))
            parts.append(_at(room, wall, (a, b), (0.88, 0.93), (0, 0.026), "trim"))
            count = max(1, round((b - a) / 0.95))
            for k in range(count):
                x0, x1 = a + (k + 0.12) * (b - a) / count, a + (k + 0.88) * (b - a) / count
                parts += _moulding(room, wall, x0, x1, 0.24, 0.76, 0.006)
                parts += _moulding(room, wall, x0, x1, 1.06, room.height - 0.26, 0.0)
    return [_plain(part, style.skirting) for part in merged(parts)]


def _moulding(room: Room, wall: str, a: float, b: float, low: float, high: float, out: float) -> list[Part]:
    """Make a thin frame on a wall."""
    bar, deep = 0.022, out + 0.014
    return [
        _at(room, wall, (a, b), (low, low + bar), (out, deep), "trim"),
        _at(room, wall, (a, b), (high - bar, high), (out, deep), "trim"),
        _at(room, wall, (a, a + bar), (low, high), (out, deep), "trim"),
        _at(room, wall, (b - bar, b), (low, high), (out, deep), "trim"),
    ]


def _without(start: float, end: float, spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    found, at = [], start
    for low, high in sorted(spans):
        if low > at + 0.05:
            found.append((at, min(low, end)))
        at = max(at, high)
    if end > at + 0.05:
        found.append((at, end))
    return found


def _window(room: Room, window: Window, rng: random.Random) -> list[Surface]:
    """Make the frame, bars and sill of a window, and curtains in some rooms."""
    zone = next(
        (z for z in room.zones if window.wall == "back" and z.left <= window.start < z.right),
        room.zones[-1 if window.wall == "right" else 0],
    )
    style = styles()[zone.style]
    bar = 0.035 if style.name == "industrial" else 0.05
    a, b, low, high = window.start, window.end, window.low, window.high
    span = (-0.09, -0.04)
    parts = [
        _at(room, window.wall, (a, b), (low, low + bar), span, "frame"),
        _at(room, window.wall, (a, b), (high - bar, high), span, "frame"),
        _at(room, window.wall, (a, a + bar), (low, high), span, "frame"),
        _at(room, window.wall, (b - bar, b), (low, high), span, "frame"),
    ]
    columns = max(2, round((b - a) / (0.4 if style.name == "industrial" else 0.75)))
    rows = 4 if style.name == "industrial" else 3 if style.name in ("classic", "coastal") else 1
    thin = bar * 0.6
    for k in range(1, columns):
        x = a + (b - a) * k / columns
        parts.append(
            _at(room, window.wall, (x - thin / 2, x + thin / 2), (low, high), (-0.08, -0.05), "frame")
        )
    for k in range(1, rows):
        y = low + (high - low) * k / rows
        parts.append(_at(room, window.wall, (a, b), (y - thin / 2, y + thin / 2), (-0.08, -0.05), "frame"))
    if window.low > 0.4:
        parts.append(
            _at(room, window.wall, (a - 0.03, b + 0.03), (low - 0.03, low), (-THICK + 0.05, 0.06), "frame")
        )
    found = [_plain(part, style.windows) for part in merged(parts)]
    if window.wall != "front" and rng.random() < (0.35 if style.name == "industrial" else 0.8):
        colour = rng.choice(style.curtains)
        long = rng.random() < 0.7 and not any(_near(room, window, p.x, p.z) for p in room.placed)
        folds = [
            _curtain(room, window.wall, (a - 0.22, a + 0.1), 0.03 if long else low - 0.12, high + 0.12),
            _curtain(room, window.wall, (b - 0.1, b + 0.22), 0.03 if long else low - 0.12, high + 0.12),
        ]
        rod = _at(room, window.wall, (a - 0.28, b + 0.28), (high + 0.12, high + 0.14), (0.05, 0.07), "frame")
        found += [_plain(part, colour) for part in merged(folds)]
        found.append(_plain(rod, style.windows if style.name != "classic" else "#a9803c"))
    return found


def _near(room: Room, window: Window, x: float, z: float) -> bool:
    """Return whether a piece stands in front of a window, so that long curtains would cut through it."""
    along, away = (x, z) if window.wall == "back" else (z, x if window.wall == "left" else room.width - x)
    return window.start - 1.2 < along < window.end + 1.2 and away < 0.9


def _curtain(room: Room, wall: str, span: tuple[float, float], low: float, high: float) -> Part:
    """Make a hanging cloth in folds."""
    start, end = span
    if wall in ("left", "right"):
        start, end = max(start, 0.02), min(end, room.depth - 0.02)
    along = np.linspace(start, end, 40)
    out = 0.06 + 0.028 * np.sin(np.linspace(0, 2 * np.pi * 4.5, 40))
    up = np.array([low, (low + high) / 2, high])
    grid = np.zeros((3, 40, 3))
    if wall == "back":
        grid[..., 0], grid[..., 2] = along, out
    else:
        grid[..., 2], grid[..., 0] = along, out if wall == "left" else room.width - out
    grid[..., 1] = up[:, None]
    places = np.stack(np.broadcast_arrays(along[None], up[:, None]), 2)
    return sheet("curtain", grid, places)


def panes(room: Room, walls: tuple[str, ...]) -> list[Part]:
    """Make the panes of the windows in some walls, just outside the frames, facing in.

    Each pane has its own part of the texture, because the tracer samples light by texture coordinates.
    """
    found: list[Part] = []
    mine = [window for window in room.windows if window.wall in walls]
    for number, window in enumerate(mine):
        slab = _at(
            room,
            window.wall,
            (window.start, window.end),
            (window.low, window.high),
            (-THICK - 0.02, -THICK),
            "pane",
        )
        axis, sign = {"back": (2, 1), "front": (2, -1), "left": (0, 1), "right": (0, -1)}[window.wall]
        keep = slab.normals[:, 0, axis] * sign > 0.5
        corners = slab.corners[keep]
        along = 0 if axis == 2 else 2
        u = (number + (corners[..., along] - window.start) / (window.end - window.start)) / len(mine)
        v = (corners[..., 1] - window.low) / (window.high - window.low)
        found.append(Part("pane", corners, slab.normals[keep], np.stack([u, v], 2).astype(np.float32)))
    return found
