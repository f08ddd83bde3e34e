"""`perfectlook catalogue sync`, run as a user runs it."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfectlook.catalogue import Catalogue
from perfectlook.cli.main import main

if TYPE_CHECKING:
    from conftest import Shop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


@pytest.fixture
def source(shop: "Shop", tmp_path: Path) -> Path:
    """A copy of the shop's set that a test may change."""
    return Path(shutil.copytree(shop.source, tmp_path / "source"))


def sync(source: Path, model: Path, folder: Path, *more: str | Path) -> int:
    arguments = [
        "catalogue",
        "sync",
        source,
        "--model",
        model,
        "--catalogue",
        folder,
        "--workers",
        "1",
        *more,
    ]
    return main([str(argument) for argument in arguments])


def a_product(source: Path, place: int = 0) -> Path:
    return sorted((source / "products").iterdir())[place]


def test_it_says_what_it_did(
    shop: "Shop", source: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(source, shop.model, folder) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}: products 18, categories 2, model model",
        "  18 added, 0 changed, 0 deleted, 0 unchanged; 18 embedded, 0 failed",
    ]
    a_product(source).unlink()
    shutil.copy(a_product(source, 1), a_product(source, 2))
    assert sync(source, shop.model, folder) == 0
    assert "  0 added, 1 changed, 1 deleted, 16 unchanged; 1 embedded, 1 failed" in capsys.readouterr().out
    assert sync(source, shop.other_model, folder) == 0
    assert "  0 added, 0 changed, 0 deleted, 17 unchanged; 17 embedded, 1 failed" in capsys.readouterr().out


def test_a_folder_of_pictures_is_a_source(
    shop: "Shop", source: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "pictures" / "Apparel & Accessories" / "Shoes" / "red_shoe.jpg"
    place.parent.mkdir(parents=True)
    shutil.copy(a_product(source), place)
    assert sync(tmp_path / "pictures", shop.model, folder) == 0
    assert "products 1, categories 1" in capsys.readouterr().out
    with Catalogue.open(folder) as catalogue:
        ((point,),) = catalogue.store.scroll()
    assert (point.category, point.payload["title"]) == ("Apparel & Accessories|Shoes", "red shoe")


def test_bad_products_are_named_and_fail_only_when_strict(
    shop: "Shop", source: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_product(source).write_bytes(b"")
    assert sync(source, shop.model, folder, "--json", tmp_path / "report.json") == 0
    captured = capsys.readouterr()
    assert f"skipped: {source}: {a_product(source).stem}: " in captured.err
    assert "17 added" in captured.out
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["added"], report["embedded"], report["switched"]) == (17, 17, True)
    assert [problem["item"] for problem in report["failed"]] == [a_product(source).stem]
    assert sync(source, shop.model, folder, "--strict") == 1


def test_an_empty_source_is_refused_unless_allowed(
    shop: "Shop", source: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    sync(source, shop.model, folder)
    assert sync(tmp_path / "empty", shop.model, folder) == 1
    assert "all 18 products" in capsys.readouterr().err
    assert sync(tmp_path / "empty", shop.model, folder, "--allow-empty") == 0
    assert "18 deleted" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["source", "model", "catalogue", "json"])
def test_what_cannot_be_used_is_said_without_a_traceback(
    what: str, shop: "Shop", folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a file"
    file.write_text("no", encoding="utf-8")
    source = tmp_path / "nowhere" if what == "source" else shop.source
    model = file if what == "model" else shop.model
    place = file if what == "catalogue" else folder
    more = ["--json", tmp_path] if what == "json" else []
    assert sync(source, model, place, *more) == (2 if what == "source" else 1)
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("perfectlook: error: ")
    assert str(tmp_path) in error


def test_a_damaged_catalogue_is_said_to_be(
    shop: "Shop", folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sync(shop.source, shop.model, folder)
    with sqlite3.connect(folder / "catalogue.sqlite") as connection:
        connection.execute("UPDATE state SET value = '{\"format\": 1}' WHERE key = 'manifest'")
    connection.close()
    assert sync(shop.source, shop.model, folder) == 1
    assert "manifest is damaged" in capsys.readouterr().err


def test_wrong_use_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["catalogue"], ["catalogue", "sync"], ["catalogue", "sync", "X", "--model", "M"]):
        with pytest.raises(SystemExit) as raised:
            main(arguments)
        assert raised.value.code == 2
    assert "--catalogue" in capsys.readouterr().err


def test_the_parsers_need_nothing_heavy() -> None:
    code = (
        "import argparse, sys\n"
        "from perfectlook.cli import catalogue, complete\n"
        "subparsers = argparse.ArgumentParser().add_subparsers()\n"
        "catalogue.add_parser(subparsers), complete.add_parser(subparsers)\n"
        "assert not {'numpy', 'PIL', 'sqlite3', 'perfectlook.catalogue'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
