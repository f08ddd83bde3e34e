"""Charts in files."""

from pathlib import Path

import pytest

from perfectlook.errors import MissingExtraError, UsageError
from perfectlook.evaluation.tables import check_chart, new_figure, save_chart


def draw(path: Path) -> bytes:
    figure = new_figure(4, 3)
    figure.subplots().plot([1, 2, 3])
    save_chart(figure, path)
    return path.read_bytes()


def test_the_same_figure_is_the_same_svg(tmp_path):
    assert draw(tmp_path / "a.svg") == draw(tmp_path / "b.svg")


def test_a_png_is_a_png(tmp_path):
    assert draw(tmp_path / "a.png").startswith(b"\x89PNG")


def test_a_notebooks_own_charts_are_left_alone(tmp_path):
    import matplotlib as mpl

    with mpl.rc_context({"backend": "svg"}):
        draw(tmp_path / "a.png")
        assert mpl.get_backend().lower() == "svg"


def test_a_chart_of_another_kind_is_refused(tmp_path):
    check_chart(tmp_path / "a.SVG")
    with pytest.raises(UsageError, match=r"a\.gif: charts are drawn as \.png or \.svg"):
        check_chart(tmp_path / "a.gif")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'perfectlook\[train\]'"):
        check_chart(tmp_path / "a.png")
