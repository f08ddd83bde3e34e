"""The answers that only a server gives: lists, changes, feedback, its state and its errors."""

from typing import Any, Literal

from pydantic import Field

from perfectlook.answers import AnswerPart, CatalogueProduct, absent


class CategoryCount(AnswerPart):
    """The number of products in a category of the catalogue."""

    category: str
    products: int


class Categories(AnswerPart):
    """The catalogue's categories, largest first."""

    categories: list[CategoryCount]


class FacetValue(AnswerPart):
    """A value of a field, and how many products have it."""

    value: str
    products: int


class Facet(AnswerPart):
    """The values of a field, the most common first, at most 50."""

    field: str
    values: list[FacetValue]


class CatalogueFacets(AnswerPart):
    """Fields to filter by. Fields that no product has are left out."""

    facets: list[Facet]


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
