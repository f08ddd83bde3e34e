"""The one price and sale that a product with variants shows."""

import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from perfectlook.feeds.fields import Cleaning
from perfectlook.prices import SALE_DATES, sale_at, sale_period


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
    if len(variants) < 2:
        return (variants[0][1] if variants else {}), ()
    cleaning = Cleaning(currency=currency)
    read: list[dict[str, str]] = []
    problems: list[str] = []
    for name, fields in variants:
        problems += (f"variant {name!r}: {reason}" for _, reason in cleaning.clean(fields))
        if "price" not in fields and SALE_DATES not in fields and "sale_price" in fields:
            fields["price"] = fields.pop("sale_price")
        if "price" in fields:
            read.append(fields)
            if fields["price"][-3:] != read[0]["price"][-3:]:
                problems.append(f"variant {name!r} is left out: its price is in another currency.")
                read.pop()
    return _lowest(read) if read else {}, tuple(problems)


def _lowest(variants: Sequence[dict[str, str]]) -> dict[str, str]:
    now = time.time()
    times = {now, *(each for fields in variants for each in _period(fields) if now < each < float("inf"))}
    lowest = {at: min(_amount(fields, at) for fields in variants) for at in times}
    ordered = sorted(variants, key=lambda fields: (_amount(fields), _amount(fields, now)))
    for offer in _offers(ordered):
        if all(_amount(offer, at) == least for at, least in lowest.items()):
            return offer
    return ordered[0]


def _offers(ordered: Sequence[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield the variants, and then the lowest regular price with the sale of each."""
    yield from ordered
    yield from ({**each, "price": ordered[0]["price"]} for each in ordered if "sale_price" in each)


def _period(fields: Mapping[str, str]) -> tuple[float, float]:
    return sale_period(fields.get(SALE_DATES, ""))


def _amount(fields: Mapping[str, str], at: float | None = None) -> Decimal:
    """Return the regular price, or the price at a time."""
    sale = "" if at is None else sale_at(fields, at)
    return Decimal((sale or fields["price"]).split()[0])
