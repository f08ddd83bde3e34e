"""What looks the same appears once; a spread list is the one that the formula chooses step by step."""

import hashlib

import numpy as np
import pytest

from perfectlook.catalogue import Record
from perfectlook.model.distances import Norm
from perfectlook.recommender.ranking import Candidate, distinct, same_look, spread_out
from perfectlook.stores import Point

NEAR, FAR = np.asarray([1.0, 0.0, 0.0], np.float32), np.asarray([0.0, 1.0, 0.0], np.float32)


def product(
    id_: str,
    place: float = 1.0,
    vector: np.ndarray = NEAR,
    *,
    picture: str = "",
    dhash: int = 0,
    **fields: str,
) -> Candidate:
    sha256 = hashlib.sha256((picture or id_).encode()).hexdigest()
    record = Record(id_, id_, 9, 9, sha256, f"{dhash:064x}", "", fields)
    return Candidate(Point(id_, "Shoes", vector, record.payload()), vector, place, place, place, 0.0)


def test_the_same_picture_is_a_copy_whatever_else_is_said_of_it() -> None:
    one = product("1", picture="p", color="red")
    assert same_look(one, product("2", picture="p", dhash=2**256 - 1, color="blue", vector=FAR))


def test_near_outlines_are_a_copy_only_in_the_same_colours() -> None:
    one = product("1")
    ten, eleven = 0b11_1111_1111, 0b111_1111_1111
    assert same_look(one, product("2", dhash=ten))
    assert not same_look(one, product("2", dhash=eleven))
    assert not same_look(one, product("2", dhash=ten, vector=FAR))  # as far apart as unrelated products
    assert not same_look(product("1", color="Red"), product("2", color="blue"))
    assert same_look(product("1", colour="Red"), product("2", colour=" red"))
    assert same_look(product("1", color="Red"), product("2"))


def test_the_vectors_of_near_copies_may_be_half_a_unit_apart() -> None:
    def at(angle: float) -> np.ndarray:
        return np.asarray([np.cos(angle), np.sin(angle), 0], np.float32)

    limit = 2 * np.arcsin(0.25)  # a chord of 0.5
    for length in (1.0, 7.0):  # however long vectors are
        one = product("1", vector=length * at(0))
        assert same_look(one, product("2", vector=length * at(limit - 0.001)))
        assert not same_look(one, product("2", vector=length * at(limit + 0.001)))


def test_variants_of_a_group_appear_once_also_of_what_is_shown() -> None:
    far = [product(f"{n}", n, vector=FAR, dhash=2**n - 1, item_group_id=g) for n, g in ((0, "a"), (40, "b"))]
    more = [product("80", 80, FAR, dhash=2**80 - 1, item_group_id="a"), product("120", 120, dhash=2**120 - 1)]
    assert [each.id for each in distinct([*far, *more], 9)] == ["0", "40", "120"]
    shown = [product("x", item_group_id="b", dhash=2**200 - 1)]
    assert [each.id for each in distinct([*far, *more], 9, shown=shown)] == ["0", "120"]
    assert [each.id for each in distinct([*far, *more], 1)] == ["0"]


def by_the_formula(pool: list[Candidate], count: int, spread: float, norm: Norm) -> list[str]:
    """The definition, word by word."""
    power = 2 if norm == "squared_l2" else 1
    left, chosen = list(pool), []
    while left and len(chosen) < count:

        def value(each: Candidate) -> float:
            if not chosen:
                return each.place
            apart = min(np.linalg.norm(each.vector.astype(float) - other.vector) ** power for other in chosen)
            return (1 - spread) * each.place - spread * apart

        best = min(left, key=value)
        chosen.append(best)
        left.remove(best)
    return [each.id for each in chosen]


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3, 0.7, 1.0])
def test_a_spread_list_is_that_of_the_formula(norm: Norm, spread: float) -> None:
    random = np.random.default_rng(3)
    places, vectors = np.sort(random.random(30)), random.standard_normal((30, 4)).astype(np.float32)
    pool = [product(f"{n}", float(places[n]), vectors[n]) for n in range(30)]
    for count in (1, 12, 40):
        found = [each.id for each in spread_out(pool, count, spread, norm)]
        assert found == by_the_formula(pool, count, spread, norm)
    if spread == 0:
        assert found == [each.id for each in pool]


def test_pins_stand_at_their_ranks_and_others_keep_away_from_them() -> None:
    pool = [product("near", 0.1, NEAR), product("far", 0.2, FAR), product("last", 0.3, NEAR)]
    pinned = {1: product("pin", 9.0, NEAR), 3: product("other", 8.0, FAR)}
    assert [each.id for each in spread_out(pool, 4, 0.0, "l2", pins=pinned)] == [
        "pin",
        "near",
        "other",
        "far",
    ]
    spread = spread_out(pool, 4, 0.5, "l2", pins=pinned)
    assert [each.id for each in spread] == ["pin", "far", "other", "near"]


def test_pins_come_last_where_products_run_out_and_not_at_all_behind_the_end() -> None:
    pinned = {5: product("five", 9.0), 9: product("nine", 9.0)}
    pool = [product("a", 0.1), product("b", 0.2)]
    assert [each.id for each in spread_out(pool, 8, 0.0, "l2", pins=pinned)] == ["a", "b", "five"]
    assert [each.id for each in spread_out([], 8, 0.5, "l2", pins=pinned)] == ["five"]
    assert spread_out([], 8, 0.5, "l2") == []
