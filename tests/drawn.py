"""A set of drawn pictures in the set layout, with styles that a model can learn."""

import colorsys
import json
from hashlib import md5
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

FASHION = ("Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases|Handbags")
HOME = ("Furniture|Chairs", "Home & Garden|Decor|Rugs")

SCENE_SIZES = ((120, 160), (160, 120), (160, 160))
PRODUCT_SIZE = (96, 96)
SHAPES = ("ellipse", "rounded rectangle", "triangle")
TEXTURES = ("rows", "columns", "checks", "diagonals")


class Style(NamedTuple):
    """One of a number of styles, which decides hue and texture."""

    number: int
    of: int


def drawn_set(
    folder: Path,
    *,
    scenes: int = 60,
    products_per_category: int = 12,
    categories: tuple[str, ...] = FASHION,
    styles: int = 4,
    boxes: bool = True,
    seed: int = 0,
) -> Path:
    """Draw a set in `folder` and return it: scene n has style n % styles, and so have all its products.

    A style is a hue and a texture. Every scene has one product of each category, every fifth scene a second
    one of the first category (a multi-positive scene). Products stand in the scene inside their boxes, which
    leave enough of the picture for the crop rule. Ids are md5 hex; the same seed draws the same set.
    """
    random = np.random.default_rng(seed)
    for name in ("scenes", "products"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shapes = {category: SHAPES[place % len(SHAPES)] for place, category in enumerate(categories)}
    listed: dict[str, str] = {}
    of_style: dict[tuple[str, int], list[str]] = {}
    for category in categories:
        for number in range(products_per_category):
            product = md5(f"product {seed} {category} {number}".encode()).hexdigest()
            style = Style(number % styles, styles)
            listed[product] = category
            of_style.setdefault((category, style.number), []).append(product)
            white = Image.new("RGB", PRODUCT_SIZE, "white")
            left, top, right, bottom = random.uniform(0.04, 0.26, 4)  # products differ in form too
            around = (left, top, 1 - right, 1 - bottom)
            picture = _draw(white, around, shape=shapes[category], style=style, random=random)
            picture.save(folder / "products" / f"{product}.jpg", quality=90)
    rows = []
    for number in range(scenes):
        scene = md5(f"scene {seed} {number}".encode()).hexdigest()
        style = Style(number % styles, styles)
        wanted = [*categories, *(categories[:1] if number % 5 == 4 else ())]
        picture = _textured(SCENE_SIZES[number % len(SCENE_SIZES)], style, random)
        left = {category: list(of_style.get((category, style.number), [])) for category in categories}
        for place, category in enumerate(wanted):
            if not left[category]:
                continue
            product = left[category].pop(int(random.integers(len(left[category]))))
            box = _box(place, len(wanted), random)
            _draw(picture, box, shape=shapes[category], style=style, random=random)
            rows.append({"product": product, "scene": scene, "bbox": list(box) if boxes else None})
        picture.save(folder / "scenes" / f"{scene}.jpg", quality=90)
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "categories.json").write_text(json.dumps(listed), encoding="utf-8")
    return folder


def _box(place: int, places: int, random: np.random.Generator) -> tuple[float, float, float, float]:
    """Return slots next to each other in the upper or lower third, so that half of the picture stays free."""
    left = (place + 0.15) / places
    top = float(random.choice([0.05, 0.6])) + float(random.uniform(0, 0.05))
    return (round(left, 4), round(top, 4), round(left + 0.7 / places, 4), round(top + 0.28, 4))


def _shade(style: Style, lightness: float, random: np.random.Generator) -> NDArray[np.float64]:
    hue = (style.number + float(random.uniform(-0.15, 0.15))) / style.of
    return np.array(colorsys.hls_to_rgb(hue % 1, lightness, 0.7)) * 255


def _textured(size: tuple[int, int], style: Style, random: np.random.Generator) -> Image.Image:
    """Return a picture in two shades of the style's hue and its texture, with uneven light and some noise."""
    width, height = size
    down, across = np.mgrid[0:height, 0:width]
    period = 6 + 2 * (style.number // len(TEXTURES)) + int(random.integers(0, 3))
    down, across = down + int(random.integers(2 * period)), across + int(random.integers(2 * period))
    bands = {
        "rows": down // period,
        "columns": across // period,
        "checks": down // period + across // period,
        "diagonals": (down + across) // period,
    }[TEXTURES[style.number % len(TEXTURES)]]
    dark, light = _shade(style, 0.35, random), _shade(style, 0.65, random)
    pixels = np.where((bands % 2 == 0)[..., None], dark, light)
    # the light differs from scene to scene: no two drawn pictures are near-copies of each other
    spots = Image.fromarray(random.uniform(0.7, 1.3, (4, 4)).astype(np.float32))
    pixels = pixels * np.asarray(spots.resize(size, Image.Resampling.BICUBIC))[..., None]
    pixels = pixels + random.normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _draw(
    picture: Image.Image,
    box: tuple[float, float, float, float],
    *,
    shape: str,
    style: Style,
    random: np.random.Generator,
) -> Image.Image:
    """Draw a shape with the style's colours and texture inside the box, and return the picture."""
    left, top = round(box[0] * picture.width), round(box[1] * picture.height)
    right, bottom = round(box[2] * picture.width), round(box[3] * picture.height)
    filling = _textured((right - left, bottom - top), style, random)
    mask = Image.new("L", filling.size, 0)
    pen = ImageDraw.Draw(mask)
    corner = (filling.width - 1, filling.height - 1)
    if shape == "ellipse":
        pen.ellipse((0, 0, *corner), fill=255)
    elif shape == "rounded rectangle":
        pen.rounded_rectangle((0, 0, *corner), radius=min(corner) // 4, fill=255)
    else:
        pen.polygon([(corner[0] / 2, 0), corner, (0, corner[1])], fill=255)
    picture.paste(filling, (left, top), mask)
    return picture
