"""The pieces of furniture: their sizes, authors and parts."""

import json
import re
import tomllib
import zipfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from showroom import drawn
from showroom.geometry import Floats, Part, box_places, merged
from showroom.wavefront import Look, Soup, read_looks, read_soups

HERE = Path(__file__).parent
FURNITURE = Path("/usr/share/sweethome3d/furniture")
"""The folder of the libraries in Debian's package."""
LICENCES = {
    "BlendSwap-CC-0": "CC0 1.0",
    "BlendSwap-CC-BY": "CC BY 3.0",
    "KatorLegaz": "CC BY 3.0 US",
    "Scopia": "CC BY 3.0",
}
"""The libraries whose models are used, and their licences as their LICENSE.TXT and catalogues state them."""


@dataclass(frozen=True)
class Piece:
    """A piece of furniture, before it has a finish.

    Attributes:
        id: kind and name, `sofa-burlap`.
        kind: the name of its table in pieces.toml.
        model: `LIBRARY#NUMBER`, or "own" for pieces that this tool draws.
        size: width, height and depth in metres.
        solid: the shape of the space that it takes.
        styles: the initials of the styles that sell it.
    """

    id: str
    kind: str
    model: str
    noun: str
    styles: str
    size: tuple[float, float, float]
    solid: str
    roles: dict[str, str]

    @property
    def is_own(self) -> bool:
        """Whether this tool makes the geometry itself."""
        return self.model == "own"


@cache
def pieces() -> dict[str, Piece]:
    """Return every piece of pieces.toml by its id. No model file is read: the sizes are in models.json."""
    tables = tomllib.loads((HERE / "pieces.toml").read_text(encoding="utf-8"))
    sizes = models()
    found = {}
    for kind, table in tables.items():
        for name, entry in table.items():
            key = f"{kind}-{name}"
            own = entry["of"] == "own"
            size = drawn.SIZES[key] if own else sizes[entry["of"]].size
            usual = "chair" if kind == "chair" else "box"
            found[key] = Piece(
                key, kind, entry["of"], entry["noun"], entry["styles"], size,
                entry.get("solid", usual), entry["roles"],
            )  # fmt: skip
    return found


@dataclass(frozen=True)
class Model:
    """A model of a third party: its file, author, licence and size."""

    id: str
    name: str
    path: str
    author: str
    licence: str
    size: tuple[float, float, float]
    rotation: tuple[float, ...] = ()
    source: str = ""


@cache
def visible_roles() -> dict[str, dict[str, float]]:
    """Return the share of each role in the photo of a piece, by piece, largest first; from roles.json."""
    listed: dict[str, dict[str, float]] = json.loads((HERE / "roles.json").read_text(encoding="utf-8"))
    return listed


@cache
def models() -> dict[str, Model]:
    """Return the models of models.json by `LIBRARY#NUMBER`."""
    listed = json.loads((HERE / "models.json").read_text(encoding="utf-8"))
    found = {}
    for key, entry in listed.items():
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
        found[key] = Model(key, **fields)
    return found


def read_models(furniture: Path) -> dict[str, dict[str, object]]:
    """Return the entries of models.json, from the catalogues in a folder of .sh3f files."""
    wanted = {
        entry["of"]
        for table in tomllib.loads((HERE / "pieces.toml").read_text(encoding="utf-8")).values()
        for entry in table.values()
        if entry["of"] != "own"
    }
    found: dict[str, dict[str, object]] = {}
    for library, usual in LICENCES.items():
        with zipfile.ZipFile(furniture / f"{library}.sh3f") as archive:
            text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
            notes = {
                name.rsplit("/", 1)[0]: name + " " + archive.read(name).decode("latin-1")
                for name in archive.namelist()
                if "licen" in name.rsplit("/", 1)[-1].lower() and "/" in name
            }
        entries: dict[str, dict[str, str]] = {}
        for field, number, value in re.findall(r"^(\w+)#(\d+)=(.*?)\r?$", text, re.MULTILINE):
            entries.setdefault(f"{library}#{number}", {})[field] = value
        for key in sorted(wanted & set(entries)):
            entry = entries[key]
            width, depth, height = (float(entry[name]) / 100 for name in ("width", "depth", "height"))
            path = entry["model"].lstrip("/")
            licence, source = _stated(notes.get(path.rsplit("/", 1)[0], ""), usual)
            rotation = [float(word) for word in entry.get("modelRotation", "").split()]
            found[key] = {
                "name": entry["name"],
                "path": path,
                "author": entry["creator"],
                "licence": licence,
                "size": [round(width, 4), round(height, 4), round(depth, 4)],
                "rotation": rotation,
                "source": source,
            }
    missing = wanted - set(found)
    if missing:
        raise KeyError(f"{furniture}: no models {sorted(missing)}; correct pieces.toml")
    return found


def _stated(note: str, usual: str) -> tuple[str, str]:
    """Return the licence and the source from the note next to a model, or from its library."""
    number = re.search(r"/(\d{5}) - [^/]*$|blends/view/(\d+)", note.split("Copyright", 1)[0]) or re.search(
        r"/(\d{5}) - ", note
    )
    source = f"blendswap.com/blends/view/{number.group(1) or number.group(2)}" if number else ""
    if re.search(r"share ?alike|non-?commercial|by-(sa|nc|nd)", note, re.IGNORECASE):
        raise ValueError(f"{note[:200]}: share-alike or non-commercial; leave the model out")
    licence = (
        "CC BY 3.0" if "licenses/by/3.0" in note or "Creative Commons Attribution 3.0" in note else usual
    )
    return licence, source


def unpack(furniture: Path, into: Path) -> None:
    """Unpack the libraries, unless they already are."""
    for library in LICENCES:
        if not (into / library).is_dir():
            with zipfile.ZipFile(furniture / f"{library}.sh3f") as archive:
                archive.extractall(into / library)


@cache
def parts_of(key: str, unpacked: Path) -> tuple[list[Part], dict[str, Look]]:
    """Return the parts of a piece, standing on y = 0 and facing +z, and the materials of its model."""
    piece = pieces()[key]
    if piece.is_own:
        return drawn.make(key), {}
    model = models()[piece.model]
    path = unpacked / piece.model.split("#")[0] / model.path
    soups = {name: _posed(soup, model) for name, soup in read_soups(path).items()}
    low = np.min([soup.corners.min((0, 1)) for soup in soups.values()], 0)
    high = np.max([soup.corners.max((0, 1)) for soup in soups.values()], 0)
    size = np.array(model.size, np.float32)
    scale = size / np.maximum(high - low, 1e-9)
    origin = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2], np.float32)
    parts = [
        _part(_role(name, piece.roles), name, replace(soup, corners=(soup.corners - origin) * scale))
        for name, soup in soups.items()
    ]
    return merged([part for part in parts if part.role != "none"]), read_looks(path)


def _posed(soup: Soup, model: Model) -> Soup:
    matrix = np.array(model.rotation or np.eye(3).ravel(), np.float32).reshape(3, 3)
    return replace(soup, corners=soup.corners @ matrix.T, normals=soup.normals @ matrix.T)


def _role(material: str, roles: dict[str, str]) -> str:
    exact = roles.get(material)
    starts = [role for key, role in roles.items() if key != "*" and material.startswith(key)]
    return exact or (starts[0] if starts else roles.get("*", "keep"))


def _part(role: str, name: str, soup: Soup) -> Part:
    if role == "keep":
        return Part(role, soup.corners, soup.normals, soup.places, name)
    places: Floats = box_places(soup.corners, grain=role.startswith("wood"))
    return Part(role, soup.corners, soup.normals, places)
