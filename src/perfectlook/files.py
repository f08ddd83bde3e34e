"""Paths and files: standard folders, atomic writes, everything you close, and a cache of what was read."""

import errno
import os
import stat
import sys
import threading
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Generic, Self, TypeVar

from perfectlook.errors import PerfectLookError, UsageError

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
MODELS = Path(__file__).parent / "pretrained"
"""The folder of the models that come with the package."""
ALIASES = {"showroom": "rooms", "fashion-ccp": "outfits"}
"""Earlier names of these models."""
SHOWROOM = Path(__file__).parent / "showroom"
"""The folder of the set that comes with the package."""


def cache_folder() -> Path:
    """Return the folder for features and other files that can be computed again.

    This is `PERFECTLOOK_CACHE`, or by default `perfectlook` in the user's cache folder.
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
    """Return the folder of sets that `PERFECTLOOK_DATA` names; None if it is unset or does not exist."""
    chosen = os.environ.get("PERFECTLOOK_DATA")
    return Path(chosen) if chosen and Path(chosen).is_dir() else None


def worker_count() -> int:
    """Return the default number of single-threaded workers: the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shipped_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(each.name for each in MODELS.iterdir() if (each / "config.json").is_file())


def model_folder(model: Path | str) -> Path:
    """Return the folder of a model, given its path or the name of a shipped model.

    A model in a folder of this name, also an unfinished one, takes precedence over the shipped model. Other
    files and folders of this name do not.
    """
    folder = Path(model)
    name = ALIASES.get(str(model), str(model))
    is_model = any((folder / file).exists() for file in ("config.json", "checkpoint.pt"))
    return MODELS / name if name in shipped_models() and not is_model else folder


def set_folder(path: Path | str) -> Path:
    """Return the folder of a set, given its path or "showroom", the name of the shipped set.

    An existing file or folder with this name takes precedence over the shipped set.
    """
    folder = Path(path)
    return SHOWROOM if str(path) == "showroom" and not folder.exists() else folder


def open_regular(path: Path, max_bytes: int | None = None) -> BinaryIO:
    """Open a regular file for reading. A pipe would block, and a device may have no end.

    Raises:
        OSError: it cannot be opened, is not a regular file, or is larger than `max_bytes`.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and (max_bytes is None or status.st_size <= max_bytes):
        return file
    file.close()
    raise OSError(errno.EINVAL, "not a regular file, or too large", str(path))


def read_toml(file: Path | str) -> dict[str, Any]:
    """Return the content of a TOML file that a user wrote.

    Raises:
        UsageError: the file is missing, cannot be read, or is not valid TOML. The message names it.
    """
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{file}: no such file. Check the path.") from error
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}). Check its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not valid TOML ({error}). Correct the file.") from error


def write_file(
    path: Path,
    content: str | bytes | Callable[[Path], object],
    *,
    durable: bool = False,
    error: type[PerfectLookError] | None = None,
) -> None:
    """Write a file atomically and create its folder if needed.

    Readers see the old file or the whole new one, never a part. The content first goes to a temporary file in
    the same folder, with a name that only this thread uses. Several processes may write the same path.

    Args:
        path: the file.
        content: text (written as UTF-8), bytes, or a function that writes the file at the path it is given.
        durable: return only after the content is on the disk.
        error: the type of error to raise; by default the original OSError.

    Raises:
        OSError: the file cannot be written. An old file is unchanged.
        PerfectLookError: the same, of the type `error`, if it is given.
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
            f"{path}: cannot be written ({failure.strerror or failure}). Free some space, or choose another "
            "folder with --out."
        ) from failure
    finally:
        with suppress(OSError):  # after success it no longer exists
            unfinished.unlink()


class Closable:
    """Base class of objects that you close, with `close` or with a `with` block.

    A subclass releases its resources in `_release`. It runs once, even if `close` is called more than once.
    """

    _is_closed = False

    def close(self) -> None:
        """Release all resources. Calling it again does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._release()

    def _release(self) -> None:
        """Release the resources; by default there are none."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class BoundedCache(Generic[Key, Item]):
    """The items in memory that were used last, up to a number of bytes. Thread-safe."""

    def __init__(self, most: int) -> None:
        """Start empty. `bytes` is the size of the items that are kept."""
        self.bytes, self._most = 0, most
        self._kept: OrderedDict[Key, tuple[Item, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Item | None:
        """Return an item, if it is kept."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, key: Key, item: Item, size: int) -> None:
        """Keep an item of some bytes, and drop those that were used longest ago if there are too many."""
        with self._lock:
            self.bytes += size - self._kept.pop(key, (item, 0))[1]
            self._kept[key] = item, size
            while self.bytes > self._most:
                self.bytes -= self._kept.popitem(last=False)[1][1]
