"""`perfectlook data make`: from two folders and a table to a set that trains."""

from pathlib import Path

import pytest

from perfectlook.cli.main import main
from pictures import drawn


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for folder, names in (("rooms", ("living", "bed")), ("things", ("sofa", "rug"))):
        (tmp_path / folder).mkdir()
        for place, name in enumerate(names):
            drawn(96 + 9 * place, 64).save(tmp_path / folder / f"{name}.jpg")
    return tmp_path


def make(shop: Path, text: str, *arguments: str) -> int:
    (shop / "pairs.csv").write_text(text, encoding="utf-8")
    given = ["--scenes", "rooms", "--products", "things", "--pairs", "pairs.csv"]
    places = [str(shop / each) if not each.startswith("--") else each for each in given]
    return main(["data", "make", str(shop / "set"), *places, *arguments])


GOOD = "scene,product,category\nliving,sofa,Furniture|Sofas\nbed,rug,Home & Garden|Decor|Rugs\n"


def test_a_set_is_made_and_can_be_inspected(shop: Path, capsys: pytest.CaptureFixture[str]):
    assert make(shop, GOOD, "--licence", "ours", "--link", "--strict") == 0
    assert f"{shop / 'set'}: 2 scenes, 2 products, 2 pairs" in capsys.readouterr().out
    assert main(["data", "stats", str(shop / "set"), "--strict"]) == 0
    assert "no problems" in capsys.readouterr().out


def test_rows_that_cannot_be_used_are_printed_and_fail_only_when_strict(
    shop: Path, capsys: pytest.CaptureFixture[str]
):
    text = GOOD + "living,chair,Furniture|Chairs\n"
    assert make(shop, text) == 0
    captured = capsys.readouterr()
    assert f"skipped: {shop / 'pairs.csv'}, line 4: 'chair': no picture of this product" in captured.err
    assert "2 pairs" in captured.out
    assert make(shop, text, "--strict") == 1


def test_another_set_is_wrong_use_without_force(shop: Path, capsys: pytest.CaptureFixture[str]):
    assert make(shop, GOOD) == 0
    other = GOOD.replace("bed", "living")
    assert make(shop, other) == 2
    assert "contains another set" in capsys.readouterr().err
    assert make(shop, other, "--force") == 0
