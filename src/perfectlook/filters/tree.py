"""What a filter is: a small syntax tree over the fields of products, which every store can answer.

A product has an id, a category and fields: names to text, as its source gives them. Where the value asked for
is a number, a field counts by the number it starts with ("49.90 EUR"), and one that starts with none is
neither equal to it nor below nor above; else texts are compared, without regard to case (ids exactly).
`price` is what a customer pays: the field `sale_price` where a product has it, else `price`.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Value: TypeAlias = "str | Decimal | Money"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of a currency: `50 EUR` says nothing about prices in another one."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`price <= 50`, `brand = "Ikea"`. A product without the field matches no comparison but `!=`."""

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """`brand in ("Ikea", "Muji")`, `id in (p1, p2)`."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """`has sale_price`: the product has the field, and it is not empty."""

    field: str


@dataclass(frozen=True, slots=True)
class Under:
    """`category under "Furniture|Chairs"`: the category itself and all below it."""

    category: str


@dataclass(frozen=True, slots=True)
class Not:
    """What the part does not match."""

    part: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """What all parts match."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """What any part matches."""

    parts: "tuple[Filter, ...]"


Filter: TypeAlias = Comparison | OneOf | Has | Under | Not | And | Or
