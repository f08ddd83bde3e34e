"""Tables of results as text, Markdown and HTML, as JSON and as pandas frames; charts in files."""

import json
import warnings
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from perfectlook.errors import MissingExtraError, UsageError
from perfectlook.evaluation.protocol import Interval

Rows = Sequence[Sequence[str]]


class Tabulated:
    """Results that print as text, show as tables in a notebook, and convert to JSON and pandas."""

    __slots__ = ()

    def to_text(self) -> str:
        """The results as text for a terminal."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The results as a dictionary, which `--json` writes."""
        raise NotImplementedError

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """The results as tables: caption, header and rows of each."""
        raise NotImplementedError

    def records(self) -> list[dict[str, Any]]:
        """The rows of `to_frame`; keys are the column names."""
        raise NotImplementedError

    def to_json(self) -> str:
        """The results as JSON text; see `to_dict`."""
        return json.dumps(self.to_dict(), indent=2)

    def to_frame(self) -> Any:
        """The results as a pandas data frame; see `records`.

        Raises:
            UsageError: pandas is not installed.
        """
        return data_frame(self.records())

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return "".join(html_table(*table) for table in self.tables())


def data_frame(records: Iterable[dict[str, Any]]) -> Any:
    """A pandas data frame with these rows.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise UsageError(
            "to_frame() needs pandas. Install it with `pip install pandas`, or use to_dict() instead."
        ) from error
    return pd.DataFrame(list(records))


def html_table(caption: str, header: Sequence[str], rows: Rows) -> str:
    """A table in HTML; the first column is left-aligned, the others are right-aligned."""
    body = "".join(f"<tr>{_html_cells('td', row)}</tr>" for row in rows)
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{_html_cells('th', header)}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _html_cells(tag: str, cells: Sequence[str]) -> str:
    first, *others = (escape(cell) for cell in cells)
    return f'<{tag} style="text-align: left">{first}</{tag}>' + "".join(
        f"<{tag}>{cell}</{tag}>" for cell in others
    )


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """A table in Markdown; the first column is left-aligned, the others are right-aligned."""
    rules = ["---", *("---:" for _ in header[1:])]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in (header, rules, *rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def plain_table(header: Sequence[str], rows: Rows) -> str:
    """A table as text in columns of equal width, two spaces apart."""
    first, *others = (max(map(len, column)) for column in zip(header, *rows, strict=True))
    form = "".join([f"{{:<{first}}}", *(f"  {{:>{width}}}" for width in others)])
    return "\n".join(form.format(*row).rstrip() for row in (header, *rows))


def with_bounds(figure: Interval | None, *, signed: bool = False) -> str:
    """A figure and its 95 % interval: 0.701 [0.683, 0.719]; a dash for None."""
    return "–" if figure is None else format(figure, "+.3f" if signed else ".3f")


def new_figure(width: float, height: float) -> Any:
    """Return a matplotlib figure of this size in inches, without a window and outside matplotlib's registry.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("A chart", "train") from error
    return Figure(figsize=(width, height), layout="constrained")


def save_chart(figure: Any, path: Path) -> None:
    """Write a figure to a file. The same figure gives the same SVG, byte by byte."""
    from matplotlib import rc_context

    svg = path.suffix.lower() == ".svg"
    with rc_context({"svg.hashsalt": "perfectlook"}):
        figure.savefig(path, dpi=120, metadata={"Date": None} if svg else None)
