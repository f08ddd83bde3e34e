"""Chooses the products of a zone and places them where they fit."""

import math
import random
from collections.abc import Callable

from showroom.library import Piece, pieces
from showroom.plan import Placed, Room, Zone
from showroom.products import Product, catalogue, finish_of
from showroom.styles import styles

HALF, QUARTER = math.pi, math.pi / 2


class Furnisher:
    """Chooses the products of a zone and places them."""

    def __init__(self, room: Room, zone: Zone, rng: random.Random) -> None:
        self.room, self.zone, self.rng = room, zone, rng
        self.left, self.right = zone.left, zone.right
        self.centre = (zone.left + zone.right) / 2
        self.finish = finish_of(styles()[zone.style], styles()[zone.style].palettes[zone.palette], rng)

    @property
    def width(self) -> float:
        """Width of the zone in metres."""
        return self.right - self.left

    def choose(self, kind: str, *, fits: Callable[[Piece], bool] = lambda _: True) -> Product | None:
        """Choose a product of a kind in the zone's style, mostly from its palette."""
        fit = [
            p
            for p in catalogue().values()
            if p.piece.kind == kind and p.style == self.zone.style and fits(p.piece)
        ]
        if not fit:
            return None
        weights = [7.0 if p.palette == self.zone.palette else 1.0 for p in fit]
        return self.rng.choices(fit, weights)[0]

    def put(
        self,
        product: Product | None,
        x: float,
        z: float,
        turn: float = 0.0,
        y: float = 0.0,
        gap: float = 0.02,
    ) -> Placed | None:
        """Place a product if it fits."""
        if product is None:
            return None
        item = Placed(product.piece, product, product.finish, x, z, turn, y)
        return item if self.room.add(item, gap) else None

    def prop(self, name: str, x: float, z: float, turn: float = 0.0, y: float = 0.0) -> Placed | None:
        """Place an object that is not a product."""
        item = Placed(pieces()[f"prop-{name}"], None, self.finish, x, z, turn, y)
        return item if self.room.add(item, 0.0) else None

    def chance(self, share: float) -> bool:
        """Return True with this probability."""
        return self.rng.random() < share

    def hang(self, x: float, above: float, most: float) -> Placed | None:
        """Hang a picture on the back wall, centred at x, above a height."""
        product = self.choose("art", fits=lambda p: p.size[0] <= most)
        if product is None:
            return None
        height = product.piece.size[1]
        y = max(above + self.rng.uniform(0.15, 0.35), 1.5 - height / 2)
        if y + height > self.room.height - 0.15:
            return None
        item = Placed(product.piece, product, product.finish, x, product.piece.size[2] / 2 + 0.004, 0.0, y)
        clear = all(
            s.low > y + height
            or s.high < y + 0.02
            or abs(s.x - x) > s.half_width + product.piece.size[0] / 2
            or s.z - s.half_depth > 0.5
            for placed in self.room.placed
            for s in placed.solids
        ) and all(
            placed.piece.kind != "art"
            or abs(placed.x - x) > (placed.piece.size[0] + product.piece.size[0]) / 2 + 0.1
            for placed in self.room.placed
        )
        if clear:
            self.room.placed.append(item)
        return item if clear else None

    def stand_on(self, base: Placed | None, kind: str, shift: float) -> Placed | None:
        """Place a lamp on a piece, `shift` along its width."""
        if base is None:
            return None
        product = self.choose(
            kind,
            fits=lambda p: (
                p.size[0] <= min(base.piece.size[0], 0.5) and p.size[2] <= base.piece.size[2] + 0.02
            ),
        )
        if product is None:
            return None
        x, z = base.x + shift * math.cos(base.turn), base.z - shift * math.sin(base.turn)
        return self.put(product, x, z, base.turn, base.piece.size[1], 0.0)

    def rug(self, x: float, z: float, *, wide: float) -> Placed | None:
        """Place a rug, centred at a point."""
        product = self.choose("rug", fits=lambda p: p.size[0] <= wide and p.size[2] <= self.room.depth - 0.4)
        if product is None:
            return None
        half_width, half_depth = product.piece.size[0] / 2, product.piece.size[2] / 2
        x = min(max(x, self.left + half_width + 0.05), self.right - half_width - 0.05)
        z = min(max(z, half_depth + 0.05), self.room.depth - half_depth - 0.05)
        item = Placed(product.piece, product, product.finish, x, z)
        self.room.placed.append(item)
        return item

    def at_wall(
        self, kind: str, wall: str, along: float, *, fits: Callable[[Piece], bool] = lambda _: True
    ) -> Placed | None:
        """Place a piece with its back to a wall; `along` is x for the back wall and z for the others."""
        product = self.choose(kind, fits=fits)
        if product is None:
            return None
        depth = product.piece.size[2] / 2 + 0.03
        if wall == "back":
            return self.put(product, along, depth)
        if wall == "left":
            return self.put(product, depth, along, QUARTER)
        return self.put(product, self.room.width - depth, along, -QUARTER)

    def corner_plant(self, side: int) -> Placed | None:
        """Place a plant in a corner of the back wall: -1 left, 1 right."""
        product = self.choose("plant")
        if product is None:
            return None
        width, _, depth = product.piece.size
        reach = max(width, depth) / 2 + 0.04
        x = self.left + reach if side < 0 else self.right - reach
        y = 0.0
        return self.put(product, x, reach, self.rng.uniform(-0.5, 0.5), y)

    def free_corner(self, kind: str, xs: list[float], z: float) -> Placed | None:
        """Place a piece at the first of these positions where it fits."""
        for x in xs:
            product = self.choose(kind)
            if product is not None:
                inset = min(
                    max(x, self.left + product.piece.size[0] / 2 + 0.03),
                    self.right - product.piece.size[0] / 2 - 0.03,
                )
                placed = self.put(product, inset, max(z, product.piece.size[2] / 2 + 0.04))
                if placed is not None:
                    return placed
        return None
