"""Types of products as taxonomy paths."""

import json
from pathlib import Path

import pytest

from perfectlook.data.fetch.ikea import IKEA_ROOMS, OTHER, category_of


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        ("Bed frame with storage", "Furniture|Beds"),
        ("Bed canopy", "Home & Garden|Decor|Window Treatments|Curtains & Drapes"),
        ("Chair cushion, outdoor", "Home & Garden|Decor|Throw Pillows"),
        ("Three-seat sofa-bed", "Furniture|Sofas"),
        ("Glass-door cabinet", "Furniture|Cabinets & Storage|Dressers & Wardrobes"),
        ("Coffee/tea maker", "Home & Garden|Kitchen & Dining|Appliances & Cookware"),
        ("PENDANT LAMP", "Home & Garden|Lighting|Lighting Fixtures|Ceiling Light Fixtures"),
        ("Parasol", OTHER),
        ("", OTHER),
    ],
)
def test_the_first_keyword_decides(kind: str, category: str):
    assert category_of(kind) == category


def test_categories_are_unique():
    assert len({*IKEA_ROOMS.categories, OTHER}) == 26


@pytest.mark.photos
def test_every_type_of_the_real_set_has_its_category(photos: Path):
    real = photos / "ikea-rooms"
    categories = json.loads((real / "categories.json").read_text(encoding="utf-8"))
    details = json.loads((real / "products.json").read_text(encoding="utf-8"))
    wrong = {
        entry["type"]: category_of(entry["type"])
        for product, entry in details.items()
        if category_of(entry["type"]) != categories[product]
    }
    assert wrong == {}
    assert len(details) == 2066
