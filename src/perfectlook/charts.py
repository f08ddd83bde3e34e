"""Charts in files: matplotlib without a screen, loaded when a chart is drawn."""

import warnings
from pathlib import Path
from typing import Any

from perfectlook.errors import MissingExtraError, UsageError

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
