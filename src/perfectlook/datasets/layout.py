"""The set layout: pairs with photos in one folder.

SET/pairs.jsonl        one {"product": id, "scene": id, "bbox": [left, top, right, bottom] | null} a line
SET/categories.json    {product id: "Furniture|Chairs"}
SET/scenes/ID.jpg      SET/products/ID.jpg      (or another picture format)
SET/products.json      optional: {product id: {"title": ..., further fields}}
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from perfectlook.datasets.pictures import list_pictures
from perfectlook.datasets.products import read_products
from perfectlook.datasets.rows import read_rows
from perfectlook.errors import DatasetError
from perfectlook.taxonomy import split_path
from perfectlook.types import Pair, Problem, Product, Scene

FASHION = "Apparel & Accessories"
PAIRS, CATEGORIES, DETAILS = "pairs.jsonl", "categories.json", "products.json"


@dataclass
class Dataset:
    """A set as read: what is valid in it, and what was wrong. Not changed after reading.

    Attributes:
        name: what reports call it.
        root: its folder.
        scenes: the scenes that have a pair, by id, in the order of their first pair.
        products: the catalogue, by id: every product with a category and a picture, in a pair or not.
        pairs: the valid rows in file order; repeated rows stand here repeatedly.
        problems: everything wrong, by file, line and id.
        n_rows: the rows of the file, valid or not.
        licence: of its pictures, as far as the set says.
        parts: the sets it was merged from, none for a set as read.
    """

    name: str
    root: Path
    scenes: dict[str, Scene]
    products: dict[str, Product]
    pairs: list[Pair]
    problems: list[Problem] = field(default_factory=list)
    n_rows: int = 0
    licence: str | None = None
    parts: tuple["Dataset", ...] = ()

    @cached_property
    def categories(self) -> dict[str, list[str]]:
        """The product ids of every category; categories and ids sorted."""
        members: dict[str, list[str]] = {}
        for product in self.products.values():
            members.setdefault(product.category, []).append(product.id)
        return {category: sorted(members[category]) for category in sorted(members)}

    @cached_property
    def positives(self) -> dict[str, frozenset[str]]:
        """The known products of every scene, over all valid rows: never its negatives."""
        known: dict[str, set[str]] = {}
        for pair in self.pairs:
            known.setdefault(pair.scene, set()).add(pair.product)
        return {scene: frozenset(products) for scene, products in known.items()}

    @cached_property
    def is_fashion(self) -> bool:
        """Whether all categories lie under `Apparel & Accessories`: decides the crop rule."""
        return bool(self.categories) and all(split_path(name)[0] == FASHION for name in self.categories)


def read_layout(root: Path) -> Dataset:
    """Read a set in the layout above; everything wrong in it becomes one of its problems.

    Raises:
        DatasetError: a file or a folder of the layout is missing, or the categories are not one JSON object.
    """
    missing = [name for name in (PAIRS, CATEGORIES) if not (root / name).is_file()]
    if missing:
        raise DatasetError(f"{root}: no {' and no '.join(missing)}; a set needs {PAIRS} and {CATEGORIES}")
    problems: list[Problem] = []
    scene_pictures = list_pictures(root / "scenes", problems)
    product_pictures = list_pictures(root / "products", problems)
    details = root / DETAILS
    products, left_out = read_products(
        root / CATEGORIES, product_pictures.get, problems, details=details if details.is_file() else None
    )
    rows = read_rows(root / PAIRS, products, left_out, scene_pictures.get, problems)
    name = root.name or root.resolve().name
    return Dataset(name, root, rows.scenes, products, rows.pairs, problems, rows.n_rows)
