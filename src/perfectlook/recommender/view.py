"""What a photo shows: whether the model knows such scenes, and which categories and products are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from perfectlook.answers import SceneProduct, details_of
from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import Record
from perfectlook.model.presence import PRESENT, Sight
from perfectlook.recommender.scope import by_probability
from perfectlook.stores import Query
from perfectlook.stores.filters import Filter, Not, OneOf

if TYPE_CHECKING:
    from perfectlook.backbones import FeatureBatch
    from perfectlook.model.runtime import Model

COMPARED = 256
"""The largest number of products of a category that are compared with what a photo shows."""


@dataclass(frozen=True, slots=True)
class PhotoView:
    """What a photo shows.

    Attributes:
        suggested: the probability that each category completes the photo, likeliest first; None if unknown.
        present: whether the photo shows a category, for those where it is known.
        in_scene: products that the photo shows.
        notes: hints about the photo.
    """

    suggested: Mapping[str, float | None]
    present: Mapping[str, bool]
    in_scene: Sequence[SceneProduct]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, catalogue: Catalogue, model: "Model", features: "FeatureBatch", categories: Sequence[str]
    ) -> Self:
        """See a photo by its features, a batch of one, and order some categories of the catalogue.

        A category comes first if it belongs to the photo and is not there yet. If the photo is far from the
        scenes that the model knows, nothing of this is known. Then the order is that of the suggester.
        """
        resolved = {name: model.resolve(name).category for name in categories}
        is_far = model.is_far(features)
        sight = None if is_far else model.see(features)
        if sight:
            suggested = by_probability(categories, sight.completing, resolved)
            present = {
                name: sight.present[known] >= PRESENT
                for name, known in resolved.items()
                if known and known in sight.present
            }
            return cls(suggested, present, _in_scene(catalogue, model, sight, resolved))
        suggested = dict.fromkeys(categories)
        if model.suggester:
            suggested = by_probability(categories, dict(model.suggester.rank(features)), resolved)
        return cls(dict.fromkeys(suggested), {}, (), (far(model.name),)) if is_far else cls(suggested, {}, ())

    @property
    def is_far(self) -> bool:
        """Whether the photo is far from the scenes that the model knows."""
        return bool(self.notes)

    @property
    def seen(self) -> dict[str, Any]:
        """The fields of an answer that say what the photo shows, without empty ones."""
        found = {"in_scene": list(self.in_scene), "far_from_known": self.is_far}
        return {name: value for name, value in found.items() if value}

    @property
    def elsewhere(self) -> Filter | None:
        """The filter of the products that the photo does not show; None if it shows none."""
        shown = tuple(each.id for each in self.in_scene)
        return Not(OneOf("id", shown)) if shown else None


def _in_scene(
    catalogue: Catalogue, model: "Model", sight: Sight, resolved: Mapping[str, str | None]
) -> list[SceneProduct]:
    """Find the products of some categories that a photo shows.

    Args:
        catalogue: the catalogue.
        model: the model of its vectors.
        sight: what the model sees.
        resolved: for each category of the catalogue, the category of the model that represents it.
    """
    presence = model.presence
    if presence is None:
        return []
    shown = {name: known for name, known in resolved.items() if known and presence.may_show(sight, known)}
    queries = [
        Query(presence.guess(sight, known), COMPARED, frozenset({name})) for name, known in shown.items()
    ]
    found = []
    for known, hits in zip(shown.values(), catalogue.search(queries, model) if queries else (), strict=True):
        if not len(hits):
            continue
        there, regions = presence.in_scene(sight, known, hits.vectors)
        for row in np.flatnonzero(there).tolist():
            product = hits.products[row]
            record = Record.from_payload(product.id, product.payload)
            details = details_of(record.title, record.picture, record.fields)
            region = list(regions[row])
            found.append(SceneProduct(id=product.id, category=product.category, region=region, **details))
    return found


def far(model: str) -> str:
    """Return the note about a photo that is far from the scenes that a model knows."""
    return (
        f"the photo is far from the scenes that model '{model}' knows, so no probabilities are shown. If "
        "your photos look like this one, adapt the model to them with `perfectlook adapt`."
    )
