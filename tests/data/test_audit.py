import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from drawn import HOME, drawn_set
from perfectlook.data import load_set
from perfectlook.data.audit import Audit, audit, audit_at
from perfectlook.data.scenes import split_of
from perfectlook.errors import DatasetError
from written import row

NOTHING_FOUND = dict.fromkeys(
    (
        "unreadable",
        "twin_scenes",
        "twin_scenes_held_out",
        "near_identical_products",
        "near_identical_groups",
    ),
    0,
)


def audited(folder: Path) -> Audit:
    return audit(load_set(folder), workers=2)


def append(folder: Path, *rows: object) -> None:
    with (folder / "pairs.jsonl").open("a", encoding="utf-8") as lines:
        lines.writelines((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Twenty scenes with a pair of each of two categories; every fifth has a second pair of the first one."""
    return drawn_set(tmp_path / "drawn", scenes=20, products_per_category=8)


def ids(folder: Path, what: str) -> list[str]:
    return list(getattr(load_set(folder), what))


def test_a_clean_set_is_counted(drawn: Path) -> None:
    numbers = audited(drawn)
    assert (numbers.name, numbers.root) == ("drawn", str(drawn))
    assert numbers.is_fashion
    assert numbers.is_small
    assert (numbers.scenes, numbers.scenes_without_pairs) == (20, 0)
    assert numbers.products == 16
    assert (numbers.pairs, numbers.rows) == (44, 44)
    assert numbers.boxes == 44
    assert numbers.multi_positive_scenes == 4
    assert list(numbers.categories.values()) == [{"products": 8, "pairs": 20}, {"products": 8, "pairs": 24}]
    assert sum(size["scenes"] for size in numbers.splits.values()) == 20
    assert sum(size["pairs"] for size in numbers.splits.values()) == 44
    assert numbers.splits["val"]["scenes"] == sum(
        split_of(path.stem) == "val" for path in (drawn / "scenes").iterdir()
    )
    assert numbers.pictures == NOTHING_FOUND
    wrong = (numbers.boxes_outside, numbers.duplicate_rows, numbers.missing_scenes, numbers.missing_products)
    assert wrong == (0, 0, 0, 0)
    assert numbers.dropped_by_crop == 0
    assert not numbers.problems


def test_problems_are_counted(drawn: Path) -> None:
    scenes, products = ids(drawn, "scenes"), ids(drawn, "products")
    repeated = (drawn / "pairs.jsonl").read_text().splitlines()[0]
    append(
        drawn,
        repeated,
        row(scenes[1], products[2], [-0.1, 0.1, 0.4, 0.3]),  # one more pair
        row(scenes[1], products[3], [2, 2, 3, 3]),
        row("gone", products[0]),
        row("gone", products[1]),
        row(scenes[0], "unheard of"),
        "{",
    )
    (drawn / "products" / f"{products[-1]}.jpg").unlink()
    in_pairs = {json.loads(line)["product"] for line in (drawn / "pairs.jsonl").read_text().splitlines()[:44]}
    numbers = audited(drawn)
    assert numbers.rows == 51
    assert numbers.duplicate_rows == 1
    assert numbers.boxes_outside == 2
    assert numbers.missing_scenes == 1
    assert numbers.missing_products == 1
    assert numbers.products == 15
    assert numbers.products_in_pairs == len(in_pairs - {products[-1]} | {products[2]})
    lost = sum(problem.item == products[-1] for problem in numbers.problems) - 1
    assert numbers.pairs == 44 + 2 - lost


def test_pairs_dropped_by_the_crop_rule_are_counted_by_split(drawn: Path) -> None:
    scene, product = ids(drawn, "scenes")[0], ids(drawn, "products")[0]
    beside = [0.0, 0.0, 0.3, 1.0]  # above and below nothing is left; to the right much
    append(drawn, row(scene, product, beside))
    numbers = audited(drawn)
    assert numbers.dropped_by_crop == 1
    assert numbers.splits[split_of(scene)]["dropped_by_crop"] == 1
    home = drawn_set(drawn.parent / "home", scenes=20, products_per_category=8, categories=HOME)
    append(home, row(ids(home, "scenes")[0], ids(home, "products")[0], beside))
    assert audited(home).dropped_by_crop == 0


def test_copies_of_pictures_are_counted(drawn: Path) -> None:
    scenes, products = ids(drawn, "scenes"), ids(drawn, "products")
    train = [scene for scene in scenes if split_of(scene) == "train"]
    held_out = [scene for scene in scenes if split_of(scene) != "train"]
    for copy in (held_out[0], train[1]):
        shutil.copy(drawn / "scenes" / f"{train[0]}.jpg", drawn / "scenes" / f"{copy}.jpg")
    for copy in products[1:3]:
        shutil.copy(drawn / "products" / f"{products[0]}.jpg", drawn / "products" / f"{copy}.jpg")
    assert audited(drawn).pictures == {
        "unreadable": 0,
        "twin_scenes": 3,
        "twin_scenes_held_out": 1,
        "near_identical_products": 3,
        "near_identical_groups": 1,
    }


def test_copies_within_the_held_out_scenes_are_not_a_leak(drawn: Path) -> None:
    one, other = [scene for scene in ids(drawn, "scenes") if split_of(scene) != "train"][:2]
    shutil.copy(drawn / "scenes" / f"{one}.jpg", drawn / "scenes" / f"{other}.jpg")
    pictures = audited(drawn).pictures
    assert pictures is not None
    assert (pictures["twin_scenes"], pictures["twin_scenes_held_out"]) == (2, 0)


def test_unreadable_pictures_are_named(drawn: Path) -> None:
    scene, product = ids(drawn, "scenes")[3], ids(drawn, "products")[5]
    empty, text = drawn / "scenes" / f"{scene}.jpg", drawn / "products" / f"{product}.jpg"
    empty.write_bytes(b"")
    text.write_bytes(b"no picture")
    numbers = audited(drawn)
    assert numbers.pictures is not None
    assert numbers.pictures["unreadable"] == 2
    assert [(each.where, each.item, each.kind) for each in numbers.problems] == [
        (str(empty), scene, "unreadable picture"),
        (str(text), product, "unreadable picture"),
    ]
    assert "empty (0 bytes)" in numbers.problems[0].reason


def test_pictures_without_pairs_are_counted(drawn: Path) -> None:
    Image.new("RGB", (20, 20)).save(drawn / "scenes" / "alone.png")
    assert audited(drawn).scenes_without_pairs == 1


def test_an_empty_set_has_only_zeros(tmp_path: Path) -> None:
    numbers = audited(drawn_set(tmp_path, scenes=0, products_per_category=0))
    assert (numbers.scenes, numbers.products, numbers.pairs) == (0, 0, 0)
    assert numbers.splits["test"] == {"scenes": 0, "pairs": 0, "dropped_by_crop": 0}
    assert numbers.pictures == NOTHING_FOUND


def released(drawn: Path, *parts: str, pictures: bool) -> Path:
    """Return the drawn set as files of the STL release."""
    for part in parts:
        shutil.copy(drawn / "pairs.jsonl", drawn / f"{part}.json")
        shutil.copy(drawn / "categories.json", drawn / f"{part}-cat.json")
    (drawn / "pairs.jsonl").unlink()
    if not pictures:
        shutil.rmtree(drawn / "scenes")
        shutil.rmtree(drawn / "products")
    return drawn


def test_a_release_without_pictures_gives_its_numbers(drawn: Path) -> None:
    folder = released(drawn, "fashion", pictures=False)
    for path in (folder, folder / "fashion.json"):
        ((numbers,), _) = audit_at(path)
        assert (numbers.scenes, numbers.products, numbers.pairs) == (20, 16, 44)
        assert numbers.pictures is None
        assert not numbers.problems


def test_both_parts_of_a_release_are_reported(drawn: Path) -> None:
    audits, listed = audit_at(released(drawn, "fashion", "home", pictures=True))
    assert [each.name for each in audits] == ["drawn-fashion", "drawn-home"]
    assert audits[0].pictures == NOTHING_FOUND
    assert {part: sum(counts.values()) for part, counts in listed.items()} == {
        "fashion": 16,
        "home": 16,
    }


def test_category_files_alone_are_counted(tmp_path: Path) -> None:
    (tmp_path / "home-cat.json").write_text('{"a": "Furniture|Chairs", "b": "Furniture|Chairs", "c": "X"}')
    audits, listed = audit_at(tmp_path)
    assert not audits
    assert listed == {"home": {"Furniture|Chairs": 2, "X": 1}}


def test_a_set_with_category_files_is_one_set(drawn: Path) -> None:
    shutil.copy(drawn / "categories.json", drawn / "fashion-cat.json")
    audits, listed = audit_at(drawn)
    assert [each.name for each in audits] == ["drawn"]
    assert sum(listed["fashion"].values()) == 16


def test_a_folder_without_a_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not a set"):
        audit_at(tmp_path)
