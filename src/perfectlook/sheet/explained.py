"""An explanation on one page: beside each product the photo with what its regions contribute."""

from pathlib import Path

from PIL import Image, ImageDraw

from perfectlook.recommender import ExplainedProduct, Explanation
from perfectlook.recommender.photo import Photo, opened_photo
from perfectlook.sheet import card
from perfectlook.sheet.heat import attended, contributed
from perfectlook.sheet.palette import GLOBAL, INK, LINE, LOCAL, PAPER, QUIET, Colour
from perfectlook.sheet.typeface import fitted, write
from perfectlook.taxonomy import split_path

MARGIN, GAP = 56, 18
PHOTO = (400, card.HEIGHT - 2 * card.PADDING)
"""Box of the photo beside each product, in pixels."""
HEAD, CAPTION, FOOT = 118, 40, 24
WIDTH = 2 * MARGIN + card.WIDTH + 2 * (PHOTO[0] + 2 * card.PADDING) + 2 * GAP


def draw_explanation(explanation: Explanation, photo: Photo) -> Image.Image:
    """Draw the sheet of an explanation of a photo.

    Each product has a line: its card, the photo with the attention over it, and the photo coloured by what
    makes this product nearer (orange) and what makes it farther (blue) than the category's average product.

    Raises:
        PictureError: the photo cannot be read.
    """
    picture = card.contained(opened_photo(photo, fit=max(PHOTO)), PHOTO)
    line = CAPTION + card.HEIGHT + FOOT
    sheet = Image.new("RGB", (WIDTH, MARGIN + HEAD + line * len(explanation.products) + MARGIN // 2), PAPER)
    _draw_head(sheet, explanation)
    looked = attended(picture, explanation.attention) if explanation.has_regions else picture
    greatest = max((abs(each.relative.regions).max() for each in explanation.products), default=0.0)
    for number, each in enumerate(explanation.products):
        pulled = contributed(picture, each.relative.regions[0], float(greatest))
        _draw_line(sheet, MARGIN + HEAD + number * line, each, (looked, pulled))
    return sheet


def _draw_head(sheet: Image.Image, explanation: Explanation) -> None:
    pen = ImageDraw.Draw(sheet)
    room = WIDTH - 2 * MARGIN
    levels = split_path(explanation.category) or ("",)
    write(pen, (MARGIN, MARGIN + 26), fitted(f"Why these: {levels[-1]}", 32, room), 32, INK, bold=True)
    said = (
        f"{Path(explanation.photo).name}  ·  model {explanation.model}  ·  {explanation.n_products:,} "
        f"products of the category, at {explanation.mean_distance:.3f} on average"
    )
    write(pen, (MARGIN, MARGIN + 58), fitted(said, 16, room), 16, QUIET)
    x = MARGIN
    for colour, text in ((LOCAL, "pulls the product nearer"), (GLOBAL, "pushes it away")):
        x = _key(pen, (x, MARGIN + 90), colour, text) + 32


def _key(pen: ImageDraw.ImageDraw, place: tuple[int, int], colour: Colour, text: str) -> int:
    """One entry of the legend; returns where it ends."""
    x, y = place
    pen.rounded_rectangle((x, y - 10, x + 27, y - 4), 2, colour)
    return round(x + 40 + write(pen, (x + 40, y), text, 15, QUIET))


def _draw_line(
    sheet: Image.Image, y: int, each: ExplainedProduct, pictures: tuple[Image.Image, Image.Image]
) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.line((MARGIN, y, WIDTH - MARGIN, y), LINE)
    y += CAPTION
    card.lay_product(sheet, (MARGIN, y), each.product)
    x = MARGIN + card.WIDTH + GAP
    for picture, caption in zip(pictures, ("where the model looks", _said(each)), strict=True):
        frame = (PHOTO[0] + 2 * card.PADDING, card.HEIGHT)
        card.lay_card(sheet, (x, y), frame)
        card.lay_picture(sheet, picture, (x + card.PADDING, y + card.PADDING), PHOTO)
        write(pen, (x, y - 12), fitted(caption, 15, frame[0]), 15, QUIET)
        x += frame[0] + GAP


def _said(each: ExplainedProduct) -> str:
    whole, regions = float(each.relative.whole[0]), float(each.relative.regions.sum())
    difference = whole + regions
    return (
        f"{abs(difference):.3f} {'nearer' if difference <= 0 else 'farther'} than average: "
        f"whole scene {whole:+.3f}, regions {regions:+.3f}"
    )
