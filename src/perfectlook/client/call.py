"""One request to a server, and how its answer is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """A request that may be sent again as it is, where it is `repeatable`.

    `read` makes the answer of its body, and raises ValueError where that is none; `query` stands in the
    address, `body` are httpx's `json`, `data`, `files`; `about` is the photo that failures are to name.
    """

    method: str
    path: str
    read: Callable[[bytes], Answer]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True
    about: str = ""
