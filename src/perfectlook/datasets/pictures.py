"""Which picture belongs to which id: one listing of a folder, never a look per id."""

import os
import unicodedata
from pathlib import Path

from perfectlook.datasets.problems import ProblemKind
from perfectlook.errors import DatasetError
from perfectlook.types import Problem

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".avif",
    ".heic",
    ".heif",
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
)
"""Names that end like this (in any case) are pictures; the earlier one wins where an id has two."""


def list_pictures(folder: Path, problems: list[Problem], *, nested: bool = False) -> dict[str, Path]:
    """The pictures of a folder by id, in order of the names.

    An id is the file's name without its suffix, normalised (NFC): systems spell accents differently.

    With `nested`, those of its sub-folders too. Two pictures of one id are added to `problems`.

    Raises:
        DatasetError: the folder is missing or cannot be read.
    """
    found: dict[str, Path] = {}
    for path in sorted(_picture_files(folder, nested=nested), key=_preference):
        id_ = unicodedata.normalize("NFC", path.stem)
        kept = found.setdefault(id_, path)
        if kept is not path:
            reason = f"{kept.name} has the same id and is the one that counts; remove one of them"
            problems.append(Problem(str(path), id_, reason, ProblemKind.TWO_PICTURES))
    return found


def _preference(path: Path) -> tuple[str, int, str]:
    return path.stem, SUFFIXES.index(path.suffix.lower()), str(path)


def _picture_files(folder: Path, *, nested: bool) -> list[Path]:
    found: list[Path] = []
    folders = [folder]
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                        found.append(Path(entry.path))
                    elif nested and entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
    except OSError as error:
        message = f"{folder}: cannot be listed ({error.strerror}); the pictures must lie there as ID.jpg"
        raise DatasetError(message) from error
    return found
