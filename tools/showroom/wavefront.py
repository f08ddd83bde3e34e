"""Reads Wavefront OBJ files as triangles by material, with a few properties of each material."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Soup:
    """Triangles without shared corners: corners and normals `(T, 3, 3)`, texture coordinates `(T, 3, 2)`."""

    corners: Floats
    normals: Floats
    places: Floats


@dataclass(frozen=True)
class Look:
    """A material of a material file: its colour, its opacity and its picture, if it has one."""

    colour: tuple[float, float, float] = (0.8, 0.8, 0.8)
    opacity: float = 1.0
    picture: Path | None = None


def read_soups(path: Path) -> dict[str, Soup]:
    """Return the triangles of an OBJ file by the name of their material; faces with more corners become fans.

    Corners without a normal get that of their triangle.
    """
    corners: list[list[float]] = []
    normals: list[list[float]] = []
    places: list[list[float]] = []
    faces: dict[str, list[tuple[tuple[int, int, int], ...]]] = {}
    material = ""
    for line in path.read_text(encoding="latin-1").replace("\\\n", " ").splitlines():
        words = line.split()
        match words[:1]:
            case ["v"]:
                corners.append([float(word) for word in words[1:4]])
            case ["vn"]:
                normals.append([float(word) for word in words[1:4]])
            case ["vt"]:
                places.append([float(word) for word in words[1:3]])
            case ["usemtl"]:
                material = words[1] if len(words) > 1 else ""
            case ["f"]:
                sizes = (len(corners), len(places), len(normals))
                around = [_corner(word, sizes) for word in words[1:]]
                fan = [(around[0], around[i], around[i + 1]) for i in range(1, len(around) - 1)]
                faces.setdefault(material, []).extend(fan)
    tables = (_table(corners, 3), _table(places, 2), _table(normals, 3))
    return {name: _soup(np.array(fan, np.int64), *tables) for name, fan in faces.items() if fan}


def _corner(word: str, sizes: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the three indices of a corner from 0; -1 for a missing one."""
    parts = [*word.split("/"), "", ""][:3]
    found = [
        -1 if not part else int(part) - 1 if int(part) > 0 else int(part) + size
        for part, size in zip(parts, sizes, strict=True)
    ]
    return found[0], found[1], found[2]


def _table(rows: list[list[float]], width: int) -> Floats:
    """Return rows as an array with a last row of zeros, for the index -1."""
    return np.array([*(row[:width] for row in rows), [0.0] * width], np.float32)


def _soup(fan: npt.NDArray[np.int64], corners: Floats, places: Floats, normals: Floats) -> Soup:
    at = corners[fan[:, :, 0]]
    flat = np.cross(at[:, 1] - at[:, 0], at[:, 2] - at[:, 0])
    size = np.linalg.norm(flat, axis=1)
    keep = size > 1e-12
    flat = flat[keep] / size[keep, None]
    given = normals[fan[keep][:, :, 2]]
    length = np.linalg.norm(given, axis=2, keepdims=True)
    smooth = np.where(length > 1e-6, given / np.maximum(length, 1e-6), flat[:, None, :])
    return Soup(at[keep], smooth.astype(np.float32), places[fan[keep][:, :, 1]])


def read_looks(path: Path) -> dict[str, Look]:
    """Return the materials of the MTL files that an OBJ file names."""
    looks: dict[str, Look] = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith("mtllib"):
            file = path.parent / line.split(None, 1)[1].strip()
            if file.is_file():
                looks |= _looks(file)
    return looks


def _looks(path: Path) -> dict[str, Look]:
    looks: dict[str, Look] = {}
    name = ""
    for line in path.read_text(encoding="latin-1").splitlines():
        words = line.split()
        match words[:1]:
            case ["newmtl"]:
                name = words[1]
                looks[name] = Look()
            case ["Kd"]:
                red, green, blue = (float(word) for word in words[1:4])
                looks[name] = Look((red, green, blue), looks[name].opacity, looks[name].picture)
            case ["d"]:
                looks[name] = Look(looks[name].colour, float(words[-1]), looks[name].picture)
            case ["map_Kd"]:
                picture = path.parent / line.split(None, 1)[1].strip()
                looks[name] = Look(looks[name].colour, looks[name].opacity, picture)
    return looks
