"""Tasks for other processes, in a module that they can import."""

import os
import signal
from typing import Any

import numpy as np

from data_size import peak_bytes
from perfectlook.errors import MissingExtraError, UsageError


def allocate(megabytes: int) -> dict[str, Any]:
    held = np.ones(megabytes * 2**17)
    return {"bytes": held.nbytes, "peak": peak_bytes()}


def misuse() -> dict[str, Any]:
    raise UsageError("misused")


def miss_an_extra() -> dict[str, Any]:
    raise MissingExtraError("training", "train")


def kill_itself() -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
