import json
from pathlib import Path

import pytest

from perfectlook.data import load_set
from perfectlook.data.layout import count_products, read_release, releases_at
from perfectlook.errors import DatasetError
from perfectlook.types import Box, Pair
from written import row

SHOES, PANTS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Clothing|Pants"
SCENE, SHOE, TROUSERS = "aabbcc01", "ddeeff02", "0011ee03"


def released(folder: Path, *parts: str) -> Path:
    """Write files of these parts as in the release: one row on each line, categories in one object."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row(SCENE, SHOE, [0.1, 0.2, 0.3, 0.4]), row(SCENE, TROUSERS, [0.2, 0.2, 0.6, 0.9])]
    for part in parts:
        (folder / f"{part}.json").write_text("".join(json.dumps(each) + "\n" for each in rows))
        (folder / f"{part}-cat.json").write_text(json.dumps({SHOE: SHOES, TROUSERS: PANTS}))
    return folder


def touch(folder: Path, *pictures: str) -> None:
    for picture in pictures:
        (folder / picture).parent.mkdir(parents=True, exist_ok=True)
        (folder / picture).touch()


@pytest.mark.parametrize(
    "pictures",
    [
        [f"images/{signature}.jpg" for signature in (SCENE, SHOE, TROUSERS)],
        [f"pictures/{signature}.png" for signature in (SCENE, SHOE, TROUSERS)],
        [f"scenes/{SCENE}.jpg", f"products/{SHOE}.jpg", f"products/{TROUSERS}.jpg"],
        ["images/aa/bb/cc/aabbcc01.jpg", "images/dd/ee/ff/ddeeff02.jpg", "images/00/11/ee/0011ee03.jpg"],
    ],
    ids=["images", "pictures", "scenes and products", "nested as at the source"],
)
def test_the_release_is_a_set_with_every_layout_of_pictures(tmp_path: Path, pictures: list[str]) -> None:
    folder = released(tmp_path / "STL", "fashion")
    touch(folder, *pictures)
    for path in (folder, folder / "fashion.json"):
        dataset = load_set(path, strict=True)
        assert dataset.name == "STL-fashion"
        assert dataset.licence == "research, non-commercial"
        assert dataset.scenes[SCENE].picture == folder / pictures[0]
        assert [product.picture for product in dataset.products.values()] == [
            folder / picture for picture in pictures[1:]
        ]
        assert dataset.products[TROUSERS].category == PANTS
        assert dataset.pairs == [
            Pair(SCENE, SHOE, Box(0.1, 0.2, 0.3, 0.4)),
            Pair(SCENE, TROUSERS, Box(0.2, 0.2, 0.6, 0.9)),
        ]


def test_missing_pictures_leave_pairs_out(tmp_path: Path) -> None:
    folder = released(tmp_path, "home")
    touch(folder, f"images/{SCENE}.jpg", f"images/{SHOE}.jpg")
    dataset = load_set(folder)
    assert [pair.product for pair in dataset.pairs] == [SHOE]
    assert [str(each.kind) for each in dataset.problems] == ["missing product picture"] * 2
    assert dataset.problems[0].where == f"{folder / 'home-cat.json'}, line 1"
    assert dataset.problems[1].where == f"{folder / 'home.json'}, line 2"


def test_of_two_pictures_those_of_products_concern_the_catalogue(tmp_path: Path) -> None:
    folder = released(tmp_path, "fashion")
    touch(folder, *(f"images/{signature}.{kind}" for signature in (SCENE, SHOE) for kind in ("jpg", "png")))
    dataset = load_set(folder)
    assert [each.item for each in dataset.product_problems] == [SHOE, TROUSERS]
    assert len(dataset.problems) == 4  # a scene's two pictures, and a row


def test_a_folder_with_both_parts_is_ambiguous(tmp_path: Path) -> None:
    folder = released(tmp_path, "fashion", "home")
    touch(folder, f"images/{SCENE}.jpg", f"images/{SHOE}.jpg", f"images/{TROUSERS}.jpg")
    with pytest.raises(DatasetError, match=r"Name the file of rows of one: .*fashion\.json or .*home\.json"):
        load_set(folder)
    assert len(load_set(folder / "home.json").pairs) == 2


def test_the_error_of_missing_pictures_names_their_folder(tmp_path: Path) -> None:
    folder = released(tmp_path, "fashion")
    with pytest.raises(DatasetError, match=r"no pictures here\. Add them as images/SIGNATURE\.jpg"):
        load_set(folder)


def test_rows_need_a_file_of_categories(tmp_path: Path) -> None:
    folder = released(tmp_path, "fashion")
    (folder / "fashion-cat.json").unlink()
    assert releases_at(folder / "fashion.json") == []
    with pytest.raises(DatasetError, match="fashion-cat"):
        load_set(folder)


def test_other_files_of_rows_find_the_categories_of_their_part(tmp_path: Path) -> None:
    folder = released(tmp_path, "fashion")
    (folder / "fashion.json").rename(folder / "fashion.partial.json")
    touch(folder, f"images/{SCENE}.jpg", f"images/{SHOE}.jpg", f"images/{TROUSERS}.jpg")
    assert len(load_set(folder / "fashion.partial.json").pairs) == 2


def test_without_pictures_the_rows_still_give_numbers(tmp_path: Path) -> None:
    (rows,) = releases_at(released(tmp_path, "fashion"))
    dataset = read_release(rows, pictures=False)
    assert (len(dataset.scenes), len(dataset.products), len(dataset.pairs)) == (1, 2, 2)
    assert not dataset.problems


def test_products_are_counted_by_part_and_category(tmp_path: Path) -> None:
    folder = released(tmp_path, "fashion")
    assert count_products(folder) == {"fashion": {PANTS: 1, SHOES: 1}}
    assert count_products(tmp_path / "none") == {}


@pytest.mark.photos
def test_the_real_release_lists_its_products(photos: Path) -> None:
    counts = count_products(photos / "stl-fashion")
    assert {part: sum(categories.values()) for part, categories in counts.items()} == {
        "fashion": 38_111,
        "home": 41_306,
    }


@pytest.mark.photos
def test_the_real_releases_rows_give_the_same_pairs_as_the_set_made_of_them(photos: Path) -> None:
    of_rows = load_set(photos / "stl-fashion" / "fashion.partial.json")
    of_layout = load_set(photos / "stl-fashion")
    assert sorted(of_rows.pairs, key=repr) == sorted(of_layout.pairs, key=repr)
    assert of_rows.products == of_layout.products
    assert of_rows.scenes == of_layout.scenes
