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
    open_pyplot()


def open_pyplot() -> Any:
    """Return `matplotlib.pyplot`, drawing into memory.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("a chart", "train") from error
    mpl.use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from matplotlib import pyplot
    return pyplot


def save_chart(figure: Any, path: Path) -> None:
    """Write a figure and close it; the same figure gives the same SVG, byte by byte."""
    pyplot = open_pyplot()
    svg = path.suffix.lower() == ".svg"
    with pyplot.rc_context({"svg.hashsalt": "perfectlook"}):
        figure.savefig(path, dpi=120, metadata={"Date": None} if svg else None)
    pyplot.close(figure)
