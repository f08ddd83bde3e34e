"""The usual distances of a category, and how much nearer a product is."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from PIL import Image

from perfectlook.answers import Why
from perfectlook.colours import Swatch
from perfectlook.recommender import Recommender
from perfectlook.recommender.explain import FRESH_SECONDS, Explainer, UsualDistances, why
from perfectlook.recommender.reasons import Reasons
from serving import small_store


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        store = small_store(folder)
    with Recommender.open(store.catalogue, store.model) as opened:
        yield opened


def usual_of(recommender: Recommender, **more: Any) -> UsualDistances:
    return UsualDistances(recommender.catalogue, recommender.model, **more)


def test_the_usual_distance_is_the_mean_over_products_of_the_category(recommender: Recommender):
    photo = Image.new("RGB", (64, 64), "teal")
    answer = recommender.complete(photo, k=100)
    categories = [each.category for each in answer.categories]
    parts = usual_of(recommender).parts(recommender.embed(photo).scene, categories)
    assert parts.keys() == set(categories)
    for section in answer.categories:
        for usual, found in zip(
            parts[section.category],
            (
                [each.distance_global for each in section.products],
                [each.distance_local for each in section.products],
            ),
            strict=True,
        ):
            assert min(found) <= usual <= max(found)


def test_a_sample_is_drawn_once_for_all_threads(recommender: Recommender, monkeypatch: pytest.MonkeyPatch):
    search, drawn = recommender.catalogue.search, []

    def counted(queries: Sequence[Any], *others: Any) -> Any:
        drawn.extend(category for query in queries for category in query.categories)
        return search(queries, *others)

    monkeypatch.setattr(recommender.catalogue, "search", counted)
    scene = recommender.embed(Image.new("RGB", (64, 64), "teal")).scene
    categories = recommender.model.categories
    now = [0.0]
    usual, start = usual_of(recommender, clock=lambda: now[0]), Barrier(4)

    def ask(number: int) -> dict[str, tuple[float, float]]:
        start.wait()
        return usual.parts(scene, categories[number % 2 :])

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(ask, range(4))
    assert all(answer[name] == first[name] for answer in others for name in answer)
    assert {drawn.count(category) for category in categories} == {4}  # one query for each direction

    usual.forget()
    assert usual.parts(scene, categories) == first
    assert {drawn.count(category) for category in categories} == {8}

    now[0] = FRESH_SECONDS + 1  # another process may have changed the products
    assert usual.parts(scene, categories) == first
    assert {drawn.count(category) for category in categories} == {12}


def test_a_category_without_products_has_no_usual_distance(recommender: Recommender):
    assert usual_of(recommender).parts(recommender.embed(Image.new("RGB", (64, 64))).scene, ["Nothing"]) == {}


@pytest.mark.parametrize(
    ("whole", "regions", "expected"),
    [
        (0.2, 0.4, {"whole": 0.75, "regions": 0.25}),  # 0.3 and 0.1 nearer than usual
        (0.4, 0.9, {"whole": 1.0, "regions": 0.0}),  # the regions are farther than usual
        (0.6, 0.6, {"whole": 0.0, "regions": 0.0}),
    ],
)
def test_the_shares_count_only_parts_that_are_nearer_than_usual(
    whole: float, regions: float, expected: dict[str, float]
):
    assert why((0.5, 0.5), whole, regions).to_dict() == pytest.approx(expected)
    assert why(None, whole, regions).to_dict() == {"whole": 0.0, "regions": 0.0}


def test_a_product_is_explained_by_its_category_and_its_record(recommender: Recommender):
    scene = recommender.embed(Image.new("RGB", (64, 64), "teal")).scene
    usual = usual_of(recommender)
    category = recommender.model.categories[0]
    whole, regions = usual.parts(scene, [category])[category]
    sand = {"colours": "0.90:80,4,16", "title": "", "fields": {}}
    explainer = Explainer(Reasons([Swatch(0.5, (80, 4, 16))]), usual, scene)
    found = explainer.of(category, sand, whole - 3.0, regions - 1.0)
    assert found["why"] == Why(whole=0.75, regions=0.25)
    assert found["distance_global"] == whole - 3.0
    assert found["reason"].colours == [Swatch(0.5, (80, 4, 16)).name]
    nothing_shared = {"colours": "", "title": "", "fields": {}}
    assert "reason" not in explainer.of(category, nothing_shared, whole, regions)
    assert Explainer(Reasons(), usual).of(category, sand, whole, regions) == {}  # similar products
