"""Clothing Co-Parsing from a mirror drawn by the test."""

import importlib.util
import json
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirrors import LABELS, ccp_mirror
from perfectlook.data import load_set
from perfectlook.data.fetch import get
from perfectlook.data.fetch.ccp import CATEGORY_OF, CCP_LOOKS, cut_out, product_id, rectangle_around, scene_id
from perfectlook.errors import MissingExtraError
from perfectlook.images import open_picture
from perfectlook.types import Rectangle

SHOES, DRESS, TIE = product_id("0001", "shoes"), product_id("0001", "dress"), product_id("0002", "tie")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror").mkdir()
    return ccp_mirror(tmp_path / "mirror")


def test_ids_are_hashes_of_number_and_label():
    assert scene_id("0001") == md5(b"ccp/0001").hexdigest()
    assert product_id("0001", "shoes") == md5(b"ccp/0001/shoes").hexdigest()


def test_the_rectangle_is_exact():
    mask = np.zeros((9, 7), bool)
    mask[3, 2] = mask[5, 4] = True
    assert rectangle_around(mask) == Rectangle(2, 3, 5, 6)
    assert rectangle_around(np.ones((2, 3), bool)) == Rectangle(0, 0, 3, 2)


def test_a_garment_is_cut_out_on_a_white_square_a_tenth_larger():
    photo = Image.new("RGB", (40, 60), (200, 10, 10))
    mask = np.zeros((60, 40), bool)
    mask[10:50, 5:25] = True  # 20 wide, 40 high
    mask[10, 5] = False  # a hole at its corner
    square = cut_out(photo, mask)
    assert square.size == (46, 46)  # 40 · 1.1 + 2
    pixels = np.asarray(square)
    left, top = (46 - 20) // 2, (46 - 40) // 2
    assert (pixels[top : top + 40, left : left + 20] == (200, 10, 10)).all(axis=2).sum() == 20 * 40 - 1
    assert (pixels == 255).all(axis=2).sum() == 46 * 46 - 20 * 40 + 1
    assert tuple(pixels[top, left]) == (255, 255, 255)


def test_the_set_has_the_garments_with_their_boxes(mirror: Path, tmp_path: Path):
    got = get(CCP_LOOKS, tmp_path / "set", mirror=str(mirror))
    dataset = load_set(tmp_path / "set", strict=True)
    assert dataset.licence == "Apache-2.0 (Clothing Co-Parsing, Yang et al. 2014)"
    # in the order of the labels; skin is no product, a speck of 11 of 8,000 pixels too small
    assert [(pair.scene, pair.product, tuple(pair.box or ())) for pair in dataset.pairs] == [
        (scene_id("0001"), SHOES, (0.2, 0.875, 0.4, 0.9375)),
        (scene_id("0001"), DRESS, (0.2, 0.125, 0.4, 0.75)),
        (scene_id("0002"), TIE, (0.5, 0.25, 0.51, 0.4)),
    ]
    assert {each.id: each.category.split("|")[-1] for each in dataset.products.values()} == {
        SHOES: "Shoes",
        DRESS: "Dresses",
        TIE: "Necklaces",
    }
    assert dict(got.counts) == {"fetched": 4}  # two photos, two files of labels
    assert got.problems == []


def test_the_picture_of_a_product_is_its_garment(mirror: Path, tmp_path: Path):
    get(CCP_LOOKS, tmp_path / "set", mirror=str(mirror))
    picture = open_picture(tmp_path / "set" / "products" / f"{DRESS}.jpg")
    assert picture.size == (57, 57)  # the dress is 20 wide and 50 high
    red, green, _ = picture.getpixel((28, 28))
    assert abs(red - 160) < 8  # label 4, times 40
    assert green < 8
    assert min(picture.getpixel((5, 28))) > 247


def test_existing_products_are_not_cut_out_again(mirror: Path, tmp_path: Path):
    get(CCP_LOOKS, tmp_path / "set", mirror=str(mirror))
    file = tmp_path / "set" / "products" / f"{TIE}.jpg"
    before = file.stat().st_mtime_ns
    file.with_name(f"{SHOES}.jpg").unlink()
    got = get(CCP_LOOKS, tmp_path / "set", mirror=str(mirror))
    assert dict(got.counts) == {"there": 4}
    assert got.products == 3
    assert file.stat().st_mtime_ns == before


def test_labels_that_do_not_match_their_photo_are_reported(mirror: Path, tmp_path: Path):
    Image.new("RGB", (80, 100)).save(mirror / "photos/0001.jpg")
    (mirror / "annotations/pixel-level/0002.mat").write_bytes(b"MATLAB 5.0 MAT-file, or is it")
    (mirror / "annotations/pixel-level/0003.mat").write_bytes(
        (mirror / "annotations/pixel-level/0001.mat").read_bytes()
    )
    Image.new("RGB", (100, 80), (9, 9, 9)).save(mirror / "photos/0003.jpg")
    got = get(CCP_LOOKS, tmp_path / "set", mirror=str(mirror))
    assert (got.scenes, got.pairs) == (1, 2)
    first, second = got.problems
    assert "has 80×100 pixels, but its labels have 100×80. The photo is left out." in first.reason
    assert "cannot be read" in second.reason


def test_a_limit_takes_the_first_photos(mirror: Path, tmp_path: Path):
    got = get(CCP_LOOKS, tmp_path / "set", mirror=str(mirror), limit=1)
    assert (got.scenes, got.pairs, dict(got.counts)) == (1, 2, {"fetched": 2})


def test_without_scipy_nothing_is_fetched(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"Making ccp-looks needs the extra 'data'"):
        get(CCP_LOOKS, tmp_path / "set", mirror=str(mirror))
    assert not (tmp_path / "set").exists()


def test_every_label_has_one_category():
    assert len(CATEGORY_OF) == 42
    assert len(set(CATEGORY_OF.values())) == 15
    assert CATEGORY_OF.keys() & set(LABELS) == {"shoes", "dress", "tie"}


@pytest.mark.photos
def test_ids_and_categories_are_those_of_the_real_set(photos: Path):
    """Every product of the real set is a photo's number and a label, with the category from here."""
    real = json.loads((photos / "ccp-looks" / "categories.json").read_text(encoding="utf-8"))
    made = {
        product_id(f"{number:04}", label): category
        for number in range(1, 1005)
        for label, category in CATEGORY_OF.items()
    }
    assert {product: made.get(product) for product in real} == real
    scenes = {scene_id(f"{number:04}") for number in range(1, 1005)}
    assert load_set(photos / "ccp-looks").scenes.keys() <= scenes


@pytest.mark.photos
def test_the_cut_outs_of_the_real_set_are_as_large_as_ours(photos: Path):
    """Those that were not scaled down afterwards: 110 % of the box's longer side in the original, and 2."""
    real = photos / "ccp-looks"
    known = {  # boxes in pixels of the photo 0001 of 550×832
        product_id("0001", "shoes"): (112, 86),
        product_id("0002", "pumps"): (67, 37),
    }
    for product, (width, height) in known.items():
        mask = np.ones((height, width), bool)
        photo = Image.new("RGB", (width, height))
        assert cut_out(photo, mask).size == open_picture(real / "products" / f"{product}.jpg").size
