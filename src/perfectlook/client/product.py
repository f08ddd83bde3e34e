"""A product as the catalogue has it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What the catalogue knows of a product; `fields` are those of its feed that have no name here."""

    id: str
    category: str
    title: str | None
    picture: str
    price: str | None
    sale_price: str | None
    availability: str | None
    brand: str | None
    link: str | None
    item_group_id: str | None
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPage:
    """Some products in the order of their ids; `next` is where to go on after them, None at the end."""

    products: list[Product]
    next: str | None
