"""What the environment decides: where features are kept, where real photos are."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The folder that features are kept in: `PERFECTLOOK_CACHE`, or the user's cache folder."""
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
    """The folder of real photos that `PERFECTLOOK_DATA` names, or None where it is unset or absent."""
    chosen = os.environ.get("PERFECTLOOK_DATA")
    return Path(chosen) if chosen and Path(chosen).is_dir() else None


def worker_count() -> int:
    """How many single-threaded workers to start: the processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
