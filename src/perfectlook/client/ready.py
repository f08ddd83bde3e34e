"""That a server answers photos."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The model that a server answers with, and how many products its catalogue has."""

    model: str
    products: int
