"""The one price and sale that a product with variants shows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.feeds.variants import offer_of
from perfectlook.prices import SALE_DATES, sale_at

DATES = SALE_DATES
NOW = datetime.now(UTC)


def day(number: int) -> str:
    """Return a day, counted from today."""
    return f"{NOW + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}"


def offer(*variants: dict[str, str], currency: str = "EUR") -> dict[str, str]:
    found, problems = offer_of([(str(n), dict(each)) for n, each in enumerate(variants)], currency)
    assert problems == ()
    return found


def shown(fields: dict[str, str], number: int = 0) -> Decimal:
    """Return the price that holds some days from now."""
    at = (NOW + timedelta(days=number, minutes=1)).timestamp()
    return Decimal((sale_at(fields, at) or fields["price"]).split()[0])


def test_a_sale_that_has_ended_does_not_count() -> None:
    ended = {"price": "100", "sale_price": "10", DATES: "/2020-01-31"}
    assert offer(ended, {"price": "50"}) == {"price": "50.00 EUR"}


def test_after_a_sale_the_lowest_price_holds() -> None:
    found = offer({"price": "100", "sale_price": "80", DATES: f"/{day(9)}"}, {"price": "90"})
    assert found == {"price": "90.00 EUR", "sale_price": "80.00 EUR", DATES: f"/{day(9)}"}
    assert (shown(found), shown(found, 9)) == (80, 90)


def test_a_sale_that_begins_later_is_shown_then() -> None:
    found = offer({"price": "100", "sale_price": "10", DATES: f"{day(5)}/{day(9)}"}, {"price": "50"})
    assert [shown(found, number) for number in (0, 4, 5, 8, 9)] == [50, 50, 10, 10, 50]


def test_sales_that_one_cannot_stand_for_leave_the_lowest_regular_price_and_its_own_sale() -> None:
    first = {"price": "120", "sale_price": "80", DATES: f"/{day(5)}"}
    second = {"price": "100", "sale_price": "90", DATES: f"/{day(9)}"}
    found = offer(first, second)
    assert [shown(found, number) for number in (0, 5, 9)] == [90, 90, 100]


def test_a_price_before_is_the_variants_own() -> None:
    reduced = {"price": "1499", "sale_price": "1199"}
    assert offer({"price": "1299"}, reduced) == {"price": "1499.00 EUR", "sale_price": "1199.00 EUR"}


def test_prices_are_read_in_the_currency_of_the_feed() -> None:
    assert offer({"price": "$90.00"}, {"price": "$20.00"}, currency="USD") == {"price": "20.00 USD"}
    pesos = {"price": "12.990", "sale_price": "9.990"}
    assert offer({"price": "15.990"}, pesos, currency="CLP") == {
        "price": "12990 CLP",
        "sale_price": "9990 CLP",
    }


@pytest.mark.parametrize(
    ("variant", "problem"),
    [
        ({"price": "1o0"}, "variant 'b': price is left out: '1o0' is not a price"),
        ({"price": "100", "sale_price": "0.00"}, "variant 'b': sale_price is left out: '0.00 EUR' is zero"),
        ({"price": "10 USD"}, "variant 'b' is left out: its price is in another currency"),
    ],
)
def test_what_cannot_be_used_about_a_variant_is_reported(variant: dict[str, str], problem: str) -> None:
    found, problems = offer_of([("a", {"price": "50"}), ("b", variant)], "EUR")
    assert found == {"price": "50.00 EUR"}
    assert [each.startswith(problem) for each in problems] == [True]


def test_a_single_variant_stays_as_it_is() -> None:
    assert offer_of([("a", {"price": "1o0"})], "EUR") == ({"price": "1o0"}, ())
    assert offer_of([], "EUR") == ({}, ())


windows = st.tuples(st.integers(-3, 6), st.integers(1, 6)).map(
    lambda days: {DATES: f"{day(days[0])}/{day(sum(days))}"}
)
sales = st.builds(lambda price, dates: {"sale_price": str(price), **dates}, st.integers(1, 4), windows)
variants_ = st.builds(
    lambda price, sale: {"price": str(price), **sale}, st.integers(4, 7), st.just({}) | sales
)


@given(st.lists(variants_, min_size=2, max_size=4))
def test_the_price_shown_is_always_that_of_a_variant_or_the_lowest(variants: list[dict[str, str]]) -> None:
    found = offer(*variants)
    days = range(14)
    lowest = [min(shown(each, number) for each in variants) for number in days]
    own = [[shown(each, number) for number in days] for each in variants]
    prices = [shown(found, number) for number in days]
    assert prices == lowest or prices in own
