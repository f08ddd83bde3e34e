"""A source of one product, which says nothing of any other: a sync of it deletes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from perfectlook.types import Problem, Product


@dataclass(frozen=True, slots=True)
class OneProduct:
    """One product as a `Source`."""

    product: Product
    name: str = "the request"
    problems: list[Problem] = field(default_factory=list)
    unavailable: frozenset[str] | None = None

    def products(self) -> Iterator[Product]:
        """Yield it."""
        yield self.product
