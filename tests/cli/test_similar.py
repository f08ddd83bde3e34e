"""`perfectlook similar`, run as a user runs it."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from conftest import Shop

SHOES, BAGS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases|Handbags"


@pytest.fixture
def similar(run):
    return partial(run, "similar")


@pytest.fixture
def shoe(shop: "Shop") -> str:
    listed = json.loads((shop.source / "categories.json").read_text(encoding="utf-8"))
    return min(id_ for id_, category in listed.items() if category == SHOES)


def test_similar_products_are_printed(similar, shoe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert similar(shoe, "-k", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == shoe
    assert lines[2] == f"  {SHOES}"
    products = [line.split() for line in lines if line[:6].strip().isdigit()]
    assert [product[0] for product in products] == ["1", "2", "3"]
    assert shoe not in [product[2] for product in products]


def test_similar_products_are_written_as_json_and_drawn(similar, shoe: str, tmp_path: Path, capsys) -> None:
    sheet = tmp_path / "alike.png"
    assert similar(shoe, "-k", "2", "--category", "Handbags", "Shoes", "--json", "-", "--sheet", sheet) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["product"]["id"] == shoe
    assert [section["category"] for section in found["categories"]] == [BAGS, SHOES]
    with Image.open(sheet) as drawn:
        assert drawn.width > 800


def test_a_photo_finds_the_product_it_shows(similar, shop: "Shop", shoe: str, tmp_path: Path, capsys) -> None:
    photo = shop.source / "products" / f"{shoe}.jpg"
    arguments = ["-k", "1", "--category", "Shoes", "--json", "-", "--sheet", tmp_path / "alike.png"]
    assert similar(photo, *arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["photo"] == str(photo)
    assert found["categories"][0]["products"][0]["id"] == shoe


def test_all_shows_full_precision(similar, shoe: str, capsys) -> None:
    assert similar(shoe, "--all", "-k", "99", "--json", "-") == 0
    products = json.loads(capsys.readouterr().out)["categories"][0]["products"]
    assert len(products) == 8
    assert any(each["distance"] != round(each["distance"], 6) for each in products)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "'nobody': neither a product of"),
        (["nobody", "--where", "a ="], "where: column 4: expected a value"),
        (["nobody", "--all", "--rules", "r.toml"], "--all and --rules exclude each other"),
        (["nobody", "--sheet", "a.doc"], "a.doc"),
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], said: str, similar, capsys) -> None:
    assert similar(*arguments) == 2
    assert said in capsys.readouterr().err
