"""Which category of the model was looked at for one of the catalogue."""

from dataclasses import dataclass

from perfectlook.taxonomy import How


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The category of the model that stood in for the catalogue's, None where none could, and how."""

    category: str | None
    how: How
