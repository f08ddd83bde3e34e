"""Products: what `categories.json`, `products.json` and the pictures together say."""

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from perfectlook.datasets.jsonfiles import JsonObject
from perfectlook.datasets.problems import ProblemKind, UnusableError, checked_id, shown
from perfectlook.taxonomy import normalise, split_path
from perfectlook.types import Problem, Product

PictureOf = Callable[[str], Path | None]
"""Finds the picture of an id."""


def read_products(
    categories: Path, picture_of: PictureOf, problems: list[Problem], *, details: Path | None = None
) -> tuple[dict[str, Product], dict[str, Problem]]:
    """Read the products of a categories file, in its order, and the problem of each that had to be left out.

    A product without category or without picture is no product. `details` names a file of titles and further
    fields. Whatever is wrong is added to `problems`.

    Raises:
        DatasetError: a file cannot be read, or is not one JSON object.
    """
    listed = JsonObject(categories)
    problems.extend(listed.duplicates())
    further = _read_details(details, listed, problems) if details else {}
    products: dict[str, Product] = {}
    left_out: dict[str, Problem] = {}
    for key, value in listed.entries.items():
        try:
            product = checked_id(key, "product")
            category = _checked_category(product, value)
            picture = _existing_picture(product, picture_of)
        except UnusableError as unusable:
            left_out[unicodedata.normalize("NFC", key)] = unusable.at(listed.where(key))
            continue
        fields = dict(further.get(key, {}))
        title = fields.pop("title", None) or _title_of(fields, category)
        products[product] = Product(product, category, picture, title, fields)
    problems.extend(left_out.values())
    return products, left_out


def _checked_category(product: str, value: object) -> str:
    category = normalise(value) if isinstance(value, str) else ""
    if not category:
        reason = f"its category is {shown(value)}; write a path such as 'Furniture|Chairs'"
        raise UnusableError(ProblemKind.NO_CATEGORY, product, reason)
    return category


def _existing_picture(product: str, picture_of: PictureOf) -> Path:
    picture = picture_of(product)
    if picture is None:
        reason = "it has no picture, so it is no product; add the picture or remove the entry"
        raise UnusableError(ProblemKind.MISSING_PRODUCT, product, reason)
    return picture


def _read_details(path: Path, listed: JsonObject, problems: list[Problem]) -> dict[str, dict[str, str]]:
    """Every product's fields as text: text as it is, other values as JSON, null left out."""
    file = JsonObject(path)
    problems.extend(file.duplicates())
    details: dict[str, dict[str, str]] = {}
    for key, value in file.entries.items():
        if key not in listed.entries:
            reason = f"unknown product: not in {listed.path.name}; remove the entry or list the product"
            problems.append(Problem(file.where(key), shown(key), reason, ProblemKind.UNKNOWN_PRODUCT))
        elif not isinstance(value, dict):
            reason = f"{shown(value)} is not an object; write {{'title': ...}}"
            problems.append(Problem(file.where(key), key, reason, ProblemKind.UNUSABLE_DETAILS))
        else:
            details[key] = {
                name: each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
                for name, each in value.items()
                if each is not None
            }
    return details


def _title_of(fields: dict[str, str], category: str) -> str | None:
    """A title made of type and colour, `Rug, grey`; of category and colour where there is no type."""
    kind, colour = fields.get("type", "").strip(), fields.get("color", "").strip()
    if not kind and not colour:
        return None
    kind = kind or split_path(category)[-1]
    if not colour:
        return kind
    colour = re.sub(r"\s*,\s*", ", ", colour)
    return f"{kind}, {colour[0].lower()}{colour[1:]}"
