"""The styles, palettes and materials of the TOML files."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Material:
    """A material: its name in titles, its kind and its colours."""

    name: str
    kind: str
    colour: str
    dark: str = ""
    other: str = ""
    pattern: str = ""


@dataclass(frozen=True)
class Palette:
    """A palette of a style: the materials of each role, and its walls and floors."""

    wall: tuple[str, ...]
    floor: tuple[str, ...]
    wood: tuple[str, ...]
    fabric: tuple[str, ...]
    accent: tuple[str, ...]
    metal: tuple[str, ...]
    paint: tuple[str, ...]
    cover: tuple[str, ...]
    pot: tuple[str, ...]
    shade: tuple[str, ...]
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Style:
    """A style: its palettes, the names of its products, and the decoration of its rooms."""

    name: str
    initial: str
    brands: tuple[str, ...]
    names: tuple[str, ...]
    level: float
    rugs: tuple[str, ...]
    prints: tuple[str, ...]
    frame: tuple[str, ...]
    ceiling: str
    skirting: str
    curtains: tuple[str, ...]
    windows: str
    palettes: tuple[Palette, ...]


@cache
def materials() -> dict[str, Material]:
    """Return every material by its name."""
    tables = tomllib.loads((HERE / "materials.toml").read_text(encoding="utf-8"))
    return {
        name: Material(
            name,
            entry["kind"],
            entry["colour"],
            entry.get("dark", ""),
            entry.get("with", ""),
            entry.get("pattern", ""),
        )
        for name, entry in tables.items()
    }


@cache
def styles() -> dict[str, Style]:
    """Return every style by its name."""
    tables = tomllib.loads((HERE / "styles.toml").read_text(encoding="utf-8"))
    found = {}
    for name, entry in tables.items():
        palettes = tuple(
            Palette(**{key: tuple(value) for key, value in each.items()}) for each in entry.pop("palette")
        )
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        found[name] = Style(name=name, palettes=palettes, **fields)
    return found
