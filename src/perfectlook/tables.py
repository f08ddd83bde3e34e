"""Tables of text: in Markdown for a file, in columns for a terminal."""

from collections.abc import Sequence

from perfectlook.metrics import Interval

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
