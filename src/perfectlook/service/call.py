"""What is known of one request while it is answered."""

import time
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection


@dataclass(slots=True)
class Call:
    """A request's id, the name of the key that it came with, and when it began."""

    id: str
    key: str | None = None
    began: float = field(default_factory=time.perf_counter)
    error: str | None = None


def call_of(request: HTTPConnection) -> Call:
    """Return the call of a request; `Envelope` has put it there."""
    call: Call = request.scope["perfectlook.call"]
    return call
