"""What a photo is answered with."""

from dataclasses import dataclass, field

from perfectlook.client.look import Look
from perfectlook.client.resolved import Resolved
from perfectlook.client.suggestion import Suggestion, UnusedRule


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSize:
    """Width and height of the upright photo, in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Where the model looked: the weight of each region of the photo, row by row; they sum to 1."""

    rows: int
    columns: int
    weights: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The products of one category, nearest first.

    `suggested` is how likely a product of the category completes the photo, None where the model cannot say;
    `proven_exact` whether these are surely the nearest; `attention` is there where it was asked for.
    """

    category: str
    suggested: float | None
    resolved: Resolved
    proven_exact: bool
    products: list[Suggestion]
    attention: Attention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The products that go with a photo, category by category, and the look where one was asked for.

    `timings` are milliseconds by stage; feedback names the `request_id`; `unused_rules` are
    pins of the shop that could not be followed; `notes` say what may be wrong with the question where fewer
    products were found than asked for.
    """

    request_id: str
    model: str
    photo: PhotoSize
    timings: dict[str, float]
    categories: list[Section]
    look: Look | None
    unused_rules: list[UnusedRule] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
