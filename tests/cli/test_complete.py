"""`perfectlook complete`, run as a user runs it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from perfectlook.answers import Answer, Resolved, Section
from perfectlook.cli.main import main
from perfectlook.cli.recommend import MOST_CATEGORIES, _lines

if TYPE_CHECKING:
    from conftest import Shop

SHOES, BAGS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases|Handbags"


@pytest.fixture
def photo(shop: "Shop") -> Path:
    return shop.photos[0]


def test_the_answer_is_printed(complete, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(photo, "-k", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(photo)
    assert [line.strip() for line in lines if line.startswith("  A")] == [BAGS, SHOES]
    products = [line.split() for line in lines if line[:6].strip().isdigit()]
    assert [product[0] for product in products] == ["1", "2", "3"] * 2
    assert all(len(product[2]) == 32 for product in products)
    assert all(len(product[1].split(".")[1]) == 3 for product in products)


def test_at_most_eight_categories_are_printed_and_the_others_are_counted() -> None:
    sections = [
        Section(
            category=f"A|{number}",
            resolved=Resolved(category="A", how="exact"),
            proven_exact=True,
            products=[],
        )
        for number in range(11)
    ]
    answer = Answer(photo="room.jpg", model="m", categories=sections)
    lines = list(_lines(answer, bare=False, most=MOST_CATEGORIES))
    assert [line.strip() for line in lines if "A|" in line] == [f"A|{number}" for number in range(8)]
    assert "  3 more categories: name them with --category, or use --json, which has all" in lines
    assert not any(" more " in line for line in _lines(answer, bare=False))


def test_the_answer_is_written_as_json(complete, photo: Path, tmp_path: Path, capsys) -> None:
    assert complete(photo, "-k", "4", "--category", "Shoes", "--json", tmp_path / "answer.json") == 0
    assert capsys.readouterr().out == ""
    answer = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert (answer["photo"], answer["model"]) == (str(photo), "model")
    assert [section["category"] for section in answer["categories"]] == [SHOES]
    assert [product["rank"] for product in answer["categories"][0]["products"]] == [1, 2, 3, 4]


def test_json_may_go_to_standard_output(complete, photo: Path, capsys) -> None:
    assert complete(photo, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["photo"] == str(photo)


def test_all_shows_every_product_at_full_precision(complete, photo: Path, capsys) -> None:
    assert complete(photo, "--all", "-k", "1000", "--json", "-") == 0
    sections = json.loads(capsys.readouterr().out)["categories"]
    distances = [product["distance"] for section in sections for product in section["products"]]
    assert len(distances) == 18
    assert any(distance != round(distance, 6) for distance in distances)
    assert complete(photo, "--all", "-k", "1") == 0
    assert repr(distances[0]) in capsys.readouterr().out


def test_several_photos_give_a_list_and_numbered_sheets(
    complete, shop: "Shop", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = shop.photos[:2]
    assert complete(*photos, "-k", "2", "--json", "-", "--sheet", tmp_path / "look.png") == 0
    assert [answer["photo"] for answer in json.loads(capsys.readouterr().out)] == list(map(str, photos))
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["look-1.png", "look-2.png"]
    with Image.open(tmp_path / "look-2.png") as sheet:
        assert sheet.width > 800


def test_one_photo_gives_one_sheet_of_its_name(complete, photo: Path, tmp_path: Path) -> None:
    assert complete(photo, "-k", "1", "--sheet", tmp_path / "look.png") == 0
    assert [path.name for path in tmp_path.glob("*.png")] == ["look.png"]


def test_a_bad_photo_is_skipped_and_the_others_are_answered(
    complete, shop: "Shop", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    photos = [shop.photos[0], bad, shop.photos[1]]
    assert complete(*photos, "-k", "1", "--json", "-", "--sheet", tmp_path / "look.png") == 0
    captured = capsys.readouterr()
    assert [answer["photo"] for answer in json.loads(captured.out)] == [str(photos[0]), str(photos[2])]
    assert f"skipped: {bad}: not a picture" in captured.err
    assert "1 of 3 photos were skipped" in captured.err
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["look-1.png", "look-3.png"]
    assert complete(*photos, "-k", "1", "--strict") == 1


def test_when_every_photo_is_bad_it_fails(complete, tmp_path: Path, capsys) -> None:
    assert complete(tmp_path / "a.jpg", tmp_path / "b.jpg", "--json", tmp_path / "answer.json") == 1
    assert "2 of 2 photos were skipped" in capsys.readouterr().err
    assert not (tmp_path / "answer.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--category", "Shows"], "Did you mean Apparel & Accessories|Shoes"),
        (["--sheet", "sheet.doc"], "sheet.doc"),
        (["--where", "-1 < price"], "where: column 1: expected a field"),
        (
            ["--sheet", "nowhere/look.png"],
            "--sheet nowhere/look.png: the folder nowhere does not exist. Make it",
        ),
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], said: str, complete, photo: Path, capsys) -> None:
    assert complete(photo, *arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        ("0", "must be at least 1."),
        ("-1", "must be at least 1."),
        ("ten", "must be a whole number."),
    ],
)
def test_a_wrong_number_of_products_exits_with_2(
    k: str, expected: str, complete, photo: Path, capsys
) -> None:
    assert complete(photo, "-k", k) == 2
    error = capsys.readouterr().err
    assert "-k" in error
    assert k in error
    assert expected in error


@pytest.mark.parametrize(
    ("arguments", "categories"),
    [
        (["--category", "Shoes", "Handbags"], [SHOES, BAGS]),
        (["--category", "Shoes", "--category", "Handbags"], [SHOES, BAGS]),
        (["--category", "Handbags, Wallets & Cases"], [BAGS]),
    ],
)
def test_several_categories_follow_one_flag_or_several(
    arguments: list[str], categories: list[str], complete, photo: Path, capsys
) -> None:
    assert complete(photo, *arguments, "--json", "-") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [section["category"] for section in answer["categories"]] == categories


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
@pytest.mark.parametrize(
    "encoding",
    ["ascii", pytest.param("utf-8", marks=pytest.mark.long), pytest.param("latin-1", marks=pytest.mark.long)],
)
def test_a_photo_whose_name_is_not_unicode_is_answered_on_any_output(
    encoding: str, shop: "Shop", catalogue: Path, photo: Path, tmp_path: Path
) -> None:
    named = os.fsencode(tmp_path) + "/sch\N{LATIN SMALL LETTER O WITH DIAERESIS}n".encode() + b" caf\xe9.jpg"
    shutil.copy(photo, os.fsdecode(named))
    command = [sys.executable, "-m", "perfectlook", "complete", named, "-k", "1"]
    command += ["--model", shop.model, "--catalogue", catalogue]
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    file = tmp_path / "answer.json"
    for more in ([], ["--json", "-"], ["--json", file]):
        done = subprocess.run([*command, *more], env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        if more:
            answer = json.loads(file.read_bytes() if more[1] == file else done.stdout)
            assert os.fsencode(answer["photo"]) == named
        else:
            assert b"caf" in done.stdout


def test_a_model_of_another_backbone_is_refused(
    foreign_model: Path, catalogue: Path, photo: Path, capsys
) -> None:
    assert main(["complete", str(photo), "--model", str(foreign_model), "--catalogue", str(catalogue)]) == 1
    assert "trained on the backbone tiny-fp32-000000000000" in capsys.readouterr().err


def test_another_model_and_no_catalogue_are_refused(
    shop: "Shop", catalogue: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model, place, said in (
        (shop.other_model, catalogue, "made with model 'model'"),
        (shop.model, tmp_path / "nowhere", "no catalogue here"),
        (tmp_path, catalogue, "config.json"),
    ):
        assert main(["complete", str(photo), "--model", str(model), "--catalogue", str(place)]) == 1
        assert said in capsys.readouterr().err


def test_files_that_cannot_be_written_are_named(complete, photo: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "look.png").mkdir()
    for option, place in (("--json", tmp_path), ("--sheet", tmp_path / "look.png")):
        assert complete(photo, "-k", "1", option, place) == 1
        assert f"perfectlook: error: {place}: cannot be written" in capsys.readouterr().err


def test_a_product_without_its_picture_is_still_drawn(shop: "Shop", tmp_path: Path, photo: Path) -> None:
    source = Path(shutil.copytree(shop.source, tmp_path / "set"))
    place = ["--model", str(shop.model), "--catalogue", str(tmp_path / "catalogue")]
    assert main(["catalogue", "sync", str(source), *place]) == 0
    shutil.rmtree(source / "products")
    assert main(["complete", str(photo), *place, "--sheet", str(tmp_path / "look.png")]) == 0
