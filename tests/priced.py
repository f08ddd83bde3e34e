"""A generated set whose products have prices, brands and availability, as in a shop's feed."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from perfectlook.data import load_set
from perfectlook.types import Problem, Product


class PricedSet:
    """A source: product n of each category costs 10.90 EUR + 7·(n mod 13); every fifth is out of stock."""

    unavailable: frozenset[str] | None = frozenset()

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self.problems: list[Problem] = []
        self._products = load_set(folder).products.values()

    def products(self) -> Iterator[Product]:
        ordered = sorted(self._products, key=lambda product: (product.category, product.id))
        for _, members in groupby(ordered, key=lambda product: product.category):
            for number, product in enumerate(members):
                yield replace(product, fields=fields_of(number))


def fields_of(number: int) -> dict[str, str]:
    return {
        "price": f"{10 + 7 * (number % 13)}.90 EUR",
        "brand": ("Acme", "Muji", "Odd & Sons")[number % 3],
        "availability": "out_of_stock" if number % 5 == 4 else "in_stock",
    }
