"""Folders that cannot be listed, also for a user who may read everything."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def closed_to(folder: Path) -> Callable[[Any], Any]:
    """An `os.scandir` that one folder denies its permission."""
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    return refusing
