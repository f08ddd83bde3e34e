"""A sheet shows the photo and every product in its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

from perfectlook.answers import (
    Answer,
    Attention,
    RankedProduct,
    Resolved,
    Section,
    Why,
)
from perfectlook.errors import PictureError
from perfectlook.evaluation.overlay import GLOBAL, LOCAL, PAPER
from perfectlook.sheet import CARD_HEIGHT, PICTURE, draw

EVEN = Attention(rows=7, columns=7, weights=[1 / 49] * 49)
COLOURS = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (180, 30, 180), (20, 160, 160), (120, 80, 20)]
WHY = Why(whole=0.75, regions=0.25)
PHOTO = Image.new("RGB", (300, 200), (250, 210, 60))


def product(rank: int, folder: Path, **changed: object) -> RankedProduct:
    """Return a product with a square picture of one colour. Three quarters of its nearness are global."""
    picture = folder / f"{rank}.png"
    Image.new("RGB", (50, 50), COLOURS[(rank - 1) % len(COLOURS)]).save(picture)
    said: dict[str, Any] = {"title": f"Product {rank}", "picture": str(picture), "why": WHY} | changed
    return RankedProduct(
        rank=rank, id=f"id-{rank}", distance=1.0, distance_global=0.75, distance_local=0.25, **said
    )


def section(products: list[RankedProduct], category: str = "Furniture|Chairs") -> Section:
    resolved = Resolved(category=category, how="exact")
    return Section(category=category, resolved=resolved, proven_exact=True, products=products, attention=EVEN)


def answer(*sections: Section) -> Answer:
    return Answer(photo="a photo.jpg", model="a model", categories=list(sections))


def places(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, tuple[int, int, int, int]]:
    """Return how many pixels have a colour, and the box around them."""
    pixels = np.abs(np.asarray(sheet).astype(int) - colour).max(axis=2) <= 2
    rows, columns = np.nonzero(pixels.any(axis=1))[0], np.nonzero(pixels.any(axis=0))[0]
    return int(pixels.sum()), (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def test_products_are_in_order_and_fill_their_cards(tmp_path: Path) -> None:
    sheet = draw(answer(section([product(rank, tmp_path) for rank in range(1, 6)])), PHOTO)
    boxes = []
    for colour in COLOURS[:5]:
        count, box = places(sheet, colour)
        assert count == pytest.approx(PICTURE**2, rel=0.01)
        boxes.append(box)
    lefts = [box[0] for box in boxes]
    assert lefts == sorted(lefts)
    assert {box[1] for box in boxes} == {boxes[0][1]}
    assert max(box[2] for box in boxes) < sheet.width - 40


def test_the_photo_is_shown_large_and_once_in_each_section(tmp_path: Path) -> None:
    sections = [section([product(1, tmp_path)], f"Furniture|{name}") for name in ("Chairs", "Tables", "Beds")]
    sheet = draw(answer(*sections), PHOTO)
    count, box = places(sheet, PHOTO.getpixel((0, 0)))  # type: ignore[arg-type]
    assert box[:2] == (68, 68)
    assert count > 440 * 293 + 3 * 200 * 130


def test_without_regions_the_photo_is_shown_once_and_no_shares(tmp_path: Path) -> None:
    shares = Why(whole=1.0, regions=0.0)
    sections = [
        section([product(1, tmp_path, why=shares)], f"Furniture|{name}") for name in ("Beds", "Tables")
    ]
    sheet = draw(answer(*sections), PHOTO)
    assert places(sheet, PHOTO.getpixel((0, 0)))[0] == pytest.approx(440 * 293, rel=0.01)  # type: ignore[arg-type]
    for colour in (GLOBAL, LOCAL):
        assert not (np.asarray(sheet) == colour).all(axis=2).any()


def test_the_price_is_between_rank_and_distance(tmp_path: Path) -> None:
    free = draw(answer(section([product(1, tmp_path)])), PHOTO)
    priced = draw(answer(section([product(1, tmp_path, price="49.90 EUR")])), PHOTO)
    changed = ImageChops.difference(free, priced).getbbox()
    left, _, right, bottom = places(free, COLOURS[0])[1]
    assert changed is not None
    assert (left + 10 < changed[0], changed[2] < right - 30) == (True, True)
    assert bottom < changed[1] < changed[3] < bottom + 34


def test_the_bar_shows_the_shares_of_the_distance(tmp_path: Path) -> None:
    sheet = draw(answer(section([product(1, tmp_path)])), PHOTO)
    _, picture = places(sheet, COLOURS[0])
    below = sheet.crop((picture[0], picture[3], picture[2], picture[3] + 60))
    (_, whole), (_, local) = places(below, GLOBAL), places(below, LOCAL)
    assert whole[2] == pytest.approx(0.75 * PICTURE, abs=3)
    assert local[0] == pytest.approx(0.75 * PICTURE, abs=3)
    assert local[2] == PICTURE


def test_twelve_products_fill_two_equal_rows(tmp_path: Path) -> None:
    six = draw(answer(section([product(rank, tmp_path) for rank in range(1, 7)])), PHOTO)
    twelve = draw(answer(section([product(rank, tmp_path) for rank in range(1, 13)])), PHOTO)
    assert twelve.width == six.width
    assert twelve.height > six.height + CARD_HEIGHT


@pytest.mark.parametrize("picture", ["missing.png", "spoilt.png"])
def test_a_card_without_its_picture_says_so(tmp_path: Path, picture: str) -> None:
    (tmp_path / "spoilt.png").write_bytes(b"no picture")
    good = [product(rank, tmp_path) for rank in (1, 3)]
    sheet = draw(
        answer(section([good[0], product(2, tmp_path, picture=str(tmp_path / picture)), good[1]])), PHOTO
    )
    (_, first), (_, third) = places(sheet, COLOURS[0]), places(sheet, COLOURS[2])
    step = (third[0] - first[0]) // 2
    empty = sheet.crop((first[0] + step, first[1], first[2] + step, first[3]))
    assert places(empty, PAPER)[0] > 0.9 * PICTURE**2
    assert len(empty.getcolors() or []) > 10  # the text


@pytest.mark.parametrize("size", [(1, 1), (3000, 40), (40, 3000), (5, 4)])
def test_a_photo_of_any_shape_is_drawn_within_the_page(tmp_path: Path, size: tuple[int, int]) -> None:
    photo = Image.new("RGB", size, COLOURS[5])
    sheet = draw(answer(section([product(1, tmp_path)])), photo)
    _, box = places(sheet, COLOURS[5])
    assert box[0] >= 56
    assert box[2] <= sheet.width - 56


@pytest.mark.parametrize("title", [None, "", "日本語" * 50, "A" * 100_000, "\x00\n", "👟 \ud800", "سروال"])
def test_any_title_can_be_drawn(tmp_path: Path, title: str | None) -> None:
    draw(answer(section([product(1, tmp_path, title=title)])), PHOTO)


def test_an_answer_without_sections_or_products_is_drawn() -> None:
    assert draw(answer(), PHOTO).height > 300
    unknown = section([], "Sheds").model_copy(update={"resolved": Resolved(category=None, how="unknown")})
    assert draw(answer(unknown), PHOTO).height > 600


def test_many_categories_and_products_are_drawn(tmp_path: Path) -> None:
    sections = [section([product(1, tmp_path)], f"A|B|{'a very long name ' * 9}{i}") for i in range(26)]
    sections[0] = section([product(rank, tmp_path) for rank in range(1, 21)])
    sheet = draw(answer(*sections), PHOTO)
    assert sheet.width < 2600
    assert sheet.height > 27 * CARD_HEIGHT


def test_a_sheet_is_bounded_and_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = [product(1, tmp_path)] * 3_000
    written: list[str] = []
    monkeypatch.setattr(
        "perfectlook.sheet.write", lambda _pen, _at, text, *_rest, **_more: written.append(text) or 0.0
    )
    many = [section(products[:3], f"A|B{i}") for i in range(100)]
    for sections in ([section(products)], many):
        written.clear()
        sheet = draw(answer(*sections), PHOTO)
        assert 12_000 < sheet.height < 16_383 + 600  # the head, too
        (line,) = [text for text in written if "do not fit" in text]
        shown = written.count("1")  # every card has its rank
        total = sum(len(each.products) for each in sections)
        assert line == f"{total - shown:,} more products do not fit on the sheet"


def test_a_photo_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="nowhere"):
        draw(answer(), tmp_path / "nowhere.jpg")
