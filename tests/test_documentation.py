"""What the documentation says can be typed, and every command stands in it."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from perfectlook.cli.main import build_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^ {4}(perfectlook .*)$|`(perfectlook [^`]*)`", re.MULTILINE)


def commands() -> list[str]:
    found = [a or b for page in PAGES for a, b in COMMAND.findall(page.read_text(encoding="utf-8"))]
    return sorted({command.split("  #")[0].strip() for command in found})


@pytest.mark.parametrize("command", [each for each in commands() if len(each.split()) > 2])
def test_a_documented_command_parses(command: str):
    build_parser().parse_args(shlex.split(command)[1:])


def test_every_command_is_documented():
    (subparsers,) = (
        action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    text = " ".join(commands())
    for name in subparsers.choices:
        assert f"perfectlook {name}" in text


def test_links_between_pages_lead_somewhere():
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_settings_shown_in_the_method_exist():
    import tomllib

    from perfectlook.model.config import ModelConfig
    from perfectlook.training.config import TrainingConfig

    text = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    block = re.search(r"(?:^ {4}\[model\]\n)(?:^ {4}.*\n)+", text, re.MULTILINE)
    assert block
    settings = tomllib.loads("\n".join(line[4:] for line in block.group().splitlines()))["model"]
    assert TrainingConfig().replaced(settings).model == ModelConfig.published()
