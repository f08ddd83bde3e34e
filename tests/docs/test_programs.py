"""Python of the documentation, run as it is printed; what asks a server runs in `tests/test_examples.py`."""

from pathlib import Path

import pytest

import perfectlook.files
from printed import PAGES, Block, blocks

PROGRAMS = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.language == "python" and "Client" not in block.text and page.name != "tutorial.md"
]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_a_program_runs(program: Block, own_desk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(perfectlook.files, "SHOWROOM", own_desk / "SET")
    exec(compile(program.text, str(program), "exec"), {"__name__": "__main__"})


def test_every_language_is_one_that_some_test_reads():
    known = {"", "python", "toml", "json", "text"}
    assert {block.language for page in PAGES for block in blocks(page)} <= known
