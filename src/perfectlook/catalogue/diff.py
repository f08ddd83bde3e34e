"""What a sync has to do: the difference between what a source has and what a catalogue has."""

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from perfectlook.catalogue.manifest import Record, stamp_of
from perfectlook.catalogue.sources import Fetching, Source, listed
from perfectlook.catalogue.vectors import VectorFile
from perfectlook.data.fingerprints import Fingerprint, fingerprints, forget
from perfectlook.errors import CatalogueError
from perfectlook.progress import ProgressOf, nobody
from perfectlook.stores import Store
from perfectlook.types import Problem, Product


class State(NamedTuple):
    """What tells whether a product has changed: a vector depends on the first two only.

    The stamp is only what spares a look at the picture: another one alone is no change.
    """

    category: str
    picture_sha256: str
    record_sha256: str
    stamp: str = ""

    def changes_from(self, before: "State") -> list[str]:
        """What has changed since: `category`, `picture`, `record`."""
        parts = zip(("category", "picture", "record"), before, self, strict=False)
        return [name for name, then, now in parts if then != now]


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
        record = self.record
        return State(self.category, record.picture_sha256, record.record_sha256, record.stamp)


@dataclass(frozen=True, slots=True)
class Listing:
    """All a source has: products that were looked at, by id in the order of ids, and the others.

    `unchanged` are the ids of those that are just as the catalogue has them. `unreadable` are the ids of
    products that cannot be read at the moment: they are neither new nor gone. Neither is anything else,
    unless the listing `is_whole`.
    """

    items: dict[str, Item]
    unreadable: frozenset[str]
    problems: list[Problem]
    is_whole: bool = True
    unchanged: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many products can be used."""
        return len(self.items) + len(self.unchanged)

    def staying(self, stored: Set[str]) -> set[str]:
        """Return those of the stored products that are not in the listing and yet not gone."""
        unlisted = set(stored - self.items.keys() - self.unchanged)
        return unlisted & self.unreadable if self.is_whole else unlisted


@dataclass(frozen=True, slots=True)
class Plan:
    """Ids to embed, to give a new record, to remove, and to leave alone."""

    embed: list[str] = field(default_factory=list)
    describe: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)


def list_products(
    source: Source,
    known: Mapping[str, State] | None = None,
    *,
    verify: bool = False,
    fetch: bool = True,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> Listing:
    """Read a source, fetch pictures where it does that, and fingerprint them.

    A product is passed over as unchanged where what the source says of it, and the size and the time of
    change of its picture, are as in `known`; with `verify`, every picture is read, or its server asked.
    Without `fetch`, a picture that would have to be fetched may be anything. Of two products with one id the
    first counts.
    """
    told = progress or nobody
    fresh, unchanged, problems = _sorted_out(source, {} if verify else known or {})
    pictures = list(dict.fromkeys(each.product.picture for each in fresh.values()))
    reasons: dict[Path, str] = {}
    prints: dict[Path, Fingerprint] = {}
    if isinstance(source, Fetching):
        if fetch:
            reasons.update(source.fetch(pictures, verify=verify, progress=told("fetching pictures")))
        else:
            prints.update(dict.fromkeys(source.absent(pictures), _UNSEEN))
    stamps = {id_: stamp_of(each.product.picture, each.digest) for id_, each in fresh.items()}
    there = [picture for picture in pictures if picture not in reasons and picture not in prints]
    if verify:
        forget(there)
    read, unreadable = fingerprints(there, workers=workers, progress=told("reading pictures"))
    prints.update(read)
    reasons.update((picture, f"{picture}: {reason}") for picture, reason in unreadable.items())
    items: dict[str, Item] = {}
    not_now = set(source.unavailable or ())
    for id_, (product, _) in sorted(fresh.items()):
        picture = product.picture
        reason = reasons.get(picture) or (None if _is_text(product) else f"{picture}: {_NOT_TEXT}")
        if reason:
            not_now.add(id_)
            problems.append(Problem(source.name, id_, reason))
        else:
            items[id_] = Item(product.category, Record.of(product, prints[picture], stamps[id_]))
    is_whole = source.unavailable is not None
    problems = [*source.problems, *problems]
    return Listing(items, frozenset(not_now), problems, is_whole, frozenset(unchanged))


_UNSEEN = Fingerprint("", 0, 0, b"")


class _Fresh(NamedTuple):
    product: Product
    digest: str


def _sorted_out(
    source: Source, known: Mapping[str, State]
) -> tuple[dict[str, _Fresh], set[str], list[Problem]]:
    """A source's products that have to be looked at, the ids of those that have not, and what is wrong."""
    fresh: dict[str, _Fresh] = {}
    unchanged: set[str] = set()
    problems: list[Problem] = []
    for each in listed(source):
        id_ = each.id
        before = known.get(id_)
        if id_ in fresh or id_ in unchanged:
            problems.append(each.repeated())
        elif before and before.stamp and before.stamp == stamp_of(each.picture, each.digest):
            unchanged.add(id_)
        elif product := each.product():
            if id_:
                fresh[id_] = _Fresh(product, each.digest)
            else:
                problems.append(Problem(source.name, each.picture, "has no id; give it one"))
    return fresh, unchanged, problems


def list_vectors(file: VectorFile) -> Listing:
    """Read what a file of vectors has: records are in it, and pictures are not looked at."""
    items = {id_: Item(category, record) for id_, category, record in file.records()}
    return Listing(dict(sorted(items.items())), frozenset(), list(file.problems))


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
    names = ("picture_sha256", "record_sha256", "stamp")
    states = {}
    for id_, category, picture, record, stamp in store.excerpts(*names, collection=collection):
        if id_ is None or category is None or picture is None or record is None:
            raise CatalogueError(
                f"{store.location}: product '{id_}' has no hashes: it was written by something else; run "
                "`perfectlook catalogue sync` into a new folder"
            )
        states[id_] = State(category, picture, record, stamp or "")
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
    kept = stored.keys() & listing.unchanged | listing.staying(stored.keys())
    plan.keep.extend(sorted(kept))
    plan.remove.extend(sorted(stored.keys() - listing.items.keys() - kept))
    return plan
