"""A scene that a server offers to try."""

from dataclasses import dataclass, field
from typing import Any, Literal

from perfectlook.taxonomy import How


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The category of the model that stood in for the catalogue's, None where none could, and how."""

    category: str | None
    how: How


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What the catalogue knows of a product; `fields` are those of its feed that have no name here."""

    id: str
    category: str
    title: str | None
    picture: str
    price: str | None
    sale_price: str | None
    availability: str | None
    brand: str | None
    link: str | None
    item_group_id: str | None
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPage:
    """Some products in the order of their ids; `next` is where to go on after them, None at the end."""

    products: list[Product]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What makes a product nearer than usual: the shares of the whole scene and of the regions.

    They sum to 1, and are both 0 where it is not nearer.
    """

    whole: float
    regions: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRule:
    """A rule of the shop that moved a product, and the product's rank without it."""

    rule: int
    action: Literal["pin", "boost", "bury", "exclude"]
    from_rank: int | None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedRule:
    """A rule of the shop that could not be followed, and why."""

    rule: int
    action: Literal["pin", "boost", "bury", "exclude"]
    reason: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What every product of an answer has: lower distances are better, within one category.

    `picture` is an address on the server: `Client.picture(id)` gets it.
    """

    rank: int
    id: str
    distance: float
    title: str | None
    picture: str
    price: str | None
    sale_price: str | None
    availability: str | None
    brand: str | None
    link: str | None
    item_group_id: str | None
    rules: list[AppliedRule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion(Shown):
    """A product that goes with a photo; its distance is the sum of the two parts."""

    distance_global: float
    distance_local: float
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative(Suggestion):
    """Another product for a slot, and the objective of the look with it, all other slots as they are."""

    objective: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of one category in a look; `locked` where its product was given, not chosen."""

    category: str
    resolved: Resolved
    locked: bool
    product: Suggestion
    alternatives: list[Alternative]
    suggested: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One product for each slot, and how good that is: see docs/looks.md.

    `objective` = `distance` + `weight` · `apart`; no look is below `lower_bound`. `price` is the sum where
    all products have a price in one currency. `missing` are categories that no product was left in.
    """

    objective: float
    distance: float
    apart: float
    weight: float
    proven_exact: bool
    lower_bound: float
    price: str | None
    budget: str | None
    slots: list[Slot]
    missing: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike(Shown):
    """A product of some category that looks like what was asked for."""

    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeSection:
    """The look-alikes of one category, nearest first; `proven_exact` whether these are surely the nearest."""

    category: str
    proven_exact: bool
    products: list[Shown]


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """Look-alikes: the nearest of all categories that were looked in, and those of each.

    `timings` and `notes` are as in `Completed`.
    """

    request_id: str
    model: str
    timings: dict[str, float]
    products: list[Lookalike]
    categories: list[AlikeSection]
    notes: list[str] = field(default_factory=list)


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


@dataclass(frozen=True, slots=True)
class FeedbackEvent:
    """What happened to one product of an answer, which was at this rank of its category."""

    product: str
    category: str
    rank: int
    event: Literal["shown", "clicked", "kept", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How often products of a category, or at a rank, met with each event; clicks over shown."""

    shown: int
    clicked: int
    kept: int
    rejected: int
    click_through: float | None
    category: str | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What all feedback says, by category and by rank."""

    by_category: list[Counted]
    by_rank: list[Counted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A sync: how far it is, what it has done at the end, or why it failed."""

    id: str
    state: Literal["queued", "running", "done", "failed"] = "queued"
    progress: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it is done or has failed."""
        return self.state in ("done", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The model that a server answers with, and how many products its catalogue has."""

    model: str
    products: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample's name, which `complete(sample=...)` takes, its title and the address of its picture."""

    name: str
    title: str
    picture: str
