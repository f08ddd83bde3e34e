"""The one price and sale that a product with variants shows."""

import time
from collections.abc import Sequence
from decimal import Decimal

from perfectlook.feeds.fields import Cleaning, left_out
from perfectlook.prices import SALE_DATES, currency_of, sale_at, sale_period


def offer_of(
    variants: Sequence[tuple[str, dict[str, str]]], currency: str | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the price, sale price and dates to show for some variants, and what cannot be used.

    They are the lowest price of the variants at each time from now on. If one price and one sale cannot say
    it, they are those of the variant with the lowest regular price.

    Args:
        variants: their names, and their prices, sale prices and dates. Those of a single one are not checked.
        currency: the currency of prices without one.
    """
    given = [
        (name, {key: text for key, text in each.items() if text.strip(" ./")}) for name, each in variants
    ]
    if len(given) < 2:
        return (given[0][1] if given else {}), ()
    cleaning = Cleaning({"currency": currency})
    read: list[dict[str, str]] = []
    problems: list[str] = []
    for name, fields in given:
        problems += (f"variant {name!r}: {left_out(*each)}" for each in cleaning.clean(fields))
        if "price" not in fields and SALE_DATES not in fields and "sale_price" in fields:
            fields["price"] = fields.pop("sale_price")
        if "price" in fields and read and currency_of(fields["price"]) != currency_of(read[0]["price"]):
            problems.append(f"variant {name!r} is left out: its price is in another currency. Convert it.")
        elif "price" in fields:
            read.append(fields)
    return _lowest(read) if read else {}, tuple(problems)


def _lowest(variants: Sequence[dict[str, str]]) -> dict[str, str]:
    now = time.time()
    moments = [each for fields in variants for each in sale_period(fields.get(SALE_DATES, ""))]
    times = {now, *(each for each in moments if now < each < float("inf"))}
    lowest = {at: min(_amount(fields, at) for fields in variants) for at in times}
    own = sorted(variants, key=lambda fields: (_amount(fields), _amount(fields, now)))
    mixed = ({**each, "price": own[0]["price"]} for each in own if "sale_price" in each)
    offers = (each for some in (own, mixed) for each in some)
    fitting = (each for each in offers if all(_amount(each, at) == least for at, least in lowest.items()))
    return next(fitting, own[0])


def _amount(fields: dict[str, str], at: float | None = None) -> Decimal:
    """Return the regular price, or the price at a time."""
    sale = "" if at is None else sale_at(fields, at)
    return Decimal((sale or fields["price"]).split()[0])
