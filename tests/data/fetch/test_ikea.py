"""IKEA's rooms from a mirror drawn by the test."""

import os
import pickle
from hashlib import md5
from pathlib import Path

import pytest

from mirrors import ikea_mirror
from perfectlook.data import load_set
from perfectlook.data.fetch import get
from perfectlook.data.fetch.ikea import IKEA_ROOMS, product_id, scene_id
from perfectlook.errors import DatasetError

BED, RENS, PLATE = map(product_id, ("001.626.34", "000.114.28", "000.171.33"))
BLUE, RED = map(scene_id, ("ikea-blue-s4.jpg", "ikea-red-s4.jpg"))


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror").mkdir()
    return ikea_mirror(tmp_path / "mirror")


def test_ids_are_hashes_of_the_names():
    assert product_id("000.114.28") == md5(b"ikea/000.114.28").hexdigest()
    assert scene_id("ikea-blue-s4.jpg") == md5(b"ikea-room/ikea-blue-s4.jpg").hexdigest()


def test_the_set_has_one_product_for_each_picture_and_its_rooms(mirror: Path, tmp_path: Path):
    got = get(IKEA_ROOMS, tmp_path / "set", mirror=str(mirror))
    dataset = load_set(tmp_path / "set", strict=True)
    assert not dataset.is_fashion
    assert dataset.licence == "IKEA's pictures: non-commercial use only"
    # 000.379.80 looks like 000.114.28, so that stands for both; the plate stands in no room
    assert [(pair.scene, pair.product, pair.box) for pair in dataset.pairs] == [
        (BLUE, RENS, None),
        (RED, RENS, None),
        (RED, BED, None),
    ]
    assert {product.id: product.category for product in dataset.products.values()} == {
        BED: "Furniture|Beds",
        RENS: "Home & Garden|Decor|Rugs",
        PLATE: "Home & Garden|Kitchen & Dining|Tableware",
    }
    bed = dataset.products[BED]
    assert (bed.title, dict(bed.fields)) == ("MALM Bed frame", {"color": "White", "type": "Bed frame"})
    # the room that nothing stands in is not fetched, nor the picture without description
    assert dict(got.counts) == {"fetched": 5}
    assert [(problem.item, problem.kind) for problem in got.problems] == [
        ("999.999.99", "product without category")
    ]


def test_a_limit_takes_the_products_of_the_first_rooms_only(mirror: Path, tmp_path: Path):
    got = get(IKEA_ROOMS, tmp_path / "set", mirror=str(mirror), limit=1)
    assert (got.scenes, got.products, got.pairs) == (1, 1, 1)
    assert list(load_set(tmp_path / "set").products) == [RENS]


def test_a_pickle_that_runs_code_is_refused(mirror: Path, tmp_path: Path):
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'EVIDENCE'}",)

    (mirror / "text_data/products_dict.p").write_bytes(pickle.dumps({"001.626.34": Evil()}))
    with pytest.raises(DatasetError, match=r"products_dict\.p: cannot be read \(\S*system is not allowed"):
        get(IKEA_ROOMS, tmp_path / "set", mirror=str(mirror))
    assert not (tmp_path / "EVIDENCE").exists()


def test_a_pickle_of_something_else_is_an_error(mirror: Path, tmp_path: Path):
    (mirror / "text_data/item_to_room.p").write_bytes(pickle.dumps(["a"]))
    with pytest.raises(DatasetError, match=r"item_to_room\.p: expected a dict, got list"):
        get(IKEA_ROOMS, tmp_path / "set", mirror=str(mirror))


@pytest.mark.photos
def test_the_ids_are_those_of_the_real_set(photos: Path):
    dataset = load_set(photos / "ikea-rooms")
    known = ("000.114.28", "000.171.33", "001.626.34", "002.020.79")  # articles of the public repository
    assert all(product_id(article) in dataset.products for article in known)
    assert scene_id("ikea-a-rustic-way-to-dine__1364308411325-s4.jpg") in dataset.scenes
