"""The types that all parts of the package share: scenes, products, pairs, problems and arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Float16Array = NDArray[np.float16]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]

REGION_ROWS = 7
REGION_COLUMNS = 7
REGIONS = REGION_ROWS * REGION_COLUMNS
"""R = 49: the feature map of every backbone is average-pooled to 7×7 regions."""


class Box(NamedTuple):
    """The position of a product in a scene, normalised to 0..1. The origin is the top left corner."""

    left: float
    top: float
    right: float
    bottom: float

    def inside(self) -> "Box | None":
        """Return the part in the picture; None if there is none."""
        part = Box(*(min(max(edge, 0.0), 1.0) for edge in self))
        return part if part.left < part.right and part.top < part.bottom else None


class Rectangle(NamedTuple):
    """A part of a picture, in whole pixels of the upright picture. Right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


class View(NamedTuple):
    """A picture or a rectangle of it. A backbone turns it into one row of features."""

    picture: Path
    crop: Rectangle | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """A real-world photo."""

    id: str
    picture: Path


@dataclass(frozen=True, slots=True)
class Product:
    """An item of a catalogue, with one picture."""

    id: str
    category: str
    picture: Path
    title: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    digest: str = field(default="", compare=False)
    """A hash of everything that a feed says about the product; "" if unknown."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A product that belongs to a scene. `box` is its position in the scene; None if unknown."""

    scene: str
    product: str
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """An error that did not stop the work: its place, the item and the reason."""

    where: str
    item: str
    """The id of the product, scene or row; "?" if it is unknown."""
    reason: str
    kind: str = ""
    """The kind of problem, by which reports group and count."""

    def __str__(self) -> str:
        item = "" if self.item == "?" else f"{self.item}: "
        return f"{self.where}: {item}{self.reason}"
