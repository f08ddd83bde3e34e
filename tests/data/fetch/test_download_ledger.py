"""Addresses that are dead."""

import json
from pathlib import Path

import pytest

from perfectlook.data.fetch.download import Ledger


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dead.jsonl"


def test_dead_urls_are_remembered(file: Path):
    ledger = Ledger(file)
    assert ledger.reason("http://a/1") is None
    ledger.bury("http://a/1", 404)
    ledger.bury("http://a/2", None)
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(entry["url"], entry["status"]) for entry in entries] == [
        ("http://a/1", 404),
        ("http://a/2", None),
    ]
    assert entries[0]["when"].count("-") == 2
    again = Ledger(file)
    assert len(again.entries) == 2
    again_later = f"on {entries[0]['when']}. Request it again with --retry-dead."
    assert again.reason("http://a/1") == f"answered 404 {again_later}"
    assert again.reason("http://a/2") == f"answered nothing usable {again_later}"


def test_a_refusal_is_recorded_after_the_first_success(file: Path):
    ledger = Ledger(file)
    ledger.bury("http://a/1", 403)
    assert not file.exists()
    ledger.trust()
    ledger.bury("http://a/2", 403)
    ledger.trust()
    assert [json.loads(line)["url"] for line in file.read_text().splitlines()] == ["http://a/1", "http://a/2"]


def test_a_url_requested_again_is_recorded_again(file: Path):
    first = Ledger(file)
    for number in range(3):
        first.bury(f"http://a/{number}", 410)
    ledger = Ledger(file, ask_again=True)
    assert ledger.reason("http://a/1") is None
    ledger.bury("http://a/2", 404)
    left = Ledger(file)
    assert len(left.entries) == 1
    assert left.reason("http://a/1") is None
    assert (left.reason("http://a/2") or "").startswith("answered 404")


def test_a_partial_line_of_a_killed_run_is_ignored(file: Path):
    Ledger(file).bury("http://a/1", 404)
    with file.open("a") as lines:
        lines.write('{"url": "http://a/2", "sta')
    ledger = Ledger(file)
    assert len(ledger.entries) == 1
    ledger.bury("http://a/3", 404)
    assert Ledger(file).reason("http://a/3")
