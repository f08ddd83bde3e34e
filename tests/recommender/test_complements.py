"""Products that go with a product of the catalogue, without a photo."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue
from perfectlook.errors import ModelError, UsageError
from perfectlook.model.complements import Complements
from perfectlook.recommender import Recommender, Rules
from perfectlook.recommender.rules import Rule
from perfectlook.stores import Point
from perfectlook.types import Product
from priced import PricedSet
from toy_model import BAGS, SHOES, ToyModel

HATS = "Apparel & Accessories|Hats"


def random_map(dimension: int = 12) -> Complements:
    random = np.random.default_rng(5)
    matrix = random.normal(size=(dimension, dimension)).astype(np.float32)
    return Complements(matrix + matrix.T, random.normal(size=dimension).astype(np.float32), 0.5)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "set"
    return drawn_set(folder, scenes=3, products_per_category=9, categories=(SHOES, BAGS, HATS))


@pytest.fixture(scope="module", params=["l2", "squared_l2"])
def recommender(request: pytest.FixtureRequest, source: Path) -> Recommender:
    model, catalogue = ToyModel(request.param, categories=(SHOES, BAGS, HATS)), Catalogue(MemoryStore())
    model.complements = random_map()
    catalogue.sync(PricedSet(source), model)
    return Recommender.open(catalogue, model)


def members(recommender: Recommender, category: str) -> list[Point]:
    points = [point for batch in recommender.catalogue.store.scroll() for point in batch]
    return sorted((point for point in points if point.category == category), key=lambda point: point.id)


def by_distance(asked: Point, points: list[Point]) -> list[tuple[float, str]]:
    complements = random_map()
    query = complements.matrix.astype(float) @ (asked.vector - complements.mean)
    return sorted((float(((query - point.vector) ** 2).sum()), point.id) for point in points)


def test_the_nearest_products_to_the_query_point_of_a_product_come_first(recommender: Recommender) -> None:
    shoe = members(recommender, SHOES)[2]
    found = recommender.complete(product=shoe.id, k=99, variety=False, include_unavailable=True)
    assert {section.category for section in found} == {BAGS, HATS}
    for section in found:
        expected = by_distance(shoe, members(recommender, section.category))
        assert [product.id for product in section.products] == [id_ for _, id_ in expected]
        assert [product.distance for product in section.products] == pytest.approx(
            [distance for distance, _ in expected], abs=1e-4
        )
        assert (section.suggested, section.attention, section.proven_exact) == (None, None, True)
        assert section.products[0].distance_global is None
    assert found.product is not None
    assert (found.product.id, found.asked) == (shoe.id, shoe.id)
    assert "photo" not in found.to_dict()
    assert found.to_dict()["product"]["id"] == shoe.id


class WithSets(PricedSet):
    """The first product of each category belongs to one group, as a set of a shop does."""

    def products(self) -> Iterator[Product]:
        seen: set[str] = set()
        for each in super().products():
            first = each.category not in seen
            seen.add(each.category)
            group = {"item_group_id": "set-1"} if first else {}
            yield replace(each, fields={**each.fields, **group})


def test_variants_of_the_product_are_left_out(source: Path) -> None:
    model, catalogue = ToyModel(categories=(SHOES, BAGS, HATS)), Catalogue(MemoryStore())
    model.complements = random_map()
    catalogue.sync(WithSets(source), model)
    recommender = Recommender.open(catalogue, model)
    (shoe, *_), (bag, *bags) = members(recommender, SHOES), members(recommender, BAGS)
    found = recommender.complete(None, ["Handbags"], 99, product=shoe.id, include_unavailable=True)
    assert sorted(each.id for each in found.categories[0].products) == [point.id for point in bags]
    assert bag.id not in [each.id for each in found.categories[0].products]


def test_filters_and_rules_apply(recommender: Recommender) -> None:
    shoe, hats = members(recommender, SHOES)[1], members(recommender, HATS)
    order = [id_ for _, id_ in by_distance(shoe, hats)]
    rules = Rules("rules.toml", (Rule(number=1, action="pin", id=order[-1], rank=1),))
    found = recommender.complete(
        None,
        ["Hats"],
        3,
        f"id != {order[0]}",
        product=shoe.id,
        variety=False,
        rules=rules,
        include_unavailable=True,
    )
    assert [each.id for each in found.categories[0].products] == [order[-1], *order[1:3]]


def test_the_own_category_is_never_in_the_answer(recommender: Recommender) -> None:
    shoe = members(recommender, SHOES)[0]
    found = recommender.complete(None, ["Shoes", "Hats"], product=shoe.id)
    assert [section.category for section in found] == [HATS]
    with pytest.raises(UsageError, match="is in the category"):
        recommender.complete(None, ["Shoes"], product=shoe.id)


def test_a_look_goes_with_a_product(recommender: Recommender) -> None:
    shoe = members(recommender, SHOES)[3]
    look = recommender.look(product=shoe.id, weight=0, include_unavailable=True)
    assert {slot.category: slot.product.id for slot in look} == {
        category: by_distance(shoe, members(recommender, category))[0][1] for category in (BAGS, HATS)
    }
    assert look.to_dict()["product"]["id"] == shoe.id
    assert "photo" not in look.to_dict()


def test_an_unknown_product_is_named(recommender: Recommender) -> None:
    with pytest.raises(UsageError, match="product 'nothing': not in"):
        recommender.complete(product="nothing")


def test_a_photo_and_a_product_exclude_each_other(recommender: Recommender, source: Path) -> None:
    photo = sorted((source / "scenes").iterdir())[0]
    shoe = members(recommender, SHOES)[0]
    for given in ({"photo": photo, "product": shoe.id}, {}):
        with pytest.raises(UsageError, match="Give a photo or the id of a product"):
            recommender.complete(**given)  # type: ignore[arg-type]


def test_a_model_without_complements_says_so(source: Path) -> None:
    model, catalogue = ToyModel(categories=(SHOES, BAGS, HATS)), Catalogue(MemoryStore())
    catalogue.sync(PricedSet(source), model)
    with pytest.raises(ModelError, match="no complements"):
        Recommender.open(catalogue, model).complete(product="shoe-0")


def test_the_look_of_a_photo_is_the_best_of_all_looks(recommender: Recommender, source: Path) -> None:
    photo = sorted((source / "scenes").iterdir())[1]
    complements, scene = random_map(), recommender.embed(photo).scene
    slots = {name: members(recommender, name) for name in (SHOES, BAGS, HATS)}
    near = {
        name: dict(
            zip(
                [point.id for point in points],
                scene.distances(name, np.stack([point.vector for point in points])).total.tolist(),
                strict=True,
            )
        )
        for name, points in slots.items()
    }
    looks = {}
    for chosen in product(*slots.values()):
        apart = np.mean(
            [
                -2 * (a.vector - complements.mean) @ complements.matrix @ (b.vector - complements.mean)
                for a, b in combinations(chosen, 2)
            ]
        )
        distance = sum(near[point.category][point.id] for point in chosen)
        looks[tuple(point.id for point in chosen)] = distance + 0.5 * 3 * apart
    look = recommender.look(photo, include_unavailable=True)
    best = min(looks, key=lambda ids: looks[ids])
    assert {slot.product.id for slot in look} == set(best)
    assert look.weight == 1.5
    assert look.objective == pytest.approx(looks[best], abs=1e-3)
    assert look.objective == pytest.approx(look.distance + look.weight * look.apart)
    assert look.proven_exact
