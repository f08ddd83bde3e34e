"""Budgets are read exactly, and prices are summed in whole units."""

from decimal import Decimal

import pytest

from perfectlook.errors import UsageError
from perfectlook.recommender import Budget
from perfectlook.recommender.look import in_its_currency, units_of
from perfectlook.stores.filters import Compare, Money, Number


def test_a_budget_has_an_amount_and_may_have_a_currency() -> None:
    for given in ("500 EUR", "500eur", " 500 Eur "):
        assert Budget.of(given) == Budget(Decimal(500), "EUR")
    for plain in (500, "500", Decimal(500)):
        assert Budget.of(plain) == Budget(Decimal(500))
    assert str(Budget.of("49.90 EUR")) == "49.90 EUR"
    assert Budget.of("49.90").affordable == Compare("price", "<=", Decimal("49.90"))
    assert Budget.of("49.90 EUR").affordable == Compare("price", "<=", Money(Decimal("49.90"), "EUR"))


@pytest.mark.parametrize("given", ["", "EUR", "-1", "0", "1e3", "nan", "5 EURO", "1,000", "9" * 20, "1.299"])
def test_invalid_budgets_are_rejected(given: str) -> None:
    with pytest.raises(UsageError, match=r"budget '.*': expected an amount above 0"):
        Budget.of(given)


def test_prices_are_rounded_up() -> None:
    tenth = units_of(Number(Decimal("0.1"), "EUR"))
    assert 3 * tenth == Budget.of("0.3").units  # not so with floats
    assert units_of(Number(Decimal("0.00011"), None)) == 2
    assert Budget.of("0.00019").units == 1
    assert str(Budget.from_units(499_000, "EUR")) == "49.90 EUR"
    assert str(Budget.from_units(12_345, "EUR")) == "1.2345 EUR"


def test_a_budget_without_a_currency_takes_that_of_the_prices() -> None:
    euros, francs, bare = (Number(Decimal(5), currency) for currency in ("EUR", "CHF", None))
    assert in_its_currency(Budget.of(5), [euros, euros]) == Budget.of("5 EUR")
    assert in_its_currency(Budget.of(5), [bare]) == Budget.of(5)
    assert in_its_currency(Budget.of(5), []) == Budget.of(5)
    assert in_its_currency(Budget.of("5 CHF"), [euros, francs]) == Budget.of("5 CHF")
    with pytest.raises(UsageError, match=r"several currencies \(none, CHF, EUR\)\. Name one"):
        in_its_currency(Budget.of(5), [euros, francs, bare])
