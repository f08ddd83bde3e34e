"""Paths and files: where things are, writing a file in one step, and what is opened and closed."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from perfectlook.errors import PerfectLookError

MODELS = Path(__file__).parent / "pretrained"
"""The folder of the models that come with the package."""
SHOWROOM = Path(__file__).parent / "showroom"
"""The folder of the set that comes with the package."""


def cache_folder() -> Path:
    """Return the folder for features and other things that can be made again.

    That is `PERFECTLOOK_CACHE`, or a folder in the user's cache folder.
    """
    chosen = os.environ.get("PERFECTLOOK_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"))
    return base / "perfectlook"


def data_folder() -> Path | None:
    """Return the folder of real photos that `PERFECTLOOK_DATA` names; None if it is unset or missing."""
    chosen = os.environ.get("PERFECTLOOK_DATA")
    return Path(chosen) if chosen and Path(chosen).is_dir() else None


def worker_count() -> int:
    """Return how many single-threaded workers to start: the number of CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shipped_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(each.name for each in MODELS.iterdir() if (each / "config.json").is_file())


def model_folder(model: Path | str) -> Path:
    """Return the folder of a model, given its path or the name of a shipped one.

    An existing file or folder of that name wins over the shipped model.
    """
    folder = Path(model)
    if not folder.exists() and folder.name == str(model) and str(model) in shipped_models():
        return MODELS / folder.name
    return folder


def set_folder(path: Path | str) -> Path:
    """Return the folder of a set, given its path or "showroom", the name of the one that is shipped.

    An existing file or folder of that name wins over the shipped set.
    """
    folder = Path(path)
    return SHOWROOM if str(path) == "showroom" and not folder.exists() else folder


def write_file(
    path: Path,
    content: str | bytes | Callable[[Path], object],
    *,
    durable: bool = False,
    error: type[PerfectLookError] | None = None,
) -> None:
    """Write a file in one step, creating its folder: a reader sees the old file, the new one, or none.

    The content first goes to a file with a name of this thread's own in the same folder, so several processes
    may write the same path.

    Args:
        path: the file.
        content: text (written as UTF-8), bytes, or a function that writes a file at the path it is given.
        durable: return only when the content is on the disk.
        error: the type of error to raise; by default the OSError itself.

    Raises:
        OSError: the file cannot be written; an old one is unchanged.
        PerfectLookError: the same, if `error` is given.
    """
    unfinished = path.parent / f".{os.getpid()}-{threading.get_ident()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(unfinished)
        else:
            unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        if durable:
            with unfinished.open("r+b") as file:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as failure:
        if error is None:
            raise
        raise error(
            f"{path}: cannot be written ({failure.strerror or failure}). Free some space or choose another "
            "folder, then run the same command again."
        ) from failure
    finally:
        with suppress(OSError):  # it is gone where all went well
            unfinished.unlink()


class Closable:
    """Base of what stays open until it is closed, or until the end of its `with` block.

    A subclass says what to release in `_release`, which runs once however often `close` is called.
    """

    _is_closed = False

    def close(self) -> None:
        """Release everything; calling it again does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._release()

    def _release(self) -> None:
        """Release what is open; by default nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
