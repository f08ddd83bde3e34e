"""The package stays below the ceilings in CONTRIBUTING."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def size() -> ModuleType:
    spec = importlib.util.spec_from_file_location("size", ROOT / "tools" / "size.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sizes(size: ModuleType) -> dict[str, int]:
    return size.sizes()


def test_what_counts_as_code(size: ModuleType) -> None:
    source = (
        '"""A module\nof two lines."""\n\n# a comment\ndef f(  # with a comment\n    a,\n):\n    """Doc."""\n'
    )
    assert size.code_lines(source) == 3
    assert size.code_lines(source + '    return """text\nthat is no docstring"""\n') == 5


def test_the_ceilings_of_contributing_hold(sizes: dict[str, int]) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (stated,) = re.findall(r"at most \*\*(\d+) files\*\* and \*\*([\d,]+) code lines\*\*", text)
    files, lines = (int(each.replace(",", "")) for each in stated)
    assert len(sizes) <= files
    assert sum(sizes.values()) <= lines


def test_the_table_of_contributing_is_about_right(size: ModuleType, sizes: dict[str, int]) -> None:
    """Within a tenth: a change of a few lines needs no new table."""
    row = re.compile(r"^ *([\w() ]+?) +(\d+) +([\d,]+)$", re.MULTILINE)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    stated = {folder: int(lines.replace(",", "")) for folder, _, lines in row.findall(text)}
    current = {folder: int(lines.replace(",", "")) for folder, _, lines in row.findall(size.table(sizes))}
    assert stated == pytest.approx(current, rel=0.1)


def test_files_are_chapters(size: ModuleType, sizes: dict[str, int]) -> None:
    assert size.too_large(sizes) == []
    assert size.too_small(sizes) == []


def test_no_class_name_is_used_twice(size: ModuleType) -> None:
    assert size.repeated_classes() == {}
