"""The messages that the troubleshooting quotes occur in the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import perfectlook
from printed import docs_page

FILLED = "\0"
"""Stands for a value in a message."""


@cache
def said() -> tuple[str, ...]:
    """Every string of the package."""
    found = []
    for file in Path(perfectlook.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(_text(part) for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(each.replace("`", "'") for each in found)


def _text(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else FILLED


def quoted() -> list[str]:
    headings = re.findall(r"^### `(.*)`$", docs_page("troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    return [each for each in headings if len(each) > 15]


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_one_of_the_code(message: str):
    wanted = re.compile(".*".join(re.escape(part.strip("…")) for part in message.split("…")), re.DOTALL)
    filled = (each.replace(FILLED, "…") for each in said())
    assert any(wanted.search(each) for each in filled)


def test_there_are_messages():
    assert len(quoted()) >= 20
