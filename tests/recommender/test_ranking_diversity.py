"""Products that look the same appear once, and a spread list follows its formula."""

import hashlib
from functools import reduce

import numpy as np
import pytest

from perfectlook.catalogue import Record
from perfectlook.model.distances import Norm
from perfectlook.recommender.ranking import Measured, distinct, same_look, spread_out
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
) -> Measured:
    sha256 = hashlib.sha256((picture or id_).encode()).hexdigest()
    record = Record(id_, id_, 9, 9, sha256, f"{dhash:064x}", "", fields)
    places = np.array([place])
    points = [Point(id_, "Shoes", vector, record.payload())]
    return Measured(points, vector[None], places, places, places, np.zeros(1), [()])


def table(*products: Measured) -> Measured:
    """Return the products as one table, in this order."""
    return reduce(Measured.followed_by, products)


def alike(one: Measured, other: Measured) -> bool:
    return same_look(table(one, other), 0, 1)


def test_the_same_picture_is_a_copy_with_any_other_fields() -> None:
    one = product("1", picture="p", color="red")
    assert alike(one, product("2", picture="p", dhash=2**256 - 1, color="blue", vector=FAR))


def test_similar_outlines_are_copies_only_in_the_same_colours() -> None:
    one = product("1")
    ten, eleven = 0b11_1111_1111, 0b111_1111_1111
    assert alike(one, product("2", dhash=ten))
    assert not alike(one, product("2", dhash=eleven))
    assert not alike(one, product("2", dhash=ten, vector=FAR))  # a distance as between unrelated products
    assert not alike(product("1", color="Red"), product("2", color="blue"))
    assert alike(product("1", colour="Red"), product("2", colour=" red"))
    assert alike(product("1", color="Red"), product("2"))


def test_the_vectors_of_near_copies_may_be_half_a_unit_apart() -> None:
    def at(angle: float) -> np.ndarray:
        return np.asarray([np.cos(angle), np.sin(angle), 0], np.float32)

    limit = 2 * np.arcsin(0.25)  # a chord of 0.5
    for length in (1.0, 7.0):  # at any length of the vectors
        one = product("1", vector=length * at(0))
        assert alike(one, product("2", vector=length * at(limit - 0.001)))
        assert not alike(one, product("2", vector=length * at(limit + 0.001)))


def test_a_group_of_variants_appears_once_with_shown_products() -> None:
    far = [product(f"{n}", n, vector=FAR, dhash=2**n - 1, item_group_id=g) for n, g in ((0, "a"), (40, "b"))]
    more = [product("80", 80, FAR, dhash=2**80 - 1, item_group_id="a"), product("120", 120, dhash=2**120 - 1)]
    shown = product("x", item_group_id="b", dhash=2**200 - 1)
    products = table(*far, *more, shown)
    assert [products.ids[row] for row in distinct(products, range(4), 9)] == ["0", "40", "120"]
    assert [products.ids[row] for row in distinct(products, range(4), 9, shown=[4])] == ["0", "120"]
    assert [products.ids[row] for row in distinct(products, range(4), 1)] == ["0"]


def by_the_formula(pool: Measured, count: int, spread: float, norm: Norm) -> list[str]:
    """Return the ids that the formula chooses."""
    power = 2 if norm == "squared_l2" else 1
    places, vectors = pool.places.tolist(), pool.vectors.astype(float)
    left, chosen = list(range(len(pool))), []
    while left and len(chosen) < count:

        def value(row: int) -> float:
            if not chosen:
                return places[row]
            apart = min(np.linalg.norm(vectors[row] - vectors[other]) ** power for other in chosen)
            return (1 - spread) * places[row] - spread * apart

        best = min(left, key=value)
        chosen.append(best)
        left.remove(best)
    return [pool.ids[row] for row in chosen]


def spread(pool: Measured, count: int, spread: float, norm: Norm, **pins: Measured) -> list[str]:
    """Return the ids that `spread_out` chooses. `pins` are products by rank (`rank_1=...`)."""
    products = reduce(Measured.followed_by, pins.values(), pool)
    ranks = [int(name.removeprefix("rank_")) for name in pins]
    rows = range(len(pool))
    pinned = dict(zip(ranks, range(len(pool), len(products)), strict=True))
    return [products.ids[row] for row in spread_out(products, rows, count, spread, norm, pins=pinned)]


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.7, 1.0])
def test_a_spread_list_follows_the_formula(norm: Norm, share: float) -> None:
    random = np.random.default_rng(3)
    places, vectors = np.sort(random.random(30)), random.standard_normal((30, 4)).astype(np.float32)
    pool = table(*(product(f"{n}", float(places[n]), vectors[n]) for n in range(30)))
    for count in (1, 12, 40):
        found = spread(pool, count, share, norm)
        assert found == by_the_formula(pool, count, share, norm)
    if share == 0:
        assert found == pool.ids


def test_pins_keep_their_ranks_and_others_differ_from_them() -> None:
    pool = table(product("near", 0.1, NEAR), product("far", 0.2, FAR), product("last", 0.3, NEAR))
    pins = {"rank_1": product("pin", 9.0, NEAR), "rank_3": product("other", 8.0, FAR)}
    assert spread(pool, 4, 0.0, "l2", **pins) == ["pin", "near", "other", "far"]
    assert spread(pool, 4, 0.5, "l2", **pins) == ["pin", "far", "other", "near"]


def test_pins_come_last_if_there_are_too_few_products() -> None:
    pins = {"rank_5": product("five", 9.0), "rank_9": product("nine", 9.0)}
    pool = table(product("a", 0.1), product("b", 0.2))
    nothing = pool.take([])
    assert spread(pool, 8, 0.0, "l2", **pins) == ["a", "b", "five"]
    assert spread(nothing, 8, 0.5, "l2", **pins) == ["five"]
    assert spread(nothing, 8, 0.5, "l2") == []
