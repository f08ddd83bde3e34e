"""Examples of answers, which OpenAPI shows next to their schemas."""

from typing import Any

from pydantic_core import to_jsonable_python

from perfectlook.answers import (
    Answer,
    CatalogueProduct,
    PhotoSize,
    RankedProduct,
    Resolved,
    Section,
    Similar,
    SimilarSection,
    Why,
)
from perfectlook.server_answers import (
    CatalogueFacets,
    Categories,
    CategoryCount,
    ChangedProduct,
    ChangedProducts,
    Deleted,
    Facet,
    FacetValue,
    FeedbackCount,
    FeedbackStats,
    Health,
    ProductPage,
    Ready,
    Sample,
    Stored,
)

_CHAIRS = "Furniture|Chairs"
_REQUEST = "9f1c2ab47d60e5b83a91f0c2"
_PICTURE = "/v1/products/b6a5/picture"
_PRODUCT = CatalogueProduct(
    id="b6a5", category=_CHAIRS, title="Oak chair", picture=_PICTURE, price="49.90 EUR", brand="Acme"
)
_RANKED = RankedProduct(
    rank=1, id="b6a5", distance=0.81, title="Oak chair", picture=_PICTURE, price="49.90 EUR", brand="Acme"
)
_PARTS = {"distance_global": 0.42, "distance_local": 0.39, "why": Why(whole=0.64, regions=0.36)}
_SECTION = Section(
    category=_CHAIRS,
    suggested=0.41,
    resolved=Resolved(category=_CHAIRS, how="exact"),
    proven_exact=True,
    products=[_RANKED.model_copy(update=_PARTS)],
)
_ANSWER = Answer(
    request_id=_REQUEST,
    model="default",
    photo="room.jpg",
    photo_size=PhotoSize(width=1024, height=768),
    timings={"decode": 3.1, "features": 21.7, "embed": 0.4, "search": 3.2, "total": 28.4},
    categories=[_SECTION],
)
_SIMILAR = Similar(
    request_id=_REQUEST,
    model="default",
    product=_PRODUCT,
    products=[_RANKED.model_copy(update={"category": _CHAIRS})],
    categories=[SimilarSection(category=_CHAIRS, proven_exact=True, products=[_RANKED])],
    timings={"search": 3.2, "total": 3.2},
)
_COUNTS: dict[str, Any] = {"shown": 40, "clicked": 4, "kept": 1, "rejected": 0, "click_through": 0.1}
_STATS = FeedbackStats(
    by_category=[FeedbackCount(category=_CHAIRS, **_COUNTS)], by_rank=[FeedbackCount(rank=1, **_COUNTS)]
)
_SAMPLE = Sample(name="living-room", picture="/v1/samples/living-room/picture", title="Living room")
_ANSWERS = (
    _ANSWER,
    _SIMILAR,
    _PRODUCT,
    ProductPage(products=[_PRODUCT], next="b6a5"),
    Categories(categories=[CategoryCount(category=_CHAIRS, products=120)]),
    CatalogueFacets(facets=[Facet(field="brand", values=[FacetValue(value="Acme", products=34)])]),
    ChangedProducts(changed=1, products=[ChangedProduct(id="b6a5")]),
    Deleted(deleted="b6a5"),
    Stored(stored=1),
    _STATS,
    Health(),
    Ready(model="default", products=5_000),
)


def example_of(answer: Any) -> Any:
    """Return an example of an answer's type, or of a list of answers, as JSON."""
    examples: dict[Any, Any] = {**{type(each): each for each in _ANSWERS}, list[Sample]: [_SAMPLE]}
    return to_jsonable_python(examples[answer])
