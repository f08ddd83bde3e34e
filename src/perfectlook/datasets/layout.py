"""The set layout: pairs with photos in one folder.

SET/pairs.jsonl        one {"product": id, "scene": id, "bbox": [left, top, right, bottom] | null} a line
SET/categories.json    {product id: "Furniture|Chairs"}
SET/scenes/ID.jpg      SET/products/ID.jpg      (or another picture format)
SET/products.json      optional: {product id: {"title": ..., further fields}}
SET/set.json           optional: {"licence": "of the pictures"}
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from perfectlook.datasets.jsonfiles import JsonObject
from perfectlook.datasets.pictures import list_pictures
from perfectlook.datasets.problems import shown
from perfectlook.datasets.products import read_products
from perfectlook.datasets.rows import read_rows
from perfectlook.errors import DatasetError
from perfectlook.taxonomy import split_path
from perfectlook.types import Pair, Problem, Product, Scene

FASHION = "Apparel & Accessories"
PAIRS, CATEGORIES, DETAILS, ABOUT = "pairs.jsonl", "categories.json", "products.json", "set.json"


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
        known: scene and product of every row whose ids are valid, left out or not.
        product_problems: those of the problems that concern the catalogue.
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
    known: list[tuple[str, str]] = field(default_factory=list)
    product_problems: list[Problem] = field(default_factory=list)

    @cached_property
    def categories(self) -> dict[str, list[str]]:
        """The product ids of every category; categories and ids sorted."""
        members: dict[str, list[str]] = {}
        for product in self.products.values():
            members.setdefault(product.category, []).append(product.id)
        return {category: sorted(members[category]) for category in sorted(members)}

    @cached_property
    def positives(self) -> dict[str, frozenset[str]]:
        """The known products of every scene, also those whose box is unusable: never its negatives."""
        positives: dict[str, set[str]] = {}
        for pair in self.pairs:
            positives.setdefault(pair.scene, set()).add(pair.product)
        for scene, product in self.known:
            if scene in positives and product in self.products:
                positives[scene].add(product)
        return {scene: frozenset(products) for scene, products in positives.items()}

    @cached_property
    def is_fashion(self) -> bool:
        """Whether all categories lie under `Apparel & Accessories`: decides the crop rule."""
        return bool(self.categories) and all(split_path(name)[0] == FASHION for name in self.categories)


def read_layout(root: Path) -> Dataset:
    """Read a set in the layout above; everything wrong in it becomes one of its problems.

    Raises:
        DatasetError: a file or a folder of the layout is missing, a JSON file is not one object, or the
            licence is not text.
    """
    missing = [name for name in (PAIRS, CATEGORIES) if not (root / name).is_file()]
    if missing:
        raise DatasetError(f"{root}: no {' and no '.join(missing)}; a set needs {PAIRS} and {CATEGORIES}")
    of_scenes: list[Problem] = []
    of_products: list[Problem] = []
    of_rows: list[Problem] = []
    scene_pictures = list_pictures(root / "scenes", of_scenes)
    product_pictures = list_pictures(root / "products", of_products)
    details = root / DETAILS
    products, left_out = read_products(
        root / CATEGORIES, product_pictures.get, of_products, details=details if details.is_file() else None
    )
    rows = read_rows(root / PAIRS, products, left_out, scene_pictures.get, of_rows)
    return Dataset(
        root.name or root.resolve().name,
        root,
        rows.scenes,
        products,
        rows.pairs,
        [*of_scenes, *of_products, *of_rows],
        rows.n_rows,
        licence=_licence(root / ABOUT),
        known=rows.known,
        product_problems=of_products,
    )


def _licence(about: Path) -> str | None:
    licence = JsonObject(about).entries.get("licence") if about.is_file() else None
    if licence is None or isinstance(licence, str):
        return licence
    raise DatasetError(f"{about}: the licence is {shown(licence)}; write it as text, or leave it out")
