"""Sheets of looks and look-alikes show what was chosen where it belongs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perfectlook.catalogue import Record
from perfectlook.errors import PictureError
from perfectlook.recommender import AlikeSection, Alternative, AppliedRule, Look, Lookalikes, Slot, Suggestion
from perfectlook.sheet import draw_look, draw_lookalikes
from perfectlook.sheet import drawing as card
from perfectlook.taxonomy import Resolution

COLOURS = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (180, 30, 180), (20, 160, 160), (120, 80, 20)]
PHOTO = Image.new("RGB", (300, 200), (250, 210, 60))


def product(number: int, folder: Path, **fields: str) -> Suggestion:
    picture = folder / f"{number}.png"
    Image.new("RGB", (50, 50), COLOURS[number]).save(picture)
    record = Record(f"Product {number}", str(picture), 50, 50, "", "00", "", fields)
    return Suggestion(number + 1, f"id-{number}", 1.0, 0.75, 0.25, record, (AppliedRule(3, "boost", "n", 9),))


def slot(category: str, chosen: Suggestion, *others: Suggestion, locked: bool = False) -> Slot:
    alternatives = [Alternative(2.0, each) for each in others]
    return Slot(category, Resolution(category, category, "exact"), 0.5, locked, chosen, alternatives)


def look(*slots: Slot, **changed: object) -> Look:
    said = {"price": "10 EUR", "budget": "20 EUR"} | changed
    return Look("a photo.jpg", "m", list(slots), [], 0.5, 2.0, 1.0, 2.5, 2.4, False, **said)  # type: ignore[arg-type]


def place(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int]:
    """Where the left top of a colour is."""
    near = np.abs(np.asarray(sheet).astype(int) - colour).max(axis=2) <= 2
    rows, columns = np.nonzero(near.any(axis=1))[0], np.nonzero(near.any(axis=0))[0]
    assert len(rows)
    return int(columns[0]), int(rows[0])


def test_slots_stand_beside_each_other_and_alternatives_below(tmp_path: Path) -> None:
    made = [product(number, tmp_path, price="5 EUR") for number in range(5)]
    sheet = draw_look(look(slot("A|B", made[0], made[1], made[2]), slot("C", made[3], made[4])), PHOTO)
    places = [place(sheet, COLOURS[number]) for number in range(5)]
    assert places[0][0] == places[1][0] == places[2][0] < places[3][0] == places[4][0]
    assert places[0][1] == places[3][1] < places[1][1] == places[4][1] < places[2][1]
    assert place(sheet, (250, 210, 60)) == (68, 68)


def test_a_look_of_nothing_and_one_of_many_are_drawn(tmp_path: Path) -> None:
    assert draw_look(look(price=None, budget=None), PHOTO).height > 400
    many = [slot("a very long category " * 5, product(0, tmp_path), locked=True) for _ in range(12)]
    assert draw_look(look(*many), PHOTO).width > 12 * card.WIDTH
    with pytest.raises(PictureError, match="nowhere"):
        draw_look(look(), tmp_path / "nowhere.jpg")


def test_look_alikes_stand_in_lines_of_their_category_below_what_is_asked(tmp_path: Path) -> None:
    made = [product(number, tmp_path) for number in range(6)]
    sections = [
        AlikeSection("A|B", True, made[1:3]),
        AlikeSection("C", True, made[3:]),
        AlikeSection("D", True, []),
    ]
    sheet = draw_lookalikes(Lookalikes("id-0", made[0], "m", sections))
    places = [place(sheet, COLOURS[number]) for number in range(6)]
    assert places[0] == (68, 68)
    assert places[0][1] < places[1][1] == places[2][1] < places[3][1] == places[4][1] == places[5][1]
    assert places[1][0] == places[3][0] < places[2][0] == places[4][0] < places[5][0]


def test_a_photo_is_drawn_and_a_picture_that_has_gone_is_not(tmp_path: Path) -> None:
    made = product(0, tmp_path)
    PHOTO.save(tmp_path / "photo.png")
    sheet = draw_lookalikes(
        Lookalikes(str(tmp_path / "photo.png"), None, "m", [AlikeSection("A", True, [made])])
    )
    assert place(sheet, (250, 210, 60)) == (68, 68)
    Path(made.record.picture).unlink()
    assert draw_lookalikes(Lookalikes("id-0", made, "m", [])).height > 300
