"""What a photo already shows: its order of categories, its products, and photos unlike known scenes."""

from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue
from perfectlook.model.categories import CategorySuggester
from perfectlook.model.presence import Presence, Sight, all_windows
from perfectlook.recommender import Recommender
from perfectlook.recommender.rules import Rules
from perfectlook.stores import Query
from perfectlook.types import REGIONS, Float32Array
from toy_model import BAGS, SHOES, ToyModel


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_set(tmp_path_factory.mktemp("drawn") / "set", scenes=6, products_per_category=15)


@pytest.fixture
def photo(source: Path) -> Path:
    return sorted((source / "scenes").iterdir())[0]


@pytest.fixture
def shop(source: Path) -> Recommender:
    catalogue = Catalogue(MemoryStore())
    model = ToyModel("squared_l2")
    catalogue.sync(source, model)
    return Recommender(catalogue, model)


def showing(vector: Float32Array) -> tuple[Presence, Sight]:
    """A presence that sees shoes in the first region of every photo, with this product vector."""
    dimension, windows = len(vector), len(all_windows().shares)
    zeros = {"mean": [0.0], "scale": [1.0], "weights": np.zeros((2, 1)), "bias": np.zeros(2)}
    zeros |= {"cell_mean": np.zeros(dimension), "cell_scale": np.ones(dimension)}
    zeros |= {"looks": np.zeros((2, dimension)), "places": np.zeros((2, windows)), "level": np.zeros(2)}
    zeros |= {"calibration": np.zeros(3), "belonging": np.zeros((2, 2)), "belonging_bias": np.zeros(2)}
    zeros |= {"repeats": np.zeros(2), "centres": np.zeros((2, dimension)), "projection": np.eye(dimension)}
    zeros |= {"middles": np.zeros((2, dimension)), "limit": 2.0}
    presence = Presence(
        (SHOES, BAGS),
        **{name: np.asarray(value, np.float32) for name, value in zeros.items()},  # type: ignore[arg-type]
    )
    cells = np.zeros((REGIONS, dimension), np.float32)
    cells[0] = vector
    seen = np.full((windows, 2), -5.0)
    seen[all_windows().shares[:, 0] == 1, 0] = 10.0
    sight = Sight({SHOES: 0.9, BAGS: 0.1}, {SHOES: 0.05, BAGS: 0.6}, np.array([3.0, -3.0]), seen, cells)
    return presence, sight


def show_best(shop: Recommender, photo: Path) -> str:
    """Make the nearest shoe of a photo one that the photo shows; return its id."""
    model = shop.model
    scene = model.embed_scene(shop.embed(photo).features)
    query = Query(scene.query_point(SHOES), 1, frozenset({SHOES}))
    (hits,) = shop.catalogue.search([query], model)
    model.presence, model.sight = showing(hits.vectors[0])  # type: ignore[misc, attr-defined]
    return hits.products[0].id


def shoes(shop: Recommender, photo: Path, **options: object) -> list[str]:
    answer = shop.complete(photo, [SHOES], 3, **options)  # type: ignore[arg-type]
    return [each.id for each in answer.categories[0].products]


def test_a_product_that_the_photo_shows_is_listed_and_not_recommended(shop: Recommender, photo: Path):
    before = shoes(shop, photo)
    shown = show_best(shop, photo)
    assert shown == before[0]
    answer = shop.complete(photo, k=3)
    assert [each.id for each in answer.in_scene] == [shown]
    assert answer.in_scene[0].category == SHOES
    assert answer.in_scene[0].region == pytest.approx([0, 0, 1 / 7, 1 / 7])
    assert shown not in shoes(shop, photo)
    assert shoes(shop, photo)[:2] == before[1:]


def test_it_is_recommended_if_the_request_keeps_it(shop: Recommender, photo: Path):
    before = shoes(shop, photo)
    shown = show_best(shop, photo)
    assert shoes(shop, photo, keep_in_scene=True) == before
    answer = shop.complete(photo, keep_in_scene=True)
    assert [each.id for each in answer.in_scene] == [shown]


def test_a_pinned_product_stays(shop: Recommender, photo: Path):
    shown = show_best(shop, photo)
    rules = Rules.of({"rule": [{"action": "pin", "id": shown}]})
    assert shoes(shop, photo, rules=rules)[0] == shown


def test_a_look_leaves_it_out_too(shop: Recommender, photo: Path):
    shown = show_best(shop, photo)
    look = shop.look(photo, [SHOES, BAGS], weight=0)
    assert shown not in {each.product.id for each in look}
    assert [each.id for each in look.in_scene] == [shown]
    assert look.to_dict()["look"]["in_scene"][0]["id"] == shown
    assert shown in {
        each.product.id for each in shop.look(photo, [SHOES, BAGS], weight=0, keep_in_scene=True)
    }
    assert shown in {each.product.id for each in shop.look(photo, locked={SHOES: shown})}


def test_categories_that_are_there_come_later_and_say_so(shop: Recommender, photo: Path):
    show_best(shop, photo)
    answer = shop.complete(photo)
    assert [(each.category, each.suggested, each.present) for each in answer] == [
        (BAGS, 0.6, False),
        (SHOES, 0.05, True),
    ]
    assert [each["present"] for each in answer.to_dict()["categories"]] == [False, True]


def test_a_photo_far_from_known_scenes_has_no_probabilities(shop: Recommender, photo: Path):
    show_best(shop, photo)
    model = shop.model
    blank = np.zeros(len(model.overall_centre), np.float32)
    odds = np.array([-1.0, 2.0], np.float32)
    weights = np.zeros((2, len(blank)), np.float32)
    model.suggester = CategorySuggester((SHOES, BAGS), "both", blank, blank, weights, odds, odds)  # type: ignore[misc]
    assert not shop.complete(photo).far_from_known
    model.far = True  # type: ignore[attr-defined]
    answer = shop.complete(photo)
    assert answer.far_from_known
    assert answer.in_scene == []
    assert [(each.category, each.suggested, each.present) for each in answer] == [
        (BAGS, None, None),
        (SHOES, None, None),
    ]
    assert answer.to_dict()["far_from_known"] is True
    assert shop.look(photo).to_dict()["look"]["far_from_known"] is True
    assert "suggested" not in answer.to_dict()["categories"][0]
    (note,) = answer.notes
    assert "far from the scenes that model 'toy-0' knows" in note
    assert "`perfectlook adapt`" in note
    assert shop.look(photo).notes == answer.notes
