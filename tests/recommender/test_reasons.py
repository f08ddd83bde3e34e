"""A reason names only what is in both pictures, or in both records."""

from typing import Any

import pytest

from perfectlook.colours import Swatch
from perfectlook.recommender.reasons import Reasons, materials_of

NAVY, NAVY_LIT, SAND, GREY, WHITE = (24, 2, -24), (30, 2, -26), (77, 3, 23), (60, 0, -1), (94, 0, 2)


def record(colours: str = "", title: str = "", **fields: str) -> dict[str, Any]:
    return {"title": title, "fields": fields, "colours": colours}


def room(*found: tuple[float, tuple[int, int, int]]) -> list[Swatch]:
    return [Swatch(share, lab) for share, lab in found]


PRODUCT = record("0.60:24,2,-24 0.40:77,3,23")
ROOM = room((0.5, GREY), (0.2, NAVY_LIT), (0.1, SAND))


def test_the_shared_colours_are_named_in_both_languages() -> None:
    english = Reasons(ROOM).of(PRODUCT)
    german = Reasons(ROOM, locale="de-AT").of(PRODUCT)
    assert english and german
    assert english.text == "Same navy and sand as in the photo."
    assert german.text == "Wie auf dem Foto: Marine und Sand."
    assert english.colours == german.colours == ["navy", "sand"]


def test_a_language_without_texts_gets_english() -> None:
    reason = Reasons(ROOM, locale="fr").of(PRODUCT)
    assert reason and reason.text.startswith("Same navy")
    reason = Reasons(ROOM, locale="materials").of(PRODUCT)
    assert reason and reason.text.startswith("Same navy")


@pytest.mark.parametrize(
    ("scene", "product"),
    [
        (ROOM, record("1.00:28,47,20")),  # burgundy is not in the room
        (room((1.0, GREY)), record("1.00:60,0,-1")),  # grey is in every room
        (room((0.019, NAVY)), PRODUCT),  # too little of it in the room
        (ROOM, record("0.91:60,0,-1 0.09:24,2,-24")),  # too little of it on the product
        (room((0.04, WHITE)), record("1.00:95,0,2")),  # most rooms have some white
        (room((0.5, WHITE)), record("0.29:95,0,2 0.71:60,0,-1")),  # and most products
        (room((1.0, (40, 2, -30))), record("1.00:20,2,-18")),  # far from each other
        (ROOM, record()),  # a record of an earlier version
        ([], PRODUCT),
    ],
)
def test_there_is_no_reason_if_nothing_is_certain(scene: list[Swatch], product: dict[str, Any]) -> None:
    assert Reasons(scene).of(product) is None


def test_much_white_is_shared() -> None:
    reason = Reasons(room((0.05, WHITE), (0.02, NAVY))).of(record("0.30:95,0,2 0.10:24,2,-24"))
    assert reason and reason.text == "Same white and navy as in the photo."


def test_two_products_also_share_materials() -> None:
    bed = record("1.00:24,2,-24", "Oslo bed, oak and navy linen")
    desk = record("0.50:24,2,-24", "Desk", material="Eiche, Stahl")
    reason = Reasons(record=bed).of(desk)
    assert reason and (reason.colours, reason.materials) == (["navy"], ["oak"])
    assert reason.text == "Same navy and oak as this product."
    reason = Reasons(record=bed, locale="de").of(desk)
    assert reason and reason.text == "Wie dieses Produkt: Marine und Eiche."


def test_a_photo_has_no_materials() -> None:
    reason = Reasons(ROOM).of(record("1.00:24,2,-24", "Sofa, navy linen"))
    assert reason and not reason.materials


@pytest.mark.parametrize(
    ("title", "material", "expected"),
    [
        ("Chair, walnut and linen", "", {"walnut", "linen"}),
        ("Stuhl aus Eiche", "Leinen", {"oak", "linen"}),
        ("Faux leather bag", "", set()),
        ("Leather-look bag", "vegan leather", set()),
        ("Wood effect tiles, oak style", "", set()),
        ("Cherry dress", "", set()),  # a colour
        ("Sideboard", "cherry", {"cherry"}),
        ("Soaking tub", "", set()),  # no oak
        ("", "", set()),
    ],
)
def test_materials_are_whole_words_and_no_imitations(title: str, material: str, expected: set[str]) -> None:
    assert materials_of(record(title=title, material=material)) == expected
