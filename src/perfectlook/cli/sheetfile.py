"""Sheets that commands draw: the names their files may have, and writing them."""

from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.errors import PerfectLookError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def check_sheet(file: Path | None) -> None:
    """Make sure, before any work is done, that a sheet can be written here; None is no sheet.

    Raises:
        UsageError: it does not end as a picture's name does, or its folder is not there.
    """
    if file is None:
        return
    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"--sheet {file}: a sheet is a picture; end its name with one of {' '.join(SUFFIXES)}"
        )
    if not file.parent.is_dir():
        raise UsageError(f"--sheet {file}: there is no folder {file.parent}; make it, or name another")


def write_sheet(file: Path, sheet: "Image") -> None:
    """Write a sheet.

    Raises:
        PerfectLookError: the file cannot be written.
    """
    try:
        sheet.save(file)
    except OSError as error:
        raise PerfectLookError(f"{file}: cannot be written ({error}); name another file") from error
