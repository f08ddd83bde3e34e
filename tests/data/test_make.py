"""Sets made from your own scenes and products."""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from perfectlook.data import layout, load_set
from perfectlook.data.make import Made, make
from perfectlook.errors import DatasetError, FeedError, UsageError
from perfectlook.types import Box
from pictures import drawn


class Shop(NamedTuple):
    """Two rooms of 200×100 pixels, three products, and a folder for tables."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "set"

    def table(self, text: str | bytes, name: str = "pairs.csv") -> Path:
        file = self.root / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def make(self, text: str | bytes, **options: object) -> Made:
        return make(
            self.folder,
            scenes=self.root / "rooms",
            products=self.root / "things",
            pairs=self.table(text),
            **options,  # type: ignore[arg-type]
        )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    for folder, names, size in (
        ("rooms", ("living.jpg", "bed.png"), (200, 100)),
        ("things", ("sofa.jpg", "lamp.v2.jpg", "rug.webp"), (40, 30)),
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            drawn(*size).save(tmp_path / folder / name)
    return Shop(tmp_path)


def test_a_table_becomes_a_set(shop: Shop):
    made = shop.make(
        "scene,product,category,left,top,right,bottom,title,Price\n"
        "living,sofa,Furniture|Sofas,20,30,120,90,Sofa Oslo,899 EUR\n"
        "living.jpg,lamp.v2.jpg,Home & Garden > Lighting > Lamps,0.5,0,0.75,0.5,,\n"
        "bed,sofa,,,,,,,\n",
        licence="ours",
    )
    assert (made.scenes, made.products, made.pairs, made.problems) == (2, 2, 3, [])
    dataset = load_set(shop.folder, strict=True)
    assert dataset.licence == "ours"
    assert [(pair.scene, pair.product, pair.box) for pair in dataset.pairs] == [
        ("living", "sofa", Box(0.1, 0.3, 0.6, 0.9)),  # 20/200, 30/100, 120/200, 90/100
        ("living", "lamp.v2", Box(0.5, 0.0, 0.75, 0.5)),
        ("bed", "sofa", None),
    ]
    assert dataset.categories == {"Furniture|Sofas": ["sofa"], "Home & Garden|Lighting|Lamps": ["lamp.v2"]}
    sofa = dataset.products["sofa"]
    assert (sofa.title, dict(sofa.fields)) == ("Sofa Oslo", {"price": "899 EUR"})
    assert sofa.picture.read_bytes() == (shop.root / "things" / "sofa.jpg").read_bytes()


def test_categories_may_be_in_a_separate_table(shop: Shop):
    categories = shop.table(
        "product;category;title\nsofa;Furniture|Sofas;Oslo\nrug;Home & Garden|Decor|Rugs;Vik\n",
        "categories.csv",
    )
    made = shop.make("scene,product\nliving,sofa\n", categories=categories)
    assert (made.products, made.pairs, made.problems) == (2, 1, [])
    dataset = load_set(shop.folder, strict=True)
    assert dataset.products["rug"].title == "Vik"  # in the catalogue, though in no pair
    assert not (shop.folder / "set.json").exists()


@pytest.mark.parametrize(
    ("row", "item", "reason"),
    [
        (
            "attic,sofa,Furniture,,,,",
            "'attic'",
            r"no picture of this scene in .*rooms\. Add it, or correct the name\.",
        ),
        ("living,chair,Furniture,,,,", "'chair'", "no picture of this product in .*things"),
        ("living,rug,,,,,", "rug", r"has no category\. Add a path such as"),
        (
            "living,sofa,Furniture|Chairs,,,,",
            "sofa",
            r"'Furniture\|Chairs' here, but 'Furniture\|Sofas' in .*csv, line 2",
        ),
        (
            "living,sofa,,1,2,x,4",
            "sofa",
            r"its box \(1, 2, x, 4\) is not four numbers\. Give left, top, right and bottom",
        ),
        ("living,sofa,,1,2,3,", "sofa", "or none of them"),
        ("living,sofa,,50,2,30,40", "sofa", r"its box \(50, 2, 30, 40\) is empty or reversed"),
        ("living,sofa,,nan,2,30,40", "sofa", "is empty or reversed"),
        ("living,sofa,,201,0,230,90", "sofa", "is outside the scene of 200×100 pixels"),
        ("living,sofa,,10,10,110,60", "sofa", "the same scene, product and box as .*csv, line 2"),
        ("living,../../etc/passwd,Furniture,,,,", "'../../etc/passwd'", "cannot be a file name"),
        ("living,sofa", "living", "has 2 columns, but the header has 7"),
        ("dark,sofa,,,,,", "dark", "dark.jpg: truncated or damaged"),
    ],
)
def test_an_unusable_row_is_reported_with_its_line(shop: Shop, row: str, item: str, reason: str):
    whole = (shop.root / "rooms" / "living.jpg").read_bytes()
    (shop.root / "rooms" / "dark.jpg").write_bytes(whole[: len(whole) // 2])
    made = shop.make(
        "scene,product,category,left,top,right,bottom\n"
        "living,sofa,Furniture|Sofas,10,10,110,60\n"
        f"{row}\n"
        "bed,sofa,,,,,\n"
    )
    (problem,) = made.problems
    assert problem.where == f"{shop.root / 'pairs.csv'}, line 3"
    assert problem.item == item
    assert re.search(reason, problem.reason)
    assert made.pairs == 2
    assert not load_set(shop.folder, strict=True).problems


def test_a_box_partly_outside_its_scene_is_clipped_and_reported(shop: Shop):
    made = shop.make(
        "scene,product,category,left,top,right,bottom\n"
        "living,sofa,Furniture|Sofas,-50,10,210,60\n"
        "bed,sofa,,-0.1,0,0.5,0.5\n"
    )
    assert made.pairs == 2
    said = "its box (-50, 10, 210, 60) is partly outside the scene of 200×100 pixels, and was clipped."
    assert made.problems[0].reason.startswith(said)
    assert [problem.where[-6:] for problem in made.problems] == ["line 2", "line 3"]
    boxes = {pair.scene: pair.box for pair in load_set(shop.folder, strict=True).pairs}
    assert boxes == {"living": (0.0, 0.1, 1.0, 0.6), "bed": (0.0, 0.0, 0.5, 0.5)}


def test_a_row_without_a_usable_box_still_gives_the_category(shop: Shop):
    made = shop.make(
        "scene,product,category,left,top,right,bottom\nliving,sofa,Furniture|Sofas,1,2,x,4\nbed,sofa,,,,,\n"
    )
    assert (made.pairs, len(made.problems)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("scene,thing\nliving,sofa\n", UsageError, r"no column product \(it has scene, thing\)"),
        ("scene,product\n", DatasetError, "no row can be used"),
        (
            "scene,product\nattic,sofa\n",
            DatasetError,
            r"no row can be used\. Fix the rows\. The first problem: .*pairs\.csv, line 2",
        ),
        ("", FeedError, "no header in the first line"),
    ],
)
def test_an_unusable_table_is_an_error(shop: Shop, text: str, error: type[Exception], reason: str):
    with pytest.raises(error, match=reason):
        shop.make(text)
    assert not shop.folder.exists()


def test_a_table_in_another_encoding_is_an_error(shop: Shop):
    with pytest.raises(
        FeedError, match=r"pairs\.csv, line 2: byte 4 .* is not UTF-8\. Save the file as UTF-8"
    ):
        shop.make("scene,product\ncafé,sofa\n".encode("latin-1"))


def test_a_missing_folder_or_table_is_an_error(shop: Shop):
    (shop.root / "rooms").rename(shop.root / "elsewhere")
    with pytest.raises(DatasetError, match="rooms: cannot be listed"):
        shop.make("scene,product\n")


ONE = "scene,product,category\nliving,sofa,Furniture|Sofas\n"
OTHER = "scene,product,category\nbed,rug,Home & Garden|Decor|Rugs\n"


def test_another_set_is_replaced_only_with_force(shop: Shop):
    shop.make(ONE)
    shop.make(ONE)
    with pytest.raises(UsageError, match=r"contains another set \(pairs.jsonl differs\)\. .* use --force"):
        shop.make(OTHER)
    assert list(load_set(shop.folder).products) == ["sofa"]
    shop.make(OTHER, force=True)
    assert list(load_set(shop.folder, strict=True).products) == ["rug"]
    assert [path.name for path in (shop.folder / "products").iterdir()] == ["rug.webp"]
    assert [path.name for path in (shop.folder / "scenes").iterdir()] == ["bed.png"]


@pytest.mark.parametrize("first", ["set.json", "pairs.jsonl", "categories.json"])
def test_an_interrupted_set_does_not_open(first: str, shop: Shop, monkeypatch: pytest.MonkeyPatch):
    shop.make(OTHER)
    real = layout.write_file

    def stopped(path: Path, text: str) -> None:
        if path.name == first:
            raise KeyboardInterrupt
        real(path, text)

    monkeypatch.setattr(layout, "write_file", stopped)
    with pytest.raises(KeyboardInterrupt):
        make(
            shop.folder,
            scenes=shop.root / "rooms",
            products=shop.root / "things",
            pairs=shop.table(ONE),
            licence="CC0",
            force=True,
        )
    with pytest.raises(DatasetError):
        load_set(shop.folder)
    monkeypatch.undo()
    shop.make(ONE)
    assert list(load_set(shop.folder, strict=True).products) == ["sofa"]


def test_pictures_already_in_the_set_are_kept(shop: Shop):
    """A set made in place keeps its pictures, also with force."""
    for name, place in (("rooms", "scenes"), ("things", "products")):
        shop.folder.mkdir(exist_ok=True)
        (shop.root / name).rename(shop.folder / place)
    before = {path: path.read_bytes() for path in shop.folder.rglob("*.*")}
    for force in (False, True):
        make(
            shop.folder,
            scenes=shop.folder / "scenes",
            products=shop.folder / "products",
            pairs=shop.table(ONE),
            force=force,
        )
    assert before.items() <= {path: path.read_bytes() for path in shop.folder.rglob("*.*")}.items()
    assert load_set(shop.folder, strict=True).products.keys() == {"sofa"}


def test_pictures_are_linked_on_request_and_copied_if_that_fails(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    picture, target = shop.root / "things" / "sofa.jpg", shop.folder / "products" / "sofa.jpg"
    shop.make(ONE)
    assert not target.samefile(picture)
    shop.make(ONE, link=True)
    assert target.samefile(picture)
    shop.make(ONE)  # the same file as it is: nothing to do
    target.unlink()

    def fails(*_: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", fails)
    shop.make(ONE, link=True)
    assert not target.samefile(picture)
    assert target.read_bytes() == picture.read_bytes()


def test_the_files_follow_the_layout(shop: Shop):
    shop.make(ONE)
    (row,) = map(json.loads, (shop.folder / "pairs.jsonl").read_text().splitlines())
    assert row == {"product": "sofa", "scene": "living", "bbox": None}
    assert json.loads((shop.folder / "categories.json").read_text()) == {"sofa": "Furniture|Sofas"}
    assert not (shop.folder / "products.json").exists()


def test_the_crop_rule_is_written_and_read(shop: Shop) -> None:
    table = "scene,product,category\nliving.jpg,sofa.jpg,Furniture|Sofas\n"
    shop.make(table)
    assert not load_set(shop.folder).is_fashion
    shop.make(table, crop="fashion", force=True)
    assert load_set(shop.folder).is_fashion
