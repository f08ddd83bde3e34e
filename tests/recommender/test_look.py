"""A look is the best of all looks of a generated shop, within budgets, filters and locks."""

import json
from decimal import Decimal
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue
from perfectlook.errors import UsageError
from perfectlook.recommender import Recommender, Rules
from perfectlook.stores import Point
from priced import PricedSet
from toy_model import BAGS, SHOES, ToyModel

HATS = "Apparel & Accessories|Hats"
MODELS = {
    norm: ToyModel(norm, categories=(SHOES, BAGS, HATS))  # type: ignore[arg-type]
    for norm in ("l2", "squared_l2")
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "set"
    return drawn_set(folder, scenes=3, products_per_category=11, categories=(SHOES, BAGS, HATS))


@pytest.fixture(scope="module", params=MODELS)
def recommender(request: pytest.FixtureRequest, source: Path) -> Recommender:
    catalogue = Catalogue(MemoryStore())
    catalogue.sync(PricedSet(source), MODELS[request.param])
    return Recommender.open(catalogue, MODELS[request.param])


@pytest.fixture
def photo(source: Path) -> Path:
    return sorted((source / "scenes").iterdir())[0]


def field(point: Point, name: str) -> str:
    return point.payload["fields"][name]  # type: ignore[index, no-any-return]


def price(point: Point) -> Decimal:
    return Decimal(field(point, "price").split()[0])


def looks(
    recommender: Recommender, photo: Path, weight: float, *, sold_out: bool = False
) -> list[tuple[float, Decimal, tuple[str, ...]]]:
    """Return every look of the shop, best first: objective, price, and products by category name."""
    points = [point for batch in recommender.catalogue.store.scroll() for point in batch]
    shown = [each for each in points if sold_out or field(each, "availability") != "out_of_stock"]
    scene = recommender.embed(photo).scene
    slots = []
    for category in sorted({point.category for point in shown}):
        members = [point for point in shown if point.category == category]
        totals = scene.distances(category, np.stack([point.vector for point in members])).total
        slots.append(list(zip(members, totals.tolist(), strict=True)))
    found = []
    for chosen in product(*slots):
        vectors = [point.vector.astype(float) for point, _ in chosen]
        apart = np.mean([np.linalg.norm(a - b) for a, b in combinations(vectors, 2)])
        objective = sum(distance for _, distance in chosen) + weight * float(apart)
        found.append((objective, sum(price(p) for p, _ in chosen), tuple(p.id for p, _ in chosen)))
    return sorted(found)  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
def test_the_look_is_the_best_of_all(recommender: Recommender, photo: Path, weight: float) -> None:
    look = recommender.look(photo, weight=weight)
    objective, total, ids = looks(recommender, photo, weight)[0]
    assert {slot.category: slot.product.id for slot in look.slots} == dict(
        zip([BAGS, HATS, SHOES], ids, strict=True)
    )
    assert look.objective == pytest.approx(objective, abs=1e-5)
    assert look.objective == pytest.approx(look.distance + weight * look.apart)
    assert look.proven_exact
    assert look.lower_bound == pytest.approx(look.objective)
    assert (look.price, look.budget, look.missing) == (f"{total} EUR", None, [])


@pytest.mark.parametrize("share", [0.01, 0.1, 0.4])
@pytest.mark.parametrize("currency", ["", " EUR"])
def test_the_look_is_the_best_within_a_budget(
    recommender: Recommender, photo: Path, share: float, currency: str
) -> None:
    every = looks(recommender, photo, 0.5)
    totals = sorted(total for _, total, _ in every)
    budget = totals[int(share * len(totals))]
    objective, total, ids = next(each for each in every if each[1] <= budget)
    look = recommender.look(photo, budget=f"{budget}{currency}")
    assert sorted(slot.product.id for slot in look.slots) == sorted(ids)
    assert look.objective == pytest.approx(objective, abs=1e-5)
    assert (look.price, look.budget) == (f"{total} EUR", f"{budget} EUR")
    assert look.proven_exact


def test_alternatives_are_the_best_looks_with_one_product_exchanged(
    recommender: Recommender, photo: Path
) -> None:
    look = recommender.look(photo, alternatives=4)
    every = looks(recommender, photo, 0.5)
    chosen = {slot.category: slot.product.id for slot in look.slots}
    for place, category in enumerate([BAGS, HATS, SHOES]):
        kept = {id_ for name, id_ in chosen.items() if name != category}
        expected = [each for each in every if kept <= set(each[2]) and each[2][place] != chosen[category]][:4]
        (slot,) = (slot for slot in look.slots if slot.category == category)
        assert [each.id for each in slot.alternatives] == [ids[place] for _, _, ids in expected]
        assert [each.objective for each in slot.alternatives] == pytest.approx(
            [objective for objective, _, _ in expected], abs=1e-5
        )


def test_a_locked_product_stays_and_the_others_fit_it(recommender: Recommender, photo: Path) -> None:
    every = looks(recommender, photo, 0.5, sold_out=True)
    points = {point.id: point for batch in recommender.catalogue.store.scroll() for point in batch}
    hat = next(ids[1] for _, _, ids in every if field(points[ids[1]], "availability") == "out_of_stock")
    look = recommender.look(photo, locked={HATS: hat})
    expected = next(
        ids
        for _, _, ids in every
        if ids[1] == hat and all(field(points[id_], "availability") == "in_stock" for id_ in (ids[0], ids[2]))
    )
    assert {slot.category: slot.product.id for slot in look.slots} == dict(
        zip([BAGS, HATS, SHOES], expected, strict=True)
    )
    assert {slot.category: slot.locked for slot in look.slots} == {BAGS: False, HATS: True, SHOES: False}
    assert [len(slot.alternatives) for slot in look.slots if slot.locked] == [0]
    two = recommender.look(photo, ["Shoes"], locked={HATS: hat})
    assert [slot.category for slot in two.slots] == [SHOES, HATS]
    assert recommender.look(photo, locked={"hats": hat}).to_dict() == look.to_dict()


def test_filters_rules_and_availability_limit_the_products(recommender: Recommender, photo: Path) -> None:
    look = recommender.look(photo, where="brand = Acme", alternatives=20)
    shown = [each for slot in look.slots for each in slot.alternatives]
    shown += [slot.product for slot in look.slots]
    assert {each.brand for each in shown} == {"Acme"}
    assert {each.availability for each in shown} == {"in_stock"}
    rules = Rules.of(
        {
            "rule": [
                {"action": "exclude", "where": "brand = Acme"},
                {"action": "boost", "where": "brand = Muji", "offset": 50},
            ]
        }
    )
    look = recommender.look(photo, rules=rules)
    assert {slot.product.brand for slot in look.slots} == {"Muji"}
    for slot in look.slots:
        assert [(rule.rule, rule.action) for rule in slot.product.rules] == [(2, "boost")]
        assert slot.to_dict()["product"]["rules"][0]["from_rank"] >= 1


def test_a_category_without_products_is_missing(recommender: Recommender, photo: Path) -> None:
    look = recommender.look(photo, where='category under "Hats"')
    assert ([slot.category for slot in look.slots], sorted(look.missing)) == ([HATS], [BAGS, SHOES])
    assert look.apart == 0
    nothing = recommender.look(photo, where="brand = Absent")
    assert (nothing.slots, nothing.price, nothing.objective) == ([], None, 0)
    assert look.proof == "the best look of the categories with products"
    assert nothing.proof == "no product is left for any category"
    assert recommender.look(photo).proof == "the best look there is"


def test_the_json_has_the_documented_shape(recommender: Recommender, photo: Path) -> None:
    found = json.loads(json.dumps(recommender.look(photo, alternatives=1, budget=100).to_dict()))
    assert found.keys() == {"photo", "model", "look"}
    look = found["look"]
    assert look.keys() == {
        *("objective", "distance", "apart", "weight", "proven_exact", "lower_bound", "price", "budget"),
        *("slots", "missing"),
    }
    assert (look["weight"], look["budget"]) == (0.5, "100 EUR")
    for slot in look["slots"]:
        assert slot.keys() == {"category", "resolved", "locked", "quantity", "product", "alternatives"}
        assert slot["product"].keys() >= {"id", "distance", "price", "title", "picture"}
        assert all(each["objective"] >= look["objective"] for each in slot["alternatives"])


def test_invalid_requests_are_rejected(recommender: Recommender, photo: Path) -> None:
    bag = recommender.complete(photo, [BAGS], k=1).categories[0].products[0].id
    with pytest.raises(
        UsageError, match=r"budget 20 EUR: the cheapest look .* costs 32\.70 EUR \(.*10\.90 EUR; .*"
    ):
        recommender.look(photo, budget=20)
    with pytest.raises(UsageError, match=r"budget 5 EUR: the cheapest look .* costs 32\.70 EUR"):
        recommender.look(photo, budget="5")
    with pytest.raises(UsageError, match=r"budget 1 CHF: .* has no price"):
        recommender.look(photo, budget="1 CHF", locked={BAGS: bag})
    assert sorted(recommender.look(photo, budget="900 CHF").missing) == sorted([BAGS, HATS, SHOES])
    for budget in ("much", "-5", "0", "5 EURO", "1e400"):
        with pytest.raises(UsageError, match="expected an amount above 0"):
            recommender.look(photo, budget=budget)
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"weight .*: must be 0 or more"):
            recommender.look(photo, weight=weight)
    with pytest.raises(UsageError, match=r"locked product '.*': not in memory://\. Check the id"):
        recommender.look(photo, locked={SHOES: "absent"})
    with pytest.raises(UsageError, match=r"in the category '.*Handbags', not in 'Apparel.*Shoes'"):
        recommender.look(photo, locked={SHOES: bag})
    with pytest.raises(UsageError, match="matches 3 categories of the catalogue"):
        recommender.look(photo, locked={"Apparel & Accessories": bag})
    with pytest.raises(UsageError, match=r"both in the category '.*Handbags'\. Lock one of them"):
        recommender.look(photo, locked={BAGS: bag, "Handbags": bag})
    for request in ({"categories": ["Shows"]}, {"locked": {"Shows": bag}}):
        with pytest.raises(UsageError, match="Did you mean"):
            recommender.look(photo, **request)
