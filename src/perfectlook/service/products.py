"""Single products into the catalogue and out of it: by the same sync that brings a whole feed."""

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from perfectlook.catalogue import Record
from perfectlook.errors import PictureError
from perfectlook.feeds import PictureCache
from perfectlook.images import open_picture
from perfectlook.service.errors import Refusal
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem, Product

if TYPE_CHECKING:
    from perfectlook.service.service import Service


@dataclass(frozen=True, slots=True)
class OneProduct:
    """One product as a `Source`."""

    product: Product
    name: str = "the request"
    problems: list[Problem] = field(default_factory=list)
    unavailable: frozenset[str] | None = None

    def products(self) -> Iterator[Product]:
        """Yield it."""
        yield self.product


PUT_FOLDER = "put"
WAIT = 10.0
"""Seconds that a write waits for a sync that is at work."""

Text = Annotated[str, StringConstraints(max_length=10_000)]


class NewProduct(BaseModel):
    """A product to put. A picture is needed where the catalogue does not have the product yet."""

    model_config = ConfigDict(extra="forbid")

    category: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    title: Annotated[str, StringConstraints(max_length=1_000)] | None = None
    fields: dict[Annotated[str, StringConstraints(min_length=1, max_length=100)], Text] = Field(
        {}, max_length=100, description="price, availability, brand, link and whatever else there is"
    )
    picture_url: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    picture_base64: str | None = None


def put_product(service: "Service", id_: str, new: NewProduct, content: bytes | None) -> None:
    """Put a product into the catalogue.

    Raises:
        Refusal: it has no category or no picture (422).
        PictureError: its picture cannot be read.
        CatalogueError: the catalogue fails, or a sync is at work for too long.
    """
    catalogue, model = service.recommender.catalogue, service.recommender.model
    category = normalise(new.category)
    if not category:
        raise Refusal(422, "invalid", "category: not a category; write it as Furniture|Chairs")
    if content is None:
        point = catalogue.get([id_], model).get(id_)
        if point is None:
            raise Refusal(422, "invalid", "there is no picture; give picture_url or picture_base64")
        picture = Path(Record.from_payload(id_, point.payload).picture)
    else:
        picture = _cached(service, content)
    fields = {name.lower(): text for name, text in new.fields.items()}
    report = catalogue.sync(
        OneProduct(Product(id_, category, picture, new.title, fields)), model, wait=WAIT, workers=1
    )
    if report.failed:
        raise PictureError(report.failed[0].reason)
    service.usual.forget()


def remove_product(service: "Service", id_: str) -> bool:
    """Delete a product; returns whether there was one."""
    catalogue, model = service.recommender.catalogue, service.recommender.model
    point = catalogue.get([id_], model).get(id_)
    if point is None:
        return False
    with catalogue.store.hold("DELETE of a product"):
        removed = catalogue.store.delete([id_])
    picture = Path(Record.from_payload(id_, point.payload).picture)
    if picture.parent == _folder(service):
        picture.unlink(missing_ok=True)
    return removed > 0


def _folder(service: "Service") -> Path:
    return PictureCache.of(service.recommender.catalogue.location).folder / PUT_FOLDER


def _cached(service: "Service", content: bytes) -> Path:
    """Keep the picture of a product where its hash says: no name of a request is ever a name of a file."""
    open_picture(content, fit=64, limits=service.limits)
    folder = _folder(service)
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / hashlib.sha256(content).hexdigest()[:40]
    if not picture.exists():
        unfinished = picture.with_name(f"{picture.name}.{os.getpid()}-{threading.get_ident()}.unfinished")
        unfinished.write_bytes(content)
        unfinished.replace(picture)
    return picture
