"""Sheets of looks and of similar products show every product in its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perfectlook.answers import (
    Alternative,
    AppliedRule,
    CatalogueProduct,
    Look,
    RankedProduct,
    Resolved,
    Similar,
    SimilarSection,
    Slot,
)
from perfectlook.errors import PictureError
from perfectlook.sheet import CARD_WIDTH, draw

COLOURS = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (180, 30, 180), (20, 160, 160), (120, 80, 20)]
PHOTO = Image.new("RGB", (300, 200), (250, 210, 60))


def product(number: int, folder: Path, **fields: str) -> Alternative:
    picture = folder / f"{number}.png"
    Image.new("RGB", (50, 50), COLOURS[number]).save(picture)
    return Alternative(
        rank=number + 1,
        id=f"id-{number}",
        distance=1.0,
        distance_global=0.75,
        distance_local=0.25,
        title=f"Product {number}",
        picture=str(picture),
        rules=[AppliedRule(rule=3, action="boost", name="n", from_rank=9)],
        objective=2.0,
        **fields,
    )


def slot(category: str, chosen: RankedProduct, *others: Alternative, locked: bool = False) -> Slot:
    return Slot(
        category=category,
        suggested=0.5,
        resolved=Resolved(category=category, how="exact"),
        locked=locked,
        product=chosen,
        alternatives=[*others],
    )


def look(*slots: Slot, **changed: object) -> Look:
    said: dict[str, Any] = {"price": "10 EUR", "budget": "20 EUR"} | changed
    return Look(
        photo="a photo.jpg",
        model="m",
        slots=list(slots),
        missing=[],
        weight=0.5,
        distance=2.0,
        apart=1.0,
        objective=2.5,
        lower_bound=2.4,
        proven_exact=False,
        **said,
    )


def similar(category: str, *products: RankedProduct) -> SimilarSection:
    return SimilarSection(category=category, proven_exact=True, products=[*products])


def asked(product: RankedProduct) -> CatalogueProduct:
    return CatalogueProduct(id=product.id, category="A", picture=product.picture)


def place(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int]:
    """Return the top left corner of an area with a colour."""
    near = np.abs(np.asarray(sheet).astype(int) - colour).max(axis=2) <= 2
    rows, columns = np.nonzero(near.any(axis=1))[0], np.nonzero(near.any(axis=0))[0]
    assert len(rows)
    return int(columns[0]), int(rows[0])


def test_slots_are_columns_with_alternatives_below(tmp_path: Path) -> None:
    made = [product(number, tmp_path, price="5 EUR") for number in range(5)]
    sheet = draw(look(slot("A|B", made[0], made[1], made[2]), slot("C", made[3], made[4])), PHOTO)
    places = [place(sheet, COLOURS[number]) for number in range(5)]
    assert places[0][0] == places[1][0] == places[2][0] < places[3][0] == places[4][0]
    assert places[0][1] == places[3][1] < places[1][1] == places[4][1] < places[2][1]
    assert place(sheet, (250, 210, 60)) == (68, 68)


def test_an_empty_and_a_large_look_are_drawn(tmp_path: Path) -> None:
    assert draw(look(price=None, budget=None), PHOTO).height > 400
    many = [slot("a very long category " * 5, product(0, tmp_path), locked=True) for _ in range(12)]
    assert draw(look(*many), PHOTO).width > 12 * CARD_WIDTH
    with pytest.raises(PictureError, match="nowhere"):
        draw(look(), tmp_path / "nowhere.jpg")


def test_quantities_are_drawn(tmp_path: Path) -> None:
    one = slot("A", product(0, tmp_path, price="5 EUR"))
    two = one.model_copy(update={"quantity": 2})
    assert draw(look(one), PHOTO).tobytes() != draw(look(two), PHOTO).tobytes()


def test_similar_products_are_in_rows_below_the_product(tmp_path: Path) -> None:
    made = [product(number, tmp_path) for number in range(6)]
    sections = [similar("A|B", *made[1:3]), similar("C", *made[3:]), similar("D")]
    sheet = draw(Similar(product=asked(made[0]), model="m", categories=sections), PHOTO)
    places = [place(sheet, COLOURS[number]) for number in range(6)]
    assert places[0] == (68, 68)
    assert places[0][1] < places[1][1] == places[2][1] < places[3][1] == places[4][1] == places[5][1]
    assert places[1][0] == places[3][0] < places[2][0] == places[4][0] < places[5][0]


def test_a_photo_is_drawn_and_a_missing_picture_is_left_out(tmp_path: Path) -> None:
    made = product(0, tmp_path)
    PHOTO.save(tmp_path / "photo.png")
    photo = str(tmp_path / "photo.png")
    sheet = draw(Similar(photo=photo, model="m", categories=[similar("A", made)]), PHOTO)
    assert place(sheet, (250, 210, 60)) == (68, 68)
    Path(made.picture).unlink()
    assert draw(Similar(product=asked(made), model="m", categories=[]), PHOTO).height > 300
