"""Failures a user can act on: every message names the value, the file and the remedy."""


class PerfectLookError(Exception):
    """Base of every failure raised on purpose; the command line prints it without a traceback."""


class UsageError(PerfectLookError):
    """The call itself is wrong: an unknown name, a missing argument, values that exclude each other."""


class PictureError(PerfectLookError):
    """A picture cannot be read, or is refused: missing, empty, truncated, too large, of an unknown format."""


class FetchError(PerfectLookError):
    """A URL is refused, cannot be reached, or does not give what was asked for within the limits.

    `passing` says whether trying again later may help, `status` what the server answered (None without an
    answer), `pause` how many seconds it asked to wait.
    """

    def __init__(
        self, message: str, *, passing: bool = False, status: int | None = None, pause: float = 0.0
    ) -> None:
        super().__init__(message)
        self.passing = passing
        self.status = status
        self.pause = pause


class FeedError(PerfectLookError):
    """A feed cannot be read: an unknown format, another encoding than UTF-8, columns that are not there."""


class DatasetError(PerfectLookError):
    """A set cannot be used: missing files, malformed lines under `--strict`, an empty split."""


class BackboneError(PerfectLookError):
    """A backbone is unknown, or its weights, its engine or the library it needs cannot be loaded."""


class FeatureError(PerfectLookError):
    """The feature store cannot be read or written: a full disk, a store of another backbone or format."""


class TrainingError(PerfectLookError):
    """Training cannot start or go on: no usable pairs, a loss that is not a number."""


class ModelError(PerfectLookError):
    """A model on disk is missing, incomplete, of a newer format, or was made for another backbone."""


class CatalogueError(PerfectLookError):
    """A catalogue is missing, corrupted, locked, or belongs to another model."""


class CatalogueInUseError(CatalogueError):
    """Another sync is at work on the catalogue; the text says whose."""


class ServerError(PerfectLookError):
    """A server cannot be reached, refuses or fails.

    `status` is the HTTP status (None where there was no answer), `code` what the server calls the failure (""
    where it does not say), and `request_id` what its logs call the request.
    """

    def __init__(
        self, message: str, *, status: int | None = None, code: str = "", request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


class MissingExtraError(PerfectLookError):
    """A part of the package needs an optional dependency that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'perfectlook[{extra}]'")
