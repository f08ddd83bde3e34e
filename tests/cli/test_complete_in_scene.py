"""`perfectlook complete` on photos that show products of the catalogue, and on unknown photos."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfectlook.cli.main import main
from seeing import write_known, write_presence

if TYPE_CHECKING:
    from conftest import Shop

SHOES = "Apparel & Accessories|Shoes"


@pytest.fixture
def model(shop: "Shop", tmp_path: Path) -> Path:
    return shutil.copytree(shop.model, tmp_path / "model")


@pytest.fixture
def complete(shop: "Shop", catalogue: Path, model: Path):
    def asked(*arguments: str | Path) -> int:
        given = (shop.photos[0], "--model", model, "--catalogue", catalogue, "-k", "3", *arguments)
        return main(["complete", *map(str, given)])

    return asked


def test_products_in_the_photo_are_named_and_left_out(complete, model: Path, capsys: pytest.CaptureFixture):
    write_presence(model, SHOES)
    assert complete() == 0
    printed = capsys.readouterr().out.splitlines()
    row = printed.index(f"  {SHOES}  already there")
    assert printed[row + 1] == "      nothing"
    assert len([line for line in printed if line.startswith("  the photo seems to show ")]) == 8  # of 9


@pytest.mark.parametrize("flag", ["--keep-in-scene", "--all"])
def test_they_are_kept_on_request(complete, model: Path, flag: str, tmp_path: Path):
    everything = tmp_path / "before.json", tmp_path / "after.json"
    assert complete("--all", "--json", everything[0]) == 0
    write_presence(model, SHOES)
    assert complete(flag, "--json", everything[1]) == 0
    before, after = (json.loads(file.read_text()) for file in everything)
    shoes = [
        next(each for each in found["categories"] if each["category"] == SHOES) for found in (before, after)
    ]
    assert len(shoes[1]["products"]) == 3
    if flag == "--all":
        assert shoes[0]["products"] == shoes[1]["products"]
    assert len(after["in_scene"]) == 9


def test_a_photo_unlike_known_scenes_is_said_to_be_so(complete, model: Path, capsys: pytest.CaptureFixture):
    write_presence(model, SHOES)
    write_known(model)
    assert complete() == 0
    printed = capsys.readouterr()
    assert "already there" not in printed.out
    assert "%" not in printed.out
    assert "far from the scenes that model 'model' knows" in printed.err
