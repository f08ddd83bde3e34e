"""A model, a catalogue and a feature store made by version 0.1.0 open and give the answers they gave then."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from perfectlook.cli.main import main

BEFORE = Path(__file__).parent / "before"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(BEFORE, tmp_path / "before")
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path / "before" / "cache"))
    monkeypatch.chdir(tmp_path / "before")
    return tmp_path / "before"


def same(found: Any, expected: Any, where: str = "") -> None:
    """Everything that the old answer says, the new one says too: numbers to 1e-6, all else to the letter."""
    if isinstance(expected, dict):
        assert expected.keys() <= found.keys(), f"{where}: {expected.keys() - found.keys()} missing"
        for name, value in expected.items():
            same(found[name], value, f"{where}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, value in enumerate(expected):
            same(found[number], value, f"{where}/{number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-6), where
    else:
        assert found == expected, where


@pytest.mark.parametrize(
    ("answer", "arguments"),
    [
        ("complete-all", ["complete", "SCENE", "--all"]),
        ("complete", ["complete", "SCENE", "-k", "3"]),
        ("look", ["complete", "SCENE", "--look"]),
        ("similar-photo", ["similar", "SCENE", "-k", "3"]),
        ("similar-product", ["similar", "PRODUCT", "-k", "3"]),
        ("explain", ["explain", "SCENE", "--category", "CATEGORY"]),
    ],
)
def test_the_same_answer(shop: Path, answer: str, arguments: list[str]) -> None:
    expected = json.loads((BEFORE / "answers" / f"{answer}.json").read_text(encoding="utf-8"))
    words = {
        "SCENE": next(shop.glob("scene.*")).name,
        "PRODUCT": expected["product"]["id"] if "product" in expected else "",
        "CATEGORY": expected.get("category", ""),
    }
    asked = [words.get(word, word) for word in arguments]
    assert main([*asked, "--model", "model", "--catalogue", "catalogue", "--json", "found.json"]) == 0
    same(json.loads((shop / "found.json").read_text(encoding="utf-8")), expected)


def test_the_same_figures_from_stored_features(shop: Path) -> None:
    expected = json.loads((BEFORE / "answers" / "evaluation.json").read_text(encoding="utf-8"))
    assert main(["evaluate", "model", "set", "--split", "all", "--json", "found.json"]) == 0
    same(json.loads((shop / "found.json").read_text(encoding="utf-8")), expected)
    vectors = next(Path("cache/features").glob("*/vectors.f16"))
    stored = (BEFORE / vectors).read_bytes()
    assert vectors.read_bytes()[: len(stored)] == stored  # what was stored is used as it is


def test_a_sync_embeds_nothing_again(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "sync", "set", "--model", "model", "--catalogue", "catalogue"]) == 0
    said = capsys.readouterr().out
    assert "0 added, 24 changed, 0 deleted" in said  # the pictures lie in another folder now
    assert "0 embedded, 0 problems" in said
