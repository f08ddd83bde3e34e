"""The sheet of an explanation: a row per product, with the photo coloured by its contributions."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perfectlook.answers import (
    Contribution,
    ExplainedProduct,
    Explanation,
    Resolved,
)
from perfectlook.errors import PictureError
from perfectlook.sheet import CARD_HEIGHT, draw
from perfectlook.sheet import EXPLAINED_CAPTION as CAPTION
from perfectlook.sheet import EXPLAINED_FOOT as FOOT

PHOTO = Image.new("RGB", (300, 200), (128, 128, 128))


def product(rank: int, picture: Path, pull: float) -> ExplainedProduct:
    return ExplainedProduct(
        rank=rank,
        id=f"id-{rank}",
        distance=1.0,
        distance_global=0.5,
        distance_local=0.5,
        title="A chair",
        picture=str(picture),
        regions=[0.5 / 49] * 49,
        relative=Contribution(
            distance=pull - 0.25, distance_global=-0.25, distance_local=pull, regions=[pull, *[0.0] * 48]
        ),
    )


def explanation(*products: ExplainedProduct, has_regions: bool = True) -> Explanation:
    return Explanation(
        photo="a photo.jpg",
        model="a model",
        category="Furniture|Chairs",
        resolved=Resolved(category="Furniture|Chairs", how="exact"),
        n_products=9,
        mean_distance=1.5,
        has_regions=has_regions,
        rows=7,
        columns=7,
        attention=[1 / 49] * 49,
        products=[*products],
    )


def coloured(sheet: Image.Image, top: int) -> int:
    """Count the orange pixels in the right two fifths of a product's row, where the coloured photo is."""
    line = sheet.crop((3 * sheet.width // 5, top, sheet.width, top + CAPTION + CARD_HEIGHT))
    pixels = np.asarray(line).astype(int)
    return int((pixels[..., 0] > pixels[..., 2] + 40).sum())


def test_each_product_has_a_row_and_larger_contributions_more_colour(tmp_path: Path) -> None:
    picture = tmp_path / "product.png"
    Image.new("RGB", (50, 50), (30, 30, 200)).save(picture)
    one = draw(explanation(product(1, picture, -0.2)), PHOTO)
    two = draw(explanation(product(1, picture, -0.2), product(2, picture, -0.05)), PHOTO)
    line = CAPTION + CARD_HEIGHT + FOOT
    assert two.height - one.height == line
    top = two.height - 2 * line
    assert coloured(two, top - FOOT) > coloured(two, top - FOOT + line) >= 0


def test_a_global_model_and_a_missing_picture_are_drawn(tmp_path: Path) -> None:
    missing = product(1, tmp_path / "nowhere.png", 0.0)
    sheet = draw(explanation(missing, has_regions=False), PHOTO)
    assert sheet.height > CARD_HEIGHT


def test_an_explanation_without_products_is_drawn() -> None:
    assert draw(explanation(), PHOTO).width > 800


def test_a_photo_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="nowhere"):
        draw(explanation(), tmp_path / "nowhere.jpg")
