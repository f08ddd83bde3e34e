"""What the documentation prints: its pages, the blocks of them, and the commands that a reader may type."""

import importlib
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


class Block(NamedTuple):
    """A block of code; one that is only indented has no language."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    found: list[Block] = []
    fence, begun, taken = "", 0, list[str]()
    lines = [*page.read_text(encoding="utf-8").splitlines(), "", ""]
    for number, line in enumerate(lines, 1):
        if fence:
            if line == "```":
                found.append(Block(page, begun, fence, "\n".join(taken) + "\n"))
                fence, taken = "", []
            else:
                taken.append(line)
        elif line.startswith("```"):
            fence, begun = line[3:] or "text", number
        elif line.startswith("    ") or (taken and not line and lines[number].startswith("    ")):
            begun = begun if taken else number
            taken.append(line)
        elif taken:
            found.append(Block(page, begun, "", textwrap.dedent("\n".join(taken)) + "\n"))
            taken = []
    return found


def commands(page: Path) -> Iterator[str]:
    """Every `perfectlook` command of a page: of its indented blocks, and between backticks in its text."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if not block.language:
            yield from typed(block.text)
    yield from (found.strip() for found in re.findall(r"`(perfectlook [^`]*)`", text))


def typed(text: str) -> Iterator[str]:
    """The commands in what is printed of a terminal, without prompts and comments."""
    for line in text.replace("\\\n", " ").splitlines():
        command = line.removeprefix("$ ").split("  #")[0].strip()
        if command.startswith("perfectlook "):
            yield command


def arguments(command: str) -> list[str]:
    """A command's arguments, as a shell would hand them over."""
    return shlex.split(command)[1:]


def docs_page(name: str) -> Path:
    """The page of that name, in the documentation's folder or one of its kinds' folders."""
    (found,) = [*DOCS.glob(name), *DOCS.glob(f"*/{name}")]
    return found


@cache
def generated() -> dict[str, str]:
    """The pages that nobody writes, by their place in the documentation's folder."""
    if (tools := str(ROOT / "tools")) not in sys.path:
        sys.path.append(tools)
    made = importlib.import_module("documentation.generated").GENERATED
    return {path: make() for path, make in made.items()}
