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


def test_a_colour_of_two_swatches_is_named_once() -> None:
    reason = Reasons(ROOM).of(record("0.50:24,2,-24 0.30:27,2,-25 0.20:77,3,23"))
    assert reason and reason.text == "Same navy and sand as in the photo."


def test_a_language_without_texts_gets_english() -> None:
    reason = Reasons(ROOM, locale="fr").of(PRODUCT)
    assert reason and reason.text.startswith("Same navy")
    reason = Reasons(ROOM, locale="materials").of(PRODUCT)
    assert reason and reason.text.startswith("Same navy")


@pytest.mark.parametrize(
    ("scene", "product"),
    [
        (ROOM, record("1.00:28,47,20")),  # burgundy is not in the room
        (room((1.0, GREY)), record("1.00:60,0,-1")),  # grey is in every room, and on a product not light
        (room((0.019, NAVY)), PRODUCT),  # too little of it in the room
        (ROOM, record("0.91:60,0,-1 0.09:24,2,-24")),  # too little of it on the product
        (room((0.04, WHITE), (0.96, (50, 0, -1))), record("1.00:95,0,2")),  # most rooms have some white
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


LIGHT_ROOM = room((0.4, (61, -2, 3)), (0.25, (72, -2, 4)), (0.35, (50, 0, -1)))
LIGHT_DESK = record("0.85:66,2,19 0.15:50,0,-1")
YELLOW_LAMP, BLUE_IN_ROOM = (
    record("0.20:75,5,70 0.80:66,0,1"),
    room((0.05, (35, 10, -50)), (0.95, (40, 5, 5))),
)


@pytest.mark.parametrize(
    ("scene", "product", "tone", "english", "german"),
    [
        (
            LIGHT_ROOM,
            LIGHT_DESK,
            "light",
            "Light and quiet, like most of the photo.",
            "Hell und ruhig wie der Großteil des Fotos.",
        ),
        (
            BLUE_IN_ROOM,
            YELLOW_LAMP,
            "strong",
            "Strong colours, like some in the photo.",
            "Kräftige Farben wie manche auf dem Foto.",
        ),
    ],
)
def test_without_a_shared_colour_a_tone_can_be_shared(
    scene: list[Swatch], product: dict[str, Any], tone: str, english: str, german: str
) -> None:
    for locale, text in (("en", english), ("de", german)):
        reason = Reasons(scene, locale=locale).of(product)
        assert reason and (reason.text, reason.tone, reason.colours) == (text, tone, [])
    named = Reasons([*scene, Swatch(0.2, NAVY)]).of(record(product["colours"] + " 0.15:24,2,-24"))
    assert named and (named.colours, named.tone) == (["navy"], None)  # colours say more
    assert "tone" not in named.to_dict()


@pytest.mark.parametrize(
    ("scene", "product"),
    [
        (room((0.64, (72, -2, 4)), (0.36, (50, 0, -1))), LIGHT_DESK),  # less than most of the room
        (room((1.0, (59, -2, 4))), LIGHT_DESK),  # a grey room
        (LIGHT_ROOM, record("0.84:66,2,19 0.16:50,0,-1")),
        (LIGHT_ROOM, record("1.00:64,2,12")),  # a grey product
        (LIGHT_ROOM, record("1.00:75,5,20")),  # sand is not quiet
        (LIGHT_ROOM, YELLOW_LAMP),
        (room((0.049, (35, 10, -50)), (0.951, (40, 5, 5))), YELLOW_LAMP),
        (BLUE_IN_ROOM, record("0.19:75,5,70 0.81:66,0,1")),
        (BLUE_IN_ROOM, record("1.00:50,25,36")),  # teak
    ],
)
def test_a_tone_is_shared_only_if_it_is_clear(scene: list[Swatch], product: dict[str, Any]) -> None:
    assert Reasons(scene).of(product) is None


def test_two_products_share_a_tone() -> None:
    reason = Reasons(record=LIGHT_DESK).of(record("1.00:80,0,3"))
    assert reason and reason.text == "Light and quiet, like this product."
    reason = Reasons(record=record("1.00:60,70,40")).of(YELLOW_LAMP)
    assert reason and reason.text == "Strong colours, like this product."


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
