"""Errors that a user can fix. Each message names the place, what happened and what to do."""

from collections.abc import Mapping
from typing import Any


class PerfectLookError(Exception):
    """Base class of the package's errors. The command line prints them without a traceback."""


class UsageError(PerfectLookError):
    """The call is wrong: an unknown name, a missing argument, or values that exclude each other."""


class BudgetError(UsageError):
    """No look is within the budget.

    Attributes:
        details: the JSON document that a server sends: `budget`, the `cheapest` look with its `price` and its
            `slots`, the category of the `dearest` slot, and whether the budget suffices without it.
    """

    def __init__(self, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.details = {"problem": "over_budget", **details}


class PictureError(PerfectLookError):
    """A picture cannot be used: it is missing, empty, truncated, too large or of an unknown format."""


class FetchError(PerfectLookError):
    """A URL cannot be fetched.

    Attributes:
        passing: whether trying again later may help.
        status: the HTTP status of the response; None without a response.
        pause: the number of seconds that the server asked to wait.
    """

    def __init__(
        self, message: str, *, passing: bool = False, status: int | None = None, pause: float = 0.0
    ) -> None:
        super().__init__(message)
        self.passing = passing
        self.status = status
        self.pause = pause


class FeedError(PerfectLookError):
    """A feed cannot be read: an unknown format, an encoding other than UTF-8, or missing columns."""


class DatasetError(PerfectLookError):
    """A set cannot be used: missing files, malformed lines with `--strict`, or an empty split."""


class BackboneError(PerfectLookError):
    """A backbone is unknown, or its weights, its engine or a library that it needs cannot be loaded."""


class FeatureError(PerfectLookError):
    """The feature store cannot be used: the disk is full, or it has another backbone or format."""


class TrainingError(PerfectLookError):
    """Training cannot start or continue: no usable pairs, or a loss that is not a number."""


class ModelError(PerfectLookError):
    """A model on disk is missing, incomplete, in a newer format, or made for another backbone."""


class CatalogueError(PerfectLookError):
    """A catalogue is missing, damaged or locked, or was made with another model."""


class StoreAwayError(CatalogueError):
    """The server of a catalogue cannot be reached, or cannot answer now. Trying again later may help."""


class OtherModelError(CatalogueError):
    """A catalogue was made with another model than the one given."""


class CatalogueInUseError(CatalogueError):
    """Another process is syncing the catalogue; the message names it."""


class ServerError(PerfectLookError):
    """A server cannot be reached, refuses the request, or fails.

    Attributes:
        status: the HTTP status; None without a response.
        code: the server's error code; "" if the response has none.
        request_id: the id of the request in the server's log.
        details: what the server says about the failure for programs; None if nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        request_id: str | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.details = details


class MissingExtraError(PerfectLookError):
    """A feature of the package needs an optional dependency that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        name = what[:1].upper() + what[1:]
        super().__init__(
            f"{name} needs the extra '{extra}'. In a clone of perfectlook, run: pip install '.[{extra}]'"
        )
