"""`/v1/complete`: products that the photo shows, and photos unlike known scenes."""

import shutil
from pathlib import Path

import pytest

from seeing import write_known, write_presence
from serving import Running, Store, running


@pytest.fixture
def seeing(store: Store, tmp_path: Path) -> Store:
    """The store with a copy of its model."""
    return store._replace(model=shutil.copytree(store.model, tmp_path / "model"))


def answer(shop: Running, store: Store, **options: str) -> dict:
    found = shop.photo(store.photos[0], k="4", **options)
    assert found.status_code == 200
    return found.json()


def test_products_in_the_photo_are_listed_with_their_addresses_and_left_out(seeing: Store, tmp_path: Path):
    with running(seeing, tmp_path) as shop:
        category = answer(shop, seeing)["categories"][0]["category"]
    write_presence(seeing.model, category)
    with running(seeing, tmp_path) as shop:
        found = answer(shop, seeing)
        kept = answer(shop, seeing, keep_in_scene="true")
        picture = shop.client.get(found["in_scene"][0]["picture"])
    assert {each["category"] for each in found["in_scene"]} == {category}
    assert picture.headers["content-type"] == "image/jpeg"
    assert found["in_scene"][0]["region"] == [pytest.approx(edge, abs=1) for edge in (0, 0, 1, 1)]
    rows = {each["category"]: each for each in found["categories"]}
    assert rows[category]["present"] is True
    assert rows[category]["products"] == []
    assert list(rows)[-1] == category  # what is there comes last
    assert [each["present"] for each in rows.values()].count(True) == 1
    assert kept["in_scene"] == found["in_scene"]
    assert all(len(each["products"]) == 4 for each in kept["categories"])


def test_a_photo_unlike_known_scenes_has_no_probabilities(seeing: Store, tmp_path: Path):
    write_known(seeing.model)
    with running(seeing, tmp_path) as shop:
        found = answer(shop, seeing)
    assert found["far_from_known"] is True
    assert all(each["suggested"] is None for each in found["categories"])
    assert any("`perfectlook adapt`" in note for note in found["notes"])


def test_models_without_these_files_answer_as_before(shop: Running, store: Store):
    found = answer(shop, store)
    assert not {"in_scene", "far_from_known"} & found.keys()
    assert "present" not in found["categories"][0]
