"""Reads what a server answers into its types."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

Kind = TypeVar("Kind")


def reads(kind: type[Kind]) -> Callable[[bytes], Kind]:
    """Return what reads JSON into a type; names that it does not know are passed over.

    It raises ValueError where the JSON is not of the type.
    """

    def read(content: bytes) -> Kind:
        found: Kind = _adapter(cast(Any, kind)).validate_json(content)
        return found

    return read


@lru_cache(64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made when it is first needed: that takes longer than a request."""
    return TypeAdapter(kind)
