"""Live changes: the price, the sale and the availability of products, between two syncs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from perfectlook.catalogue.manifest import CatalogueManifest, Record, State, answering, record_hash
from perfectlook.feeds.fields import Cleaning
from perfectlook.prices import SALE_DATES
from perfectlook.stores import Payload, Point, Store

LIVE = ("price", "sale_price", SALE_DATES, "availability")
"""The fields that a change may set. None of them changes a vector."""

Change: TypeAlias = Mapping[str, str | None]
"""Texts of `LIVE` fields. None or "" removes a field; fields that are not named stay."""


def change_products(store: Store, changes: Iterable[tuple[str, Change]]) -> list[str]:
    """Change products in one transaction, and return a reason for each change; "" if it was made.

    Searches in all processes see the changes immediately. A running sync keeps them. The next sync reads the
    products again, and stores what its source says. Several changes of one product are made in order.

    Args:
        store: the store of a catalogue.
        changes: ids and changes.

    Raises:
        CatalogueError: no sync has finished, or the store fails.
    """
    wanted = list(changes)
    active = answering(store).collection
    points = store.get({id_ for id_, _ in wanted}, collection=active)
    records = {id_: Record.from_payload(id_, each.payload, each.category) for id_, each in points.items()}
    reasons, changed = [], set()
    for id_, change in wanted:
        if id_ not in records:
            reasons.append(f"product '{id_}': not in the catalogue. Check the id.")
            continue
        record, reason = _changed(records[id_], change)
        reasons.append(reason)
        if not reason:
            records[id_] = record
            changed.add(id_)
    if changed:
        payloads = {id_: records[id_].payload() for id_ in sorted(changed)}
        store.set_payloads(payloads, collection=active)
        pending = CatalogueManifest.of(store).pending
        if pending and pending.collection in store.collections():
            store.set_payloads(payloads, collection=pending.collection)
    return reasons


def _changed(record: Record, change: Change) -> tuple[Record, str]:
    """Return the record with a change, and why the change cannot be made; "" if it can."""
    if unknown := sorted(change.keys() - set(LIVE)):
        return record, f"{unknown[0]}: cannot be changed alone. Change {', '.join(LIVE)}, or PUT the product."
    fields = {**record.fields, **{name: (text or "").strip() for name, text in change.items()}}
    fields = {name: text for name, text in fields.items() if text}
    live = {name: fields.pop(name) for name in LIVE if name in fields}
    if problem := next(Cleaning().clean(live), None):
        return record, problem[1]
    return _with_fields(record, {**fields, **live}), ""


def _with_fields(record: Record, fields: dict[str, str]) -> Record:
    """Return a record with other fields. Without a stamp, the next sync reads the product again."""
    hashed = record_hash(record.title, record.picture, fields)
    return replace(record, fields=fields, record_sha256=hashed, stamp="")


def keep_changes(
    store: Store, collection: str | None, before: Mapping[str, State], payloads: Mapping[str, Payload]
) -> dict[str, Payload]:
    """Return what a sync is about to write, with the live changes that came since it began.

    Args:
        store: the store of the catalogue.
        collection: its active collection; None before the first sync.
        before: the states of its products when the sync began.
        payloads: the payloads to write, by id.
    """
    kept = dict(payloads)
    known = [id_ for id_ in payloads if id_ in before] if collection else []
    for id_, point in store.get(known, collection=collection).items() if known else ():
        now = Record.from_payload(id_, point.payload)
        if now.record_sha256 == before[id_][2] or now.stamp:
            continue  # only live changes remove the stamp
        record = Record.from_payload(id_, kept[id_])
        fields = {name: text for name, text in record.fields.items() if name not in LIVE}
        fields |= {name: text for name, text in now.fields.items() if name in LIVE}
        kept[id_] = _with_fields(record, fields).payload()
    return kept


def keep_in_points(
    store: Store, collection: str | None, before: Mapping[str, State], points: Sequence[Point]
) -> list[Point]:
    """Return points that a sync is about to write, with the changes of `keep_changes`."""
    kept = keep_changes(store, collection, before, {each.id: each.payload for each in points})
    return [replace(each, payload=kept[each.id]) for each in points]
