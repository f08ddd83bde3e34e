"""The table of slots: exclusions, quantities, and errors that name the entry and its value."""

from itertools import combinations
from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.recommender import SlotTable
from perfectlook.recommender.slots import PACKAGED

CLOTHING = "Apparel & Accessories|Clothing"
DRESSES, TOPS, PANTS, SKIRTS = (
    f"{CLOTHING}|{name}" for name in ("Dresses", "Shirts & Tops", "Pants", "Skirts")
)
SHOES = "Apparel & Accessories|Shoes"


def test_the_packaged_table_keeps_a_dress_from_a_top_with_trousers() -> None:
    table = SlotTable.given(None)
    assert table.exclude(DRESSES, TOPS)
    assert table.exclude(TOPS, DRESSES)
    assert table.exclude(DRESSES, PANTS)
    assert table.exclude(PANTS, SKIRTS)
    assert not table.exclude(TOPS, PANTS)
    assert not table.exclude(DRESSES, SHOES)
    assert table.sets([DRESSES, TOPS, PANTS, SKIRTS, SHOES]) == [
        (DRESSES, SHOES),
        (TOPS, PANTS, SHOES),
        (TOPS, SKIRTS, SHOES),
    ]


def test_the_packaged_table_has_quantities() -> None:
    table = SlotTable.given(None)
    quantities = {
        "Furniture|Tables|Nightstands": 2,
        "furniture|tables|nightstands|Narrow ones": 2,
        "Furniture|Chairs|Kitchen & Dining Room Chairs": 4,
        "Shop|Bedroom|Nightstands": 2,
        "Home & Garden|Lighting|Lamps|Table Lamps": 2,
        "Home & Garden|Lighting|Lamps": 1,
        "Furniture|Chairs": 1,
    }
    assert {category: table.quantity(category) for category in quantities} == quantities


def test_a_category_stands_for_all_below_it_and_one_level_for_any_depth() -> None:
    table = SlotTable.of(
        {
            "one": [{"of": ["Furniture|Beds"]}],
            "either": [{"groups": [["Kleider"], ["Damen|Hosen", "Blusen"]]}],
            "quantity": [
                {"category": "Furniture", "count": 3},
                {"category": "Furniture|Beds", "count": 1},
                {"category": "Stühle", "count": 4},
            ],
        }
    )
    assert table.exclude("Furniture|Beds|Single", "Furniture|Beds|Double")
    assert not table.exclude("Furniture|Beds|Single", "Furniture|Sofas")
    assert table.exclude("Damen|Sommer|Kleider", "Damen|Hosen|Jeans")
    assert not table.exclude("Damen|Hosen|Jeans", "Damen|Blusen")
    assert [table.quantity(each) for each in ("Furniture|Sofas", "Furniture|Beds|Single", "A|Stühle|B")] == [
        3,
        1,
        4,
    ]


@pytest.mark.parametrize("seed", range(6))
def test_the_sets_are_the_largest_that_exclude_nothing(seed: int) -> None:
    pairs = list(combinations("abcdef", 2))
    foes = [pair for number, pair in enumerate(pairs) if (number * 7 + seed) % 5 < 2]
    table = SlotTable.of({"either": [{"groups": [[one], [other]]} for one, other in foes]})

    def fits(chosen: frozenset[str]) -> bool:
        return not any(chosen >= set(pair) for pair in foes)

    every = [frozenset(some) for count in range(7) for some in combinations("abcdef", count)]
    allowed = [some for some in every if fits(some)]
    largest = {some for some in allowed if not any(some < other for other in allowed)}
    assert {frozenset(some) for some in table.sets("abcdef")} == largest
    assert len(table.sets("abcdef")) == len(largest)
    assert SlotTable().sets("abc") == [("a", "b", "c")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one = 3", r"slots\.toml: unknown key 'one'\. Begin each entry with \[\[one\]\] or"),
        ("[[two]]", r"unknown key 'two'\. Begin each entry"),
        ("one = [3]", r"one 1: expected a table, got 3\. Begin it with \[\[one\]\]"),
        ("[[one]]\nof = ['A']\nin = 2", r"one 1: unknown key 'in'\. Choose one of: of\."),
        ("[[one]]\nof = ['A']\n[[one]]", r"one 2: no 'of'\. Add it\."),
        ("[[one]]\nof = 'A'", r"one 1: of 'A': must be a list of categories in quotes"),
        ("[[one]]\nof = ['A', ' | ']", r"one 1: of ' \| ': must be a category in quotes"),
        ("[[either]]\ngroups = [['A']]", r"either 1: groups \[\['A'\]\]: must be a list of two or more"),
        ("[[either]]\ngroups = [['A'], []]", r"either 1: group 2 \[\]: must be a list of categories"),
        ("[[quantity]]\ncategory = 'A'", r"quantity 1: no 'count'\. Add it\."),
        ("[[quantity]]\ncategory = 4\ncount = 2", r"quantity 1: category 4: must be a category in quotes"),
        ("[[quantity]]\ncategory = 'A'\ncount = 0", r"quantity 1: count 0: must be a whole number from 1"),
        ("[[quantity]]\ncategory = 'A'\ncount = true", r"count True: must be a whole number from 1 to 100"),
        ("[[one]", r"slots\.toml: not valid TOML \(.*\)\. Correct the file"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "slots.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        SlotTable.read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: no such file\. Check the path"):
        SlotTable.given(tmp_path / "none.toml")
    with pytest.raises(UsageError, match=r"cannot be read \(.*\)\. Check its permissions"):
        SlotTable.read(tmp_path)


def test_a_copy_of_the_packaged_file_is_the_packaged_table(tmp_path: Path) -> None:
    file = tmp_path / "slots.toml"
    file.write_bytes(PACKAGED.read_bytes())
    assert SlotTable.given(file) == SlotTable.given(None)
    assert SlotTable.given(SlotTable()) == SlotTable()
