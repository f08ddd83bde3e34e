"""Simulate folders that cannot be listed, even for a user with all permissions."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def closed_to(folder: Path) -> Callable[[Any], Any]:
    """Return an `os.scandir` that raises a permission error for one folder."""
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    return refusing
