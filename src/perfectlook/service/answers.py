"""Products, sections and looks as the API says them: pictures are addresses of the API, never paths."""

from collections.abc import Mapping
from urllib.parse import quote

from perfectlook.catalogue import Record
from perfectlook.recommender import Answer, Look, Lookalikes, Suggestion
from perfectlook.recommender.answer import DIGITS, SAID
from perfectlook.service.usual import shares
from perfectlook.types import REGION_COLUMNS, REGION_ROWS

Parts = Mapping[str, tuple[float, float]]


def picture_of(id_: str) -> str:
    """The address of a product's picture."""
    return f"/v1/products/{quote(id_, safe='')}/picture"


def record_json(id_: str, category: str, record: Record) -> dict[str, object]:
    """Return a product of the catalogue."""
    fields = {name: record.fields.get(name) for name in SAID}
    others = {name: text for name, text in record.fields.items() if name not in SAID}
    return {
        "id": id_,
        "category": category,
        "title": record.title,
        "picture": picture_of(id_),
        **fields,
        "fields": others,
    }


def product_json(product: Suggestion, usual: tuple[float, float] | None, *, why: bool) -> dict[str, object]:
    """Return a product at its rank."""
    said = {
        **dict.fromkeys(SAID),
        **product.as_json(DIGITS),
        "picture": picture_of(product.id),
        "rules": [rule.as_json() for rule in product.rules],
    }
    if why:
        said["why"] = shares(usual, product.distance_global, product.distance_local)
    return said


def answer_json(answer: Answer, usual: Parts, *, attention: bool) -> list[dict[str, object]]:
    """Return the sections of an answer."""
    sections = []
    for section in answer.sections:
        parts = usual.get(section.category)
        said: dict[str, object] = {
            "category": section.category,
            "suggested": None if section.suggested is None else round(section.suggested, DIGITS),
            "resolved": {"category": section.resolution.category, "how": section.resolution.how},
            "proven_exact": section.proven_exact,
            "products": [product_json(each, parts, why=True) for each in section.products],
        }
        if attention:
            weights = [round(weight, DIGITS) for weight in section.attention.tolist()]
            said["attention"] = {"rows": REGION_ROWS, "columns": REGION_COLUMNS, "weights": weights}
        sections.append(said)
    return sections


def look_json(look: Look, usual: Parts) -> dict[str, object]:
    """Return a look."""
    document = look.as_json()["look"]
    assert isinstance(document, dict)
    slots = []
    for slot, said in zip(look.slots, document["slots"], strict=True):
        parts = usual.get(slot.category)
        others = [
            {"objective": round(each.objective, DIGITS), **product_json(each.product, parts, why=True)}
            for each in slot.alternatives
        ]
        slots.append({**said, "product": product_json(slot.product, parts, why=True), "alternatives": others})
    return {**document, "slots": slots}


def similar_json(found: Lookalikes) -> list[dict[str, object]]:
    """Return the sections of look-alikes."""
    return [
        {
            "category": section.category,
            "proven_exact": section.proven_exact,
            "products": [_alike_json(each) for each in section.products],
        }
        for section in found.sections
    ]


def nearest_json(found: Lookalikes, k: int) -> list[dict[str, object]]:
    """Return the look-alikes of all categories, nearest first."""
    products = [
        {"category": section.category, **_alike_json(each)}
        for section in found.sections
        for each in section.products
    ]
    products.sort(key=lambda each: float(str(each["distance"])))
    return [{**each, "rank": rank} for rank, each in enumerate(products[:k], 1)]


def _alike_json(product: Suggestion) -> dict[str, object]:
    """A look-alike: its distance has no parts."""
    said = product_json(product, None, why=False)
    return {name: value for name, value in said.items() if name not in ("distance_global", "distance_local")}
