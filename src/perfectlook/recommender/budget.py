"""What a whole look may cost: prices of one currency, counted in its smallest unit."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from perfectlook.errors import UsageError
from perfectlook.filters.match import Number, field_text, read_number
from perfectlook.filters.tree import Comparison, Money
from perfectlook.recommender.candidates import Ranked

UNIT = Decimal("0.0001")
"""Prices are summed in ten-thousandths of a currency: fractions of a cent occur in feeds."""
_GREATEST = Decimal(10) ** 12

_BUDGET = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)(?:\s*([A-Za-z]{3}))?\s*")


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount; where the currency is None, in the only one that the products' prices have."""

    amount: Decimal
    currency: str | None = None

    @classmethod
    def of(cls, given: "Budget | Decimal | int | str") -> "Budget":
        """Read a budget: 500, "499.90", "500 EUR".

        Raises:
            UsageError: it is none.
        """
        if isinstance(given, Budget):
            return given
        found = _BUDGET.fullmatch(str(given))
        if found is None or not 0 < Decimal(found[1]) <= _GREATEST:
            raise UsageError(
                f"budget '{given}': write an amount above 0, with its currency or without: 500 EUR"
            )
        return cls(Decimal(found[1]), found[2] and found[2].upper())

    @property
    def affordable(self) -> Comparison:
        """The filter of products that cost no more than all of it."""
        value = self.amount if self.currency is None else Money(self.amount, self.currency)
        return Comparison("price", "<=", value)

    @property
    def units(self) -> int:
        """The amount in the smallest unit, rounded down."""
        return int((self.amount / UNIT).to_integral_value(ROUND_FLOOR))

    @classmethod
    def from_units(cls, amounts: Iterable[int], currency: str | None) -> "list[Budget]":
        """Amounts counted in the smallest unit, as amounts of a currency."""
        return [cls(_in_cents(amount * UNIT), currency) for amount in amounts]

    def __str__(self) -> str:
        return said(self.amount, self.currency)


def _in_cents(amount: Decimal) -> Decimal:
    """The amount with two decimals, where it needs no more."""
    cents = amount.quantize(Decimal("0.01"))
    return cents if cents == amount else amount


def said(amount: Decimal, currency: str | None) -> str:
    """An amount as people write it."""
    return f"{amount:f} {currency}" if currency else f"{amount:f}"


def price_of(product: Ranked, category: str) -> Number | None:
    """What a customer pays for a product; None where it does not say."""
    return read_number(field_text("price", product.id, category, product.record.fields))


def units_of(price: Number) -> int:
    """A price in the smallest unit, rounded up."""
    return int((price.amount / UNIT).to_integral_value(ROUND_CEILING))


def in_its_currency(budget: Budget, prices: Iterable[Number]) -> Budget:
    """Return the budget with the currency of the prices, where it has none.

    Raises:
        UsageError: the prices are in several currencies.
    """
    if budget.currency is not None:
        return budget
    currencies = sorted({price.currency or "" for price in prices})
    if len(currencies) > 1:
        named = ", ".join(name or "none" for name in currencies)
        raise UsageError(f"budget {budget}: prices are in several currencies ({named}); name one: 500 EUR")
    return Budget(budget.amount, currencies[0] or None) if currencies else budget
