"""What a sync did to a catalogue, or would do."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfectlook.catalogue.plan import Listing, State
from perfectlook.catalogue.sources import Source
from perfectlook.types import Problem

if TYPE_CHECKING:
    from perfectlook.bundle import Model

MANY_DELETED = 10
"""Products that are deleted before a sync warns that they are more than half of what was there."""


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
        unknown_categories: how many products the catalogue then has of each of those categories that the
            model has nothing for: neither they, nor one of the same name, nor one around them were trained.
        warnings: what looks like a mistake although all of it was done: that more than half was deleted.
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
    unknown_categories: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def make_report(
    source: Source,
    listing: Listing,
    before: Mapping[str, State],
    after: Mapping[str, str],
    failed: Mapping[str, str],
    model: "Model",
    *,
    dry_run: bool = False,
) -> SyncReport:
    """Compare the products that a catalogue had with those that it has now.

    Args:
        source: where they came from.
        listing: what was found there.
        before: what the catalogue had.
        after: the ids that it has, and their categories.
        failed: why, by id, for those of the listing's products that could not be embedded.
        model: whose vectors it holds.
        dry_run: whether nothing was done yet.
    """
    changes = Changes(sorted(after.keys() - before.keys()), deleted=sorted(before.keys() - after.keys()))
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
        unchanged=len(before.keys() & after.keys()) - len(changes.changed),
        failed=[*listing.problems, *problems],
        is_whole=listing.is_whole,
        changes=changes,
        dry_run=dry_run,
        unknown_categories=_unknown_categories(after, model),
        warnings=_warnings(len(changes.deleted), len(before), dry_run=dry_run),
    )


def _unknown_categories(after: Mapping[str, str], model: "Model") -> dict[str, int]:
    """The number of products of each category that the model does not know, in the order of names."""
    counts = sorted(Counter(after.values()).items())
    return {name: count for name, count in counts if model.resolve(name).category is None}


def _warnings(deleted: int, before: int, *, dry_run: bool) -> list[str]:
    if deleted < MANY_DELETED or 2 * deleted <= before:
        return []
    share, back = f"{deleted:,} of the {before:,} products", "syncing the right feed brings them back"
    if dry_run:
        return [f"{share} would be deleted. If the feed is short by mistake, do not sync it ({back})"]
    return [
        f"{share} that were there are deleted: the source does not have them. If it is short by mistake, "
        f"{back}; `perfectlook catalogue sync --dry-run` shows beforehand what would be deleted"
    ]
