"""Maps of categories: a shop's own map, and words where it lacks a name."""

from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.feeds import Feed, PictureCache
from perfectlook.feeds.categories import CategoryMap, Match, write_map

KNOWN = (
    "Furniture|Beds & Accessories|Beds & Bed Frames",
    "Furniture|Chairs|Arm Chairs, Recliners & Sleeper Chairs",
    "Furniture|Sofas",
    "Furniture|Tables|Accent Tables|Coffee Tables",
    "Furniture|Tables|Kitchen & Dining Room Tables",
    "Home & Garden|Decor|Rugs",
)


@pytest.mark.parametrize(
    ("name", "level", "sure"),
    [
        ("Sofa", "Sofas", 1.0),
        ("Sofas & Couches", "Sofas", 1.0),
        ("Wohnen|Sofas|3-Sitzer", "Sofas", 0.8),
        ("Teppiche", "Rugs", 1.0),
        ("Coffee Table", "Coffee Tables", 1.0),
        ("Dining Tables", "Kitchen & Dining Room Tables", 0.8),
        ("Armchairs", "Arm Chairs, Recliners & Sleeper Chairs", 1.0),
        ("Beds", "Beds & Bed Frames", 1.0),
    ],
)
def test_names_match_by_words(name: str, level: str, sure: float) -> None:
    found = CategoryMap().find(name, KNOWN)
    assert found.category is not None
    assert (found.category.rpartition("|")[2], found.how, found.sure) == (level, "words", sure)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("Bed Linen", "unknown"),
        ("Kitchen", "unknown"),
        ("Grocery", "unknown"),
        ("Tables", "several"),
        ("Sofas & Armchairs", "several"),
        ("Animals & Pet Supplies|Pet Supplies|Dog Supplies|Dog Beds", "unknown"),
        ("Sporting Goods|Outdoor Recreation|Camping & Hiking|Camp Furniture|Air Mattresses", "unknown"),
        ("Dog Beds", "unknown"),
        ("Pets|Dog Beds|Large", "unknown"),
        ("Sofas|Sofa Covers", "unknown"),
        ("Sofas|Zubehör", "unknown"),
        ("Möbel|Sofas|Sofabezüge", "unknown"),
        ("Housses canapé", "unknown"),
        ("Rugs|Bath Mats", "unknown"),
        ("Beds|Mattresses", "unknown"),
        ("Pets|Beds", "unknown"),
        ("Dogs & Pets|Comfort|Beds", "unknown"),
    ],
)
def test_names_without_one_clear_category_do_not_match(name: str, how: str) -> None:
    assert CategoryMap().find(name, KNOWN) == Match(None, how, 0.0)


def test_the_taxonomys_paths_match_the_names_of_a_model_that_has_its_own() -> None:
    chairs = "Furniture|Chairs|Kitchen & Dining Room Chairs"
    assert CategoryMap().find(chairs, ("Chair", "Sofa")) == Match("Chair", "words", 0.8)
    assert CategoryMap().find("Sofas|Leather", KNOWN) == Match("Furniture|Sofas", "words", 0.8)


def test_the_rules_of_the_model_come_before_words() -> None:
    assert CategoryMap().find("Möbel|Sofas", KNOWN) == Match("Furniture|Sofas", "last_level", 1.0)


def test_a_bare_name_is_found_through_the_taxonomy() -> None:
    categories = CategoryMap()
    assert categories.find("Bar Stools", ("Furniture|Chairs", "Furniture|Sofas")) == (
        Match("Furniture|Chairs", "taxonomy", 0.5)  # Furniture > Chairs > Table & Bar Stools
    )
    assert categories.find("Bar Stools", KNOWN).how == "unknown"
    assert categories.replaced == {"Bar Stools": Match("Furniture|Chairs", "taxonomy", 0.5)}


def test_a_map_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text(
        "name,category,synonyms\nLoungers,Furniture > Sofas,Chill;Liegen\nSofas & Couches,,\n",
        encoding="utf-8",
    )
    found = CategoryMap.read(file)
    assert found.find("loungers", KNOWN) == Match("Furniture|Sofas", "map", 1.0)
    assert found.find("Garten|Liegen", KNOWN) == Match("Furniture|Sofas", "map", 1.0)
    assert found.find("Sofas & Couches", KNOWN).category is None


def test_a_written_map_reads_back(tmp_path: Path) -> None:
    matches = {name: CategoryMap().find(name, KNOWN) for name in ("Sofa", "Grocery")}
    write_map(tmp_path / "map.csv", matches)
    assert (tmp_path / "map.csv").read_text(encoding="utf-8").splitlines() == [
        "name,category,sure,synonyms",
        "Grocery,,0.00,",
        "Sofa,Furniture|Sofas,1.00,",
    ]
    assert CategoryMap.read(tmp_path / "map.csv").find("Grocery", KNOWN) == (None, "unknown", 0.0)
    assert CategoryMap.read(tmp_path / "map.csv").find("Sofa", KNOWN).how == "map"


def test_a_map_to_a_category_that_the_model_does_not_know_is_not_sure() -> None:
    found = CategoryMap({"Sofa": "Furniture|Sofaz", "Couch": "Furniture|Sofas"})
    assert found.find("Sofa", KNOWN) == ("Furniture|Sofaz", "map", 0.0)
    assert found.find("Couch", KNOWN) == ("Furniture|Sofas", "map", 1.0)


def test_wrong_maps_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text("name,to\na,b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no column 'category'"):
        CategoryMap.read(file)
    file.write_text("name,category\na,b\na,c\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 3: 'a' has two categories"):
        CategoryMap.read(file)


def test_a_feed_takes_the_categories_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("id,image_link,category\n1,1.jpg,Sofas & Couches\n", encoding="utf-8")
    feed = Feed(tmp_path / "feed.csv", PictureCache(tmp_path / "cache"))
    (as_it_is,) = feed.products()
    feed.match_categories(KNOWN)
    (matched,) = feed.products()
    assert (as_it_is.category, matched.category) == ("Sofas & Couches", "Furniture|Sofas")
    assert as_it_is.digest != matched.digest


def test_a_last_level_of_another_top_of_the_taxonomy_is_less_sure() -> None:
    known = ("Furniture|Beds", "Furniture|Sofas")
    assert CategoryMap().find("Pets|Beds", known) == Match("Furniture|Beds", "last_level", 0.5)
    assert CategoryMap().find("Kids|Beds", known) == Match("Furniture|Beds", "last_level", 1.0)
    assert CategoryMap().find("Home|Sofas", known) == Match("Furniture|Sofas", "last_level", 1.0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Home|Dining Tables", "Furniture|Tables"),
        ("Office|Standing Desks", "Furniture|Desks"),
        ("Home & Garden|Wohnen|Sofas", "Furniture|Sofas"),
    ],
)
def test_shops_put_furniture_under_home_and_office(name: str, expected: str) -> None:
    known = ("Furniture|Tables", "Furniture|Desks", "Furniture|Sofas")
    assert CategoryMap().find(name, known).category == expected
