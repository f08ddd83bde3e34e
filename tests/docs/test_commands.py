"""Commands of the documentation, run as they are printed at a desk where everything they name lies."""

from pathlib import Path

import pytest

from perfectlook.cli.main import main
from printed import DOCS, PAGES, arguments, blocks, typed

ELSEWHERE = ("qdrant+", "--ray", "/srv/", "/etc/", "/media/", "https://", "--server")
"""Of machines and networks that a test has not; `tests/test_examples.py` asks a server."""
LONG = ("train", "study")
NOT_HERE = (*LONG, "serve", "demo", "data get", "keys")
"""Served in the tutorial's and the demo's tests, fetched in those of `data get`."""


def printed_by(page: Path) -> list[str]:
    return [command for block in blocks(page) if not block.language for command in typed(block.text)]


def is_run_here(command: str) -> bool:
    name = command.removeprefix("perfectlook ")
    return not name.startswith(NOT_HERE) and not any(each in command for each in ELSEWHERE)


def pages_with(commands: object) -> list[Path]:
    return [page for page in PAGES if any(commands(each) for each in printed_by(page))]  # type: ignore[operator]


@pytest.mark.parametrize("page", pages_with(is_run_here), ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, own_desk: Path, capsys: pytest.CaptureFixture[str]):
    for command in printed_by(page):
        if is_run_here(command):
            assert main(arguments(command)) == 0, f"{command}\n{capsys.readouterr().err}"


@pytest.mark.long
def test_trainings_as_they_are_printed(own_desk: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("my-model", "my-ridge"):
        (own_desk / name).rename(own_desk / f"{name}.before")
    (own_desk / "settings.toml").write_text(
        '[model]\nbackbone = "tiny"\n[training]\nseed = 1\n', encoding="utf-8"
    )
    (own_desk / "PUBLIC-SET").symlink_to(own_desk / "SET")
    for command in printed_by(DOCS / "training.md"):
        if command.startswith(("perfectlook data make", "perfectlook train")):
            epochs = ["--epochs", "1"] if " train " in command and "--baseline" not in command else []
            tiny = ["--backbone", "tiny"] if " train " in command and "--from" not in command else []
            assert main([*arguments(command), *epochs, *tiny]) == 0, f"{command}\n{capsys.readouterr().err}"
