import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drawn import drawn_set
from perfectlook.cli.main import main


def stats(*arguments: str | Path) -> int:
    """Run `perfectlook data stats` and return its exit code."""
    return main(["data", "stats", *map(str, arguments)])


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    return drawn_set(tmp_path / "drawn", scenes=20, products_per_category=8)


def columns(text: str) -> dict[str, list[str]]:
    """The words after each line's title, by title."""
    split = (line.strip().split("  ", 1) for line in text.splitlines() if "  " in line.strip())
    return {title: rest.split() for title, rest in split}


def test_the_report_shows_the_numbers(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stats(drawn, "--strict") == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == f"drawn, folder {drawn}, fashion"
    numbers = columns(captured.out)
    assert numbers["scenes"][0] == "20"
    assert numbers["products"][0] == "16"
    assert numbers["pairs"][:4] == ["44", "of", "44", "rows"]
    assert numbers["multi-positive scenes"][0] == "4"
    assert numbers["twin scenes"][0] == "0"
    assert numbers["Apparel & Accessories|Shoes"] == ["8", "24"]
    assert "no problems" in captured.out
    assert "reading pictures: 36 of 36 pictures" in captured.err


def test_the_first_problems_of_each_kind_are_shown(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (drawn / "pairs.jsonl").open("a") as rows:
        rows.write("{\n" * 7)
    (next((drawn / "products").iterdir())).write_bytes(b"")
    json_file = tmp_path / "stats.json"
    assert stats(drawn, "--json", json_file) == 0
    text = capsys.readouterr().out
    assert "malformed row (7)" in text
    assert text.count("pairs.jsonl, line ") == 5
    assert "and 2 more" in text
    assert "unreadable picture (1)" in text
    (found,) = json.loads(json_file.read_text(encoding="utf-8"))["sets"]
    assert len(found["problems"]) == 8
    assert found["problems"][6] == {
        "where": f"{drawn / 'pairs.jsonl'}, line 51",
        "item": "'{'",
        "reason": found["problems"][0]["reason"],
        "kind": "malformed row",
    }
    assert found["pictures"]["unreadable"] == 1
    assert found["splits"].keys() == {"train", "val", "test"}
    assert found["categories"]["Apparel & Accessories|Shoes"]["products"] == 8


def test_strict_fails_when_anything_is_wrong(drawn: Path) -> None:
    next((drawn / "scenes").iterdir()).write_bytes(b"")
    assert stats(drawn) == 0
    assert stats(drawn, "--strict") == 1


def test_the_releases_category_files_are_counted(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = drawn.parent / "release"
    folder.mkdir()
    shutil.copy(drawn / "categories.json", folder / "fashion-cat.json")
    json_file = folder / "stats.json"
    assert stats(folder, "--json", json_file) == 0
    assert columns(capsys.readouterr().out)["fashion"] == ["16", "products", "in", "2", "categories"]
    found = json.loads(json_file.read_text(encoding="utf-8"))
    assert found["sets"] == []
    assert found["release"]["fashion"]["products"] == 16


def test_a_release_without_pictures_says_so(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = drawn.parent / "release"
    folder.mkdir()
    shutil.copy(drawn / "categories.json", folder / "fashion-cat.json")
    shutil.copy(drawn / "pairs.jsonl", folder / "fashion.json")
    assert stats(folder, "--strict") == 0
    numbers = columns(capsys.readouterr().out)
    assert numbers["pairs"][0] == "44"
    assert numbers["pictures"][0] == "none"


def test_a_folder_without_a_set_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stats(tmp_path) == 1
    assert "not a set" in capsys.readouterr().err


def test_a_json_file_that_cannot_be_written_is_an_error(
    drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stats(drawn, "--json", drawn) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [[], ["--unknown", "x"]])
def test_wrong_use_exits_with_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert stats(*wrong) == 2
    assert "perfectlook data stats --help" in capsys.readouterr().err


def test_the_parser_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from cyclopts import App\n"
        "from perfectlook.cli import data\n"
        "data.register(App())\n"
        "assert not {'numpy', 'PIL', 'sqlite3', 'perfectlook.data'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.long
@pytest.mark.photos
def test_the_real_set_is_reported(photos: Path, tmp_path: Path) -> None:
    json_file = tmp_path / "stats.json"
    assert stats(photos / "ikea-rooms", "--strict", "--json", json_file) == 0
    (found,) = json.loads(json_file.read_text(encoding="utf-8"))["sets"]
    assert [size["scenes"] for size in found["splits"].values()] == [124, 15, 17]
    assert found["multi_positive_scenes"] == 136
    assert found["dropped_by_crop"] == 0
