"""A whole look on one page: the photo, the products chosen, and under each what else would fit."""

from pathlib import Path

from PIL import Image, ImageDraw

from perfectlook.recommender import Look, Slot
from perfectlook.recommender.photo import Photo, opened_photo
from perfectlook.sheet import card
from perfectlook.sheet.palette import GLOBAL, INK, LINE, PAPER, QUIET
from perfectlook.sheet.typeface import fitted, write
from perfectlook.taxonomy import split_path

MARGIN, GAP = 56, 18
PHOTO = (440, 340)
"""Box of the photo, in pixels."""
HEAD = PHOTO[1] + 2 * card.PADDING
LEAST_COLUMNS = 4
CAPTION, BETWEEN = 64, 44
"""Heights of the category's name over a product, and of the line before alternatives."""


def draw_look(look: Look, photo: Photo) -> Image.Image:
    """Draw the sheet of a look: one column a slot, its product on top and the alternatives below.

    Raises:
        PictureError: the photo cannot be read.
    """
    picture = card.contained(opened_photo(photo, fit=max(PHOTO)), PHOTO)
    columns = max(LEAST_COLUMNS, len(look.slots))
    most = max((len(slot.alternatives) for slot in look.slots), default=0)
    below = BETWEEN + most * (card.HEIGHT + GAP) if most else 0
    size = (
        2 * MARGIN + columns * (card.WIDTH + GAP) - GAP,
        2 * MARGIN + HEAD + CAPTION + card.HEIGHT + below,
    )
    sheet = Image.new("RGB", size, PAPER)
    _draw_head(sheet, look, picture)
    y = MARGIN + HEAD + CAPTION
    pen = ImageDraw.Draw(sheet)
    if not look.slots:
        write(pen, (MARGIN, y), look.proof, 17, QUIET)
    if most:
        line = y + card.HEIGHT + BETWEEN // 2
        pen.line((MARGIN, line, size[0] - MARGIN, line), LINE)
    for number, slot in enumerate(look.slots):
        _draw_slot(sheet, (MARGIN + number * (card.WIDTH + GAP), y), slot)
    return sheet


def _draw_slot(sheet: Image.Image, place: tuple[int, int], slot: Slot) -> None:
    x, y = place
    pen = ImageDraw.Draw(sheet)
    levels = split_path(slot.category) or ("",)
    write(pen, (x, y - 14), fitted(levels[-1], 18, card.WIDTH), 18, INK, bold=True)
    card.lay_product(sheet, (x, y), slot.product, note="locked" if slot.locked else "")
    y += card.HEIGHT + BETWEEN
    for each in slot.alternatives:
        card.lay_product(sheet, (x, y), each.product)
        y += card.HEIGHT + GAP


def _draw_head(sheet: Image.Image, look: Look, photo: Image.Image) -> None:
    frame = (photo.width + 2 * card.PADDING, photo.height + 2 * card.PADDING)
    card.lay_card(sheet, (MARGIN, MARGIN), frame)
    card.lay_picture(sheet, photo, (MARGIN + card.PADDING, MARGIN + card.PADDING), photo.size)
    x, y = MARGIN + frame[0] + 2 * GAP, MARGIN + 44
    room = sheet.width - MARGIN - x
    pen = ImageDraw.Draw(sheet)
    write(pen, (x, y), fitted("A whole look", 40, room), 40, INK, bold=True)
    for text in (
        f"{Path(look.photo).name}  ·  model {look.model}",
        *_sum(look),
        _cost(look),
    ):
        y += 36
        write(pen, (x, y), fitted(text, 19, room), 19, QUIET if text != _cost(look) else GLOBAL)


def _sum(look: Look) -> list[str]:
    """The objective and its parts; nothing of a look without products."""
    if not look.slots:
        return []
    return [
        f"to the photo {look.distance:.3f}  +  {look.weight:g} × {look.apart:.3f} from each other",
        f"=  {look.objective:.3f}: {look.proof}",
    ]


def _cost(look: Look) -> str:
    if look.price is None:
        return ""
    return f"{look.price} of {look.budget}" if look.budget else look.price
