"""Looks whose slots exclude each other or hold several pieces, compared with all looks of a small shop."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.answers import Look
from perfectlook.catalogue import Catalogue
from perfectlook.errors import BudgetError, UsageError
from perfectlook.model.complements import Complements
from perfectlook.recommender import Recommender, SlotTable
from perfectlook.stores import Point
from priced import PricedSet
from toy_model import SHOES, ToyModel

CLOTHING = "Apparel & Accessories|Clothing"
DRESSES, TOPS, PANTS = f"{CLOTHING}|Dresses", f"{CLOTHING}|Shirts & Tops", f"{CLOTHING}|Pants"
SETS = ((DRESSES, SHOES), (TOPS, PANTS, SHOES))
TABLE = SlotTable.of(
    {
        "either": [{"groups": [[DRESSES], [TOPS, PANTS]]}],
        "quantity": [{"category": TOPS, "count": 3}, {"category": SHOES, "count": 2}],
    }
)
PIECES = {TOPS: 3, SHOES: 2}
MODEL = ToyModel("squared_l2", categories=(DRESSES, TOPS, PANTS, SHOES))
WEIGHT = 0.5

Chosen = dict[str, Point]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "set"
    categories = (DRESSES, TOPS, PANTS, SHOES)
    return drawn_set(folder, scenes=3, products_per_category=6, categories=categories, styles=6)


@pytest.fixture(scope="module")
def shop(source: Path) -> Recommender:
    catalogue = Catalogue(MemoryStore())
    catalogue.sync(PricedSet(source), MODEL)
    return Recommender.open(catalogue, MODEL)


@pytest.fixture(params=range(3))
def photo(request: pytest.FixtureRequest, source: Path) -> Path:
    return sorted((source / "scenes").iterdir())[request.param]


def price(chosen: Mapping[str, Point]) -> Decimal:
    prices = {name: str(point.payload["fields"]["price"]) for name, point in chosen.items()}  # type: ignore[index, call-overload]
    return sum((PIECES.get(name, 1) * Decimal(each.split()[0]) for name, each in prices.items()), Decimal(0))


def looks(shop: Recommender, photo: Path) -> list[tuple[float, Chosen]]:
    """Return every look without slots that exclude each other, best first: objective per slot, products."""
    points = [point for batch in shop.catalogue.store.scroll() for point in batch]
    shown = [each for each in points if each.payload["fields"]["availability"] == "in_stock"]  # type: ignore[index, call-overload]
    scene = shop.embed(photo).scene
    distance = {each.id: float(scene.distances(each.category, each.vector[None]).total[0]) for each in shown}
    found = []
    for names in SETS:
        for points in product(*([each for each in shown if each.category == name] for name in names)):
            apart = [np.linalg.norm(a.vector.astype(float) - b.vector) for a, b in combinations(points, 2)]
            objective = sum(distance[each.id] for each in points) + WEIGHT * float(np.mean(apart))
            found.append((objective / len(names), dict(zip(names, points, strict=True))))
    return sorted(found, key=lambda each: each[0])


def ids(look: Look | Chosen) -> dict[str, str]:
    if isinstance(look, Look):
        return {slot.category: slot.product.id for slot in look.slots}
    return {name: point.id for name, point in look.items()}


def test_the_better_of_two_groups_is_chosen(shop: Recommender, photo: Path) -> None:
    look = shop.look(photo, slots=TABLE)
    objective, best = looks(shop, photo)[0]
    assert ids(look) == ids(best)
    assert look.objective / len(best) == pytest.approx(objective, abs=1e-5)
    assert look.proven_exact
    assert sorted(look.excluded) == sorted({DRESSES, TOPS, PANTS} - set(best))
    assert look.price == f"{price(best)} EUR"
    assert {slot.category: slot.quantity for slot in look.slots} == {
        name: PIECES.get(name, 1) for name in best
    }
    assert "excluded" not in shop.look(photo, slots=SlotTable()).to_dict()["look"]


@pytest.mark.parametrize("share", [0.002, 0.05, 0.3])
def test_quantities_count_in_the_budget(shop: Recommender, photo: Path, share: float) -> None:
    every = looks(shop, photo)
    totals = sorted(price(chosen) for _, chosen in every)
    budget = totals[int(share * len(totals))]
    objective, best = next((value, chosen) for value, chosen in every if price(chosen) <= budget)
    look = shop.look(photo, slots=TABLE, budget=f"{budget} EUR", alternatives=9)
    assert look.objective / len(look.slots) == pytest.approx(objective, abs=1e-5)
    assert (ids(look), look.price) == (ids(best), f"{price(best)} EUR")
    assert look.proven_exact
    points = {each.id: each for _, chosen in every for each in chosen.values()}
    for slot in look.slots:
        within = {
            id_
            for id_, point in points.items()
            if point.category == slot.category and price({**best, slot.category: point}) <= budget
        }
        assert {each.id for each in slot.alternatives} <= within - {slot.product.id}


@pytest.mark.parametrize("budget", [None, 250])
@pytest.mark.parametrize("locks", [0, 1])
def test_other_looks_differ_in_half_of_their_slots(
    shop: Recommender, photo: Path, budget: int | None, locks: int
) -> None:
    every = looks(shop, photo)
    locked = {SHOES: every[-1][1][SHOES].id} if locks else {}
    left = [
        (objective, chosen)
        for objective, chosen in every
        if (budget is None or price(chosen) <= budget) and ids(chosen).items() >= locked.items()
    ]
    found = shop.look(photo, slots=TABLE, budget=budget, locked=locked, other_looks=3)
    expected: list[Chosen] = []
    for look in (found, *found.alternatives):
        objective, best = left[0]
        assert look.objective / len(look.slots) == pytest.approx(objective, abs=1e-5)
        assert ids(look) == ids(best)
        assert look.price == f"{price(best)} EUR"
        expected.append(best)
        left = [
            (value, chosen)
            for value, chosen in left
            if 2 * len(set(ids(chosen).values()) & set(ids(best).values())) <= min(len(chosen), len(best))
        ]
    assert len(expected) == 4 or not left


def test_fewer_looks_are_shown_if_there_are_no_more(shop: Recommender, photo: Path) -> None:
    look = shop.look(photo, [SHOES], other_looks=5)
    assert 1 <= len(look.alternatives) <= 4  # of five pairs of shoes in stock
    assert look.alternatives == sorted(look.alternatives, key=lambda each: each.objective)
    shoes = [each.slots[0].product.id for each in (look, *look.alternatives)]
    assert len(set(shoes)) == len(shoes)
    locked = shop.look(photo, [SHOES], locked={SHOES: shoes[0]}, other_looks=2)
    assert (locked.alternatives, "alternatives" in locked.to_dict()["look"]) == ([], False)
    with pytest.raises(UsageError, match=r"other looks 6: must be from 0 to 5\."):
        shop.look(photo, other_looks=6)


def test_a_lock_decides_the_group(shop: Recommender, photo: Path) -> None:
    every = looks(shop, photo)
    for names in SETS:
        worst = next(chosen for _, chosen in reversed(every) if set(chosen) == set(names))
        locked = {names[0]: worst[names[0]].id}
        look = shop.look(photo, slots=TABLE, locked=locked)
        best = next(chosen for _, chosen in every if ids(chosen).items() >= locked.items())
        assert ids(look) == ids(best)
        assert sorted(look.excluded) == sorted({DRESSES, TOPS, PANTS} - set(names))
    named = shop.look(photo, [TOPS, SHOES], slots=TABLE, locked={DRESSES: every_id(every, DRESSES)})
    assert sorted(slot.category for slot in named.slots) == [DRESSES, SHOES]
    assert named.excluded == [TOPS]


def every_id(every: list[tuple[float, Chosen]], category: str) -> str:
    return next(chosen[category].id for _, chosen in every if category in chosen)


def test_two_locks_that_exclude_each_other_are_rejected(shop: Recommender, photo: Path) -> None:
    every = looks(shop, photo)
    locked = {DRESSES: every_id(every, DRESSES), TOPS: every_id(every, TOPS)}
    expected = (
        f"locked product '{locked[DRESSES]}' (Dresses) and locked product '{locked[TOPS]}' (Shirts & Tops): "
        "exclude each other in a look. Unlock one of them."
    )
    with pytest.raises(UsageError) as error:
        shop.look(photo, locked=locked)
    assert str(error.value) == expected
    assert len(shop.look(photo, locked=locked, slots=SlotTable()).slots) == 4


def test_a_look_for_a_dress_has_no_top(shop: Recommender, photo: Path, monkeypatch) -> None:
    every = looks(shop, photo)
    linear = np.eye(MODEL.dimension, dtype=np.float32)
    monkeypatch.setattr(MODEL, "complements", Complements(linear, np.zeros(MODEL.dimension, np.float32), 0.5))
    look = shop.look(product=every_id(every, DRESSES))
    assert [slot.category for slot in look.slots] == [SHOES]
    assert sorted(look.excluded) == [PANTS, TOPS]
    assert {slot.category for slot in shop.look(product=every_id(every, TOPS)).slots} == {PANTS, SHOES}
    with pytest.raises(UsageError, match=r"\(Shirts & Tops\) and product '.*' \(Dresses\): exclude each"):
        shop.look(product=every_id(every, DRESSES), locked={TOPS: every_id(every, TOPS)})


def test_a_category_without_products_excludes_nothing(shop: Recommender, photo: Path) -> None:
    look = shop.look(photo, slots=TABLE, where=f'category under "{TOPS}" or category under "{SHOES}"')
    assert {slot.category for slot in look.slots} == {TOPS, SHOES}
    assert (sorted(look.missing), look.excluded) == ([DRESSES, PANTS], [])


def test_the_default_categories_fill_five_slots(tmp_path: Path) -> None:
    names = [DRESSES, TOPS, PANTS, SHOES, *(f"Apparel & Accessories|Jewelry|{name}" for name in "ABC")]
    model = ToyModel("squared_l2", categories=names)
    catalogue = Catalogue(MemoryStore())
    source = drawn_set(tmp_path / "set", scenes=1, products_per_category=2, categories=tuple(names))
    catalogue.sync(PricedSet(source), model)
    shop = Recommender.open(catalogue, model)
    photo = next((source / "scenes").iterdir())
    order = [section.category for section in shop.complete(photo)]
    look = shop.look(photo)
    within = {slot.category for slot in look.slots} | set(look.excluded)
    assert within == set(order[: len(within)])
    largest = max(SlotTable.given(None).sets(order[: len(within)]), key=len)
    assert len(largest) == 5
    assert all(not SlotTable.given(None).exclude(*pair) for pair in combinations(ids(look), 2))


def test_a_category_with_products_of_its_own_is_one_slot(tmp_path: Path) -> None:
    below = [f"{CLOTHING}|Kind {number}" for number in range(13)]
    model = ToyModel("squared_l2", categories=[CLOTHING, *below, SHOES])
    catalogue = Catalogue(MemoryStore())
    source = drawn_set(
        tmp_path / "set", scenes=1, products_per_category=1, categories=(CLOTHING, *below, SHOES)
    )
    catalogue.sync(PricedSet(source), model)
    shop = Recommender.open(catalogue, model)
    photo = next((source / "scenes").iterdir())
    assert set(ids(shop.look(photo, [CLOTHING, "Shoes"]))) == {CLOTHING, SHOES}
    with pytest.raises(UsageError, match=r"look of 14 categories: must be at most"):
        shop.look(photo, ["Clothing"])  # a level, not a whole path


def cheapest(shop: Recommender, photo: Path) -> tuple[Decimal, Chosen]:
    return min(((price(chosen), chosen) for _, chosen in looks(shop, photo)), key=lambda each: each[0])


def test_an_error_names_the_cheapest_look_and_its_dearest_slot(shop: Recommender, photo: Path) -> None:
    total, _ = cheapest(shop, photo)  # a dress for 10.90 EUR and two pairs of shoes
    assert total == Decimal("32.70")
    with pytest.raises(BudgetError) as error:
        shop.look(photo, slots=TABLE, budget="12 EUR")
    assert str(error.value) == (
        "budget 12 EUR: the cheapest look of these categories costs 32.70 EUR (Dresses 10.90 EUR; 2 x Shoes "
        "21.80 EUR). Drop Shoes or raise the budget to 32.70 EUR."
    )
    details = error.value.details
    slots = details["cheapest"]["slots"]
    assert [(each["category"], each["quantity"], each["price"], each["locked"]) for each in slots] == [
        (DRESSES, 1, "10.90 EUR", False),
        (SHOES, 2, "21.80 EUR", False),
    ]
    points = shop.catalogue.get([each["id"] for each in slots], MODEL)
    assert [points[each["id"]].category for each in slots] == [DRESSES, SHOES]
    assert (details["problem"], details["budget"], details["dearest"]) == ("over_budget", "12 EUR", SHOES)
    assert (details["cheapest"]["price"], details["drop_suffices"]) == ("32.70 EUR", True)
    assert shop.look(photo, slots=TABLE, budget=details["cheapest"]["price"]).price == "32.70 EUR"  # it helps
    assert shop.look(photo, [DRESSES], slots=TABLE, budget="12 EUR").price == "10.90 EUR"
    with pytest.raises(BudgetError, match=r"Shoes cost most\. Raise the budget to 32\.70 EUR, or ask for fe"):
        shop.look(photo, slots=TABLE, budget="10 EUR")
    with pytest.raises(BudgetError, match=r"\(2 x Shoes 21\.80 EUR\)\. Raise the budget to 21\.80 EUR\.$"):
        shop.look(photo, [SHOES], slots=TABLE, budget="10 EUR")


def test_other_looks_can_be_drawn(shop: Recommender, photo: Path, tmp_path: Path) -> None:
    look = shop.look(photo, slots=TABLE, other_looks=1)
    look.alternatives[0].save(tmp_path / "other.png")
    assert (tmp_path / "other.png").stat().st_size > 10_000


def test_an_answer_can_be_read_from_its_json(shop: Recommender, photo: Path) -> None:
    look = shop.look(photo, slots=TABLE, other_looks=1)
    document = look.to_dict(None)
    (other,) = document["look"]["alternatives"]
    assert other.keys() == document["look"].keys() - {"alternatives"} | ({"excluded"} & other.keys())
    read = Look.model_validate(document)
    assert read.to_dict(None) == document
    assert [each.proof for each in read.alternatives] == ["the best look that differs"]
