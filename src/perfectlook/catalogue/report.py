"""What a sync did to a catalogue, or would do."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from perfectlook.catalogue.plan import Listing, State
from perfectlook.catalogue.sources import Source
from perfectlook.types import Problem


@dataclass(frozen=True, slots=True)
class Changes:
    """Which products a sync touched, by id; of the changed ones what: `category`, `picture`, `record`."""

    added: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did to a catalogue, in products.

    Attributes:
        added: new ones.
        changed: those with another picture, category or record than before.
        deleted: those that the source no longer has.
        unchanged: those that are as they were.
        embedded: those whose vector was computed, be it only because the model is another one.
        failed: what is wrong with the source's products, and why: what could not be added or changed.
        switched: whether the catalogue now answers with the vectors of another model, or for the first time.
        kept: those that stay as they were because the source cannot give them now.
        is_whole: whether the source could list all it has; if not, nothing was deleted.
        changes: which products they are.
        dry_run: whether all this would be done, and nothing was.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    embedded: int = 0
    failed: list[Problem] = field(default_factory=list)
    switched: bool = False
    kept: int = 0
    is_whole: bool = True
    changes: Changes = field(default_factory=Changes)
    dry_run: bool = False


def make_report(
    source: Source,
    listing: Listing,
    before: Mapping[str, State],
    after: Set[str],
    failed: Mapping[str, str],
) -> SyncReport:
    """Compare the products that a catalogue had with those that it has now.

    Args:
        source: where they came from.
        listing: what was found there.
        before: what the catalogue had.
        after: the ids that it has.
        failed: why, by id, for those of the listing's products that could not be embedded.
    """
    changes = Changes(sorted(after - before.keys()), deleted=sorted(before.keys() - after))
    for id_, item in listing.items.items():
        if id_ in before and id_ in after and id_ not in failed:
            changed = item.state.changes_from(before[id_])
            if changed:
                changes.changed[id_] = changed
    problems = [
        Problem(source.name, id_, f"{listing.items[id_].record.picture}: {reason}")
        for id_, reason in failed.items()
        if id_ not in listing.unreadable
    ]
    return SyncReport(
        added=len(changes.added),
        changed=len(changes.changed),
        deleted=len(changes.deleted),
        unchanged=len(before.keys() & after) - len(changes.changed),
        failed=[*listing.problems, *problems],
        is_whole=listing.is_whole,
        changes=changes,
    )
