"""The rooms as plans: nothing meets anything else, all stands inside the walls, and an id says it all."""

import itertools
import math
from types import ModuleType

import pytest

IDS = range(0, 240, 5)


@pytest.fixture(scope="module")
def rooms(maker: ModuleType) -> list[object]:
    """A fifth of the rooms, of all styles and kinds."""
    ids = maker.layout.room_ids(240)
    return [maker.layout.plan(ids[i]) for i in IDS]


def test_no_two_pieces_of_a_room_intersect(maker: ModuleType, rooms: list) -> None:
    for room in rooms:
        for a, b in itertools.combinations(room.placed, 2):
            meeting = [(s, t) for s in a.solids for t in b.solids if maker.solids.meet(s, t)]
            assert not meeting, f"{room.id}: {a.piece.id} meets {b.piece.id}"


def test_every_piece_stands_inside_its_room(rooms: list) -> None:
    for room in rooms:
        for item in room.placed:
            for solid in item.solids:
                assert solid.high <= room.height
                assert all(-1e-6 <= x <= room.width + 1e-6 for x, _ in solid.corners())
                assert all(-1e-6 <= z <= room.depth + 1e-6 for _, z in solid.corners())


def test_products_of_a_zone_follow_its_style(rooms: list) -> None:
    for room in rooms:
        wanted = {zone.style for zone in room.zones}
        assert {item.product.style for item in room.placed if item.product} <= wanted
        for item in room.placed:
            if (
                item.product is not None
                and len(room.zones) == 2
                and item.piece.kind in ("sofa", "bed", "desk")
            ):
                zone = next(zone for zone in room.zones if zone.left <= item.x <= zone.right)
                assert item.product.style == zone.style


def test_windows_are_in_their_walls_and_not_behind_tall_pieces(rooms: list) -> None:
    for room in rooms:
        for window in room.windows:
            length = room.width if window.wall in ("back", "front") else room.depth
            assert 0 < window.start < window.end < length
            assert window.high < room.height


def test_the_same_id_gives_the_same_plan_and_another_one_another(maker: ModuleType) -> None:
    plan = maker.layout.plan
    assert plan("room-nordic-living-000a") == plan("room-nordic-living-000a")
    assert plan("room-nordic-living-000a").placed != plan("room-nordic-living-000b").placed


def test_ids_put_rooms_of_every_style_into_test_and_validation(maker: ModuleType) -> None:
    from perfectlook.data.scenes import split_of

    ids = maker.layout.room_ids(240)
    assert len(set(ids)) == 240
    for part in ("test", "val"):
        held = [maker.layout.plan(key).zones for key in ids if split_of(key) == part]
        assert len(held) == 24
        assert {zone.style for zones in held for zone in zones} == set(maker.styles.styles())
    two = sum(len(maker.layout.plan(key).zones) == 2 for key in ids)
    assert 0.1 < two / 240 < 0.2


def test_boxes_meet_where_they_overlap_and_not_where_they_touch(maker: ModuleType) -> None:
    solid, meet = maker.solids.Solid, maker.solids.meet
    here = solid(0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 1.0)
    assert meet(here, solid(0.9, 0.0, 0.5, 0.5, 0.0, 0.0, 1.0))
    assert not meet(here, solid(1.0, 0.0, 0.5, 0.5, 0.0, 0.0, 1.0))
    assert not meet(here, solid(0.0, 0.0, 0.5, 0.5, 0.0, 1.0, 2.0))
    # A square of side 1 turned by 45° reaches √½ along x: it meets at 1.2 and no more at 1.21.
    assert meet(here, solid(1.2, 0.0, 0.5, 0.5, math.pi / 4, 0.0, 1.0))
    assert not meet(here, solid(1.21, 0.0, 0.5, 0.5, math.pi / 4, 0.0, 1.0))
    assert meet(here, solid(1.21, 0.0, 0.5, 0.5, math.pi / 4, 0.0, 1.0), 0.02)


def test_a_chair_fits_under_a_table_but_its_back_does_not(maker: ModuleType) -> None:
    table, chair = maker.library.pieces()["diningtable-parsons"], maker.library.pieces()["chair-slats"]
    top = maker.solids.solids_of(table, 0.0, 0.0, 0.0)

    def meets(away: float) -> bool:
        seat = maker.solids.solids_of(chair, 0.0, away, math.pi)
        return any(maker.solids.meet(a, b) for a in top for b in seat)

    edge, reach = table.size[2] / 2, chair.size[2] / 2
    assert not meets(edge + reach - 0.2)
    assert meets(edge - reach + 0.05)
