"""Charts in files: matplotlib without a screen, loaded when a chart is drawn."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perfectlook.errors import MissingExtraError, UsageError
from perfectlook.evaluation.metrics import Interval

Rows = Sequence[Sequence[str]]


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """A table in Markdown; the first column to the left, the others to the right."""
    rules = ["---", *("---:" for _ in header[1:])]
    return "\n".join(_markdown_row(row) for row in (header, rules, *rows))


def plain_table(header: Sequence[str], rows: Rows) -> str:
    """The same in columns of equal width, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(_plain_row(row, widths) for row in (header, *rows))


def with_bounds(figure: Interval | None, *, signed: bool = False) -> str:
    """A figure and its 95 % interval: 0.701 [0.683, 0.719]; a dash where there is none."""
    if figure is None:
        return "–"
    value, low, high = (f"{number:{'+' if signed else ''}.3f}" for number in figure)
    return f"{value} [{low}, {high}]"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join((first, *others)).rstrip()


KINDS = (".png", ".svg")


def check_chart(path: Path) -> None:
    """Make sure that a chart can be drawn into a file, before long work is done for it.

    Raises:
        UsageError: the file is of another kind than PNG and SVG.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"{path}: charts are drawn as {' or '.join(KINDS)}; name such a file")
    new_figure(1, 1)


def new_figure(width: float, height: float) -> Any:
    """Return a matplotlib figure of this size in inches; no window, and no other figures, know of it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a chart", "train") from error
    return Figure(figsize=(width, height), layout="constrained")


def save_chart(figure: Any, path: Path) -> None:
    """Write a figure; the same figure gives the same SVG, byte by byte."""
    from matplotlib import rc_context

    svg = path.suffix.lower() == ".svg"
    with rc_context({"svg.hashsalt": "perfectlook"}):
        figure.savefig(path, dpi=120, metadata={"Date": None} if svg else None)
