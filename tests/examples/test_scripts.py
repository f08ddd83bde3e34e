"""The scripts of examples/, run on a drawn set by the lines that docs/how-to/examples.md prints."""

import csv
import io
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from drawn import drawn_set
from printed import ROOT, docs_page
from random_model import random_model
from reader import lines

EXAMPLES = ROOT / "examples"
PRINTED = {
    Path(script).name: arguments
    for _, script, *arguments in map(shlex.split, lines(docs_page("examples.md")))
}
"""The arguments of each script."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the printed lines name; not to be changed by tests."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        source = drawn_set(folder / "my-set", scenes=30)
        random_model(source, folder / "out" / "compare" / "model")
    shutil.copy(sorted((source / "scenes").iterdir())[1], folder / "photo.jpg")
    return folder


@pytest.fixture
def desk(place: Path, tmp_path: Path) -> Path:
    """A copy of it to work in."""
    return Path(shutil.copytree(place, tmp_path / "desk"))


def run(name: str, *more: str, cwd: Path) -> str:
    """Run a script as it is printed, outside the repository; returns what it says."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said):
        patch.chdir(cwd)
        patch.delenv("PERFECTLOOK_API_KEY", raising=False)
        patch.setattr(sys, "argv", [name, *PRINTED[name], *more])
        patch.syspath_prepend(EXAMPLES)
        patch.delitem(sys.modules, "call_api", raising=False)  # which another script may have imported
        try:
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        except SystemExit as ended:
            assert not ended.code, said.getvalue()
    return said.getvalue()


def test_a_shop_of_a_feed_and_pictures(desk):
    said = run("shop.py", cwd=desk)
    assert "24 added, 0 changed, 0 deleted" in said
    sections = re.findall(r"^  (\S.*)$", said, re.M)
    assert sorted(sections) == [
        "Apparel & Accessories|Handbags, Wallets & Cases|Handbags",
        "Apparel & Accessories|Shoes",
    ]
    assert len(re.findall(r"^    [123]\. \w+  \d+\.\d{3}$", said, re.M)) == 6
    again = run("shop.py", cwd=desk)
    assert "0 added, 0 changed, 0 deleted" in again
    assert "photo.jpg" in again


@pytest.mark.long
def test_a_model_and_a_baseline_are_trained_and_compared(desk):
    shutil.rmtree(desk / "out")
    said = run("train_and_compare.py", "--backbone", "tiny", "--epochs", "1", cwd=desk)
    assert (desk / "out" / "compare" / "model" / "config.json").is_file()
    assert (desk / "out" / "compare" / "ridge" / "config.json").is_file()
    table = said.splitlines()
    assert any(line.strip().startswith("model ") for line in table)
    assert any(line.strip().startswith("ridge ") for line in table)
    assert re.search(r"is better than|includes 0", said)


def test_the_api_is_started_called_and_stopped(desk):
    said = run("call_api.py", cwd=desk)
    assert re.search(r"http://127\.0\.0\.1:\d+ has 24 products in 2 categories", said)
    assert len(re.findall(r"^    [123]\. ", said, re.M)) == 6
    assert re.search(r"its picture has [\d,]+ bytes", said)
    assert "clicks so far: 1" in said


def test_every_example_is_printed_and_so_tested():
    assert {each.name for each in EXAMPLES.glob("*.py")} == PRINTED.keys()


@pytest.mark.parametrize("name", PRINTED)
def test_help_says_how_it_is_run(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.syspath_prepend(EXAMPLES)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "python examples/" in said
    assert "SET" in said or name == "shop_day.py"  # which has its own


def test_an_example_runs_in_a_process_of_its_own_outside_the_repository(tmp_path):
    command = [sys.executable, str(EXAMPLES / "shop_day.py"), "--help"]  # it imports another example
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "python examples/shop_day.py" in done.stdout


def test_a_set_becomes_a_feed_with_its_scenes_as_further_pictures(desk):
    run("export_feed.py", cwd=desk)
    pairs = [json.loads(line) for line in (desk / "my-set" / "pairs.jsonl").read_text().splitlines()]
    with (desk / "feed.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 24
    found = {
        (row["id"], Path(picture).stem)
        for row in rows
        for picture in row["additional_image_link"].split(", ")
        if picture
    }
    assert found == {(pair["product"], pair["scene"]) for pair in pairs}


@pytest.mark.long
def test_on_a_day_of_a_shop_nothing_wrong_is_shown(desk):
    said = run("shop_day.py", cwd=desk)
    assert "check: 414 products, severity ok\nsync: 414 added" in said
    assert "sale: 9.00 EUR becomes 5.00 EUR (was 9.00 EUR)" in said
    assert "lacks 314 of the 414 products" in said
    assert "model: new answers" in said
    assert re.search(r"^[1-9]\d* answers compared, 0 wrong$", said, re.M)
