import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.taxonomy import Resolution, matches, normalise, resolve, short_names, split_path

KNOWN = (
    "Apparel & Accessories|Shoes",
    "Apparel & Accessories|Clothing|Pants",
    "Apparel & Accessories|Clothing|Skirts",
    "Furniture|Chairs",
    "Furniture",
    "Home & Garden|Decor|Mirrors",
    "Vehicles|Parts|Mirrors",
)


@pytest.mark.parametrize(
    ("category", "levels"),
    [
        ("Furniture|Chairs", ("Furniture", "Chairs")),
        ("Furniture > Chairs", ("Furniture", "Chairs")),
        (" Furniture | Chairs ", ("Furniture", "Chairs")),
        ("Furniture||Chairs|", ("Furniture", "Chairs")),
        ("Shoes", ("Shoes",)),
        ("A>B", ("A>B",)),  # without spaces it is part of a name
        ("A > B|C", ("A > B", "C")),  # the bar decides where there is one
        ("", ()),
        (" | ", ()),
    ],
)
def test_a_path_is_split_at_bars_or_at_googles_arrows(category: str, levels: tuple[str, ...]) -> None:
    assert split_path(category) == levels


def test_normalise_spells_a_path_with_bars() -> None:
    assert normalise(" Furniture >  Chairs") == "Furniture|Chairs"
    assert normalise("|") == ""


@pytest.mark.parametrize(
    ("wanted", "does"),
    [
        ("Apparel & Accessories|Clothing|Pants", True),
        ("apparel & accessories > clothing > PANTS", True),
        ("Apparel & Accessories|Clothing", True),
        ("Apparel & Accessories", True),
        ("pants", True),
        ("Clothing", True),  # the subtree, by its own last level
        ("Clothing|Pants", False),
        ("Pant", False),
        ("Apparel", False),
        ("Apparel & Accessories|Clothing|Pants|Jeans", False),
        ("", False),
    ],
)
def test_a_category_matches_a_path_a_subtree_or_a_last_level(wanted: str, does: bool) -> None:
    assert matches("Apparel & Accessories|Clothing|Pants", wanted) is does


@pytest.mark.parametrize(
    ("asked", "category", "how"),
    [
        ("Furniture|Chairs", "Furniture|Chairs", "exact"),
        ("furniture > chairs", "Furniture|Chairs", "exact"),
        ("Shoes", "Apparel & Accessories|Shoes", "last_level"),
        ("Sport|SKIRTS", "Apparel & Accessories|Clothing|Skirts", "last_level"),
        ("Furniture|Chairs|Armchairs", "Furniture|Chairs", "ancestor"),
        ("Furniture|Sofas|Corner Sofas", "Furniture", "ancestor"),
        ("Home & Garden|Mirrors", None, "unknown"),  # two last levels fit, and no ancestor is known
        ("Furniture|Mirrors", "Furniture", "ancestor"),  # two last levels fit, so the ancestor does
        ("Apparel & Accessories", None, "unknown"),  # descendants do not stand in for their parent
        ("", None, "unknown"),
        ("|", None, "unknown"),
    ],
)
def test_unknown_categories_resolve_in_the_order_of_the_design(
    asked: str, category: str | None, how: str
) -> None:
    assert resolve(asked, KNOWN) == Resolution(asked, category, how)


def test_the_last_level_goes_before_the_ancestor() -> None:
    assert resolve("Furniture|Shoes", KNOWN).category == "Apparel & Accessories|Shoes"


def test_the_answer_is_spelled_as_known() -> None:
    assert resolve("a|b", ("A > B",)).category == "A > B"
    assert resolve("a|B", ("A|B", "a|B", "a|b")).category == "a|B"
    for known in (("A|B", "a|b"), ("a|b", "A|B")):
        assert resolve("a|B", known).category == "A|B"


levels = st.sampled_from(["A", "b", "B", "C", " ", ""])
paths = st.lists(levels, max_size=4).map("|".join) | st.text(max_size=12)


@given(paths, st.lists(paths, max_size=6))
def test_resolve_never_fails_and_returns_known_categories_only(asked: str, known: list[str]) -> None:
    resolution = resolve(asked, known)
    assert resolution.asked == asked
    assert (resolution.category is None) == (resolution.how == "unknown")
    assert resolution.category is None or resolution.category in known
    assert resolve(asked, list(reversed(known))) == resolution


def test_short_names_are_last_levels_unless_two_categories_share_one():
    names = short_names(["A|Sofas", "B|Rugs", "C|Rugs", "Lamps"])
    assert names == {"A|Sofas": "Sofas", "B|Rugs": "B|Rugs", "C|Rugs": "C|Rugs", "Lamps": "Lamps"}
