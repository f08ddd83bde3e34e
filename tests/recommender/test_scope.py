"""Names of categories choose sections of an answer."""

import pytest

from perfectlook.errors import UsageError
from perfectlook.recommender.scope import by_probability, choose_categories, without_unknown

CHAIRS, STOOLS, TABLES = "Furniture|Chairs", "Furniture|Chairs|Stools", "Furniture|Tables"
EARRINGS, SHOES, KIDS_SHOES = "Apparel|Jewelry|Earrings", "Apparel|Shoes", "Kids|Shoes"
COUNTS = {CHAIRS: 5, STOOLS: 9, TABLES: 7, EARRINGS: 1, SHOES: 7, KIDS_SHOES: 8}


def test_without_names_all_categories_come_by_size_and_then_by_name() -> None:
    assert choose_categories(COUNTS, None) == [STOOLS, KIDS_SHOES, SHOES, TABLES, CHAIRS, EARRINGS]
    assert choose_categories({}, None) == []


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([TABLES], [TABLES]),
        (["Furniture|Chairs"], [STOOLS, CHAIRS]),
        (["furniture > chairs > stools"], [STOOLS]),
        (["shoes"], [KIDS_SHOES, SHOES]),
        (["Furniture"], [STOOLS, TABLES, CHAIRS]),
        (["Tables", "Furniture", "Kids|Shoes"], [TABLES, STOOLS, CHAIRS, KIDS_SHOES]),
    ],
)
def test_a_name_is_a_path_a_subtree_or_a_level(names: list[str], chosen: list[str]) -> None:
    assert choose_categories(COUNTS, names) == chosen


@pytest.mark.parametrize(
    ("name", "meant"), [("chiars", CHAIRS), ("Jewellery", EARRINGS), ("Furniture|Tabels", TABLES)]
)
def test_an_error_suggests_similar_categories(name: str, meant: str) -> None:
    with pytest.raises(UsageError, match="Did you mean") as raised:
        choose_categories(COUNTS, ["Tables", name])
    assert f"'{name}'" in str(raised.value)
    assert meant in str(raised.value)


def test_an_error_without_similar_categories_lists_the_largest() -> None:
    with pytest.raises(UsageError, match=r"Choose one of: Furniture\|Chairs\|Stools; .*; \.\.\."):
        choose_categories(COUNTS, ["xyzzy"])
    with pytest.raises(UsageError, match="The catalogue is empty"):
        choose_categories({}, ["Tables"])
    with pytest.raises(UsageError, match="matches ''"):
        choose_categories(COUNTS, [""])


def test_the_likeliest_categories_come_first_and_unknown_ones_last() -> None:
    by_size = choose_categories(COUNTS, None)
    suggested = {"Chairs": 0.2, "Shoes": 0.9}
    stand_ins = dict.fromkeys(by_size) | {STOOLS: "Chairs", CHAIRS: "Chairs", SHOES: "Shoes", TABLES: "Beds"}
    found = by_probability(by_size, suggested, stand_ins)
    assert list(found) == [SHOES, STOOLS, CHAIRS, KIDS_SHOES, TABLES, EARRINGS]
    assert [*found.values()] == [0.9, 0.2, 0.2, None, None, None]


def test_a_narrow_path_with_products_of_its_own_names_only_itself() -> None:
    assert choose_categories(COUNTS, [CHAIRS, "shoes"], narrow=True) == [CHAIRS, KIDS_SHOES, SHOES]
    assert choose_categories(COUNTS, ["Furniture"], narrow=True) == [STOOLS, TABLES, CHAIRS]


def test_names_without_products_are_left_out_if_others_have_some() -> None:
    left_out = "no category of the catalogue matches 'Lamps'. It is left out."
    assert without_unknown(COUNTS, ["Shoes", "Lamps", TABLES]) == (["Shoes", TABLES], [left_out])
    assert without_unknown(COUNTS, ["Shoes"]) == (["Shoes"], [])
    assert without_unknown(COUNTS, ["Lamps", "Rugs"]) == (["Lamps", "Rugs"], [])
    assert without_unknown(COUNTS, []) == ([], [])


def test_only_the_beginning_of_a_long_name_is_compared() -> None:
    level = "a level of just eighty characters: " + "x" * 45
    with pytest.raises(UsageError, match="Did you mean"):
        choose_categories({level: 1, TABLES: 2}, [level + " and more" * 50])
