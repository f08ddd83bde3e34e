"""Reads pickles of nothing but containers, text and numbers; anything else in one is refused, not run."""

import builtins
import collections
import io
import pickle
from pathlib import Path
from typing import Any

from perfectlook.errors import DatasetError

_CONTAINERS = {
    **{("builtins", name): getattr(builtins, name) for name in ("dict", "frozenset", "list", "set", "tuple")},
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): collections.defaultdict,
}
"""All that a pickle may name. Text and numbers need no name, and none of these does anything but hold."""
_PYTHON_2 = {"__builtin__": "builtins"}


class _Containers(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _CONTAINERS.get((_PYTHON_2.get(module, module), name))
        if found is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, and only plain containers are read")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it refers to {str(pid)[:40]!r}, which lies outside of it")


def read_plain_pickle(file: Path) -> Any:
    """Read a pickle of dicts, lists, sets, tuples, text and numbers, written by Python 2 or 3.

    Raises:
        DatasetError: it holds anything else, or is damaged; nothing in it has been run.
    """
    content = file.read_bytes()
    try:
        return _Containers(io.BytesIO(content), encoding="utf-8", errors="replace").load()
    except (
        MemoryError,
        RecursionError,
        Exception,
    ) as error:  # on garbage the unpickler raises nearly anything
        reason = str(error) or type(error).__name__
        raise DatasetError(f"{file}: not read ({reason}); fetch it again, from a place you trust") from (
            error
        )
