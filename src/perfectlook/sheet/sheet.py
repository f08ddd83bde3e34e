"""An answer on one page: the photo, and for each category where the model looks and what it suggests."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from perfectlook.recommender import Answer, Section
from perfectlook.recommender.photo import Photo, opened_photo
from perfectlook.sheet import card
from perfectlook.sheet.heat import attended
from perfectlook.sheet.palette import GLOBAL, INK, LINE, LOCAL, PAPER, QUIET
from perfectlook.sheet.typeface import fitted, width_of, write
from perfectlook.taxonomy import split_path

MARGIN = 56
GAP = 18
MOST_COLUMNS = 10
"""Products side by side; more continue below."""
LEAST_COLUMNS = 4
PHOTO = (440, 340)
"""Box of the photo at the top, in pixels."""
HEAD = 210
"""Least height of what is beside it."""
LOOK_WIDTHS = (card.WIDTH, 360)
"""Least and greatest width of the card of the photo with the attention over it."""
SECTION_HEAD, SECTION_FOOT = 58, 34


class _Layout(NamedTuple):
    columns: int
    look: tuple[int, int]

    @property
    def products(self) -> int:
        """Where the products begin."""
        return MARGIN + self.look[0] + 2 * GAP

    @property
    def width(self) -> int:
        return self.products + self.columns * (card.WIDTH + GAP) - GAP + MARGIN

    def rows(self, section: Section) -> int:
        return max(1, ceil(len(section.products) / self.columns))

    def height(self, section: Section) -> int:
        rows = self.rows(section)
        return SECTION_HEAD + rows * card.HEIGHT + (rows - 1) * GAP + SECTION_FOOT


def draw_sheet(answer: Answer, photo: Photo) -> Image.Image:
    """Draw the sheet of an answer to a photo; a product whose picture is not found gets a card that says so.

    Raises:
        PictureError: the photo cannot be read.
    """
    picture = opened_photo(photo, fit=max(PHOTO))
    layout = _layout(answer, picture)
    head = max(HEAD, card.contained(picture, PHOTO).height + 2 * card.PADDING)
    height = 2 * MARGIN + head + GAP + sum(layout.height(section) for section in answer.sections)
    sheet = Image.new("RGB", (layout.width, height), PAPER)
    _draw_head(sheet, layout, answer, picture)
    y = MARGIN + head + 2 * GAP
    for section in answer.sections:
        _draw_section(sheet, layout, y, section, picture)
        y += layout.height(section)
    return sheet


def _layout(answer: Answer, photo: Image.Image) -> _Layout:
    most = max((len(section.products) for section in answer.sections), default=0)
    rows = max(1, ceil(most / MOST_COLUMNS))
    columns = max(LEAST_COLUMNS, ceil(most / rows))
    least, greatest = LOOK_WIDTHS
    height = card.HEIGHT - 2 * card.PADDING
    width = round(height * photo.width / photo.height) + 2 * card.PADDING
    return _Layout(columns, (min(greatest, max(least, width)), card.HEIGHT))


def _draw_head(sheet: Image.Image, layout: _Layout, answer: Answer, photo: Image.Image) -> None:
    shown = card.contained(photo, PHOTO)
    frame = (shown.width + 2 * card.PADDING, shown.height + 2 * card.PADDING)
    card.lay_card(sheet, (MARGIN, MARGIN), frame)
    card.lay_picture(sheet, shown, (MARGIN + card.PADDING, MARGIN + card.PADDING), shown.size)
    x, y = MARGIN + frame[0] + 2 * GAP, MARGIN + 44
    room = layout.width - MARGIN - x
    pen = ImageDraw.Draw(sheet)
    write(pen, (x, y), fitted("Complete the look", 40, room), 40, INK, bold=True)
    products = sum(len(section.products) for section in answer.sections)
    said = [
        f"model {answer.model}",
        _counted(products, "product", "products"),
        _counted(len(answer.sections), "category", "categories"),
    ]
    for text in (Path(answer.photo).name, "  ·  ".join(said)):
        y += 36
        write(pen, (x, y), fitted(text, 19, room), 19, QUIET)
    y += 52
    for colour, text in (
        (GLOBAL, "share of the distance to the whole photo"),
        (LOCAL, "share of the distance to its regions, weighted by attention"),
    ):
        pen.rounded_rectangle((x, y - 9, x + 27, y - 5), 2, colour)
        write(pen, (x + 40, y), fitted(text, 15, room - 40), 15, QUIET)
        y += 26


def _draw_section(sheet: Image.Image, layout: _Layout, y: int, section: Section, photo: Image.Image) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.line((MARGIN, y, layout.width - MARGIN, y), LINE)
    likely = "" if section.suggested is None else f"completes the photo: {section.suggested:.0%}"
    draw_title(pen, (MARGIN, y + 36), layout.width - 2 * MARGIN, section.category, [likely, _note(section)])
    y += SECTION_HEAD
    card.lay_card(sheet, (MARGIN, y), layout.look)
    inner = (layout.look[0] - 2 * card.PADDING, layout.look[1] - 2 * card.PADDING)
    look = attended(card.contained(photo, inner), section.attention)
    card.lay_picture(sheet, look, (MARGIN + card.PADDING, y + card.PADDING), inner)
    for place, product in enumerate(section.products):
        row, column = divmod(place, layout.columns)
        at = (layout.products + column * (card.WIDTH + GAP), y + row * (card.HEIGHT + GAP))
        card.lay_product(sheet, at, product)
    if not section.products:
        write(pen, (layout.products, y + card.HEIGHT // 2), "nothing of this category", 17, QUIET)


def draw_title(
    pen: ImageDraw.ImageDraw, place: tuple[int, float], room: int, category: str, notes: Sequence[str] = ()
) -> None:
    """Write the last level of a category large, the levels above it and notes small beside it."""
    levels = split_path(category) or ("",)
    used = write(pen, place, fitted(levels[-1], 25, room), 25, INK, bold=True) + 16
    text = "   ·   ".join(note for note in (" › ".join(levels[:-1]), *notes) if note)
    if text and room - used > width_of("…", 16):
        write(pen, (place[0] + used, place[1]), fitted(text, 16, room - used), 16, QUIET)


def _note(section: Section) -> str:
    known = section.resolution
    if known.category is None:
        return "the model does not know this category and looks everywhere alike"
    return "" if known.how == "exact" else f"looked at as {' › '.join(split_path(known.category))}"


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
