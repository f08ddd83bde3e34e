"""The answers that only a server gives: lists, changes, feedback, its state and its errors."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from perfectlook.answers import AnswerPart, CatalogueProduct, Event, absent
from perfectlook.prices import canonical_price


class CategoryCount(AnswerPart):
    """The number of products in a category of the catalogue."""

    category: str
    products: int


class Categories(AnswerPart):
    """The catalogue's categories, largest first."""

    categories: list[CategoryCount]


class ProductPage(AnswerPart):
    """One page of the catalogue's products, ordered by id."""

    products: list[CatalogueProduct]
    next: str | None
    """The `after` of the next page; None on the last page."""


class Deleted(AnswerPart):
    """The id of the deleted product."""

    deleted: str


class ChangedProduct(AnswerPart):
    """The result of one live change."""

    id: str
    error: str | None = Field(default=None, exclude_if=absent)
    """Why the product was not changed; None if it was."""


class ChangedProducts(AnswerPart):
    """The results of live changes, in the order of the request."""

    changed: int
    products: list[ChangedProduct]


class Sample(AnswerPart):
    """A sample scene of a server."""

    name: str
    picture: str
    """The address of its picture on the server."""
    title: str


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


class Stored(AnswerPart):
    """The number of stored events."""

    stored: int


class FeedbackCount(AnswerPart):
    """The counts of events for a category, or for a rank."""

    category: str | None = Field(default=None, exclude_if=absent)
    rank: int | None = Field(default=None, exclude_if=absent)
    shown: int
    clicked: int
    kept: int
    rejected: int
    added: int = 0
    """Products that were put into the basket."""
    purchased: int = 0
    click_through: float | None
    """Clicks divided by times shown; None if nothing was shown."""


class FeedbackStats(AnswerPart):
    """A summary of all feedback, by category and by rank."""

    by_category: list[FeedbackCount]
    by_rank: list[FeedbackCount]


class Health(AnswerPart):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class Ready(AnswerPart):
    """The server answers photos. It has this model and this many products.

    `notes` says what does not work, such as API keys.
    """

    status: Literal["ready"] = "ready"
    model: str
    products: int
    notes: list[str] = Field(default=[], exclude_if=lambda notes: not notes)


class ErrorDetail(AnswerPart):
    """Why a request failed."""

    code: str
    """A code for programs."""
    message: str
    """A message for people."""
    request_id: str
    """The id of the request in the server's logs."""
    details: Any = Field(default=None, exclude_if=absent)
    """The wrong options, if that is why the request failed."""


class ErrorAnswer(AnswerPart):
    """The answer to every failed request."""

    error: ErrorDetail
