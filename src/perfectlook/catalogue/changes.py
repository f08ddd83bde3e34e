"""Live changes: the price, the sale and the availability of products, between two syncs."""

import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from perfectlook.catalogue.manifest import CatalogueManifest, Record, States, answering, record_hash
from perfectlook.feeds.fields import Cleaning
from perfectlook.prices import (
    SALE_DATES,
    UnusablePriceError,
    canonical_price,
    currency_of,
    sale_period,
    why_no_sale,
)
from perfectlook.stores import Payload, Point, Store

LIVE = ("price", "sale_price", SALE_DATES, "availability")
"""The fields that a change may set. None of them changes a vector."""

Change: TypeAlias = Mapping[str, str | None]
"""Texts of `LIVE` fields. None or "" removes a field; fields that are not named stay. An amount without a
currency is in that of the product's price."""


def change_products(store: Store, changes: Iterable[tuple[str, Change]]) -> list[str]:
    """Change products in one transaction, and return a reason for each change; "" if it was made.

    Searches in all processes see the changes immediately. A running sync keeps them, and vectors that are
    staged get them too. The next sync reads the products again, and stores what its source says. Several
    changes of one product are made in order. Of a sale that has ended, nothing is left after a change.

    On Milvus, which has no transactions, a change at the same instant as a sync writes the product may be
    lost.

    Args:
        store: the store of a catalogue.
        changes: ids and changes.

    Raises:
        CatalogueError: no sync has finished, or the store fails.
    """
    wanted, reasons, made = list(changes), [], dict[str, Change]()
    with store.together():
        active = answering(store).collection
        records = _records(store, active, {id_ for id_, _ in wanted})
        for id_, change in wanted:
            if id_ not in records:
                reasons.append(f"product '{id_}': not in the catalogue. Check the id.")
                continue
            records[id_], reason = _changed(records[id_], change)
            reasons.append(reason)
            if not reason:
                made[id_] = {**made.get(id_, {}), **change}
        for collection in _collections(store) if made else ():
            payloads = {id_: records[id_].payload() for id_ in sorted(made)}
            if collection != active:
                for id_, record in _records(store, collection, made).items():
                    changed, reason = _changed(record, made[id_])
                    payloads[id_] = (_with_live(record, records[id_]) if reason else changed).payload()
            store.set_payloads(payloads, collection=collection)
    return reasons


def delete_products(store: Store, ids: Collection[str]) -> None:
    """Delete products from all vectors of a catalogue, also from those that are staged.

    Raises:
        CatalogueInUseError: a sync is running.
        CatalogueError: the store fails.
    """
    with store.hold("DELETE of a product"), store.together():
        for collection in _collections(store):
            store.delete(ids, collection=collection)


def copy_records(store: Store, ids: Sequence[str], source: str, target: str) -> None:
    """Give products in the collection `target` the title and the fields that they have in `source`.

    Products with another category or picture keep these: their vectors belong to them.
    """
    with store.together():
        latest, changed = store.get(ids, collection=source), {}
        for id_, point in store.get(latest, collection=target).items():
            now, record = (Record.from_payload(id_, each.payload) for each in (latest[id_], point))
            if (now.picture_sha256, latest[id_].category) != (record.picture_sha256, point.category):
                now = _with_fields(replace(record, title=now.title), dict(now.fields))
            if now != record:
                changed[id_] = now.payload()
        store.set_payloads(changed, collection=target)


def _collections(store: Store) -> list[str]:
    """Return the names of all collections of a catalogue. The active one is the last: it decides a retry."""
    known = store.collections()
    return [name for each in CatalogueManifest.of(store).generations if (name := each.collection) in known]


def _records(store: Store, collection: str, ids: Iterable[str]) -> dict[str, Record]:
    found = store.get(ids, collection=collection)
    return {id_: Record.from_payload(id_, each.payload, each.category) for id_, each in found.items()}


def _changed(record: Record, change: Change) -> tuple[Record, str]:
    """Return the record with a change, and why the change cannot be made; "" if it can."""
    if unknown := sorted(change.keys() - set(LIVE)):
        return record, f"{unknown[0]}: cannot be changed alone. Change {', '.join(LIVE)}, or PUT the product."
    named = {name: text.strip() for name, text in change.items() if text and text.strip()}
    fields = dict(record.fields)
    cleaning = Cleaning({"currency": currency_of(fields.get("price", "")) or None})
    if problem := next(cleaning.clean_each(named), None):
        return record, f"{problem[1]}: {problem[2]}"
    begins, ends = sale_period(fields.get(SALE_DATES, ""))
    if SALE_DATES not in named and (ends <= time.time() or begins == math.inf):
        fields.pop("sale_price", None)
        fields.pop(SALE_DATES, None)
    fields = {name: text for name, text in fields.items() if name not in change} | named
    if "sale_price" not in fields and SALE_DATES in named:
        return record, f"{SALE_DATES}: the product has no sale_price. Change that too."
    if "sale_price" not in fields:
        fields.pop(SALE_DATES, None)
    elif why := _why_no_sale(fields, named):
        return record, f"sale_price: {fields['sale_price']!r} {why}. Change it too, or remove it."
    return _with_fields(record, fields), ""


def _why_no_sale(fields: Mapping[str, str], named: Mapping[str, str]) -> str:
    """Return why a sale price does not fit the price, where a change names one of them; "" if it does.

    The other may be stored as its source had it: without a currency, or as no price.
    """
    currency = next((currency_of(named[name]) for name in ("price", "sale_price") if name in named), None)
    with suppress(UnusablePriceError):
        price, sale = (
            text and canonical_price(text, currency) for text in (fields.get("price"), fields["sale_price"])
        )
        return why_no_sale(price, str(sale)) if currency else ""
    return ""


def _with_fields(record: Record, fields: dict[str, str]) -> Record:
    """Return a record with other fields. Without a stamp, the next sync reads the product again."""
    hashed = record_hash(record.title, record.picture, fields)
    return replace(record, fields=fields, record_sha256=hashed, stamp="")


def _with_live(record: Record, now: Record) -> Record:
    """Return a record with the `LIVE` fields of another."""
    fields = {name: text for name, text in record.fields.items() if name not in LIVE}
    return _with_fields(record, fields | {name: text for name, text in now.fields.items() if name in LIVE})


def write_payloads(
    store: Store, payloads: Mapping[str, Payload], collection: str, shown: str | None, before: States
) -> None:
    """Write what a sync has read, with the live changes that came since it began.

    Args:
        store: the store of the catalogue.
        payloads: the payloads to write, by id.
        collection: where to write them.
        shown: the active collection; None before the first sync.
        before: the states of its products when the sync began.
    """
    with store.together():
        store.set_payloads(_kept(store, payloads, shown, before), collection=collection)


def write_points(
    store: Store, points: Sequence[Point], collection: str, shown: str | None, before: States
) -> None:
    """Write points as `write_payloads` writes payloads."""
    with store.together():
        kept = _kept(store, {each.id: each.payload for each in points}, shown, before)
        store.upsert([replace(each, payload=kept[each.id]) for each in points], collection=collection)


def _kept(
    store: Store, payloads: Mapping[str, Payload], shown: str | None, before: States
) -> dict[str, Payload]:
    kept = dict(payloads)
    known = [id_ for id_ in payloads if id_ in before] if shown else []
    for id_, point in store.get(known, collection=shown).items() if known else ():
        now = Record.from_payload(id_, point.payload)
        if now.record_sha256 != before[id_][2] and not now.stamp:  # only live changes remove the stamp
            kept[id_] = _with_live(Record.from_payload(id_, kept[id_]), now).payload()
    return kept
