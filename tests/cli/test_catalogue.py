"""`perfectlook catalogue sync`, run as a user runs it."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from closed import closed_to
from perfectlook.catalogue import Catalogue
from perfectlook.cli.main import main
from web import Web, serve

if TYPE_CHECKING:
    from conftest import Shop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


@pytest.fixture
def source(shop: "Shop", tmp_path: Path) -> Path:
    """A copy of the shop's set that tests may change."""
    return Path(shutil.copytree(shop.source, tmp_path / "source"))


def sync(source: Path | str, model: Path, folder: Path, *more: str | Path) -> int:
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


def test_the_summary_counts_every_change(
    shop: "Shop", source: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(source, shop.model, folder) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}: products 18, categories 2, model model",
        "  18 added, 0 changed, 0 deleted, 0 unchanged; 18 embedded, 0 problems",
    ]
    a_product(source).unlink()
    shutil.copy(a_product(source, 1), a_product(source, 2))
    assert sync(source, shop.model, folder) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1:] == [
        "  0 added, 1 changed, 0 deleted, 17 unchanged; 1 embedded, 1 problem",
        "  1 kept as they are: the source is temporarily unavailable for them",
    ]
    assert "embedding: 1 of 1 products" in captured.err
    unlist(source, a_product(source).stem)
    assert sync(source, shop.other_model, folder) == 0
    assert "  0 added, 0 changed, 1 deleted, 17 unchanged; 17 embedded, 1 problem" in capsys.readouterr().out


def test_json_on_standard_output_is_alone(
    shop: "Shop", source: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(source, shop.model, folder, "--json", "-") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["added"] == 18
    assert "  18 added, 0 changed" in captured.err
    assert main(["data", "stats", str(source), "--json", "-"]) == 0
    assert len(json.loads(capsys.readouterr().out)["sets"]) == 1


def unlist(source: Path, id_: str) -> None:
    listed = json.loads((source / "categories.json").read_text(encoding="utf-8"))
    del listed[id_]
    (source / "categories.json").write_text(json.dumps(listed), encoding="utf-8")


def test_an_unreadable_folder_deletes_nothing_and_the_summary_says_so(
    shop: "Shop",
    source: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = source / "pictures"
    for place in range(4):
        (pictures / f"Shoes {place % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(a_product(source, place), pictures / f"Shoes {place % 2}")
    assert sync(pictures, shop.model, folder) == 0
    monkeypatch.setattr("os.scandir", closed_to(pictures / "Shoes 0"))
    assert sync(pictures, shop.model, folder, "--strict") == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-4:-1] == [
        "  0 added, 0 changed, 0 deleted, 4 unchanged; 0 embedded, 1 problem",
        "  2 kept as they are: the source is temporarily unavailable for them",
        "  nothing was deleted, because the source could not be listed completely",
    ]
    assert "Shoes 0: cannot be read" in captured.err


def test_a_feed_that_lost_most_products_is_refused_and_a_dry_run_foresees_it(
    shop: "Shop", source: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [*NAMED, "--currency", "EUR", "--strict", "--json", tmp_path / "report.json"]

    def report() -> dict:
        return json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))

    feed = write_feed(source)
    assert sync(feed, shop.model, folder, *more) == 0
    whole = feed.read_text(encoding="utf-8")
    feed.write_text("\n".join(whole.splitlines()[:4]) + "\n", encoding="utf-8")
    capsys.readouterr()
    assert sync(feed, shop.model, folder, *more, "--dry-run") == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"{folder}: nothing was changed. A sync with model model would stop. With a larger --max-delete, it "
        "would do this:",
        "  0 added, 0 changed, 15 deleted, 3 unchanged; 0 embedded, 0 problems",
    ]
    assert f"ERROR: {report()['refused']}\n" in said.err
    assert sync(feed, shop.model, folder, *more) == 1
    refused = capsys.readouterr().err
    assert f"{feed}: lacks 15 of the 18 products of {folder}, more than 20%. Nothing was changed." in refused
    assert "pass --max-delete 84%." in refused
    assert report()["refused"] in refused
    assert sync(feed, shop.model, folder, *more, "--max-delete", "84%", "--dry-run") == 0
    assert sync(feed, shop.model, folder, *more, "--max-delete", "84%") == 0
    assert (report()["deleted"], report()["refused"]) == (15, "")
    feed.write_text(whole, encoding="utf-8")
    assert sync(feed, shop.model, folder, *more) == 0
    assert (report()["added"], report()["unchanged"], report()["warnings"]) == (15, 3, [])


def test_categories_that_the_model_does_not_know_are_named(
    shop: "Shop", source: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A category with a known last level or a known ancestor resolves to a category of the model."""
    listed = json.loads((source / "categories.json").read_text(encoding="utf-8"))
    names = ["Rugs", "Rugs", *"ABCDE", "Sports|Shoes", "Apparel & Accessories|Shoes|Boots"]
    listed |= dict(zip(sorted(listed), names, strict=False))
    (source / "categories.json").write_text(json.dumps(listed), encoding="utf-8")
    for more in (["--dry-run"], [], []):
        assert sync(source, shop.model, folder, "--json", tmp_path / "report.json", *more) == 0
        assert capsys.readouterr().out.splitlines()[-1] == (
            "  7 products in categories that the model does not know: Rugs; A; B; C; D; and 1 more. "
            "They are never suggested. Show them with --category, or train a model that knows them."
        )
        report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
        assert report["unknown_categories"] == {"Rugs": 2, **dict.fromkeys("ABCDE", 1)}


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_a_file_name_that_is_not_unicode_is_reported_and_skipped(
    shop: "Shop", source: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shoes = tmp_path / "pictures" / "Shoes"
    shoes.mkdir(parents=True)
    shutil.copy(a_product(source), shoes / "good.jpg")
    shutil.copy(a_product(source), os.fsdecode(os.fsencode(shoes) + b"/caf\xe9.jpg"))
    assert sync(shoes.parent, shop.model, folder, "--json", tmp_path / "report.json") == 0
    captured = capsys.readouterr()
    assert "1 added" in captured.out
    assert "caf\\udce9.jpg: the file name or the text is not valid Unicode. Rename the file" in captured.err
    (problem,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["failed"]
    assert "caf\udce9.jpg" in problem["reason"]


def test_a_model_of_another_backbone_is_refused(
    shop: "Shop", folder: Path, foreign_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(shop.source, foreign_model, folder) == 1
    assert "trained on the backbone tiny-fp32-000000000000" in capsys.readouterr().err
    with Catalogue.open(folder, create=True) as catalogue:
        assert catalogue.manifest().active is None


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_an_interrupted_sync_exits_with_130_and_can_be_run_again(
    shop: "Shop", folder: Path, tmp_path: Path
) -> None:
    shoes = tmp_path / "pictures" / "Shoes"
    shoes.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(200):
        colours = Image.fromarray(random.integers(0, 256, (3, 4, 3), np.uint8))
        colours.resize((64, 48)).save(shoes / f"{number}.png")
    command = [sys.executable, "-m", "perfectlook", "catalogue", "sync", str(shoes.parent)]
    command += ["--model", str(shop.model), "--catalogue", str(folder), "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("reading pictures")
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.endswith("perfectlook: interrupted.\n")
    assert "Traceback" not in said
    with Catalogue.open(folder, create=True) as catalogue:
        assert catalogue.manifest().active is None
    assert main(command[3:]) == 0
    with Catalogue.open(folder) as catalogue:
        assert catalogue.count() == 200
        assert catalogue.manifest().pending is None


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


def write_feed(source: Path, **first: str) -> Path:
    """Write a feed of the shop's set, with semicolons and other column names. The first row may differ."""
    listed = json.loads((source / "categories.json").read_text(encoding="utf-8"))
    rows = [
        {
            "sku": id_,
            "name": f"Nr {place}",
            "bild": f"products/{id_}.jpg",
            "art": category,
            "preis": f"{place},50",
        }
        for place, (id_, category) in enumerate(sorted(listed.items()))
    ]
    rows[0] |= first
    lines = [";".join(rows[0]), *(";".join(row.values()) for row in rows)]
    (source / "feed.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return source / "feed.csv"


NAMED = [
    option
    for named in ("id=sku", "image_link=bild", "category=art", "price=preis")
    for option in ("--field", named)
]


def test_a_feed_is_a_source(
    shop: "Shop", source: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = write_feed(source, preis="gratis")
    more = [*NAMED, "--currency", "EUR", "--json", tmp_path / "report.json"]
    assert sync(feed, shop.model, folder, *more) == 0
    captured = capsys.readouterr()
    assert "  18 added, 0 changed, 0 deleted, 0 unchanged; 18 embedded, 1 problem" in captured.out
    assert f"problem: {feed}, line 2: " in captured.err
    assert "preis is left out: 'gratis' is not a price. Write it as '49.90 EUR'." in captured.err
    with Catalogue.open(folder) as catalogue:
        fields = [point.payload["fields"] for batch in catalogue.store.scroll() for point in batch]
    assert {"price": "7.50 EUR"} in fields
    write_feed(source, name="new")
    assert sync(feed, shop.model, folder, *more) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert list(report["changes"]["changed"].values()) == [["record"]]
    assert report["failed"] == []


def test_a_feed_at_a_url_is_a_source(
    shop: "Shop", source: Path, folder: Path, server: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    for picture in (source / "products").iterdir():
        server.answers[f"/products/{picture.name}"] = serve(picture.read_bytes())
    server.answers["/export"] = serve(write_feed(source).read_bytes())
    url, more = server.url("/export"), [*NAMED, "--currency", "EUR", "--format", "csv"]
    assert sync(url, shop.model, folder, *more) == 1
    assert f"{url}: 127.0.0.1: its address 127.0.0.1 is not on the public internet" in capsys.readouterr().err
    assert not folder.exists()
    assert sync(url, shop.model, folder, *more, "--allow-private") == 0
    assert "  18 added, 0 changed, 0 deleted, 0 unchanged; 18 embedded, 0 problems" in capsys.readouterr().out
    del server.answers["/export"]
    assert sync(url, shop.model, folder, *more, "--allow-private") == 1
    assert f"{url}: answered 404 Not Found. Correct the link" in capsys.readouterr().err


def test_a_dry_run_makes_no_catalogue(
    shop: "Shop", source: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(write_feed(source), shop.model, folder, *NAMED, "--currency", "EUR", "--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}: nothing was changed. A sync with model model would do this:",
        "  18 added, 0 changed, 0 deleted, 0 unchanged; 18 embedded, 0 problems",
    ]
    assert not folder.exists()


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (
            [],
            1,
            "no column 'category' (it has sku, name, bild, art, preis). Name the column with --field",
        ),
        (
            ["--field", "id=nr"],
            1,
            "no column 'nr' (it has sku, name, bild, art, preis). Correct --field id=nr.",
        ),
        (["--field", "colour=name"], 2, "--field colour=...: unknown field"),
        (["--format", "excel"], 1, "unknown format 'excel'. Choose one of: csv, tsv"),
        (["--currency", "euro"], 2, "--currency euro: unknown currency"),
    ],
)
def test_a_feed_that_cannot_be_used_is_an_error(
    options: list[str],
    status: int,
    said: str,
    shop: "Shop",
    source: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sync(write_feed(source), shop.model, folder, *options) == status
    assert said in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
@pytest.mark.parametrize("sizes", [[60_000], pytest.param([30_000, 60_000, 100_000], marks=pytest.mark.long)])
def test_a_full_disk_is_an_error_and_the_next_run_completes_the_sync(
    sizes: list[int], shop: "Shop", source: Path, folder: Path, tmp_path: Path
) -> None:
    for place in range(1, 60):
        shutil.copy(a_product(source), source / "products" / f"copy{place}.jpg")
    listed = json.loads((source / "categories.json").read_text(encoding="utf-8"))
    listed |= {f"copy{place}": f"Kind {place}" for place in range(1, 60)}
    (source / "categories.json").write_text(json.dumps(listed), encoding="utf-8")
    command = [sys.executable, "-m", "perfectlook", "catalogue", "sync", str(source), "--workers", "1"]
    command += ["--model", str(shop.model), "--catalogue", str(folder)]
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); "
    code += "sys.argv = sys.argv[1:]; from perfectlook.cli.main import main; sys.exit(main())"
    for size in sizes:
        full = [sys.executable, "-c", code, str(size), *command[3:]]
        done = subprocess.run(full, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith("perfectlook: error: ")
        if (folder / "catalogue.sqlite").exists():
            with Catalogue.open(folder, create=True) as catalogue:
                assert catalogue.manifest().active is None  # the catalogue has not switched
    assert main(command[3:]) == 0
    with Catalogue.open(folder) as catalogue:
        assert catalogue.count() == 18 + 59


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
def test_unusable_arguments_give_an_error_without_a_traceback(
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


def test_a_damaged_catalogue_is_an_error(
    shop: "Shop", folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sync(shop.source, shop.model, folder)
    with sqlite3.connect(folder / "catalogue.sqlite") as connection:
        connection.execute("UPDATE state SET value = '{\"format\": 1}' WHERE key = 'manifest'")
    connection.close()
    assert sync(shop.source, shop.model, folder) == 1
    assert "damaged (manifest, " in capsys.readouterr().err


def test_wrong_use_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    whole = ["catalogue", "sync", "X", "--model", "M", "--catalogue", "C"]
    for arguments in (["catalogue"], whole[:2], [*whole, "--workers", "0"], whole[:5]):
        assert main(arguments) == 2
    assert "--catalogue" in capsys.readouterr().err


def test_the_parsers_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from cyclopts import App\n"
        "from perfectlook.cli import catalogue, recommend\n"
        "app = App()\n"
        "catalogue.register(app), recommend.register(app)\n"
        "assert not {'numpy', 'PIL', 'sqlite3', 'perfectlook.catalogue'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_check_of_a_hostile_feed_prints_no_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": "1\x1b[2J", "category": "A", "image_link": "1.jpg"},
        {"id": "2", "category": "A\x9b2J", "image_link": "ftp://\x1b[2J"},
        {"id": "3", "category": "B\u202e", "image_link": "3.jpg", "a\x1b[2J": "b", "price": "\x1b[2J"},
    ]
    (tmp_path / "feed.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert main(["catalogue", "check", str(tmp_path / "feed.jsonl")]) == 3
    said = capsys.readouterr().out
    assert "ftp://\\x1b[2J" in said
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said)
