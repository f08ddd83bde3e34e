"""Look-alikes on one page: what they are like on top, and those of each category below."""

from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw

from perfectlook.errors import PictureError
from perfectlook.recommender import AlikeSection, Lookalikes
from perfectlook.recommender.photo import Photo, opened_photo
from perfectlook.sheet import card
from perfectlook.sheet.palette import INK, LINE, PAPER, QUIET
from perfectlook.sheet.sheet import draw_title
from perfectlook.sheet.typeface import fitted, write

MARGIN, GAP = 56, 18
PHOTO = (280, 280)
"""Box of what was asked for, in pixels."""
HEAD = PHOTO[1] + 2 * card.PADDING
LEAST_COLUMNS, MOST_COLUMNS = 4, 10
SECTION_HEAD, SECTION_FOOT = 58, 34


def draw_lookalikes(found: Lookalikes, photo: Photo | None = None) -> Image.Image:
    """Draw the sheet of look-alikes of a product, or of the photo given.

    Raises:
        PictureError: the photo cannot be read.
    """
    most = max((len(section.products) for section in found.sections), default=0)
    columns = max(LEAST_COLUMNS, ceil(most / max(1, ceil(most / MOST_COLUMNS))))
    heights = [_height(section, columns) for section in found.sections]
    size = (2 * MARGIN + columns * (card.WIDTH + GAP) - GAP, 2 * MARGIN + HEAD + GAP + sum(heights))
    sheet = Image.new("RGB", size, PAPER)
    _draw_head(sheet, found, _asked(found, photo))
    y = MARGIN + HEAD + 2 * GAP
    for section, height in zip(found.sections, heights, strict=True):
        _draw_section(sheet, y, section, columns)
        y += height
    return sheet


def _asked(found: Lookalikes, photo: Photo | None) -> Image.Image | None:
    """The picture of what was asked for; None where a product's has gone."""
    if found.product is None:
        return opened_photo(found.asked if photo is None else photo, fit=max(PHOTO))
    try:
        return opened_photo(Path(found.product.record.picture), fit=max(PHOTO))
    except PictureError:
        return None


def _height(section: AlikeSection, columns: int) -> int:
    rows = max(1, ceil(len(section.products) / columns))
    return SECTION_HEAD + rows * (card.HEIGHT + GAP) - GAP + SECTION_FOOT


def _draw_head(sheet: Image.Image, found: Lookalikes, picture: Image.Image | None) -> None:
    x, y = MARGIN, MARGIN + 44
    pen = ImageDraw.Draw(sheet)
    if picture is not None:
        shown = card.contained(picture, PHOTO)
        frame = (shown.width + 2 * card.PADDING, shown.height + 2 * card.PADDING)
        card.lay_card(sheet, (MARGIN, MARGIN), frame)
        card.lay_picture(sheet, shown, (MARGIN + card.PADDING, MARGIN + card.PADDING), shown.size)
        x += frame[0] + 2 * GAP
    room = sheet.width - MARGIN - x
    write(pen, (x, y), fitted("Look-alikes", 40, room), 40, INK, bold=True)
    title = found.product and found.product.record.title
    for text in (
        title or "",
        found.asked if found.product else Path(found.asked).name,
        f"model {found.model}",
    ):
        if text:
            y += 36
            write(pen, (x, y), fitted(text, 19, room), 19, QUIET)


def _draw_section(sheet: Image.Image, y: int, section: AlikeSection, columns: int) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.line((MARGIN, y, sheet.width - MARGIN, y), LINE)
    draw_title(pen, (MARGIN, y + 36), sheet.width - 2 * MARGIN, section.category)
    y += SECTION_HEAD
    for place, product in enumerate(section.products):
        row, column = divmod(place, columns)
        at = (MARGIN + column * (card.WIDTH + GAP), y + row * (card.HEIGHT + GAP))
        card.lay_product(sheet, at, product, shares=False)
    if not section.products:
        write(pen, (MARGIN, y + card.HEIGHT // 2), "nothing of this category", 17, QUIET)
