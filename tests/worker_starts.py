"""Initializers of workers for tests. A spawned process must be able to import them."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from perfectlook.errors import MissingExtraError


def squarer() -> Callable[[int], int]:
    return lambda number: number * number


def mortal() -> Callable[[str], tuple[str, int]]:
    """Returns the task and the process id; dies on command."""

    def do(task: str) -> tuple[str, int]:
        if task.startswith("die"):
            die()
        if task.startswith("sleep"):
            time.sleep(0.2)
        if task.startswith("hang"):
            time.sleep(600)
        if task.startswith("raise"):
            raise RuntimeError("as asked")
        return task, os.getpid()

    return do


def printing() -> Callable[[str], int]:
    """Prints the task to the standard output of Python and of the system; returns its length."""

    def do(task: str) -> int:
        os.write(1, task.encode())
        print(flush=True)
        return len(task)

    return do


def repeating() -> Callable[[int], bytes]:
    return bytes


def raising() -> Callable[[Any], None]:
    def do(task: Any) -> None:
        raise task if isinstance(task, Exception) else MissingExtraError(*task)

    return do


def loaded_modules() -> Callable[[str], bool]:
    return lambda name: name in sys.modules


def dead_at_start() -> Callable[[object], object]:
    os._exit(3)


def failing_at_start() -> Callable[[object], object]:
    raise ValueError("no weights here")


def deadly_extractor(backbone: str, identity: str, *, maps: bool) -> Callable[[Any], Any]:
    """Return an extractor that a picture named "deadly" kills, like a crash in a decoder."""
    from perfectlook.features.extraction import open_extractor

    extractor = open_extractor(backbone, identity, maps=maps)

    def do(tasks: Any) -> Any:
        if any(view.picture.stem.startswith("deadly") for view, _ in tasks):
            die()
        return extractor(tasks)

    return do


def die() -> None:
    """Kill this process immediately."""
    if sys.platform == "win32":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGKILL)
