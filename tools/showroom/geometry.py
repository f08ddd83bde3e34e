"""Triangles of furniture, grouped into parts of one role, in metres, with the y axis up."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """Triangles of one role of a piece.

    Attributes:
        role: its material, "wood", "fabric", "metal", ... or "keep" for its own colour and picture.
        corners: `(T, 3, 3)`, metres; the piece stands on y = 0, is centred at x = z = 0 and faces +z.
        normals: `(T, 3, 3)`, unit length.
        places: `(T, 3, 2)`, texture coordinates in metres (for "keep", those of the model's picture).
        look: the name of the model's own material, for "keep".
    """

    role: str
    corners: Floats
    normals: Floats
    places: Floats
    look: str = ""


def merged(parts: list[Part]) -> list[Part]:
    """Merge parts of the same role and look."""
    keys = list(dict.fromkeys((part.role, part.look) for part in parts))
    together = []
    for key in keys:
        same = [part for part in parts if (part.role, part.look) == key]
        corners = np.concatenate([part.corners for part in same])
        normals = np.concatenate([part.normals for part in same])
        places = np.concatenate([part.places for part in same])
        together.append(Part(key[0], corners, normals, places, key[1]))
    return together


def moved(part: Part, *, by: tuple[float, float, float] = (0, 0, 0), turn: float = 0.0) -> Part:
    """Turn the part about the y axis by `turn` (radians, +z towards +x), then move it."""
    matrix = turning(turn)
    corners = part.corners @ matrix.T + np.array(by, np.float32)
    return replace(
        part, corners=corners.astype(np.float32), normals=(part.normals @ matrix.T).astype(np.float32)
    )


def turning(turn: float) -> Floats:
    """Return the rotation about the y axis that turns +z towards +x."""
    cos, sin = np.cos(turn), np.sin(turn)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], np.float32)


def box_places(corners: Floats, *, grain: bool = False) -> Floats:
    """Return texture coordinates in metres: each triangle is projected along the axis that it faces most.

    With `grain`, u runs along the longest side of each connected component, as boards are cut.
    """
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(facing).argmax(1)
    along = _grain_axes(corners) if grain else np.where(axis == 0, 2, 0)
    along = np.where(along == axis, np.where(axis == 1, 0, 1), along)
    across = 3 - axis - along
    rows = np.arange(len(corners))[:, None]
    at = np.arange(3)[None, :]
    u = corners[rows, at, along[:, None]]
    v = corners[rows, at, across[:, None]]
    shift = (axis * 0.37)[:, None]
    return np.asarray(np.stack([u + shift, v + shift], 2), np.float32)


def _grain_axes(corners: Floats) -> npt.NDArray[np.int64]:
    """Return the longest side of the component of each triangle."""
    names = _components(corners)
    low = np.full((names.max() + 1, 3), np.inf)
    high = np.full((names.max() + 1, 3), -np.inf)
    for corner in range(3):
        np.minimum.at(low, names, corners[:, corner])
        np.maximum.at(high, names, corners[:, corner])
    return np.asarray((high - low).argmax(1)[names], np.int64)


def _components(corners: Floats) -> npt.NDArray[np.int64]:
    """Return a number for each triangle; triangles that are connected by corners have the same number."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    keys = np.round(corners.reshape(-1, 3) * 2000).astype(np.int64)
    points, index = np.unique(keys, axis=0, return_inverse=True)
    index = index.reshape(-1, 3)
    rows = np.concatenate([index[:, 0], index[:, 1]])
    columns = np.concatenate([index[:, 1], index[:, 2]])
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(points),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1][index[:, 0]], np.int64)


def box(role: str, low: tuple[float, float, float], high: tuple[float, float, float]) -> Part:
    """Make a box between two corners."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    quads, normals = [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side, out in ((a, -1), (b, 1)):
            square = np.tile(a, (4, 1))
            square[:, axis] = side[axis]
            square[[1, 2], u] = b[u]
            square[[2, 3], v] = b[v]
            quads.append(square if out > 0 else square[::-1])
            normal = np.zeros(3, np.float32)
            normal[axis] = out
            normals.append(normal)
    corners = np.array([q[list(t)] for q in quads for t in ((0, 1, 2), (0, 2, 3))], np.float32)
    facing = np.repeat(np.array(normals), 2, 0)[:, None, :].repeat(3, 1)
    return Part(role, corners, facing, box_places(corners, grain=role.startswith("wood")))


def lathe(
    role: str, profile: list[tuple[float, float]], *, at: tuple[float, float] = (0, 0), sides: int = 32
) -> Part:
    """Turn a profile of (radius, height), from the bottom up, about a vertical axis at (x, z)."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    radius, height = np.array(profile, np.float32).T
    ring = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], 1)
    grid = ring[None] * radius[:, None, None]
    grid[:, :, 1] = height[:, None]
    grid = grid + np.array([at[0], 0, at[1]])
    steep = np.gradient(radius), np.gradient(height)
    normal = ring[None] * steep[1][:, None, None]
    normal[:, :, 1] = -steep[0][:, None]
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-9)
    around = angle[None] * max(float(radius.max()), 0.01) + np.zeros_like(height)[:, None]
    upward = height[:, None] + np.zeros_like(angle)[None]
    part = _sheet(role, grid, normal, np.stack([upward, around], 2))
    if not role.startswith("wood"):
        return part
    return Part(role, part.corners, part.normals, box_places(part.corners, grain=True))


def tube(role: str, points: list[tuple[float, float, float]], radius: float, *, sides: int = 12) -> Part:
    """Make a round bar along points, open at both ends."""
    path = np.array(points, np.float64)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    help_axis = np.where(np.abs(tangent[:, 1:2]) > 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
    first = np.cross(tangent, help_axis)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(tangent, first)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    out = first[:, None] * np.cos(angle)[None, :, None] + second[:, None] * np.sin(angle)[None, :, None]
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    places = np.stack(np.broadcast_arrays(length[:, None], angle[None] * radius), 2)
    return _sheet(role, path[:, None] + out * radius, out, places)


def _sheet(
    role: str, grid: npt.NDArray[np.float64], normal: npt.NDArray[np.float64], places: npt.NDArray[np.float64]
) -> Part:
    """Split a grid of points into triangles."""

    def triangles(table: npt.NDArray[np.float64]) -> Floats:
        a, b, c, d = table[:-1, :-1], table[1:, :-1], table[1:, 1:], table[:-1, 1:]
        one, two = np.stack([a, b, c], 2), np.stack([a, c, d], 2)
        return np.concatenate(
            [one.reshape(-1, 3, table.shape[2]), two.reshape(-1, 3, table.shape[2])]
        ).astype(np.float32)

    return Part(role, triangles(grid), triangles(normal), triangles(places))


def sheet(role: str, grid: npt.NDArray[np.float64], places: npt.NDArray[np.float64]) -> Part:
    """Make a smooth surface from a grid of points, `(n, m, 3)`."""
    normal = np.cross(np.gradient(grid, axis=0), np.gradient(grid, axis=1))
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-9)
    return _sheet(role, grid, normal, places)
