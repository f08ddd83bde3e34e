"""What may be asked for besides the photo, in the same words in a form, a query and JSON."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from perfectlook.filters import Filter, parse_filter
from perfectlook.types import Box

Name = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Url = Annotated[str, StringConstraints(min_length=8, max_length=2_000)]
MANY = frozenset({"category", "locked"})
"""Options that may be given several times."""


class PhotoOptions(BaseModel):
    """Where the photo is, when it is not in the request itself, and what both questions have in common."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = Field(None, description="an http(s) address of the photo, instead of the photo")
    sample: Name | None = Field(None, description="the name of a sample scene, instead of the photo")
    category: list[Name] = Field(
        [], max_length=50, description="whole paths, subtrees or single levels; may be repeated"
    )
    k: int = Field(10, ge=1, le=100, description="products of a category, at most")
    where: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        None, description="a filter, such as: price <= 50 EUR and brand in (Acme, Muji)"
    )
    box: str | list[float] | None = Field(
        None, description="the part of the photo to look at: left,top,right,bottom from 0 to 1"
    )
    include_unavailable: bool = Field(False, description="also products that are out of stock")

    @field_validator("box")
    @classmethod
    def _box(cls, value: str | list[float] | None) -> list[float] | None:
        if value is None or value == "":
            return None
        try:
            edges = [float(part) for part in (value.split(",") if isinstance(value, str) else value)]
        except ValueError:
            raise ValueError("write left,top,right,bottom as numbers from 0 to 1") from None
        if len(edges) != 4 or not all(0 <= edge <= 1 for edge in edges):
            raise ValueError("write left,top,right,bottom as numbers from 0 to 1")
        if not (edges[0] < edges[2] and edges[1] < edges[3]):
            raise ValueError("left has to be less than right, and top less than bottom")
        return edges

    @property
    def part(self) -> Box | None:
        """The box."""
        return None if self.box is None else Box(*self.box)


class CompleteOptions(PhotoOptions):
    """What `/v1/complete` may be asked for."""

    look: bool = Field(False, description="compose a whole look as well")
    weight: float | None = Field(None, ge=0, le=1_000, description="how much a look's products go together")
    budget: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        None, description='what a look may cost: "500" or "500 EUR"'
    )
    locked: list[Name] = Field(
        [], max_length=12, description='products that keep their slot of the look: "category=product id"'
    )
    attention: bool = Field(False, description="also say where in the photo the model looked")
    spread: float = Field(0.0, ge=0, le=1, description="how much products should differ from each other")
    limit_categories: int = Field(
        8, ge=0, le=500, description="where no category is named: so many of the likeliest; 0 is all"
    )

    @field_validator("locked")
    @classmethod
    def _locked(cls, value: list[str]) -> list[str]:
        for each in value:
            category, separator, id_ = each.partition("=")
            if not separator or not category.strip() or not id_:
                raise ValueError("write category=product id")
        return value

    @property
    def locked_ids(self) -> dict[str, str]:
        """Products by category."""
        pairs = (each.partition("=") for each in self.locked)
        return {category: id_ for category, _, id_ in pairs}


class SimilarOptions(PhotoOptions):
    """What `/v1/similar` may be asked for."""

    id: Name | None = Field(None, description="a product of the catalogue, instead of a photo")


def filter_of(options: PhotoOptions) -> Filter | None:
    """Parse the filter of a request; UsageError, with the column, where it is none."""
    return None if not options.where else parse_filter(options.where, "where")


def gathered(items: Iterable[tuple[str, Any]]) -> dict[str, object]:
    """Gather the fields of a form or a query: those that may be repeated as lists, of others the last."""
    found: dict[str, Any] = {}
    for name, value in items:
        if name in MANY:
            found.setdefault(name, []).append(value)
        elif value != "":
            found[name] = value
    return found
