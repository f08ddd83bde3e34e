"""Which functions an array goes with: what is written once for numpy and torch asks for them here."""

from types import ModuleType
from typing import Any


def namespace_of(array: Any) -> ModuleType:
    """Return the functions of the array API standard for a numpy array or a torch tensor.

    numpy's own are the standard's (since 2.0); torch's differ, and a layer sets them right.
    """
    namespace: ModuleType
    if hasattr(array, "__array_namespace__"):
        namespace = array.__array_namespace__()
    else:
        import array_api_compat

        namespace = array_api_compat.array_namespace(array)
    return namespace
