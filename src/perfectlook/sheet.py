"""Draw answers as pictures: a photo and its products on one page.

`draw` draws every kind of answer. `answer.save(file)` calls it.
"""

import functools
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from PIL.ImageFont import FreeTypeFont, load_default, truetype

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
    counts,
    fitting,
)
from perfectlook.errors import PictureError
from perfectlook.evaluation.overlay import (
    CARD,
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
from perfectlook.images import open_picture
from perfectlook.taxonomy import split_path

if TYPE_CHECKING:
    from perfectlook.answers import DrawableAnswer
    from perfectlook.images import Photo

RADIUS = 12
PADDING = 12
PICTURE = 160
"""Side of the square for a product's picture, in pixels."""
CARD_WIDTH = PICTURE + 2 * PADDING
TITLE_SIZE, TITLE_LEADING, TITLE_LINES = 14, 19, 2
RANK_SIZE, ID_SIZE = 17, 12
REASON_LEADING, REASON_LINES = 15, 2
CARD_HEIGHT = 2 * PADDING + PICTURE + 34 + 12 + TITLE_LINES * TITLE_LEADING + REASON_LINES * REASON_LEADING

_SHADOW, _SOFTNESS, _OVERSAMPLED = 26, 9, 4

MARGIN, GAP = 56, 18
MOST_HEIGHT = 16_000
"""Maximum height of the products. A WebP picture may have 16,383 pixels."""
LEAST_COLUMNS, MOST_COLUMNS = 4, 10
"""Minimum and maximum number of products in a row."""
PHOTO, ASKED = (440, 340), (280, 280)
"""Boxes for the photo at the top, and for the product or photo of similar products, in pixels."""
HEAD = 210
"""Minimum height of the text next to the photo."""
LOOKED_AT = (CARD_WIDTH, 360)
"""Minimum and maximum width of the card with the photo and its attention."""
SECTION_HEAD, SECTION_FOOT = 58, 34
ROWS = (SECTION_HEAD + SECTION_FOOT - GAP, CARD_HEIGHT + GAP)
CAPTION, BETWEEN = 64, 44
"""Heights of the category's name above a slot's product, and of the line above the alternatives."""
EXPLAINED = (400, CARD_HEIGHT - 2 * PADDING)
"""Box for the photo next to an explained product."""
EXPLAINED_HEAD, EXPLAINED_CAPTION, EXPLAINED_FOOT = 118, 40, 24

LONGEST = 300
"""Maximum number of characters that are drawn of a text. No line can hold more."""

OWN = "own"
"""Name of Pillow's own font."""
FALLBACKS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "FreeSans.ttf",
    "unifont.otf",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "segoeui.ttf",
    "msyh.ttc",
    "seguisym.ttf",
)
"""System fonts for characters that Pillow's own font lacks. All are optional."""

_PROBE = 16
"""Font size for the check whether a font has a character."""
_ELLIPSIS = "…"
_NO_CHARACTER = "\U0010ffff"


def draw(answer: "DrawableAnswer", photo: "Photo") -> Image.Image:
    """Draw the page of an answer.

    A product without its picture gets a card that says so.

    Args:
        answer: an answer, a look, similar products or an explanation.
        photo: the photo of the request; not used for an answer about a product.

    Raises:
        PictureError: the photo cannot be read.
    """
    if isinstance(answer, Answer) and answer.product is None:
        return _draw_answer(answer, photo)
    if isinstance(answer, Look):
        return _draw_look(answer, photo)
    if isinstance(answer, Answer | Similar):
        return _draw_similar(answer, photo)
    assert isinstance(answer, Explanation)
    return _draw_explanation(answer, photo)


def _draw_answer(answer: Answer, photo: "Photo") -> Image.Image:
    """Draw the photo and each category's products, with the attention over the photo if regions count."""
    picture = open_picture(photo, fit=max(PHOTO))
    sections, left_out = fitting(answer.categories, _grid(answer.categories)[0], MOST_HEIGHT, *ROWS)
    columns, heights = _grid(sections)
    shown = round((CARD_HEIGHT - 2 * PADDING) * picture.width / picture.height) + 2 * PADDING
    looked_at = min(LOOKED_AT[1], max(LOOKED_AT[0], shown))
    looks = any(each.why and each.why.regions for section in sections for each in section.products)
    left = MARGIN + (looked_at + 2 * GAP if looks else 0)
    head = max(HEAD, _contained(picture, PHOTO).height + 2 * PADDING)
    sheet = _sheet(left + columns * (CARD_WIDTH + GAP) - GAP + MARGIN, head + GAP + sum(heights))
    categories, products = counts(answer.categories)
    lines = [Path(answer.photo).name, f"model {answer.model}  ·  {products}  ·  {categories}"]
    if answer.far_from_known:
        lines.append("far from the scenes that the model knows")
    lines += left_out
    x, y = _draw_head(sheet, picture, PHOTO, "Complete the look", lines)
    pen = ImageDraw.Draw(sheet)
    y += 52
    for colour, text in (
        (GLOBAL, "nearer than usual to the whole photo"),
        (LOCAL, "nearer than usual to its regions, weighted by attention"),
    )[: 2 * looks]:
        pen.rounded_rectangle((x, y - 9, x + 27, y - 5), 2, colour)
        write(pen, (x + 40, y), text, 15, QUIET, room=sheet.width - MARGIN - x - 40)
        y += 26
    y = MARGIN + head + 2 * GAP
    for section, height in zip(sections, heights, strict=True):
        likely = "" if section.suggested is None else f"completes the photo: {section.suggested:.0%}"
        if section.present:
            likely = "already there"
        _draw_title(sheet, y, section.category, [likely, _resolution(section)])
        if looks and section.attention:
            inner = (looked_at - 2 * PADDING, CARD_HEIGHT - 2 * PADDING)
            over = attended(_contained(picture, inner), np.asarray(section.attention.weights, np.float32))
            _draw_framed(sheet, (MARGIN, y + SECTION_HEAD), over, inner)
        _draw_products(sheet, (left, y + SECTION_HEAD), section.products, columns)
        y += height
    return sheet


def _draw_look(look: Look, photo: "Photo") -> Image.Image:
    """Draw the photo, and one column per slot, with the chosen product above its alternatives."""
    picture = _picture_asked(look, photo)
    head = PHOTO[1] + 2 * PADDING
    most = max((len(slot.alternatives) for slot in look.slots), default=0)
    below = BETWEEN + most * (CARD_HEIGHT + GAP) if most else 0
    columns = max(LEAST_COLUMNS, len(look.slots))
    width = 2 * MARGIN + columns * (CARD_WIDTH + GAP) - GAP
    sheet = _sheet(width, head + CAPTION + CARD_HEIGHT + below)
    cost = f"{look.price} of {look.budget}" if look.price and look.budget else look.price or ""
    lines = [f"{Path(look.asked).name}  ·  model {look.model}"]
    if look.slots:
        asked = "product" if look.product else "photo"
        lines += [
            f"to the {asked} {look.distance:.3f}  +  {look.weight:g} × {look.apart:.3f} between products",
            f"=  {look.objective:.3f}: {look.proof}",
        ]
    _draw_head(sheet, picture, PHOTO, "A whole look", lines, last=cost)
    pen = ImageDraw.Draw(sheet)
    y = MARGIN + head + CAPTION
    if not look.slots:
        write(pen, (MARGIN, y), look.proof, 17, QUIET)
    if most:
        line = y + CARD_HEIGHT + BETWEEN // 2
        pen.line((MARGIN, line, sheet.width - MARGIN, line), LINE)
    for number, slot in enumerate(look.slots):
        _draw_slot(sheet, (MARGIN + number * (CARD_WIDTH + GAP), y), slot)
    return sheet


def _draw_similar(found: Answer | Similar, photo: "Photo") -> Image.Image:
    """Draw the product or the photo of the request, and the products found in each category."""
    everything: Sequence[Section | SimilarSection] = found.categories
    sections, left_out = fitting(everything, _grid(everything)[0], MOST_HEIGHT, *ROWS)
    columns, heights = _grid(sections)
    head = ASKED[1] + 2 * PADDING
    sheet = _sheet(2 * MARGIN + columns * (CARD_WIDTH + GAP) - GAP, head + GAP + sum(heights))
    asked = found.asked if found.product else Path(found.asked).name
    title = (found.product and found.product.title) or ""
    lines = [text for text in (title, asked, f"model {found.model}", *left_out) if text]
    head_line = "Similar products" if isinstance(found, Similar) else "Goes with it"
    _draw_head(sheet, _picture_asked(found, photo), ASKED, head_line, lines)
    y = MARGIN + head + 2 * GAP
    for section, height in zip(sections, heights, strict=True):
        _draw_title(sheet, y, section.category)
        _draw_products(sheet, (MARGIN, y + SECTION_HEAD), section.products, columns)
        y += height
    return sheet


def _draw_explanation(explanation: Explanation, photo: "Photo") -> Image.Image:
    """Draw a row per product: its card, and the photo twice.

    The first photo shows the attention. The second shows which regions make the product nearer (orange) or
    farther (blue) than the average product of its category.
    """
    picture = _contained(open_picture(photo, fit=max(EXPLAINED)), EXPLAINED)
    line = EXPLAINED_CAPTION + CARD_HEIGHT + EXPLAINED_FOOT
    width = 2 * MARGIN + CARD_WIDTH + 2 * (EXPLAINED[0] + 2 * PADDING) + 2 * GAP
    products = explanation.products[: MOST_HEIGHT // line]
    sheet = _sheet(width, EXPLAINED_HEAD + line * len(products) - MARGIN // 2)
    pen = ImageDraw.Draw(sheet)
    room = width - 2 * MARGIN
    levels = split_path(explanation.category) or ("",)
    write(pen, (MARGIN, MARGIN + 26), f"Explained: {levels[-1]}", 32, INK, bold=True, room=room)
    summary = (
        f"{Path(explanation.photo).name}  ·  model {explanation.model}  ·  {explanation.n_products:,} "
        f"products in the category, mean distance {explanation.mean_distance:.3f}"
    )
    write(pen, (MARGIN, MARGIN + 58), summary, 16, QUIET, room=room)
    x, y = MARGIN, MARGIN + 90
    for colour, text in ((LOCAL, "makes the product nearer"), (GLOBAL, "makes it farther")):
        pen.rounded_rectangle((x, y - 10, x + 27, y - 4), 2, colour)
        x = round(x + 40 + write(pen, (x + 40, y), text, 15, QUIET)) + 32
    attention = np.asarray(explanation.attention, np.float32)
    looked = attended(picture, attention) if explanation.has_regions else picture
    greatest = max((max(map(abs, each.relative.regions)) for each in products), default=0.0)
    for number, product in enumerate(products):
        pulled = contributed(picture, np.asarray(product.relative.regions), greatest)
        _draw_explained(sheet, MARGIN + EXPLAINED_HEAD + number * line, product, (looked, pulled))
    return sheet


def _sheet(width: int, height: int) -> Image.Image:
    """Return an empty page with this height between its margins."""
    return Image.new("RGB", (width, 2 * MARGIN + height), PAPER)


def _draw_head(
    sheet: Image.Image,
    picture: Image.Image | None,
    box: tuple[int, int],
    title: str,
    lines: Sequence[str],
    last: str = "",
) -> tuple[int, int]:
    """Draw the photo at the top, and the title and lines next to it. Return the place of the last line."""
    x, y = MARGIN, MARGIN + 44
    if picture is not None:
        shown = _contained(picture, box)
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
    """Draw a card with a picture that is fitted into a box. Return the width of the card."""
    size = (box[0] + 2 * PADDING, box[1] + 2 * PADDING)
    _lay_card(sheet, place, size)
    _lay_picture(sheet, picture, (place[0] + PADDING, place[1] + PADDING), box)
    return size[0]


def _draw_title(sheet: Image.Image, y: int, category: str, notes: Sequence[str] = ()) -> None:
    """Draw the last level of a category in large letters, and its other levels and notes next to it."""
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
        at = (place[0] + column * (CARD_WIDTH + GAP), place[1] + row * (CARD_HEIGHT + GAP))
        _lay_product(sheet, at, product)
    if not products:
        middle = (place[0], place[1] + CARD_HEIGHT // 2)
        write(ImageDraw.Draw(sheet), middle, "no products", 17, QUIET)


def _draw_slot(sheet: Image.Image, place: tuple[int, int], slot: Slot) -> None:
    x, y = place
    levels = split_path(slot.category) or ("",)
    write(ImageDraw.Draw(sheet), (x, y - 14), levels[-1], 18, INK, bold=True, room=CARD_WIDTH)
    notes = [f"{slot.quantity} pieces"] if slot.quantity > 1 else []
    notes += ["locked"] if slot.locked else []
    _lay_product(sheet, (x, y), slot.product, note=", ".join(notes))
    y += CARD_HEIGHT + BETWEEN
    for each in slot.alternatives:
        _lay_product(sheet, (x, y), each)
        y += CARD_HEIGHT + GAP


def _draw_explained(
    sheet: Image.Image, y: int, product: ExplainedProduct, pictures: tuple[Image.Image, Image.Image]
) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.line((MARGIN, y, sheet.width - MARGIN, y), LINE)
    y += EXPLAINED_CAPTION
    _lay_product(sheet, (MARGIN, y), product)
    x = MARGIN + CARD_WIDTH + GAP
    relative = product.relative
    pull = (
        f"{abs(relative.distance):.3f} {'nearer' if relative.distance <= 0 else 'farther'} than average: "
        f"whole scene {relative.distance_global:+.3f}, regions {relative.distance_local:+.3f}"
    )
    for picture, caption in zip(pictures, ("where the model looks", pull), strict=True):
        width = _draw_framed(sheet, (x, y), picture, EXPLAINED)
        write(pen, (x, y - 12), caption, 15, QUIET, room=width)
        x += width + GAP


def _grid(sections: Sequence[Section | SimilarSection]) -> tuple[int, list[int]]:
    """Return the number of products in a row, for rows of about equal length, and the sections' heights."""
    counts = [len(section.products) for section in sections]
    most = max(counts, default=0)
    columns = max(LEAST_COLUMNS, ceil(most / max(1, ceil(most / MOST_COLUMNS))))
    rows = [max(1, ceil(count / columns)) for count in counts]
    return columns, [SECTION_HEAD + count * (CARD_HEIGHT + GAP) - GAP + SECTION_FOOT for count in rows]


def _picture_asked(found: Answer | Similar | Look, photo: "Photo") -> Image.Image | None:
    """Return the picture of the request, or None if the product's picture is missing."""
    if found.product is None:
        return open_picture(photo, fit=max(ASKED))
    with suppress(PictureError):
        return open_picture(Path(found.product.picture), fit=max(ASKED))
    return None


def _resolution(section: Section) -> str:
    known = section.resolved
    if known.category is None:
        return "the model does not know this category: uniform attention"
    return "" if known.how == "exact" else f"treated as {' › '.join(split_path(known.category))}"


def _lay_card(sheet: Image.Image, place: tuple[int, int], size: tuple[int, int]) -> None:
    """Draw an empty card."""
    x, y = place
    margin = 2 * _SOFTNESS
    sheet.paste((70, 55, 40), (x - margin, y - margin + 4), _shadow(size))
    sheet.paste(CARD, (x, y), _rounded(size, RADIUS))


def _lay_picture(
    sheet: Image.Image, picture: Image.Image, place: tuple[int, int], box: tuple[int, int], radius: int = 6
) -> None:
    """Draw a picture in the middle of a box, as large as possible, with rounded corners."""
    x, y = place
    picture = _contained(picture, box)
    at = (x + (box[0] - picture.width) // 2, y + (box[1] - picture.height) // 2)
    sheet.paste(picture, at, _rounded(picture.size, min(radius, *(side // 2 for side in picture.size))))


def _contained(picture: Image.Image, box: tuple[int, int]) -> Image.Image:
    """Return the picture scaled to fit into a box, at least one pixel wide and high."""
    scale = min(box[0] / picture.width, box[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _lay_product(
    sheet: Image.Image, place: tuple[int, int], product: RankedProduct, *, note: str = ""
) -> None:
    """Draw a product's card: picture, rank, price, distance, shares, title and reason.

    A `note` is drawn next to the price. By default it names the rules that moved the product.
    """
    _lay_card(sheet, place, (CARD_WIDTH, CARD_HEIGHT))
    x, y = place[0] + PADDING, place[1] + PADDING
    pen = ImageDraw.Draw(sheet)
    try:
        _lay_picture(sheet, open_picture(Path(product.picture), fit=PICTURE), (x, y), (PICTURE, PICTURE))
    except PictureError:
        _lay_placeholder(pen, (x, y))
    y += PICTURE + 24
    distance = f"{product.distance:.3f}"
    begin = x + write(pen, (x, y), f"{product.rank}", RANK_SIZE, INK, bold=True) + 6
    end = x + PICTURE - write(pen, (x + PICTURE, y), distance, TITLE_SIZE, QUIET, right=True) - 6
    moved = ", ".join(f"{rule.action} {rule.rule}" for rule in product.rules)
    if product.old_price:  # struck out, in front of the price that holds
        width = write(pen, (begin, y), product.old_price.partition(" ")[0], ID_SIZE, QUIET)
        pen.line((begin, y - 4, begin + width, y - 4), QUIET)
        begin += width + 4
    if details := ", ".join(part for part in (product.current_price, note or moved) if part):
        write(pen, (begin, y), details, ID_SIZE, QUIET, room=end - begin)
    y += 10
    if product.why and product.why.regions:  # otherwise the whole photo alone counts
        _lay_shares(pen, (x, y), product.why.whole)
    y += 12 + TITLE_LEADING
    title = wrapped(product.title or "", TITLE_SIZE, PICTURE, TITLE_LINES)
    if not title:
        write(pen, (x, y), product.id, ID_SIZE, QUIET, room=PICTURE)
    for line in title:
        write(pen, (x, y), line, TITLE_SIZE, INK)
        y += TITLE_LEADING
    y = place[1] + CARD_HEIGHT - PADDING - (REASON_LINES - 1) * REASON_LEADING
    for line in wrapped(product.reason.text, ID_SIZE, PICTURE, REASON_LINES) if product.reason else ():
        write(pen, (x, y), line, ID_SIZE, QUIET)
        y += REASON_LEADING


def _lay_shares(pen: ImageDraw.ImageDraw, place: tuple[int, int], share: float) -> None:
    """Draw a thin bar: the shares of the whole photo, and of its regions, in how much nearer it is."""
    x, y = place
    middle = x + round(PICTURE * min(1.0, max(0.0, share)))
    pen.rounded_rectangle((x, y, x + PICTURE - 1, y + 4), 2, LOCAL if middle < x + PICTURE else GLOBAL)
    if x < middle < x + PICTURE:
        pen.rounded_rectangle((x, y, middle - 1, y + 4), 2, GLOBAL)
        pen.rectangle((middle - 2, y, middle + 1, y + 4), CARD)


def _lay_placeholder(pen: ImageDraw.ImageDraw, place: tuple[int, int]) -> None:
    x, y = place
    pen.rounded_rectangle((x, y, x + PICTURE - 1, y + PICTURE - 1), 6, PAPER, LINE)
    for line, text in enumerate(("picture", "not found")):
        left = x + (PICTURE - width_of(text, TITLE_SIZE)) / 2
        write(pen, (left, y + PICTURE / 2 - 4 + line * TITLE_LEADING), text, TITLE_SIZE, QUIET)


@functools.lru_cache(64)
def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    """Return a mask with rounded corners, drawn larger and scaled down to smooth them."""
    large = Image.new("L", (size[0] * _OVERSAMPLED, size[1] * _OVERSAMPLED))
    corner = (large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius * _OVERSAMPLED, 255)
    return large.resize(size, Image.Resampling.BOX)


@functools.lru_cache(16)
def _shadow(size: tuple[int, int]) -> Image.Image:
    margin = 2 * _SOFTNESS
    shape = Image.new("L", (size[0] + 2 * margin, size[1] + 2 * margin))
    shape.paste(
        _rounded(size, RADIUS).point([round(value * _SHADOW / 255) for value in range(256)]), (margin, margin)
    )
    blurred = shape.filter(ImageFilter.GaussianBlur(_SOFTNESS))
    return ImageChops.add(blurred, Image.new("L", blurred.size))


def readable(text: str) -> str:
    """Return the text in one line, shortened to what a line can hold, without undrawable characters."""
    composed = unicodedata.normalize("NFC", text[:LONGEST])
    shown = "".join(c if c.isprintable() and _font_for(c, _PROBE) else " " for c in composed)
    return " ".join(shown.split())


def width_of(text: str, size: int) -> float:
    """Return the width of a line of text in pixels."""
    return sum(font.getlength(part) for font, part in _runs(text, size))


def write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    *,
    bold: bool = False,
    right: bool = False,
    room: float | None = None,
) -> float:
    """Write a line of text whose baseline starts (or, with `right`, ends) at `place`. Return its width.

    Text that is wider than `room` is shortened with an ellipsis.
    """
    if room is not None:
        text = fitted(text, size, room)
    width = width_of(text, size)
    x, y = place
    x -= width if right else 0
    for font, part in _runs(text, size):
        pen.text((x, y), part, colour, font, anchor="ls", stroke_width=size / 60 if bold else 0)
        x += font.getlength(part)
    return width


def fitted(text: str, size: int, width: float) -> str:
    """Return the text, shortened with an ellipsis if it is wider than `width`."""
    text = readable(text)
    if width_of(text, size) <= width:
        return text
    return text[: _fitting(text, size, width - width_of(_ELLIPSIS, size))].rstrip() + _ELLIPSIS


def wrapped(text: str, size: int, width: float, lines: int) -> list[str]:
    """Return the text in at most `lines` lines. If it is longer, the last line ends in an ellipsis."""
    rest = readable(text)
    done: list[str] = []
    while rest and len(done) < lines - 1:
        count = _fitting(rest, size, width)
        if count == len(rest):
            break
        space = rest.rfind(" ", 0, count + 1)
        count = space if space > 0 else max(count, 1)
        done.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    return [*done, fitted(rest, size, width)] if rest else done


def _fitting(text: str, size: int, width: float) -> int:
    """Return how many leading characters fit into `width`."""
    return bisect_right(range(1, len(text) + 1), width, key=lambda count: width_of(text[:count], size))


def _runs(text: str, size: int) -> Iterator[tuple[FreeTypeFont, str]]:
    """Yield the text in parts that one font can draw."""
    for name, characters in groupby(text, lambda character: _font_for(character, size)):
        font = _font(name or OWN, size)
        assert font is not None
        yield font, "".join(characters)


@functools.lru_cache(4096)
def _font_for(character: str, size: int) -> str | None:
    """Return the name of the first font that has a character, or None."""
    fonts = ((name, _font(name, size)) for name in (OWN, *FALLBACKS))
    return next((name for name, font in fonts if font and _has(font, character)), None)


def _has(font: FreeTypeFont, character: str) -> bool:
    if character.isspace():
        return True
    missing, drawn = font.getmask(_NO_CHARACTER), font.getmask(character)
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))


@functools.cache
def _font(name: str, size: int) -> FreeTypeFont | None:
    """Return a font by name, or None if the system does not have it."""
    if name == OWN:
        font = load_default(size)
        assert isinstance(font, FreeTypeFont)
        return font
    try:
        return truetype(name, size)
    except OSError:
        return None
