"""Tables of text, and charts in files."""

from pathlib import Path

import pytest

from perfectlook.errors import MissingExtraError
from perfectlook.evaluation.protocol import Interval
from perfectlook.evaluation.tables import (
    markdown_table,
    new_figure,
    plain_table,
    save_chart,
    with_bounds,
)


def test_a_markdown_table_escapes_pipes():
    found = markdown_table(["category", "pairs"], [["Furniture|Chairs", "12"]])
    assert found.splitlines() == ["| category | pairs |", "| --- | ---: |", "| Furniture\\|Chairs | 12 |"]


def test_plain_columns_line_up():
    found = plain_table(["model", "pairs"], [["a", "1"], ["longest", "1,234"]])
    assert found.splitlines() == ["model    pairs", "a            1", "longest  1,234"]


def test_figures_with_their_bounds():
    assert with_bounds(Interval(0.7012, 0.68, 0.7204)) == "0.701 [0.680, 0.720]"
    assert with_bounds(Interval(0.02, -0.001, 0.04), signed=True) == "+0.020 [-0.001, +0.040]"
    assert with_bounds(None) == "–"


def draw(path: Path) -> bytes:
    figure = new_figure(4, 3)
    figure.subplots().plot([1, 2, 3])
    save_chart(figure, path)
    return path.read_bytes()


def test_the_same_figure_is_the_same_svg(tmp_path):
    assert draw(tmp_path / "a.svg") == draw(tmp_path / "b.svg")


def test_a_png_is_a_png(tmp_path):
    assert draw(tmp_path / "a.png").startswith(b"\x89PNG")


def test_a_notebooks_own_charts_are_unchanged(tmp_path):
    import matplotlib as mpl

    with mpl.rc_context({"backend": "svg"}):
        draw(tmp_path / "a.png")
        assert mpl.get_backend().lower() == "svg"


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[train\]'"):
        draw(tmp_path / "a.png")
