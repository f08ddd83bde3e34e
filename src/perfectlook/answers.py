"""The answer types, which are the same in Python, on the command line, over HTTP and in the client.

Attributes and JSON keys have the same names. Answers are frozen. `to_dict()` and `to_json()` write them, and
`model_validate_json()` reads them. Only a server sets some fields (`request_id`, `timings`, ...): the JSON of
the command line does not have them.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, TypeVar, cast

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
from perfectlook.prices import canonical_price, sale_at
from perfectlook.taxonomy import How, Resolution

if TYPE_CHECKING:
    from PIL.Image import Image

DIGITS = 6
"""Decimal places of distances and weights in JSON, unless all digits are requested."""

DETAILS = ("price", "sale_price", "availability", "brand", "color", "link", "image_link", "item_group_id")
"""Fields of a product's record that answers repeat."""

Action: TypeAlias = Literal["pin", "boost", "bury", "exclude"]
Tone: TypeAlias = Literal["light", "strong"]
Event: TypeAlias = Literal["shown", "clicked", "kept", "rejected", "added", "purchased"]


def _round(value: Any, info: SerializationInfo) -> Any:
    """Round a number or a list of numbers to the `digits` of the context. None keeps all digits."""
    digits = DIGITS if info.context is None else info.context["digits"]
    if digits is None:
        return value
    return [round(each, digits) for each in value] if isinstance(value, list) else round(value, digits)


def absent(value: object) -> bool:
    """Whether a field has no value, so that JSON leaves it out."""
    return value is None or value == {}


def _empty(value: object) -> bool:
    return not value


Rounded: TypeAlias = Annotated[float, PlainSerializer(_round, return_type=float)]
RoundedList: TypeAlias = Annotated[list[float], PlainSerializer(_round, return_type=list[float])]


class AnswerPart(BaseModel):
    """Base of all answer types: frozen, with the same names in every form."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    def to_dict(self, digits: int | None = DIGITS) -> dict[str, Any]:
        """Return the JSON document as a dict. Fields that were never set are left out.

        Args:
            digits: decimal places of distances and weights; None keeps full precision.
        """
        return self._document(self.model_dump(exclude_unset=True, context={"digits": digits}))

    def to_json(self, digits: int | None = DIGITS, indent: int | None = None) -> str:
        """Return the JSON document as text, with `digits` of `to_dict` and `indent` of `json.dumps`."""
        return json.dumps(self.to_dict(digits), indent=indent)

    def _document(self, dumped: dict[str, Any]) -> dict[str, Any]:
        """Turn the dump of pydantic into the document."""
        return dumped


class Attention(AnswerPart):
    """The attention weights of the photo's regions, row by row from the top left. They sum to 1."""

    rows: int
    columns: int
    weights: RoundedList
    holds: bool | None = Field(default=None, exclude_if=absent)
    """Whether attention explains the model's ranking, by the deletion test; None if this is not tested."""


class Resolved(AnswerPart):
    """The category of the model that stands in for a category of the catalogue."""

    category: str | None
    """The model's category; None if the model knows no category that can stand in."""
    how: How
    """How it was found: `exact`, by the same `last_level`, by an `ancestor`, or `unknown`."""

    @classmethod
    def of(cls, resolution: Resolution) -> Self:
        """Return a resolution as part of an answer."""
        return cls(category=resolution.category, how=resolution.how)


class AppliedRule(AnswerPart):
    """A rule of the shop that moved a product."""

    rule: int
    """The number of the rule in its file, starting at 1."""
    name: str | None = Field(default=None, exclude_if=absent)
    action: Action
    from_rank: int | None
    """The product's rank by distance alone, among the products that pass filters and exclusions. None if the
    product is too far behind for its rank to be counted."""

    def __str__(self) -> str:
        name = f" '{self.name}'" if self.name else ""
        rank = "far behind" if self.from_rank is None else f"rank {self.from_rank}"
        return f"rule {self.rule}{name}: {self.action} from {rank}"


class UnusedRule(AnswerPart):
    """A rule of the shop that could not be applied, and the reason."""

    rule: int
    name: str | None = Field(default=None, exclude_if=absent)
    action: Action
    reason: str


class Why(AnswerPart):
    """Why a product is nearer than usual: the shares of the whole scene and of its regions.

    The shares sum to 1. Both are 0 if the product is not nearer than usual.
    """

    whole: float
    regions: float


class Reason(AnswerPart):
    """What a product shares with the photo, or with the product of the request. All of it is true of both."""

    text: str
    """A sentence for shoppers, in the language of the request."""
    colours: list[str] = []
    """Names of `colours.toml`, most of the product first."""
    materials: list[str] = []
    """Names of `reasons.toml`. Only a product's record tells its materials, so photos have none."""
    tone: Tone | None = Field(default=None, exclude_if=absent)
    """Without colours and materials: both are mostly light and quiet, or both have strong colours."""


class _Details(AnswerPart):
    """The fields of a product's record that answers repeat."""

    title: str | None = None
    picture: str
    """Path of the picture's file; from a server, the picture's address on that server."""
    price: str | None = None
    sale_price: str | None = None
    availability: str | None = None
    brand: str | None = None
    color: str | None = None
    link: str | None = None
    image_link: str | None = Field(default=None, exclude_if=absent)
    """The picture's address in the shop's feed, if it has one."""
    item_group_id: str | None = None

    @property
    def current_price(self) -> str:
        """The price that a customer pays: the sale price, otherwise the price, otherwise ""."""
        return self.sale_price or self.price or ""

    @property
    def old_price(self) -> str:
        """The regular price during a sale, otherwise ""."""
        return self.price if self.price and self.current_price != self.price else ""


def _struck(price: str) -> str:
    return f" <del>{escape(price)}</del>" if price else ""


def details_of(title: str | None, picture: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a product's record that answers repeat, as keyword arguments.

    The sale price is there only while the sale lasts.
    """
    shown = {name: fields[name] for name in DETAILS if name in fields}
    if not sale_at(fields, time.time()):
        shown.pop("sale_price", None)
    return {"title": title, "picture": picture, **shown}


class _Identity(AnswerPart):
    id: str
    category: str


class CatalogueProduct(_Details, _Identity):
    """The record of a product in the catalogue."""

    fields: dict[str, str] = {}  # pydantic copies defaults
    """All other fields of the product's feed."""


class SceneProduct(_Details, _Identity):
    """A product of the catalogue that the photo already shows."""

    region: RoundedList
    """The part of the photo that looks like it: left, top, right and bottom, from 0 to 1."""


class _Rank(AnswerPart):
    rank: int
    """Starts at 1."""
    id: str
    distance: Rounded
    """Lower is better. Distances of one photo and one category are comparable."""
    distance_global: Rounded | None = Field(default=None, exclude_if=absent)
    """The part of the distance that comes from the whole scene; None if the distance has no parts."""
    distance_local: Rounded | None = Field(default=None, exclude_if=absent)
    """The part of the distance that comes from the scene's regions, weighted by attention."""


class RankedProduct(_Details, _Rank):
    """A product at its rank. Its distance is the sum of its global and its local part."""

    rules: list[AppliedRule] = Field(default_factory=list)  # pydantic would copy a default for every product
    """The rules of the shop that moved the product."""
    why: Why | None = Field(default=None, exclude_if=absent)
    """None if the distance has no parts."""
    reason: Reason | None = Field(default=None, exclude_if=absent)
    """What it shares with the request; None if nothing is certain."""
    category: str | None = Field(default=None, exclude_if=absent)
    """Set only in lists that mix categories."""


class Alternative(RankedProduct):
    """Another product for a slot of a look."""

    objective: Rounded
    """The objective of the look with this product, if all other slots stay."""


class Contribution(AnswerPart):
    """A distance minus the mean distance of its category, part by part. A negative part pulls nearer."""

    distance: Rounded
    distance_global: Rounded
    distance_local: Rounded
    regions: RoundedList
    parts: dict[str, Rounded] = {}
    """The same of each part of the model. They sum to `distance`."""


class ExplainedProduct(RankedProduct):
    """A product at its rank among all products of its category, with the parts of its distance."""

    distance_global: Rounded
    distance_local: Rounded
    regions: RoundedList
    """The part of each of the 49 regions. Together with `distance_global` they sum to the distance."""
    parts: dict[str, Rounded] = {}
    """The part of each part of the model: `network`, `memory` and `mixture`, or a baseline. They sum to the
    distance."""
    relative: Contribution


class Section(AnswerPart):
    """The products of one category of the catalogue."""

    category: str
    suggested: Rounded | None = None
    """The probability that a product of the category completes the photo; None if it is unknown."""
    present: bool | None = Field(default=None, exclude_if=absent)
    """Whether the photo already shows a product of the category; None if it is unknown."""
    resolved: Resolved
    proven_exact: bool
    """Whether these are proven to be the nearest products of the category."""
    products: list[RankedProduct]
    attention: Attention | None = Field(default=None, exclude_if=absent)
    """The attention over the photo; a server sets it only on request."""


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
    """Whether the caller chose the product."""
    quantity: int = 1
    """How many pieces of the product the look has. Its prices are those of one piece."""
    product: RankedProduct
    alternatives: list[Alternative]


class PhotoSize(AnswerPart):
    """Width and height of the photo in pixels, after rotation by EXIF."""

    width: int
    height: int


class DrawableAnswer(AnswerPart):
    """An answer that can be drawn, shown as a table, and converted to a data frame."""

    _draw: Callable[[Any], "Image"] | None = PrivateAttr(None)

    def drawn_by(self, draw: "Callable[[Self], Image]") -> Self:
        """Set the function that draws the answer, and return the answer."""
        self._draw = draw
        return self

    def draw(self) -> "Image":
        """Draw the photo and the products' pictures on one page.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: the answer has no photo: it comes from a server, from JSON or from a stream.
        """
        if self._draw is None:
            raise UsageError(
                "This answer has no photo to draw: it comes from a server, from JSON or from a stream. "
                "Call a Recommender with the path of a photo."
            )
        return self._draw(self)

    def save(self, file: Path | str) -> None:
        """Draw the answer to a file. The suffix chooses the format: .png, .jpg or .webp.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: the answer has no photo, as in `draw`.
            PerfectLookError: the file cannot be written.
        """
        sheet = self.draw()
        try:
            sheet.save(file)
        except (OSError, ValueError) as error:
            raise PerfectLookError(f"{file}: cannot be written ({error}). Choose another file.") from error

    def to_frame(self) -> Any:
        """Return the products as a pandas data frame, one row per product.

        Raises:
            UsageError: pandas is not installed.
        """
        from perfectlook.evaluation.tables import data_frame

        return data_frame(
            {"category": category, **product.to_dict(None)} for category, product in self._rows()
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
            f"<td>{escape(each.current_price)}{_struck(each.old_price)}</td><td>{each.distance:.3f}</td></tr>"
            for category, each in self._rows()
        )
        return f"<table><caption>{escape(self._title())}</caption><tr>{head}</tr>{rows}</table>"


class Look(DrawableAnswer):
    """One product for each of several categories, and how good they are: see docs/how-to/looks.md."""

    photo: str = Field(default="", exclude=True)
    product: CatalogueProduct | None = Field(default=None, exclude=True)
    """The product of the request; None for a photo."""
    model: str = Field(default="", exclude=True)
    objective: Rounded
    """`distance` + `weight` · `apart`."""
    distance: Rounded
    """The sum of the products' distances to the scene, after rules."""
    apart: Rounded
    """The mean over the pairs of slots of how far their products are from going together. The average of all
    products is 0, and lower is better. For a model without complements, the mean of ‖f_p - f_q‖."""
    weight: float
    proven_exact: bool
    """Whether it is proven that no look of the catalogue has a smaller objective. Looks with other numbers of
    slots are compared by their objective per slot."""
    lower_bound: Rounded
    """No look of the catalogue has an objective below this value."""
    price: str | None
    """The sum of the prices of all pieces, if all products have a price in the same currency."""
    budget: str | None
    slots: list[Slot]
    missing: list[str]
    """Categories without a product that could be chosen."""
    excluded: list[str] = Field(default=[], exclude_if=_empty)
    """Categories without a slot, because they exclude a slot of the look or the product of the request."""
    alternatives: "list[OtherLook]" = Field(default=[], exclude_if=_empty)
    """Other whole looks, best first. They differ from this look and from each other in at least half of their
    slots."""
    in_scene: list[SceneProduct] = Field(default=[], exclude_if=_empty)
    """Products that the photo already shows. They are not chosen, unless the request keeps them."""
    far_from_known: bool = Field(default=False, exclude_if=_empty)
    """Whether the photo is far from the scenes that the model knows."""
    notes: list[str] = Field(default=[], exclude=True)
    """Hints about the request, if fewer products were found than requested."""

    @property
    def asked(self) -> str:
        """The name of the photo, or the id of the product, of the request."""
        return self.product.id if self.product else self.photo

    @property
    def proof(self) -> str:
        """What is proven about the look, in words."""
        if not self.slots:
            return "no product is left for any category"
        if not self.proven_exact:
            return f"no look has an objective below {self.lower_bound:.3f}"
        return "the best look of the categories with products" if self.missing else "the best look there is"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, document: Any) -> Any:
        """Take the look out of a document of `to_dict`."""
        if isinstance(document, dict) and isinstance(look := document.get("look"), dict):
            return {**look, **{name: value for name, value in document.items() if name != "look"}}
        return document

    def __iter__(self) -> Iterator[Slot]:  # type: ignore[override]
        return iter(self.slots)

    def _document(self, dumped: dict[str, Any]) -> dict[str, Any]:
        notes = {"notes": self.notes} if self.notes else {}
        product = self.product and self.product.model_dump(exclude_unset=True)
        asked: dict[str, Any] = {"product": product} if product else {"photo": self.photo}
        return {**asked, "model": self.model, "look": dumped, **notes}

    def _rows(self) -> Iterator[tuple[str, RankedProduct]]:
        return ((slot.category, slot.product) for slot in self.slots)

    def _title(self) -> str:
        cost = f", {self.price}" if self.price else ""
        return f"for '{self.asked}': {_counted(len(self.slots), 'slot', 'slots')}{cost}; {self.proof}"


class OtherLook(Look):
    """Another whole look. Its `proven_exact` and `lower_bound` compare it with looks that differ as well."""

    @property
    def proof(self) -> str:
        """What is proven about the look, in words."""
        return "the best look that differs" if self.proven_exact else super().proof


class _Asked(DrawableAnswer):
    """The fields that answers about a photo share."""

    model: str
    """The name of the model."""
    notes: list[str] = []
    """Hints about the request: too few products were found, or the photo is far from known scenes."""
    request_id: str | None = Field(default=None, exclude_if=absent)
    """Set only by a server: the id of the request in its logs."""
    arm: str | None = Field(default=None, exclude_if=absent)
    """Set only by a server with an experiment: the experiment and the arm, as `EXPERIMENT/ARM`."""
    timings: dict[str, float] = Field(default={}, exclude_if=absent)
    """Set only by a server: milliseconds of each stage, and `total`."""


class _Photo(AnswerPart):
    photo: str
    """The name of the photo: its path, if it has one."""
    photo_size: PhotoSize | None = Field(default=None, exclude_if=absent)
    """Set only by a server."""


class Answer(_Asked, _Photo):
    """The products that go with a photo or a product, by category. Iterate over it to get the sections."""

    photo: str = Field(default="", exclude_if=_empty)
    """The name of the photo: its path, if it has one. Empty for a product."""
    product: CatalogueProduct | None = Field(default=None, exclude_if=absent)
    """The product of the request; None for a photo."""
    categories: list[Section]
    look: Look | None = None
    """Set only by a server, if the request asked for a look too."""
    in_scene: list[SceneProduct] = Field(default=[], exclude_if=_empty)
    """Products that the photo already shows. They are not recommended, unless the request keeps them."""
    far_from_known: bool = Field(default=False, exclude_if=_empty)
    """Whether the photo is far from the scenes that the model knows. Then it has no probabilities."""
    unused_rules: list[UnusedRule] = []
    """The rules of the shop that could not be applied."""

    @property
    def asked(self) -> str:
        """The name of the photo, or the id of the product, of the request."""
        return self.product.id if self.product else self.photo

    def __iter__(self) -> Iterator[Section]:  # type: ignore[override]
        return iter(self.categories)

    def __len__(self) -> int:
        return len(self.categories)

    def _rows(self) -> Iterator[tuple[str, RankedProduct]]:
        return ((section.category, product) for section in self.categories for product in section.products)

    def _title(self) -> str:
        return f"for '{self.asked}' by model '{self.model}': {', '.join(counts(self.categories))}"


class Similar(_Asked):
    """Products that look like a product or like a photo. Iterate over it to get the sections."""

    photo: str | None = Field(default=None, exclude_if=absent)
    """The name of the photo; None for a product."""
    product: CatalogueProduct | None = Field(default=None, exclude_if=absent)
    """The product of the request; None for a photo."""
    products: list[RankedProduct] = []
    """Set only by a server: the nearest products of all categories, each with its category."""
    categories: list[SimilarSection]

    @property
    def asked(self) -> str:
        """The name of the photo, or the id of the product, of the request."""
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
    """Products of one category, explained for one photo. Iterate over it to get the products."""

    model: str
    category: str
    resolved: Resolved
    n_products: int
    """How many products of the catalogue are in the category."""
    mean_distance: Rounded
    """The mean of their distances."""
    has_regions: bool
    """Whether the model uses regions, or whole scenes only."""
    rows: int
    columns: int
    attention: RoundedList
    """The attention weights of the photo's regions, row by row."""
    products: list[ExplainedProduct]

    def __iter__(self) -> Iterator[ExplainedProduct]:  # type: ignore[override]
        return iter(self.products)

    def _rows(self) -> Iterator[tuple[str, RankedProduct]]:
        return ((self.category, product) for product in self.products)

    def _title(self) -> str:
        count = _counted(len(self.products), "product", "products")
        return f"of '{self.photo}' in {self.category} by model '{self.model}': {count}"


def counts(sections: Sequence[Section | SimilarSection]) -> tuple[str, str]:
    """Return the numbers of categories and products of an answer, in words."""
    products = sum(len(section.products) for section in sections)
    return _counted(len(sections), "category", "categories"), _counted(products, "product", "products")


AnySection = TypeVar("AnySection", bound=Section | SimilarSection)


def fitting(
    sections: Sequence[AnySection], columns: int, room: int, head: int, row: int
) -> tuple[list[AnySection], list[str]]:
    """Return the sections with the products that fit on a page, and a line about the others.

    Args:
        sections: the sections of an answer.
        columns: how many products a row has.
        room: the height of the page.
        head: the height that each section adds to that of its rows.
        row: the height of a row.
    """
    kept: list[AnySection] = []
    left_out = sum(len(section.products) for section in sections)
    for section in sections:
        if (rows := (room - head) // row) < 1:
            break
        shown = section.products[: rows * columns]
        kept.append(cast("AnySection", section.model_copy(update={"products": shown})))
        room -= head + row * max(1, ceil(len(shown) / columns))
        left_out -= len(shown)
    return kept, [f"{left_out:,} more products do not fit on the sheet"] if left_out else []


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


class FeedbackEvent(AnswerPart):
    """What a shopper did with one product of an answer."""

    model_config = ConfigDict(extra="forbid")

    product: str = Field(min_length=1, max_length=500)
    category: str = Field(default="", max_length=500)
    """Only `purchased` may leave it out."""
    rank: int = Field(default=0, ge=0, le=10_000)
    event: Event
    value: str | None = Field(default=None, max_length=40, exclude_if=absent)
    """What the shopper paid, such as 49.90 EUR. Only `purchased` has one."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        is_sale = self.event == "purchased"
        if is_sale != (self.value is not None):
            raise ValueError(f"'{self.event}' {'requires' if is_sale else 'cannot have'} a value")
        if not (is_sale or ({"category", "rank"} <= self.model_fields_set and self.category)):
            raise ValueError(f"'{self.event}' requires a category and a rank")
        if self.value is not None:
            canonical_price(self.value)
        return self
