"""The nouns of the project and the array types its signatures use."""

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
"""R = 49: every backbone's feature map is average-pooled to 7×7 regions."""


class Box(NamedTuple):
    """Where a product is in a scene, normalised to 0..1, origin top left."""

    left: float
    top: float
    right: float
    bottom: float


class Rectangle(NamedTuple):
    """A part of a picture in whole pixels of the upright picture, right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int


class View(NamedTuple):
    """A picture, or a rectangle of it: the thing a backbone turns into one row of features."""

    picture: Path
    crop: Rectangle | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """A real-world photo."""

    id: str
    picture: Path


@dataclass(frozen=True, slots=True)
class Product:
    """A catalogue item with one picture."""

    id: str
    category: str
    picture: Path
    title: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    digest: str = field(default="", compare=False)
    """While it stays the same, so does all that a feed says of the product; "" if that is not known."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A product that belongs to a scene, and where it is in it (None when nobody marked it)."""

    scene: str
    product: str
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong that did not stop the work: where it is, which item, and why."""

    where: str
    item: str
    reason: str
    kind: str = ""
    """What sort of problem it is, where reports count and group by that."""

    def __str__(self) -> str:
        return f"{self.where}: {self.item}: {self.reason}"
