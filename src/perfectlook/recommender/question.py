"""What an answer is for: an embedded photo, or a product of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfectlook.answers import CatalogueProduct, details_of
from perfectlook.catalogue.manifest import Record
from perfectlook.colours import Swatch
from perfectlook.images import Photo, photo_name
from perfectlook.model.runtime import SceneEmbedding
from perfectlook.recommender.reasons import Reasons
from perfectlook.recommender.scope import all_of
from perfectlook.stores import Point
from perfectlook.stores.base import fields_of
from perfectlook.stores.filters import Compare, Filter

if TYPE_CHECKING:
    from perfectlook.backbones import FeatureBatch
    from perfectlook.model.distances import Norm


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPhoto:
    """A photo with its features and its embedding, to use in several calls.

    Attributes:
        name: the name of the photo in answers.
        features: the features of the photo, a batch of one.
        scene: the model's embedding of the photo as a scene.
        source: where answers read the photo again to draw it, or None if they cannot.
        colours: the colours of the photo, for the reasons of answers.
    """

    name: str
    features: "FeatureBatch"
    scene: SceneEmbedding
    source: Photo | None = None
    colours: Sequence[Swatch] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What an answer is for: a photo, or a product of the catalogue with its query point as its scene.

    Attributes:
        scene: what distances are measured from.
        norm: the norm of these distances.
        photo: the embedded photo, or None for a product.
        product: the product, or None for a photo.
    """

    scene: SceneEmbedding
    norm: "Norm"
    photo: EmbeddedPhoto | None = None
    product: Point | None = None

    def wanted(self, where: Filter | None) -> Filter | None:
        """Return the filter, without the product and its variants."""
        if self.product is None:
            return where
        group = fields_of(self.product.payload).get("item_group_id", "")
        others = [Compare("id", "!=", self.product.id)]
        return all_of([where, *others, *([Compare("item_group_id", "!=", group)] if group else [])])

    @property
    def named(self) -> dict[str, Any]:
        """The fields of an answer that name the photo or the product."""
        if self.product is not None:
            return {"product": catalogue_product(self.product)}
        return {"photo": self.photo.name} if self.photo else {}

    def reasons(self, locale: str) -> Reasons:
        """Return what products can share with the photo or the product."""
        record = None if self.product is None else self.product.payload
        return Reasons(self.photo.colours if self.photo else (), record=record, locale=locale)

    @property
    def source(self) -> Photo | None:
        """Where an answer reads the picture to draw it."""
        if self.product is not None:
            return self.product.id
        return self.photo.source if self.photo else None


def catalogue_product(point: Point) -> CatalogueProduct:
    """Return the record of a product as a part of an answer."""
    record = Record.from_payload(point.id, point.payload)
    return CatalogueProduct(
        id=point.id, category=point.category, **details_of(record.title, record.picture, record.fields)
    )


def name_of(photo: Photo | EmbeddedPhoto) -> str:
    """Return the name of a photo in answers."""
    return photo.name if isinstance(photo, EmbeddedPhoto) else photo_name(photo)


def source_of(photo: Photo | EmbeddedPhoto) -> Photo | None:
    """Return where a photo can be read again, or None for a stream, which can be read only once."""
    if isinstance(photo, EmbeddedPhoto):
        return photo.source
    return None if hasattr(photo, "read") else photo
