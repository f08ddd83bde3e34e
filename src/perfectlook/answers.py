"""The answer types: one set for Python, the JSON of the command line, HTTP and the client.

The attributes have the names of the JSON. Answers are frozen; `to_dict()` and `to_json()` write them, and
`model_validate_json()` reads them back. Fields that only a server sets (`request_id`, `timings`, ...) are
absent from the JSON of the command line.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    SerializationInfo,
    model_validator,
)

from perfectlook.errors import PerfectLookError, UsageError
from perfectlook.taxonomy import How, Resolution

if TYPE_CHECKING:
    from PIL.Image import Image

DIGITS = 6
"""Decimal places of distances and weights in JSON, unless all digits are asked for."""

DETAILS = ("price", "sale_price", "availability", "brand", "link", "item_group_id")
"""Fields of a source that an answer repeats where the product has them."""

Action: TypeAlias = Literal["pin", "boost", "bury", "exclude"]
Event: TypeAlias = Literal["shown", "clicked", "kept", "rejected"]


def _round(value: Any, info: SerializationInfo) -> Any:
    """Round a number or a list of numbers to the `digits` of the context; None keeps all digits."""
    digits = DIGITS if info.context is None else info.context["digits"]
    if digits is None:
        return value
    return [round(each, digits) for each in value] if isinstance(value, list) else round(value, digits)


def _absent(value: object) -> bool:
    return value is None or value == {}


Rounded: TypeAlias = Annotated[float, PlainSerializer(_round, return_type=float)]
RoundedList: TypeAlias = Annotated[list[float], PlainSerializer(_round, return_type=list[float])]


class AnswerPart(BaseModel):
    """Base of all answer types: frozen, and written with the same names everywhere."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    def to_dict(self, digits: int | None = DIGITS) -> dict[str, Any]:
        """Return the JSON document as a dict. Fields that were never set are left out.

        Args:
            digits: decimal places of distances and weights; None keeps full precision.
        """
        return self._document(self.model_dump(exclude_unset=True, context={"digits": digits}))

    def to_json(self, digits: int | None = DIGITS, indent: int | None = None) -> str:
        """Return the JSON document as text; `digits` as in `to_dict`, `indent` as in `json.dumps`."""
        return json.dumps(self.to_dict(digits), indent=indent)

    def _document(self, dumped: dict[str, Any]) -> dict[str, Any]:
        """The document that is written for what pydantic dumps."""
        return dumped


class Attention(AnswerPart):
    """The weights of the photo's regions, row by row from the top left. They sum to 1."""

    rows: int
    columns: int
    weights: RoundedList


class Resolved(AnswerPart):
    """Which category of the model stood in for the catalogue's."""

    category: str | None
    """The model's category; None where the model knows none that could stand in."""
    how: How
    """`exact`, by the same `last_level`, by an `ancestor`, or `unknown`."""

    @classmethod
    def of(cls, resolution: Resolution) -> Self:
        """Return what an answer says of a resolution."""
        return cls(category=resolution.category, how=resolution.how)


class AppliedRule(AnswerPart):
    """A shop's rule that moved a product."""

    rule: int
    """The number of the rule in its file, from 1."""
    name: str | None = Field(default=None, exclude_if=_absent)
    action: Action
    from_rank: int | None
    """The product's rank by distance alone, among all products that filters and exclusions let through. None
    where the product is too far behind to count."""

    def __str__(self) -> str:
        name = f" '{self.name}'" if self.name else ""
        rank = "far behind" if self.from_rank is None else f"rank {self.from_rank}"
        return f"rule {self.rule}{name}: {self.action} from {rank}"


class UnusedRule(AnswerPart):
    """A shop's rule that could not be followed, and why."""

    rule: int
    name: str | None = Field(default=None, exclude_if=_absent)
    action: Action
    reason: str


class Why(AnswerPart):
    """What makes a product nearer than usual: the shares of the whole scene and of its regions.

    They sum to 1. Both are 0 where the product is not nearer than usual.
    """

    whole: float
    regions: float


class _Details(AnswerPart):
    """What answers repeat of a product's record."""

    title: str | None = None
    picture: str
    """The path of the picture's file; from a server, the picture's address on that server."""
    price: str | None = None
    sale_price: str | None = None
    availability: str | None = None
    brand: str | None = None
    link: str | None = None
    item_group_id: str | None = None

    @property
    def current_price(self) -> str:
        """What a customer pays: the sale price if there is one, else the price, else ""."""
        return self.sale_price or self.price or ""


def details_of(title: str | None, picture: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what answers repeat of a product's record, by the names of their fields."""
    return {"title": title, "picture": picture, **{name: fields[name] for name in DETAILS if name in fields}}


class _Identity(AnswerPart):
    id: str
    category: str


class CatalogueProduct(_Details, _Identity):
    """What the catalogue knows of a product."""

    fields: dict[str, str] = {}  # pydantic copies defaults
    """The fields of its feed that have no name here."""


class _Rank(AnswerPart):
    rank: int
    """From 1."""
    id: str
    distance: Rounded
    """Lower is better. Distances compare products of one category for one photo."""
    distance_global: Rounded | None = Field(default=None, exclude_if=_absent)
    """The part of the distance that comes from the whole scene; None where a distance has no parts."""
    distance_local: Rounded | None = Field(default=None, exclude_if=_absent)
    """The part of the distance that comes from the scene's regions, weighted by attention."""


class RankedProduct(_Details, _Rank):
    """A product at its rank. Its distance is the sum of the global and the local part."""

    rules: list[AppliedRule] = Field(default_factory=list)  # pydantic would copy a default, for every product
    """The shop's rules that moved it."""
    why: Why | None = Field(default=None, exclude_if=_absent)
    """Only from a server."""
    category: str | None = Field(default=None, exclude_if=_absent)
    """Only in lists that mix categories."""


class Alternative(RankedProduct):
    """Another product for a slot of a look."""

    objective: Rounded
    """The objective of the look with this product, all other slots as they are."""


class Contribution(AnswerPart):
    """What a distance has over the mean distance of its category, part by part: below 0 pulls nearer."""

    distance: Rounded
    distance_global: Rounded
    distance_local: Rounded
    regions: RoundedList


class ExplainedProduct(RankedProduct):
    """A product at its rank among all products of its category, and what its distance is the sum of."""

    distance_global: Rounded
    distance_local: Rounded
    regions: RoundedList
    """The part of each of the 49 regions; with `distance_global` they sum to the distance."""
    relative: Contribution


class Section(AnswerPart):
    """The answer in one category of the catalogue."""

    category: str
    suggested: Rounded | None = None
    """The probability that a product of the category completes the photo; None where the model cannot say."""
    resolved: Resolved
    proven_exact: bool
    """Whether these are certainly the nearest products of all."""
    products: list[RankedProduct]
    attention: Attention | None = Field(default=None, exclude_if=_absent)
    """Where in the photo the model looked; from a server only if it was asked for."""


class SimilarSection(AnswerPart):
    """The similar products of one category, nearest first."""

    category: str
    proven_exact: bool
    products: list[RankedProduct]


class Slot(AnswerPart):
    """The place of one category in a look."""

    category: str
    suggested: Rounded | None = None
    resolved: Resolved
    locked: bool
    """Whether its product was given, not chosen."""
    product: RankedProduct
    alternatives: list[Alternative]


class PhotoSize(AnswerPart):
    """Width and height of the upright photo, in pixels."""

    width: int
    height: int


class DrawableAnswer(AnswerPart):
    """An answer that can be drawn, shown as a table, and turned into a data frame."""

    _draw: Callable[[Any], "Image"] | None = PrivateAttr(None)

    def drawn_by(self, draw: "Callable[[Self], Image]") -> Self:
        """Say how the answer is drawn, and return it."""
        self._draw = draw
        return self

    def draw(self) -> "Image":
        """Draw the photo and the products' pictures on one page.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: the photo is gone: the answer comes from a server, from JSON or from a stream.
        """
        if self._draw is None:
            raise UsageError(
                "this answer has no pictures to draw: it comes from a server, from JSON or from a stream; "
                "ask a Recommender with the path of a photo"
            )
        return self._draw(self)

    def save(self, file: Path | str) -> None:
        """Draw the answer into a file, whose ending says the format: .png, .jpg or .webp.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: as in `draw`.
            PerfectLookError: the file cannot be written.
        """
        sheet = self.draw()
        try:
            sheet.save(file)
        except (OSError, ValueError) as error:
            raise PerfectLookError(f"{file}: cannot be written ({error}); name another file") from error

    def to_frame(self) -> Any:
        """Return the products as a pandas data frame, one row for each.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas as pd  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise UsageError("to_frame() needs pandas: pip install pandas") from error
        return pd.DataFrame(
            [{"category": category, **product.to_dict(None)} for category, product in self._rows()]
        )

    def _rows(self) -> Iterator[tuple[str, RankedProduct]]:
        raise NotImplementedError

    def _title(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._title()}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("category", "rank", "product", "price", "distance"))
        rows = "".join(
            f"<tr><td>{escape(category)}</td><td>{each.rank}</td><td>{escape(each.title or each.id)}</td>"
            f"<td>{escape(each.current_price)}</td><td>{each.distance:.3f}</td></tr>"
            for category, each in self._rows()
        )
        return f"<table><caption>{escape(self._title())}</caption><tr>{head}</tr>{rows}</table>"


class Look(DrawableAnswer):
    """One product for each of several categories, and how good that choice is: see docs/how-to/looks.md."""

    photo: str = Field(default="", exclude=True)
    model: str = Field(default="", exclude=True)
    objective: Rounded
    """`distance` + `weight` · `apart`."""
    distance: Rounded
    """The sum of the products' distances to the scene, as rules weigh them."""
    apart: Rounded
    """The mean of ‖f_p - f_q‖ over the pairs of slots."""
    weight: float
    proven_exact: bool
    """Whether no other look of the catalogue is better."""
    lower_bound: Rounded
    """No look of the catalogue has a smaller objective."""
    price: str | None
    """The sum of the prices, where all products have one in one currency."""
    budget: str | None
    slots: list[Slot]
    missing: list[str]
    """Categories in which no product was left."""
    notes: list[str] = Field(default=[], exclude=True)
    """What may be wrong with the question, where fewer products were found than asked for."""

    @property
    def proof(self) -> str:
        """How good the look is known to be, in words."""
        if not self.slots:
            return "no product is left for any category"
        if not self.proven_exact:
            return f"no look is below {self.lower_bound:.3f}"
        return "no look of these categories is better" if self.missing else "no look is better"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, document: Any) -> Any:
        """Take the look out of the document that `to_dict` returns."""
        if isinstance(document, dict) and isinstance(look := document.get("look"), dict):
            return {**look, **{name: value for name, value in document.items() if name != "look"}}
        return document

    def __iter__(self) -> Iterator[Slot]:  # type: ignore[override]
        return iter(self.slots)

    def _document(self, dumped: dict[str, Any]) -> dict[str, Any]:
        notes = {"notes": self.notes} if self.notes else {}
        return {"photo": self.photo, "model": self.model, "look": dumped, **notes}

    def _rows(self) -> Iterator[tuple[str, RankedProduct]]:
        return ((slot.category, slot.product) for slot in self.slots)

    def _title(self) -> str:
        cost = f", {self.price}" if self.price else ""
        return f"for '{self.photo}': {_counted(len(self.slots), 'slot', 'slots')}{cost}; {self.proof}"


class _Asked(DrawableAnswer):
    """What answers to questions about a photo have in common."""

    model: str
    """The name of the model."""
    notes: list[str] = []
    """What may be wrong with the question, where fewer products were found than asked for."""
    request_id: str | None = Field(default=None, exclude_if=_absent)
    """Only from a server: what its logs call the request."""
    timings: dict[str, float] = Field(default={}, exclude_if=_absent)
    """Only from a server: milliseconds of each stage, and `total`."""


class _Photo(AnswerPart):
    photo: str
    """What the photo is called: its path where it has one."""
    photo_size: PhotoSize | None = Field(default=None, exclude_if=_absent)
    """Only from a server."""


class Answer(_Asked, _Photo):
    """The products that go with a photo, category by category. Iterating gives the sections."""

    categories: list[Section]
    look: Look | None = None
    """Only from a server, where a look was asked for as well."""
    unused_rules: list[UnusedRule] = []
    """The shop's rules that could not be followed."""

    def __iter__(self) -> Iterator[Section]:  # type: ignore[override]
        return iter(self.categories)

    def __len__(self) -> int:
        return len(self.categories)

    def _rows(self) -> Iterator[tuple[str, RankedProduct]]:
        return ((section.category, product) for section in self.categories for product in section.products)

    def _title(self) -> str:
        return f"for '{self.photo}' by model '{self.model}': {', '.join(counts(self.categories))}"


class Similar(_Asked):
    """Products that look like a product of the catalogue, or like a photo. Iterating gives the sections."""

    photo: str | None = Field(default=None, exclude_if=_absent)
    """What the photo is called; None where a product was asked about."""
    product: CatalogueProduct | None = Field(default=None, exclude_if=_absent)
    """The product that was asked about; None for a photo."""
    products: list[RankedProduct] = []
    """Only from a server: the nearest products of all the categories, each with its category."""
    categories: list[SimilarSection]

    @property
    def asked(self) -> str:
        """The photo, or the id of the product, that was asked about."""
        return self.product.id if self.product else self.photo or ""

    def __iter__(self) -> Iterator[SimilarSection]:  # type: ignore[override]
        return iter(self.categories)

    def __len__(self) -> int:
        return len(self.categories)

    def _rows(self) -> Iterator[tuple[str, RankedProduct]]:
        return ((section.category, product) for section in self.categories for product in section.products)

    def _title(self) -> str:
        return f"to '{self.asked}' by model '{self.model}': {', '.join(counts(self.categories))}"


class Explanation(DrawableAnswer, _Photo):
    """Products of one category, explained for one photo. Iterating gives the products."""

    model: str
    category: str
    resolved: Resolved
    n_products: int
    """How many products of the catalogue are of the category."""
    mean_distance: Rounded
    """The mean of their distances."""
    has_regions: bool
    """Whether the model looks at regions, or at whole scenes only."""
    rows: int
    columns: int
    attention: RoundedList
    """The weights of the photo's regions, row by row."""
    products: list[ExplainedProduct]

    def __iter__(self) -> Iterator[ExplainedProduct]:  # type: ignore[override]
        return iter(self.products)

    def _rows(self) -> Iterator[tuple[str, RankedProduct]]:
        return ((self.category, product) for product in self.products)

    def _title(self) -> str:
        count = _counted(len(self.products), "product", "products")
        return f"of '{self.photo}' in {self.category} by model '{self.model}': {count}"


def counts(sections: Sequence[Section | SimilarSection]) -> tuple[str, str]:
    """How many categories and how many products an answer has, in words."""
    products = sum(len(section.products) for section in sections)
    return _counted(len(sections), "category", "categories"), _counted(products, "product", "products")


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


class CategoryCount(AnswerPart):
    """How many products a category of the catalogue has."""

    category: str
    products: int


class Categories(AnswerPart):
    """The catalogue's categories, largest first."""

    categories: list[CategoryCount]


class ProductPage(AnswerPart):
    """Some products of the catalogue, in the order of their ids."""

    products: list[CatalogueProduct]
    next: str | None
    """Where the next page begins; None at the end."""


class Deleted(AnswerPart):
    """The id of a product that was deleted."""

    deleted: str


class Sample(AnswerPart):
    """A scene that a server offers to try."""

    name: str
    picture: str
    """The address of its picture on the server."""
    title: str


class FeedbackEvent(AnswerPart):
    """What a shopper did with one product of an answer."""

    model_config = ConfigDict(extra="forbid")

    product: str = Field(min_length=1, max_length=500)
    category: str = Field(min_length=1, max_length=500)
    rank: int = Field(ge=0, le=10_000)
    event: Event


class Stored(AnswerPart):
    """How many events were stored."""

    stored: int


class FeedbackCount(AnswerPart):
    """How many products of a category, or at a rank, met with each event."""

    category: str | None = Field(default=None, exclude_if=_absent)
    rank: int | None = Field(default=None, exclude_if=_absent)
    shown: int
    clicked: int
    kept: int
    rejected: int
    click_through: float | None
    """Clicks over times shown; None where nothing was shown."""


class FeedbackStats(AnswerPart):
    """What all feedback says, by category and by rank."""

    by_category: list[FeedbackCount]
    by_rank: list[FeedbackCount]


class Health(AnswerPart):
    """The process lives."""

    status: Literal["alive"] = "alive"


class Ready(AnswerPart):
    """The server answers photos: with this model, and so many products."""

    status: Literal["ready"] = "ready"
    model: str
    products: int


class ErrorDetail(AnswerPart):
    """Why a request failed."""

    code: str
    """For programs."""
    message: str
    """For people."""
    request_id: str
    """What the server's logs call the request."""
    details: Any = Field(default=None, exclude_if=_absent)
    """Which options are wrong, where that is the failure."""


class ErrorAnswer(AnswerPart):
    """What every failed request is answered with."""

    error: ErrorDetail
