"""The scripts of examples/, run as programs on a drawn set."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from drawn import drawn_set
from random_model import random_model

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set and a model; not to be changed by tests."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        random_model(drawn_set(folder / "set", scenes=30), folder / "model")
    return folder


def run(name: str, *arguments: str | Path, cwd: Path) -> str:
    """Run a script as a reader does, outside the repository; returns what it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "PERFECTLOOK_API_KEY"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_shop_of_a_feed_and_pictures(place, tmp_path):
    said = run("shop.py", place / "set", place / "model", cwd=tmp_path)
    assert "24 added, 0 changed, 0 deleted" in said
    sections = re.findall(r"^  (\S.*)$", said, re.M)
    assert sorted(sections) == [
        "Apparel & Accessories|Handbags, Wallets & Cases|Handbags",
        "Apparel & Accessories|Shoes",
    ]
    assert len(re.findall(r"^    [123]\. \w+  \d+\.\d{3}$", said, re.M)) == 6
    photo = sorted((place / "set" / "scenes").iterdir())[1]
    again = run("shop.py", place / "set", place / "model", photo, cwd=tmp_path)
    assert "0 added, 0 changed, 0 deleted" in again
    assert photo.name in again


def test_a_model_and_a_baseline_are_trained_and_compared(place, tmp_path):
    options = ["--backbone", "tiny", "--epochs", "1", "--out", "models"]
    said = run("train_and_compare.py", place / "set", *options, cwd=tmp_path)
    assert (tmp_path / "models" / "model" / "config.json").is_file()
    assert (tmp_path / "models" / "ridge" / "config.json").is_file()
    table = said.splitlines()
    assert any(line.strip().startswith("model ") for line in table)
    assert any(line.strip().startswith("ridge ") for line in table)
    assert re.search(r"is surely better than|do not tell \S+ and \S+ apart", said)


def test_the_api_is_started_called_and_stopped(place, tmp_path):
    said = run("call_api.py", place / "set", place / "model", "--out", "api", cwd=tmp_path)
    assert re.search(r"http://127\.0\.0\.1:\d+ has 24 products in 2 categories", said)
    assert len(re.findall(r"^    [123]\. ", said, re.M)) == 6
    assert re.search(r"its picture has [\d,]+ bytes", said)
    assert "clicks so far: 1" in said


def test_every_example_is_tested_or_says_what_it_needs():
    assert {each.name for each in EXAMPLES.glob("*.py")} == {
        "call_api.py",
        "demo.py",  # runs in `make demo`
        "shop.py",
        "train_and_compare.py",
    }


@pytest.mark.parametrize("name", ["call_api.py", "shop.py", "train_and_compare.py"])
def test_help_says_how_it_is_run(name):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), "--help"], capture_output=True, text=True, check=True
    )
    assert "SET" in done.stdout and "python examples/" in done.stdout
