"""`perfectlook complete --product`, run as a user runs it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from conftest import Shop

SHOES, BAGS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases|Handbags"


@pytest.fixture
def shoe(shop: "Shop") -> str:
    listed = json.loads((shop.source / "categories.json").read_text(encoding="utf-8"))
    return min(id_ for id_, category in listed.items() if category == SHOES)


def test_what_goes_with_a_product_is_printed(complete, shoe: str, capsys: pytest.CaptureFixture[str]):
    assert complete("--product", shoe, "-k", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2]) == (shoe, f"  {BAGS}")
    assert len([line for line in lines if line[:6].strip().isdigit()]) == 2


def test_it_is_written_as_json_and_drawn(complete, shoe: str, tmp_path: Path, capsys):
    sheet = tmp_path / "with.png"
    assert complete("--product", shoe, "-k", "2", "--json", "-", "--sheet", sheet) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["product"]["id"] == shoe
    assert [section["category"] for section in found["categories"]] == [BAGS]
    with Image.open(sheet) as drawn:
        assert drawn.width > 300


def test_a_look_of_a_product_is_printed_and_drawn(complete, shoe: str, tmp_path: Path, capsys):
    sheet = tmp_path / "look.png"
    assert complete("--product", shoe, "--look", "--sheet", sheet) == 0
    assert capsys.readouterr().out.splitlines()[0] == shoe
    with Image.open(sheet) as drawn:
        assert drawn.width > 300


def test_photos_and_a_product_exclude_each_other(complete, shop: "Shop", shoe: str, capsys):
    for given in ((shop.photos[0], "--product", shoe), ()):
        assert complete(*given) == 2
        assert "Give either photos or --product ID, and not both." in capsys.readouterr().err


def test_an_unknown_product_is_named(complete, capsys):
    assert complete("--product", "nobody") == 2
    assert "product 'nobody': not in" in capsys.readouterr().err
