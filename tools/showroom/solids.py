"""The space that a standing piece takes, as upright boxes, and a test for overlaps."""

import math
from dataclasses import dataclass

from showroom.library import Piece

SEAT, TOP, LEG, TABLE_ROOM = 0.5, 0.14, 0.07, 0.3


@dataclass(frozen=True)
class Solid:
    """An upright box: its centre in plan, half its width and depth, its turn (radians), bottom and top."""

    x: float
    z: float
    half_width: float
    half_depth: float
    turn: float
    low: float
    high: float

    def corners(self) -> list[tuple[float, float]]:
        """The four corners in plan."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return [
            (self.x + u * cos + v * sin, self.z - u * sin + v * cos)
            for u, v in (
                (-self.half_width, -self.half_depth),
                (self.half_width, -self.half_depth),
                (self.half_width, self.half_depth),
                (-self.half_width, self.half_depth),
            )
        ]


def solids_of(piece: Piece, x: float, z: float, turn: float, low: float = 0.0) -> list[Solid]:
    """Return the boxes of a piece at (x, z): one, or a seat and a back, or a top and legs."""
    width, height, depth = piece.size
    boxes: list[tuple[float, float, float, float, float, float]] = []
    match piece.solid:
        case "flat":
            return []
        case "chair":
            back = depth * 0.3
            boxes.append((0, 0, width, depth, 0, min(SEAT, height)))
            if height > SEAT:
                boxes.append((0, -depth / 2 + back / 2, width, back, SEAT, height))
        case "table":
            boxes.append((0, 0, width, depth, height - TOP, height))
            for i in (-1, 1):
                for k in (-1, 1):
                    boxes.append((i * (width - LEG) / 2, k * (depth - LEG) / 2, LEG, LEG, 0, height - TOP))
        case "pedestal":
            boxes.append((0, 0, width, depth, height - TOP, height))
            boxes.append((0, 0, TABLE_ROOM, TABLE_ROOM, 0, height - TOP))
        case _:
            boxes.append((0, 0, width, depth, 0, height))
    cos, sin = math.cos(turn), math.sin(turn)
    return [
        Solid(x + u * cos + v * sin, z - u * sin + v * cos, w / 2, d / 2, turn, low + a, low + b)
        for u, v, w, d, a, b in boxes
    ]


def meet(a: Solid, b: Solid, gap: float = 0.0) -> bool:
    """Return whether two boxes overlap, or are closer in plan than `gap` metres (separating axes)."""
    if a.high <= b.low + 1e-6 or b.high <= a.low + 1e-6:
        return False
    for turn in (a.turn, b.turn):
        for axis in ((math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))):
            spans = [[x * axis[0] + z * axis[1] for x, z in solid.corners()] for solid in (a, b)]
            if max(spans[0]) + gap <= min(spans[1]) + 1e-6 or max(spans[1]) + gap <= min(spans[0]) + 1e-6:
                return False
    return True
