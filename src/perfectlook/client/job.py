"""A sync that a server was asked for."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A sync: how far it is, what it has done at the end, or why it failed."""

    id: str
    state: Literal["queued", "running", "done", "failed"] = "queued"
    progress: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it is done or has failed."""
        return self.state in ("done", "failed")
