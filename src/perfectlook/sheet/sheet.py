"""An explanation on one page: beside each product the photo with what its regions contribute."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from perfectlook.answers import (
    Answer,
    Attention,
    ExplainedProduct,
    Explanation,
    Look,
    Section,
    Similar,
    SimilarSection,
    Slot,
)
from perfectlook.errors import PictureError
from perfectlook.evaluation.overlay import (
    GLOBAL,
    INK,
    LINE,
    LOCAL,
    PAPER,
    QUIET,
    Colour,
    attended,
    contributed,
)
from perfectlook.recommender.photo import Photo, opened_photo
from perfectlook.sheet import drawing as card
from perfectlook.sheet.drawing import fitted, width_of, write
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
    height = 2 * MARGIN + head + GAP + sum(layout.height(section) for section in answer.categories)
    sheet = Image.new("RGB", (layout.width, height), PAPER)
    _draw_head(sheet, layout, answer, picture)
    y = MARGIN + head + 2 * GAP
    for section in answer.categories:
        _draw_section(sheet, layout, y, section, picture)
        y += layout.height(section)
    return sheet


def _layout(answer: Answer, photo: Image.Image) -> _Layout:
    most = max((len(section.products) for section in answer.categories), default=0)
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
    products = sum(len(section.products) for section in answer.categories)
    said = [
        f"model {answer.model}",
        _counted(products, "product", "products"),
        _counted(len(answer.categories), "category", "categories"),
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
    look = _attended(card.contained(photo, inner), section.attention)
    card.lay_picture(sheet, look, (MARGIN + card.PADDING, y + card.PADDING), inner)
    for place, product in enumerate(section.products):
        row, column = divmod(place, layout.columns)
        at = (layout.products + column * (card.WIDTH + GAP), y + row * (card.HEIGHT + GAP))
        card.lay_product(sheet, at, product)
    if not section.products:
        write(pen, (layout.products, y + card.HEIGHT // 2), "nothing of this category", 17, QUIET)


def _attended(photo: Image.Image, attention: Attention | None) -> Image.Image:
    if attention is None:
        return photo
    return attended(photo, np.asarray(attention.weights, np.float32))


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
    known = section.resolved
    if known.category is None:
        return "the model does not know this category and looks everywhere alike"
    return "" if known.how == "exact" else f"looked at as {' › '.join(split_path(known.category))}"


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


MARGIN_LOOK, GAP_LOOK = 56, 18
PHOTO_LOOK = (440, 340)
"""Box of the photo, in pixels."""
HEAD_LOOK = PHOTO_LOOK[1] + 2 * card.PADDING
LEAST_COLUMNS_LOOK = 4
CAPTION, BETWEEN = 64, 44
"""Heights of the category's name over a product, and of the line before alternatives."""


def draw_look(look: Look, photo: Photo) -> Image.Image:
    """Draw the sheet of a look: one column a slot, its product on top and the alternatives below.

    Raises:
        PictureError: the photo cannot be read.
    """
    picture = card.contained(opened_photo(photo, fit=max(PHOTO_LOOK)), PHOTO_LOOK)
    columns = max(LEAST_COLUMNS_LOOK, len(look.slots))
    most = max((len(slot.alternatives) for slot in look.slots), default=0)
    below = BETWEEN + most * (card.HEIGHT + GAP_LOOK) if most else 0
    size = (
        2 * MARGIN_LOOK + columns * (card.WIDTH + GAP_LOOK) - GAP_LOOK,
        2 * MARGIN_LOOK + HEAD_LOOK + CAPTION + card.HEIGHT + below,
    )
    sheet = Image.new("RGB", size, PAPER)
    _draw_head_look(sheet, look, picture)
    y = MARGIN_LOOK + HEAD_LOOK + CAPTION
    pen = ImageDraw.Draw(sheet)
    if not look.slots:
        write(pen, (MARGIN_LOOK, y), look.proof, 17, QUIET)
    if most:
        line = y + card.HEIGHT + BETWEEN // 2
        pen.line((MARGIN_LOOK, line, size[0] - MARGIN_LOOK, line), LINE)
    for number, slot in enumerate(look.slots):
        _draw_slot(sheet, (MARGIN_LOOK + number * (card.WIDTH + GAP_LOOK), y), slot)
    return sheet


def _draw_slot(sheet: Image.Image, place: tuple[int, int], slot: Slot) -> None:
    x, y = place
    pen = ImageDraw.Draw(sheet)
    levels = split_path(slot.category) or ("",)
    write(pen, (x, y - 14), fitted(levels[-1], 18, card.WIDTH), 18, INK, bold=True)
    card.lay_product(sheet, (x, y), slot.product, note="locked" if slot.locked else "")
    y += card.HEIGHT + BETWEEN
    for each in slot.alternatives:
        card.lay_product(sheet, (x, y), each)
        y += card.HEIGHT + GAP_LOOK


def _draw_head_look(sheet: Image.Image, look: Look, photo: Image.Image) -> None:
    frame = (photo.width + 2 * card.PADDING, photo.height + 2 * card.PADDING)
    card.lay_card(sheet, (MARGIN_LOOK, MARGIN_LOOK), frame)
    card.lay_picture(sheet, photo, (MARGIN_LOOK + card.PADDING, MARGIN_LOOK + card.PADDING), photo.size)
    x, y = MARGIN_LOOK + frame[0] + 2 * GAP_LOOK, MARGIN_LOOK + 44
    room = sheet.width - MARGIN_LOOK - x
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


MARGIN_LOOKALIKES, GAP_LOOKALIKES = 56, 18
PHOTO_LOOKALIKES = (280, 280)
"""Box of what was asked for, in pixels."""
HEAD_LOOKALIKES = PHOTO_LOOKALIKES[1] + 2 * card.PADDING
LEAST_COLUMNS_LOOKALIKES, MOST_COLUMNS_LOOKALIKES = 4, 10
SECTION_HEAD_LOOKALIKES, SECTION_FOOT_LOOKALIKES = 58, 34


def draw_lookalikes(found: Similar, photo: Photo | None = None) -> Image.Image:
    """Draw the sheet of look-alikes of a product, or of the photo given.

    Raises:
        PictureError: the photo cannot be read.
    """
    most = max((len(section.products) for section in found.categories), default=0)
    columns = max(LEAST_COLUMNS_LOOKALIKES, ceil(most / max(1, ceil(most / MOST_COLUMNS_LOOKALIKES))))
    heights = [_height(section, columns) for section in found.categories]
    size = (
        2 * MARGIN_LOOKALIKES + columns * (card.WIDTH + GAP_LOOKALIKES) - GAP_LOOKALIKES,
        2 * MARGIN_LOOKALIKES + HEAD_LOOKALIKES + GAP_LOOKALIKES + sum(heights),
    )
    sheet = Image.new("RGB", size, PAPER)
    _draw_head_lookalikes(sheet, found, _asked(found, photo))
    y = MARGIN_LOOKALIKES + HEAD_LOOKALIKES + 2 * GAP_LOOKALIKES
    for section, height in zip(found.categories, heights, strict=True):
        _draw_section_lookalikes(sheet, y, section, columns)
        y += height
    return sheet


def _asked(found: Similar, photo: Photo | None) -> Image.Image | None:
    """The picture of what was asked for; None where a product's has gone."""
    if found.product is None:
        return opened_photo(found.asked if photo is None else photo, fit=max(PHOTO_LOOKALIKES))
    try:
        return opened_photo(Path(found.product.picture), fit=max(PHOTO_LOOKALIKES))
    except PictureError:
        return None


def _height(section: SimilarSection, columns: int) -> int:
    rows = max(1, ceil(len(section.products) / columns))
    return (
        SECTION_HEAD_LOOKALIKES
        + rows * (card.HEIGHT + GAP_LOOKALIKES)
        - GAP_LOOKALIKES
        + SECTION_FOOT_LOOKALIKES
    )


def _draw_head_lookalikes(sheet: Image.Image, found: Similar, picture: Image.Image | None) -> None:
    x, y = MARGIN_LOOKALIKES, MARGIN_LOOKALIKES + 44
    pen = ImageDraw.Draw(sheet)
    if picture is not None:
        shown = card.contained(picture, PHOTO_LOOKALIKES)
        frame = (shown.width + 2 * card.PADDING, shown.height + 2 * card.PADDING)
        card.lay_card(sheet, (MARGIN_LOOKALIKES, MARGIN_LOOKALIKES), frame)
        card.lay_picture(
            sheet, shown, (MARGIN_LOOKALIKES + card.PADDING, MARGIN_LOOKALIKES + card.PADDING), shown.size
        )
        x += frame[0] + 2 * GAP_LOOKALIKES
    room = sheet.width - MARGIN_LOOKALIKES - x
    write(pen, (x, y), fitted("Look-alikes", 40, room), 40, INK, bold=True)
    title = found.product and found.product.title
    for text in (
        title or "",
        found.asked if found.product else Path(found.asked).name,
        f"model {found.model}",
    ):
        if text:
            y += 36
            write(pen, (x, y), fitted(text, 19, room), 19, QUIET)


def _draw_section_lookalikes(sheet: Image.Image, y: int, section: SimilarSection, columns: int) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.line((MARGIN_LOOKALIKES, y, sheet.width - MARGIN_LOOKALIKES, y), LINE)
    draw_title(pen, (MARGIN_LOOKALIKES, y + 36), sheet.width - 2 * MARGIN_LOOKALIKES, section.category)
    y += SECTION_HEAD_LOOKALIKES
    for place, product in enumerate(section.products):
        row, column = divmod(place, columns)
        at = (
            MARGIN_LOOKALIKES + column * (card.WIDTH + GAP_LOOKALIKES),
            y + row * (card.HEIGHT + GAP_LOOKALIKES),
        )
        card.lay_product(sheet, at, product, shares=False)
    if not section.products:
        write(pen, (MARGIN_LOOKALIKES, y + card.HEIGHT // 2), "nothing of this category", 17, QUIET)


MARGIN_EXPLAINED, GAP_EXPLAINED = 56, 18
PHOTO_EXPLAINED = (400, card.HEIGHT - 2 * card.PADDING)
"""Box of the photo beside each product, in pixels."""
HEAD_EXPLAINED, CAPTION_EXPLAINED, FOOT = 118, 40, 24
WIDTH = 2 * MARGIN_EXPLAINED + card.WIDTH + 2 * (PHOTO_EXPLAINED[0] + 2 * card.PADDING) + 2 * GAP_EXPLAINED


def draw_explanation(explanation: Explanation, photo: Photo) -> Image.Image:
    """Draw the sheet of an explanation of a photo.

    Each product has a line: its card, the photo with the attention over it, and the photo coloured by what
    makes this product nearer (orange) and what makes it farther (blue) than the category's average product.

    Raises:
        PictureError: the photo cannot be read.
    """
    picture = card.contained(opened_photo(photo, fit=max(PHOTO_EXPLAINED)), PHOTO_EXPLAINED)
    line = CAPTION_EXPLAINED + card.HEIGHT + FOOT
    sheet = Image.new(
        "RGB",
        (WIDTH, MARGIN_EXPLAINED + HEAD_EXPLAINED + line * len(explanation.products) + MARGIN_EXPLAINED // 2),
        PAPER,
    )
    _draw_head_explained(sheet, explanation)
    looked = (
        attended(picture, np.asarray(explanation.attention, np.float32))
        if explanation.has_regions
        else picture
    )
    greatest = max((max(map(abs, each.relative.regions)) for each in explanation.products), default=0.0)
    for number, each in enumerate(explanation.products):
        pulled = contributed(picture, np.asarray(each.relative.regions), greatest)
        _draw_line(sheet, MARGIN_EXPLAINED + HEAD_EXPLAINED + number * line, each, (looked, pulled))
    return sheet


def _draw_head_explained(sheet: Image.Image, explanation: Explanation) -> None:
    pen = ImageDraw.Draw(sheet)
    room = WIDTH - 2 * MARGIN_EXPLAINED
    levels = split_path(explanation.category) or ("",)
    write(
        pen,
        (MARGIN_EXPLAINED, MARGIN_EXPLAINED + 26),
        fitted(f"Why these: {levels[-1]}", 32, room),
        32,
        INK,
        bold=True,
    )
    said = (
        f"{Path(explanation.photo).name}  ·  model {explanation.model}  ·  {explanation.n_products:,} "
        f"products of the category, at {explanation.mean_distance:.3f} on average"
    )
    write(pen, (MARGIN_EXPLAINED, MARGIN_EXPLAINED + 58), fitted(said, 16, room), 16, QUIET)
    x = MARGIN_EXPLAINED
    for colour, text in ((LOCAL, "pulls the product nearer"), (GLOBAL, "pushes it away")):
        x = _key(pen, (x, MARGIN_EXPLAINED + 90), colour, text) + 32


def _key(pen: ImageDraw.ImageDraw, place: tuple[int, int], colour: Colour, text: str) -> int:
    """One entry of the legend; returns where it ends."""
    x, y = place
    pen.rounded_rectangle((x, y - 10, x + 27, y - 4), 2, colour)
    return round(x + 40 + write(pen, (x + 40, y), text, 15, QUIET))


def _draw_line(
    sheet: Image.Image, y: int, each: ExplainedProduct, pictures: tuple[Image.Image, Image.Image]
) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.line((MARGIN_EXPLAINED, y, WIDTH - MARGIN_EXPLAINED, y), LINE)
    y += CAPTION_EXPLAINED
    card.lay_product(sheet, (MARGIN_EXPLAINED, y), each)
    x = MARGIN_EXPLAINED + card.WIDTH + GAP_EXPLAINED
    for picture, caption in zip(pictures, ("where the model looks", _said(each)), strict=True):
        frame = (PHOTO_EXPLAINED[0] + 2 * card.PADDING, card.HEIGHT)
        card.lay_card(sheet, (x, y), frame)
        card.lay_picture(sheet, picture, (x + card.PADDING, y + card.PADDING), PHOTO_EXPLAINED)
        write(pen, (x, y - 12), fitted(caption, 15, frame[0]), 15, QUIET)
        x += frame[0] + GAP_EXPLAINED


def _said(each: ExplainedProduct) -> str:
    whole, regions = each.relative.distance_global, each.relative.distance_local
    difference = whole + regions
    return (
        f"{abs(difference):.3f} {'nearer' if difference <= 0 else 'farther'} than average: "
        f"whole scene {whole:+.3f}, regions {regions:+.3f}"
    )
