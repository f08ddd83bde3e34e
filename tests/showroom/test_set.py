"""The showroom as it ships: every picture is accounted for, and every row is right."""

import hashlib
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perfectlook.data import Dataset, load_set
from perfectlook.data.layout import larger_copy
from perfectlook.data.scenes import split_of
from perfectlook.files import SHOWROOM

MOST = 15 * 2**20
STYLES = {"nordic", "industrial", "midcentury", "coastal", "classic", "colourful"}


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict]:
    return json.loads((SHOWROOM / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def showroom() -> Dataset:
    return load_set(SHOWROOM, strict=True)


def pictures() -> dict[str, Path]:
    return {path.relative_to(SHOWROOM).as_posix(): path for path in SHOWROOM.rglob("*.jpg")}


def test_every_picture_is_in_the_manifest_with_its_hash_and_no_other(manifest: dict[str, dict]) -> None:
    assert set(manifest) == set(pictures())
    for name, path in pictures().items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == manifest[name]["sha256"], name
        assert manifest[name]["seed"] == path.stem
        assert set(manifest[name]["styles"]) <= STYLES


def test_every_model_is_credited_with_author_and_licence_and_no_other(manifest: dict[str, dict]) -> None:
    text = (SHOWROOM / "CREDITS.md").read_text(encoding="utf-8")
    rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in text.splitlines() if re.match(r"\| \S+#\d+ ", line)]
    assert {row[0] for row in rows} == {model for entry in manifest.values() for model in entry["models"]}
    for _, model, author, licence, source, pieces in rows:
        assert model
        assert author
        assert licence in {"CC0 1.0", "CC BY 3.0", "CC BY 3.0 US"}
        assert source
        assert pieces


def test_nothing_else_lies_in_the_folder() -> None:
    texts = {"pairs.jsonl", "categories.json", "products.json", "set.json", "manifest.json", "CREDITS.md"}
    found = {path.relative_to(SHOWROOM).as_posix() for path in SHOWROOM.rglob("*") if path.is_file()}
    found = {name for name in found if not name.startswith("__pycache__")}
    assert found == texts | set(pictures()) | {name for name in found if name.startswith("display/")}


def test_every_product_and_every_room_of_the_demo_has_a_larger_copy(showroom: Dataset) -> None:
    rooms = [scene for scene in showroom.scenes.values() if split_of(scene.id) == "test"]
    copies = {
        **{larger_copy(product.picture): (512, 512) for product in showroom.products.values()},
        **{larger_copy(room.picture): (768, 576) for room in rooms},
    }
    assert set((SHOWROOM / "display").rglob("*.webp")) == set(copies)
    for path, size in copies.items():
        with Image.open(path) as copy, Image.open(_original(path)) as original:
            assert copy.size == size
            small = [np.asarray(each.convert("L").resize((8, 8)), float) for each in (copy, original)]
            assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.8, path.name


def _original(copy: Path) -> Path:
    return SHOWROOM / copy.parent.name / f"{copy.stem}.jpg"


def test_it_reads_as_a_set_without_a_problem(showroom: Dataset) -> None:
    assert not showroom.problems
    assert showroom.licence is not None
    assert "CREDITS.md" in showroom.licence


def test_every_scene_has_pairs_and_every_product_a_category(showroom: Dataset) -> None:
    names = pictures()
    assert {name for name in names if name.startswith("scenes/")} == {
        f"scenes/{key}.jpg" for key in showroom.scenes
    }
    assert {name for name in names if name.startswith("products/")} == {
        f"products/{key}.jpg" for key in showroom.products
    }


def test_every_pair_names_a_product_and_a_box_inside_the_picture(showroom: Dataset) -> None:
    rows = [json.loads(line) for line in (SHOWROOM / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(showroom.pairs)
    for row in rows:
        assert row["product"] in showroom.products
        assert row["scene"] in showroom.scenes
        left, top, right, bottom = row["bbox"]
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
    assert len({(row["product"], row["scene"]) for row in rows}) == len(rows)


def test_products_of_a_pair_are_of_the_styles_of_their_scene(
    showroom: Dataset, manifest: dict[str, dict]
) -> None:
    for pair in showroom.pairs:
        style = manifest[f"products/{pair.product}.jpg"]["styles"][0]
        assert style in manifest[f"scenes/{pair.scene}.jpg"]["styles"]
        assert showroom.products[pair.product].fields["style"] == style


def test_every_category_has_a_choice_of_every_style(showroom: Dataset) -> None:
    for category, products in showroom.categories.items():
        assert len(products) >= 15, category
        assert {showroom.products[key].fields["style"] for key in products} == STYLES


def test_products_say_what_a_shop_says(showroom: Dataset) -> None:
    for product in showroom.products.values():
        assert product.title
        assert re.fullmatch(r"\d+\.\d\d EUR", product.fields["price"])
        assert product.fields["availability"] in {"in_stock", "out_of_stock"}
        assert product.fields["brand"]
        assert "link" not in product.fields


def test_the_test_scenes_are_of_all_styles(showroom: Dataset, manifest: dict[str, dict]) -> None:
    held = [scene for scene in showroom.scenes if split_of(scene) == "test"]
    assert {style for scene in held for style in manifest[f"scenes/{scene}.jpg"]["styles"]} == STYLES


def test_pictures_have_their_sizes_and_all_weigh_little() -> None:
    for name, path in pictures().items():
        with Image.open(path) as picture:
            assert picture.size == ((384, 288) if name.startswith("scenes/") else (256, 256)), name
            assert picture.format == "JPEG"
    assert sum(path.stat().st_size for path in SHOWROOM.rglob("*") if path.is_file()) < MOST


def photo(key: str) -> np.ndarray:
    with Image.open(SHOWROOM / "products" / f"{key}.jpg") as picture:
        return np.asarray(picture, np.float32)


def test_products_stand_on_white_up_to_the_borders_of_their_pictures(showroom: Dataset) -> None:
    inner = (slice(4, -4), slice(4, -4))
    for key in showroom.products:
        border = np.ones((256, 256), bool)
        border[inner] = False
        assert photo(key)[border].mean() >= 250, key
        assert photo(key)[border].min() >= 240, key  # and no corner or side is grey alone


def test_no_two_products_of_a_piece_have_the_same_picture(showroom: Dataset) -> None:
    pieces: dict[str, list[str]] = {}
    for key in showroom.products:
        pieces.setdefault(key.rsplit("-", 2)[0], []).append(key)
    for keys in pieces.values():
        for one, other in itertools.combinations(keys, 2):
            # Another colour of a small pot or another dark wood makes 0.9, a copy less than 0.1.
            assert np.abs(photo(one) - photo(other)).mean() >= 0.5, (one, other)


def test_titles_are_in_readable_words_and_told_apart(showroom: Dataset) -> None:
    titles = [product.title for product in showroom.products.values()]
    assert len(set(titles)) == len(titles)
    assert not any(word in title for title in titles for word in ("stilllife", "popart", "urn frame"))
