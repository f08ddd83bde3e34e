"""The sorts of things that can be wrong in a set."""

import unicodedata
from enum import StrEnum
from reprlib import Repr

from perfectlook.types import Problem


class ProblemKind(StrEnum):
    """What sort of problem a set has: `Problem.kind` of everything a reader of this package reports."""

    MALFORMED = "malformed row"
    UNUSABLE_ID = "unusable id"
    UNKNOWN_PRODUCT = "unknown product"
    DUPLICATE_ROW = "duplicate row"
    DUPLICATE_ID = "duplicate id"
    NO_CATEGORY = "product without category"
    NO_BOX = "row without bbox"
    UNUSABLE_BOX = "unusable box"
    BOX_OUTSIDE = "box outside 0..1"
    MISSING_SCENE = "missing scene picture"
    MISSING_PRODUCT = "missing product picture"
    TWO_PICTURES = "two pictures of one id"
    UNREADABLE = "unreadable picture"
    UNUSABLE_DETAILS = "unusable product details"
    INCOMPLETE = "file of another length"


KEPT = frozenset(
    {
        ProblemKind.DUPLICATE_ROW,
        ProblemKind.DUPLICATE_ID,
        ProblemKind.NO_BOX,
        ProblemKind.BOX_OUTSIDE,
        ProblemKind.TWO_PICTURES,
        ProblemKind.UNUSABLE_DETAILS,
        ProblemKind.INCOMPLETE,
    }
)
"""What is wrong with rows and products that are used all the same."""


class UnusableError(Exception):
    """Inside the readers: a row or an entry cannot be used, and why; becomes a `Problem`, never gets out."""

    def __init__(self, kind: ProblemKind, item: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.item = item
        self.reason = reason

    def at(self, where: str) -> Problem:
        """The problem this is, at a place."""
        return Problem(where, self.item, self.reason, self.kind)


_shortened = Repr()
_shortened.maxstring = _shortened.maxother = 60


def shown(value: object) -> str:
    """A value as messages show it: shortened, and never nested deeply."""
    return _shortened.repr(value)


def checked_id(value: object, what: str) -> str:
    """The id, if it is one: text that names a file in a folder and nothing outside of it; normalised (NFC).

    Raises:
        UnusableError: it is not text, is empty, or could leave the folder as part of a path.
    """
    if not isinstance(value, str):
        reason = f"the {what} id {shown(value)} is not text; write it in quotes"
        raise UnusableError(ProblemKind.UNUSABLE_ID, shown(value), reason)
    drive = len(value) > 1 and value[1] == ":" and value[0].isalpha()
    unfit = any(character in "/\\" or not character.isprintable() for character in value)
    if not value.strip(" .") or drive or unfit:
        reason = f"the {what} id {shown(value)} cannot name a file; use letters, digits, '-' and '_'"
        raise UnusableError(ProblemKind.UNUSABLE_ID, shown(value), reason)
    return unicodedata.normalize("NFC", value)
