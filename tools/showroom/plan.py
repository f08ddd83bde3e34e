"""The plan of a room: its pieces, windows, zones and camera. It needs no renderer.

x runs along the back wall, z from the back wall towards the camera, y upwards; metres. A piece with turn 0
faces the camera; +z turns towards +x.
"""

from dataclasses import dataclass, field

from showroom.library import Piece
from showroom.products import Product
from showroom.solids import Solid, meet, solids_of


@dataclass(frozen=True)
class Placed:
    """A piece in a room: a product, or an object that is not sold, in a finish of the zone's style."""

    piece: Piece
    product: Product | None
    finish: dict[str, str]
    x: float
    z: float
    turn: float = 0.0
    y: float = 0.0

    @property
    def solids(self) -> list[Solid]:
        """The boxes that it fills."""
        return solids_of(self.piece, self.x, self.z, self.turn, self.y)


@dataclass(frozen=True)
class Window:
    """A window in a wall ("left", "right", "back" or "front"), from `start` to `end` along it."""

    wall: str
    start: float
    end: float
    low: float = 0.85
    high: float = 2.2


@dataclass(frozen=True)
class Zone:
    """A part of a room from `left` to `right` that follows one style and palette."""

    kind: str
    style: str
    palette: int
    left: float
    right: float


@dataclass
class Room:
    """The plan of a room."""

    id: str
    width: float
    depth: float
    height: float
    zones: list[Zone]
    evening: bool
    sun: tuple[float, float] | None
    placed: list[Placed] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    eye: tuple[float, float, float] = (0, 0, 0)
    target: tuple[float, float, float] = (0, 0, 0)
    field_of_view: float = 60.0

    def fits(self, item: Placed, gap: float = 0.0) -> bool:
        """Return whether it stands inside the walls and overlaps no other piece."""
        for solid in item.solids:
            inside = all(
                -1e-6 <= x <= self.width + 1e-6 and -1e-6 <= z <= self.depth + 1e-6
                for x, z in solid.corners()
            )
            if not inside or any(
                meet(solid, other, gap) for placed in self.placed for other in placed.solids
            ):
                return False
        return True

    def add(self, item: Placed | None, gap: float = 0.02) -> bool:
        """Add it to the room if it fits."""
        if item is None or not self.fits(item, gap):
            return False
        self.placed.append(item)
        return True
