"""Rules that furnish a living room, a bedroom, a dining room and a study."""

from collections.abc import Callable

from showroom.furnisher import HALF, QUARTER, Furnisher


def _living(f: Furnisher) -> None:  # noqa: PLR0912
    rng, room = f.rng, f.room
    sofa_product = f.choose("sofa", fits=lambda p: p.size[0] <= f.width - 0.9)
    if sofa_product is None:
        return
    width, height, depth = sofa_product.piece.size
    shift = rng.uniform(-0.3, 0.3) * max(f.width - width - 1.2, 0)
    x = f.centre + shift
    back = depth / 2 + rng.uniform(0.08, 0.3)
    sofa = f.put(sofa_product, x, back)
    if sofa is None:
        return
    front = back + depth / 2
    table_product = f.choose("coffeetable", fits=lambda p: p.size[0] <= 1.3)
    table = None
    if table_product is not None:
        table = f.put(
            table_product, x + rng.uniform(-0.1, 0.1), front + 0.38 + table_product.piece.size[2] / 2
        )
    if f.chance(0.9):
        f.rug(x, front + 0.55, wide=f.width - 0.4)
    if table is not None:
        name = rng.choice(("flowers", "jar", "tulips", "fruit", ""))
        if name:
            f.prop(name, table.x + rng.uniform(-0.15, 0.15), table.z, 0, table.piece.size[1])
    side = rng.choice((-1, 1))
    for which in (side, -side) if f.chance(0.35) else (side,):
        chair = f.choose("armchair", fits=lambda p: p.size[0] < 1.15)
        if chair is not None:
            reach = max(chair.piece.size[0], chair.piece.size[2]) / 2
            turn = -which * (QUARTER - rng.uniform(0.15, 0.6))
            place = x + which * (max(0.75, (table.piece.size[0] / 2 if table else 0.5) + 0.2) + reach)
            place = min(max(place, f.left + reach + 0.15), f.right - reach - 0.15)
            f.put(chair, place, front + 0.25 + reach * rng.uniform(0.5, 0.9), turn, 0.0, 0.06)
    lamp_side = rng.choice((-1, 1))
    f.free_corner("floorlamp", [x + lamp_side * (width / 2 + 0.3), x - lamp_side * (width / 2 + 0.3)], 0.3)
    if f.chance(0.85) and not f.corner_plant(-lamp_side):
        f.corner_plant(lamp_side)
    f.hang(x, height + 0.05, min(1.1, width))
    free = (x + width / 2, f.right) if lamp_side < 0 else (f.left, x - width / 2)
    if free[1] - free[0] > 0.95 and f.chance(0.6):
        f.at_wall(
            rng.choice(("shelf", "shelf", "sideboard")),
            "back",
            sum(free) / 2,
            fits=lambda p: p.size[0] < free[1] - free[0] - 0.08,
        )
    for wall in ("left", "right") if f.chance(0.5) else ("right", "left"):
        if (wall == "left" and f.left > 0.01) or (wall == "right" and f.right < room.width - 0.01):
            continue
        kind = rng.choice(("sideboard", "shelf"))
        along = rng.uniform(1.5, max(room.depth - 2.2, 1.6))
        placed = f.at_wall(kind, wall, along, fits=lambda p: p.size[0] < 1.75)
        if placed is not None and kind == "sideboard":
            f.stand_on(placed, "tablelamp", rng.uniform(-0.35, 0.35))
        if placed is not None:
            break


def _bed(f: Furnisher) -> None:
    rng, room = f.rng, f.room
    bed_product = f.choose("bed", fits=lambda p: p.size[0] <= f.width - 1.2)
    if bed_product is None:
        return
    width, height, depth = bed_product.piece.size
    x = f.centre + rng.uniform(-0.35, 0.35) * max(f.width - width - 1.3, 0)
    bed = f.put(bed_product, x, depth / 2 + 0.04)
    if bed is None:
        return
    stand = f.choose("nightstand")
    for side in (-1, 1):
        if stand is not None:
            z = stand.piece.size[2] / 2 + 0.05
            placed = f.put(stand, x + side * (width / 2 + stand.piece.size[0] / 2 + 0.08), z)
            if f.chance(0.85):
                f.stand_on(placed, "tablelamp", 0.0)
    f.rug(x + rng.uniform(-0.4, 0.4), depth * 0.85, wide=f.width - 0.3)
    f.hang(x, max(height, 0.9), min(1.1, width))
    if f.chance(0.8):
        f.corner_plant(rng.choice((-1, 1)))
    wall = "left" if x - f.left > f.right - x else "right"
    along = rng.uniform(1.6, max(room.depth - 2.0, 1.7))
    placed = f.at_wall(rng.choice(("sideboard", "shelf")), wall, along, fits=lambda p: p.size[0] < 1.7)
    if placed is not None and placed.piece.kind == "sideboard":
        f.stand_on(placed, "tablelamp", rng.uniform(-0.3, 0.3))
    other = -1 if wall == "right" else 1
    chair = f.choose("armchair", fits=lambda p: p.size[0] < 1.0)
    if chair is not None and f.chance(0.6):
        reach = max(chair.piece.size[0], chair.piece.size[2]) / 2
        place = f.left + reach + 0.2 if other < 0 else f.right - reach - 0.2
        f.put(chair, place, rng.uniform(1.7, 2.3), -other * (QUARTER - 0.5), 0.0, 0.06)
    if f.chance(0.5):
        f.free_corner("floorlamp", [f.left + 0.3, f.right - 0.3], 0.9)
    if f.chance(0.35):
        _pendant(f, x, depth * 0.7)


def _pendant(f: Furnisher, x: float, z: float) -> None:
    product = f.choose("pendant")
    if product is not None:
        f.put(product, x, z, 0.0, f.room.height - product.piece.size[1] - 0.001, 0.0)


def _dining(f: Furnisher) -> None:
    rng, room = f.rng, f.room
    table_product = f.choose("diningtable", fits=lambda p: p.size[0] <= f.width - 1.0)
    if table_product is None:
        return
    width, _, depth = table_product.piece.size
    x = f.centre + rng.uniform(-0.2, 0.2)
    z = rng.uniform(1.75, 2.05) + depth / 4
    table = f.put(table_product, x, z)
    if table is None:
        return
    chair = f.choose("chair")
    if chair is not None:
        reach = chair.piece.size[2] / 2
        tuck = rng.uniform(0.05, 0.2)
        offsets = (
            (0.0,)
            if width < 1.3
            else (-width / 4.6, width / 4.6)
            if width < 2.0
            else (-width / 3.4, 0.0, width / 3.4)
        )
        for dx in offsets:
            f.put(chair, x + dx, z - depth / 2 - reach + tuck, 0.0 + rng.uniform(-0.06, 0.06), 0.0, 0.0)
            f.put(chair, x + dx, z + depth / 2 + reach - tuck, HALF + rng.uniform(-0.06, 0.06), 0.0, 0.0)
        for side in (-1, 1):
            if width < 1.3 or f.chance(0.6):
                f.put(
                    chair,
                    x + side * (width / 2 + reach - min(tuck, 0.1)),
                    z,
                    -side * QUARTER + rng.uniform(-0.08, 0.08),
                    0.0,
                    0.0,
                )
    if f.chance(0.75):
        f.rug(x, z, wide=f.width - 0.2)
    _pendant(f, x, z)
    name = rng.choice(("fruit", "flowers", "tulips", "jar"))
    f.prop(name, x + rng.uniform(-0.2, 0.2), z, 0, table.piece.size[1])
    side_x = x + rng.uniform(-0.3, 0.3)
    board = f.at_wall(
        "sideboard",
        "back",
        min(max(side_x, f.left + 0.95), f.right - 0.95),
        fits=lambda p: p.size[0] <= f.width - 0.2,
    )
    if board is not None:
        shift = rng.choice((-1, 1)) * board.piece.size[0] * 0.32
        f.stand_on(board, "tablelamp", shift)
        f.hang(board.x - shift * 0.4, board.piece.size[1] + 0.1, 1.1)
    if not f.corner_plant(side := rng.choice((-1, 1))):
        f.corner_plant(-side)
    wall = rng.choice(("left", "right"))
    if (wall == "left" and f.left < 0.01) or (wall == "right" and f.right > room.width - 0.01):
        f.at_wall("shelf", wall, rng.uniform(1.0, 1.6), fits=lambda p: p.size[0] < 1.2)


def _study(f: Furnisher) -> None:
    rng, room = f.rng, f.room
    desk_product = f.choose("desk", fits=lambda p: p.size[0] <= f.width - 0.5)
    if desk_product is None:
        return
    width, height, depth = desk_product.piece.size
    x = f.centre + rng.uniform(-0.3, 0.3) * max(f.width - width - 0.6, 0)
    desk = f.put(desk_product, x, depth / 2 + 0.06)
    if desk is None:
        return
    shift = rng.choice((-1, 1)) * width * 0.34
    f.stand_on(desk, "tablelamp", shift)
    f.prop("laptop", x - shift * 0.2, desk.z, 0.0, height)
    seat_z = desk.z + depth / 2 + rng.uniform(0.2, 0.4)
    if f.chance(0.7):
        chair = f.choose("chair")
        if chair is not None:
            f.put(chair, x + rng.uniform(-0.1, 0.1), seat_z + 0.1, HALF + rng.uniform(-0.5, 0.5), 0.0, 0.0)
    else:
        f.prop("officechair", x, seat_z + 0.15, HALF + rng.uniform(-0.5, 0.5))
    side = rng.choice((-1, 1))
    place = x + side * (width / 2 + 0.75)
    f.at_wall(
        "shelf", "back", min(max(place, f.left + 0.65), f.right - 0.65), fits=lambda p: p.size[0] <= 1.2
    )
    f.hang(x, height + 0.35, 1.0)
    f.rug(x, seat_z + 0.5, wide=f.width - 0.2)
    chair = f.choose("armchair", fits=lambda p: p.size[0] < 1.0)
    if chair is not None:
        reach = max(chair.piece.size[0], chair.piece.size[2]) / 2
        place = f.left + reach + 0.25 if side > 0 else f.right - reach - 0.25
        f.put(chair, place, rng.uniform(1.6, 2.2), side * (QUARTER - 0.5), 0.0, 0.06)
    if not f.free_corner(
        "floorlamp", [f.left + 0.3, f.right - 0.3] if side > 0 else [f.right - 0.3, f.left + 0.3], 0.7
    ):
        f.free_corner("floorlamp", [f.left + 0.3, f.right - 0.3], 1.2)
    if not f.corner_plant(-side):
        f.corner_plant(side)
    wall = "left" if side < 0 else "right"
    if (wall == "left" and f.left < 0.01) or (wall == "right" and f.right > room.width - 0.01):
        f.at_wall("sideboard", wall, rng.uniform(1.8, 2.4), fits=lambda p: p.size[0] < 1.7)


FURNISH: dict[str, Callable[[Furnisher], None]] = {
    "living": _living,
    "bed": _bed,
    "dining": _dining,
    "study": _study,
}
"""The function that furnishes a zone, by kind."""
