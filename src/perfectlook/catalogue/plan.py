"""What a sync has to do: the difference between what a source has and what a catalogue has."""

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from perfectlook.catalogue.records import Record
from perfectlook.catalogue.sources import Source
from perfectlook.fingerprints import fingerprints
from perfectlook.progress import Progress
from perfectlook.stores import Store
from perfectlook.types import Problem, Product


class State(NamedTuple):
    """What tells whether a product has changed: a vector depends on the first two only."""

    category: str
    picture_sha256: str
    record_sha256: str


class Item(NamedTuple):
    """A product as a source has it now."""

    category: str
    record: Record

    @property
    def picture(self) -> Path:
        """Where its picture lies."""
        return Path(self.record.picture)

    @property
    def state(self) -> State:
        """Its state."""
        return State(self.category, self.record.picture_sha256, self.record.record_sha256)


@dataclass(frozen=True, slots=True)
class Listing:
    """All a source has: its products by id, in the order of ids, and those that cannot be used.

    `unreadable` are the ids of products that cannot be read at the moment: they are neither new nor gone.
    Neither is anything else, unless the listing `is_whole`.
    """

    items: dict[str, Item]
    unreadable: frozenset[str]
    problems: list[Problem]
    is_whole: bool = True

    def staying(self, stored: Set[str]) -> set[str]:
        """Return those of the stored products that are not in the listing and yet not gone."""
        unlisted = set(stored - self.items.keys())
        return unlisted & self.unreadable if self.is_whole else unlisted


@dataclass(frozen=True, slots=True)
class Plan:
    """Ids to embed, to give a new record, to remove, and to leave alone."""

    embed: list[str] = field(default_factory=list)
    describe: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)


def list_products(source: Source, *, workers: int | None = None, progress: Progress | None = None) -> Listing:
    """Read a source and fingerprint its pictures; of two products with one id the first counts."""
    products: dict[str, Product] = {}
    problems: list[Problem] = []
    for product in source.products():
        if not product.id:
            problems.append(Problem(source.name, str(product.picture), "has no id; give it one"))
        elif product.id in products:
            problems.append(Problem(source.name, product.id, "comes twice; the first one counts"))
        else:
            products[product.id] = product
    prints, reasons = fingerprints((p.picture for p in products.values()), workers=workers, progress=progress)
    items: dict[str, Item] = {}
    unreadable = set(source.unavailable or ())
    for id_, product in sorted(products.items()):
        reason = reasons.get(product.picture) or (None if _is_text(product) else _NOT_TEXT)
        if reason:
            unreadable.add(id_)
            problems.append(Problem(source.name, id_, f"{product.picture}: {reason}"))
        else:
            items[id_] = Item(product.category, Record.of(product, prints[product.picture]))
    is_whole = source.unavailable is not None
    return Listing(items, frozenset(unreadable), [*source.problems, *problems], is_whole)


_NOT_TEXT = "its file name or its text is not Unicode; rename the file or mend the text"


def _is_text(product: Product) -> bool:
    """Whether a store can write all that is said of a product; file names may be any bytes."""
    said = [
        product.id,
        product.category,
        product.title,
        str(product.picture.absolute()),
        *product.fields.items(),
    ]
    try:
        json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def stored_states(store: Store, collection: str) -> dict[str, State]:
    """Return the state of every product in a collection."""
    states = {}
    for batch in store.scroll(5000, collection=collection, vectors=False):
        for point in batch:
            record = Record.from_payload(point.id, point.payload)
            states[point.id] = State(point.category, record.picture_sha256, record.record_sha256)
    return states


def make_plan(listing: Listing, stored: Mapping[str, State]) -> Plan:
    """Compare a source with a collection; products that cannot be read now stay as they are stored."""
    plan = Plan()
    for id_, item in listing.items.items():
        now, before = item.state, stored.get(id_)
        if before is None or before[:2] != now[:2]:
            plan.embed.append(id_)
        elif before != now:
            plan.describe.append(id_)
        else:
            plan.keep.append(id_)
    staying = listing.staying(stored.keys())
    plan.keep.extend(sorted(staying))
    plan.remove.extend(sorted(stored.keys() - listing.items.keys() - staying))
    return plan
