"""The sorts of things that can be wrong in a feed."""

from enum import StrEnum


class FeedProblem(StrEnum):
    """What sort of problem a row has: `Problem.kind` of everything that is reported of feeds."""

    UNREADABLE = "unreadable row"
    UNUSABLE_ID = "unusable id in a feed"
    REPEATED_ID = "repeated id"
    NO_CATEGORY = "row without category"
    NO_PICTURE = "row without picture"
    NOT_FETCHED = "picture not fetched"
    TOO_LONG = "text too long"
    UNUSABLE_FIELD = "unusable field"


KEPT = frozenset({FeedProblem.TOO_LONG, FeedProblem.UNUSABLE_FIELD})
"""What is wrong with rows that become products all the same."""
