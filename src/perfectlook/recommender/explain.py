"""Why products of a category are as near to a photo as they are: the parts of their distances."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.answers import Contribution, ExplainedProduct, Explanation, Resolved, details_of
from perfectlook.catalogue.manifest import Record
from perfectlook.errors import UsageError
from perfectlook.model.attribution import attribute
from perfectlook.stores import Hit
from perfectlook.types import REGION_COLUMNS, REGION_ROWS

if TYPE_CHECKING:
    from perfectlook.model.runtime import Model, SceneEmbedding


def explained(
    scene: "SceneEmbedding",
    hits: Sequence[Hit],
    model: "Model",
    category: str,
    *,
    photo: str,
    k: int,
    products: Sequence[str] | None,
) -> Explanation:
    """Explain products of a category: the `k` nearest, or those named.

    Args:
        scene: what the model makes of the photo.
        hits: all products of the category, in any order.
        model: whose distances they are.
        category: of the catalogue.
        photo: what the answer calls the photo.
        k: how many of the nearest, where none are named.
        products: ids.

    Raises:
        UsageError: k is below one, or a named product is not of the category.
    """
    if k < 1:
        raise UsageError(f"k is {k}: ask for at least one product")
    parts = attribute(scene, category, np.stack([hit.vector for hit in hits]))
    distances = parts.total
    order = sorted(range(len(hits)), key=lambda place: (distances[place], hits[place].id))
    rank_of = {hits[place].id: rank for rank, place in enumerate(order, 1)}
    for name in products or ():
        if name not in rank_of:
            raise UsageError(
                f"--product {name}: the catalogue has no such product in {category}; see `perfectlook "
                "complete --all` for ids"
            )
    ranks = [rank_of[name] for name in products] if products else range(1, min(k, len(hits)) + 1)
    mean = parts.mean
    shown = []
    for rank in ranks:
        place = order[rank - 1]
        own, hit = parts.row(place), hits[place]
        relative = own.less(mean)
        shown.append(
            ExplainedProduct(
                rank=rank,
                id=hit.id,
                distance=float(own.total[0]),
                distance_global=float(own.whole[0]),
                distance_local=float(own.regions.sum()),
                **details_of(Record.from_payload(hit.id, hit.payload)),
                regions=own.regions[0].tolist(),
                relative=Contribution(
                    distance=float(relative.total[0]),
                    distance_global=float(relative.whole[0]),
                    distance_local=float(relative.regions.sum()),
                    regions=relative.regions[0].tolist(),
                ),
            )
        )
    return Explanation(
        photo=photo,
        model=model.name,
        category=category,
        resolved=Resolved.of(model.resolve(category)),
        n_products=len(hits),
        mean_distance=float(mean.total[0]),
        rows=REGION_ROWS,
        columns=REGION_COLUMNS,
        attention=scene.attention(category).tolist(),
        has_regions=scene.regions is not None,
        products=shown,
    )
