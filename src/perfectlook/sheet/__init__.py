"""Answers as pictures: a photo and the products that answer it, on one page.

`draw` takes every answer that can be drawn; `answer.save(file)` calls it.
"""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from perfectlook.answers import (
    Answer,
    ExplainedProduct,
    Explanation,
    Look,
    RankedProduct,
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
from perfectlook.images import open_photo
from perfectlook.sheet import cards
from perfectlook.sheet.cards import width_of, write
from perfectlook.taxonomy import split_path

if TYPE_CHECKING:
    from perfectlook.answers import DrawableAnswer
    from perfectlook.images import Photo

MARGIN, GAP = 56, 18
LEAST_COLUMNS, MOST_COLUMNS = 4, 10
"""Products side by side; more continue below."""
PHOTO, ASKED = (440, 340), (280, 280)
"""Boxes of the photo at the top, and of what similar products were asked for, in pixels."""
HEAD = 210
"""Least height of what is next to the photo."""
LOOKED_AT = (cards.WIDTH, 360)
"""Least and greatest width of the card of the photo with the attention over it."""
SECTION_HEAD, SECTION_FOOT = 58, 34
CAPTION, BETWEEN = 64, 44
"""Heights of the category's name over a slot's product, and of the line before alternatives."""
EXPLAINED = (400, cards.HEIGHT - 2 * cards.PADDING)
"""Box of the photo next to an explained product."""
EXPLAINED_HEAD, EXPLAINED_CAPTION, EXPLAINED_FOOT = 118, 40, 24


def draw(answer: "DrawableAnswer", photo: "Photo") -> Image.Image:
    """Draw the page of an answer.

    A product whose picture is missing gets a card that says so.

    Args:
        answer: an answer, a look, similar products or an explanation.
        photo: what was asked about; not used for products that are similar to one of the catalogue.

    Raises:
        PictureError: the photo cannot be read.
    """
    if isinstance(answer, Answer):
        return draw_answer(answer, photo)
    if isinstance(answer, Look):
        return draw_look(answer, photo)
    if isinstance(answer, Similar):
        return draw_similar(answer, photo)
    assert isinstance(answer, Explanation)
    return draw_explanation(answer, photo)


def draw_answer(answer: Answer, photo: "Photo") -> Image.Image:
    """Draw the photo, and for each category the attention over it and the products."""
    picture = open_photo(photo, fit=max(PHOTO))
    columns = _columns(answer.categories)
    shown = round((cards.HEIGHT - 2 * cards.PADDING) * picture.width / picture.height) + 2 * cards.PADDING
    looked_at = min(LOOKED_AT[1], max(LOOKED_AT[0], shown))
    left = MARGIN + looked_at + 2 * GAP
    head = max(HEAD, cards.contained(picture, PHOTO).height + 2 * cards.PADDING)
    heights = [_height(section, columns) for section in answer.categories]
    sheet = _sheet(left + columns * (cards.WIDTH + GAP) - GAP + MARGIN, head + GAP + sum(heights))
    products = sum(len(section.products) for section in answer.categories)
    counts = (
        f"model {answer.model}",
        _counted(products, "product", "products"),
        _counted(len(answer.categories), "category", "categories"),
    )
    lines = [Path(answer.photo).name, "  ·  ".join(counts)]
    x, y = _draw_head(sheet, picture, PHOTO, "Complete the look", lines)
    pen = ImageDraw.Draw(sheet)
    y += 52
    for colour, text in (
        (GLOBAL, "share of the distance to the whole photo"),
        (LOCAL, "share of the distance to its regions, weighted by attention"),
    ):
        pen.rounded_rectangle((x, y - 9, x + 27, y - 5), 2, colour)
        write(pen, (x + 40, y), text, 15, QUIET, room=sheet.width - MARGIN - x - 40)
        y += 26
    y = MARGIN + head + 2 * GAP
    for section, height in zip(answer.categories, heights, strict=True):
        likely = "" if section.suggested is None else f"completes the photo: {section.suggested:.0%}"
        _draw_title(sheet, y, section.category, [likely, _resolution(section)])
        inner = (looked_at - 2 * cards.PADDING, cards.HEIGHT - 2 * cards.PADDING)
        over = cards.contained(picture, inner)
        if section.attention is not None:
            over = attended(over, np.asarray(section.attention.weights, np.float32))
        _draw_framed(sheet, (MARGIN, y + SECTION_HEAD), over, inner)
        _draw_products(sheet, (left, y + SECTION_HEAD), section.products, columns)
        y += height
    return sheet


def draw_look(look: Look, photo: "Photo") -> Image.Image:
    """Draw the photo, and one column for each slot: its product on top and the alternatives below."""
    picture = open_photo(photo, fit=max(PHOTO))
    head = PHOTO[1] + 2 * cards.PADDING
    most = max((len(slot.alternatives) for slot in look.slots), default=0)
    below = BETWEEN + most * (cards.HEIGHT + GAP) if most else 0
    columns = max(LEAST_COLUMNS, len(look.slots))
    width = 2 * MARGIN + columns * (cards.WIDTH + GAP) - GAP
    sheet = _sheet(width, head + CAPTION + cards.HEIGHT + below)
    cost = f"{look.price} of {look.budget}" if look.price and look.budget else look.price or ""
    lines = [f"{Path(look.photo).name}  ·  model {look.model}"]
    if look.slots:
        lines += [
            f"to the photo {look.distance:.3f}  +  {look.weight:g} × {look.apart:.3f} from each other",
            f"=  {look.objective:.3f}: {look.proof}",
        ]
    _draw_head(sheet, picture, PHOTO, "A whole look", lines, last=cost)
    pen = ImageDraw.Draw(sheet)
    y = MARGIN + head + CAPTION
    if not look.slots:
        write(pen, (MARGIN, y), look.proof, 17, QUIET)
    if most:
        line = y + cards.HEIGHT + BETWEEN // 2
        pen.line((MARGIN, line, sheet.width - MARGIN, line), LINE)
    for number, slot in enumerate(look.slots):
        _draw_slot(sheet, (MARGIN + number * (cards.WIDTH + GAP), y), slot)
    return sheet


def draw_similar(found: Similar, photo: "Photo | None" = None) -> Image.Image:
    """Draw the product or the photo that was asked about, and the similar products of each category."""
    columns = _columns(found.categories)
    heights = [_height(section, columns) for section in found.categories]
    head = ASKED[1] + 2 * cards.PADDING
    sheet = _sheet(2 * MARGIN + columns * (cards.WIDTH + GAP) - GAP, head + GAP + sum(heights))
    asked = found.asked if found.product else Path(found.asked).name
    title = (found.product and found.product.title) or ""
    lines = [text for text in (title, asked, f"model {found.model}") if text]
    _draw_head(sheet, _picture_asked(found, photo), ASKED, "Look-alikes", lines)
    y = MARGIN + head + 2 * GAP
    for section, height in zip(found.categories, heights, strict=True):
        _draw_title(sheet, y, section.category)
        _draw_products(sheet, (MARGIN, y + SECTION_HEAD), section.products, columns)
        y += height
    return sheet


def draw_explanation(explanation: Explanation, photo: "Photo") -> Image.Image:
    """Draw a line for each product: its card, and the photo twice.

    The first photo shows the attention. The second is coloured by what makes the product nearer (orange) and
    what makes it farther (blue) than the category's average product.
    """
    picture = cards.contained(open_photo(photo, fit=max(EXPLAINED)), EXPLAINED)
    line = EXPLAINED_CAPTION + cards.HEIGHT + EXPLAINED_FOOT
    width = 2 * MARGIN + cards.WIDTH + 2 * (EXPLAINED[0] + 2 * cards.PADDING) + 2 * GAP
    sheet = _sheet(width, EXPLAINED_HEAD + line * len(explanation.products) - MARGIN // 2)
    pen = ImageDraw.Draw(sheet)
    room = width - 2 * MARGIN
    levels = split_path(explanation.category) or ("",)
    write(pen, (MARGIN, MARGIN + 26), f"Why these: {levels[-1]}", 32, INK, bold=True, room=room)
    said = (
        f"{Path(explanation.photo).name}  ·  model {explanation.model}  ·  {explanation.n_products:,} "
        f"products of the category, at {explanation.mean_distance:.3f} on average"
    )
    write(pen, (MARGIN, MARGIN + 58), said, 16, QUIET, room=room)
    x, y = MARGIN, MARGIN + 90
    for colour, text in ((LOCAL, "pulls the product nearer"), (GLOBAL, "pushes it away")):
        pen.rounded_rectangle((x, y - 10, x + 27, y - 4), 2, colour)
        x = round(x + 40 + write(pen, (x + 40, y), text, 15, QUIET)) + 32
    attention = np.asarray(explanation.attention, np.float32)
    looked = attended(picture, attention) if explanation.has_regions else picture
    greatest = max((max(map(abs, each.relative.regions)) for each in explanation.products), default=0.0)
    for number, product in enumerate(explanation.products):
        pulled = contributed(picture, np.asarray(product.relative.regions), greatest)
        _draw_explained(sheet, MARGIN + EXPLAINED_HEAD + number * line, product, (looked, pulled))
    return sheet


def _sheet(width: int, height: int) -> Image.Image:
    """An empty page with room of this height between its margins."""
    return Image.new("RGB", (width, 2 * MARGIN + height), PAPER)


def _draw_head(
    sheet: Image.Image,
    picture: Image.Image | None,
    box: tuple[int, int],
    title: str,
    lines: Sequence[str],
    last: str = "",
) -> tuple[int, int]:
    """Draw the photo at the top and the title with lines next to it; returns where the last line is."""
    x, y = MARGIN, MARGIN + 44
    if picture is not None:
        shown = cards.contained(picture, box)
        x += _draw_framed(sheet, (MARGIN, MARGIN), shown, shown.size) + 2 * GAP
    pen = ImageDraw.Draw(sheet)
    room = sheet.width - MARGIN - x
    write(pen, (x, y), title, 40, INK, bold=True, room=room)
    colours: list[Colour] = [QUIET] * len(lines) + [GLOBAL]
    for text, colour in zip([*lines, last] if last else lines, colours, strict=False):
        y += 36
        write(pen, (x, y), text, 19, colour, room=room)
    return x, y


def _draw_framed(
    sheet: Image.Image, place: tuple[int, int], picture: Image.Image, box: tuple[int, int]
) -> int:
    """Draw a card with a picture that is fitted into a box; returns the width of the card."""
    size = (box[0] + 2 * cards.PADDING, box[1] + 2 * cards.PADDING)
    cards.lay_card(sheet, place, size)
    cards.lay_picture(sheet, picture, (place[0] + cards.PADDING, place[1] + cards.PADDING), box)
    return size[0]


def _draw_title(sheet: Image.Image, y: int, category: str, notes: Sequence[str] = ()) -> None:
    """Draw a line, the last level of a category large, and the levels above it and notes small next to it."""
    pen = ImageDraw.Draw(sheet)
    pen.line((MARGIN, y, sheet.width - MARGIN, y), LINE)
    room = sheet.width - 2 * MARGIN
    levels = split_path(category) or ("",)
    used = write(pen, (MARGIN, y + 36), levels[-1], 25, INK, bold=True, room=room) + 16
    text = "   ·   ".join(note for note in (" › ".join(levels[:-1]), *notes) if note)
    if text and room - used > width_of("…", 16):
        write(pen, (MARGIN + used, y + 36), text, 16, QUIET, room=room - used)


def _draw_products(
    sheet: Image.Image, place: tuple[int, int], products: Sequence[RankedProduct], columns: int
) -> None:
    for number, product in enumerate(products):
        row, column = divmod(number, columns)
        at = (place[0] + column * (cards.WIDTH + GAP), place[1] + row * (cards.HEIGHT + GAP))
        cards.lay_product(sheet, at, product)
    if not products:
        middle = (place[0], place[1] + cards.HEIGHT // 2)
        write(ImageDraw.Draw(sheet), middle, "nothing of this category", 17, QUIET)


def _draw_slot(sheet: Image.Image, place: tuple[int, int], slot: Slot) -> None:
    x, y = place
    levels = split_path(slot.category) or ("",)
    write(ImageDraw.Draw(sheet), (x, y - 14), levels[-1], 18, INK, bold=True, room=cards.WIDTH)
    cards.lay_product(sheet, (x, y), slot.product, note="locked" if slot.locked else "")
    y += cards.HEIGHT + BETWEEN
    for each in slot.alternatives:
        cards.lay_product(sheet, (x, y), each)
        y += cards.HEIGHT + GAP


def _draw_explained(
    sheet: Image.Image, y: int, product: ExplainedProduct, pictures: tuple[Image.Image, Image.Image]
) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.line((MARGIN, y, sheet.width - MARGIN, y), LINE)
    y += EXPLAINED_CAPTION
    cards.lay_product(sheet, (MARGIN, y), product)
    x = MARGIN + cards.WIDTH + GAP
    relative = product.relative
    pull = (
        f"{abs(relative.distance):.3f} {'nearer' if relative.distance <= 0 else 'farther'} than average: "
        f"whole scene {relative.distance_global:+.3f}, regions {relative.distance_local:+.3f}"
    )
    for picture, caption in zip(pictures, ("where the model looks", pull), strict=True):
        width = _draw_framed(sheet, (x, y), picture, EXPLAINED)
        write(pen, (x, y - 12), caption, 15, QUIET, room=width)
        x += width + GAP


def _columns(sections: Sequence[Section | SimilarSection]) -> int:
    """How many products stand side by side, so that lines are about equally long."""
    most = max((len(section.products) for section in sections), default=0)
    return max(LEAST_COLUMNS, ceil(most / max(1, ceil(most / MOST_COLUMNS))))


def _height(section: Section | SimilarSection, columns: int) -> int:
    rows = max(1, ceil(len(section.products) / columns))
    return SECTION_HEAD + rows * (cards.HEIGHT + GAP) - GAP + SECTION_FOOT


def _picture_asked(found: Similar, photo: "Photo | None") -> Image.Image | None:
    """The picture that was asked about; None where a product's picture is gone."""
    if found.product is None:
        return open_photo(found.asked if photo is None else photo, fit=max(ASKED))
    try:
        return open_photo(Path(found.product.picture), fit=max(ASKED))
    except PictureError:
        return None


def _resolution(section: Section) -> str:
    known = section.resolved
    if known.category is None:
        return "the model does not know this category and looks everywhere alike"
    return "" if known.how == "exact" else f"looked at as {' › '.join(split_path(known.category))}"


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
