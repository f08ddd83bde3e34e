"""Pictures inside the page: small JPEGs as data addresses."""

from base64 import b64encode
from dataclasses import dataclass

from PIL import Image

from perfectlook.images import encode_jpeg, open_picture
from perfectlook.report.case import Case
from perfectlook.sheet.heat import attended
from perfectlook.types import Product, View

SCENE, PRODUCT, WHOLE = 460, 200, 150
"""The longer sides, in pixels: the scene as seen, a product, the whole picture beside it."""
SCENE_QUALITY, PRODUCT_QUALITY = 78, 80


@dataclass(frozen=True, slots=True)
class Inlined:
    """A picture in a page: its data address, and its size in pixels."""

    address: str
    width: int
    height: int

    @classmethod
    def of(cls, picture: Image.Image, quality: int) -> "Inlined":
        """Encode a picture."""
        content = b64encode(encode_jpeg(picture, quality)).decode("ascii")
        return cls(f"data:image/jpeg;base64,{content}", *picture.size)


@dataclass(frozen=True, slots=True)
class ScenePictures:
    """The pictures of a case's scene.

    Attributes:
        plain: the scene as the model sees it.
        looked: the same with the attention over it; None where there is no attention.
        whole: the whole picture; None where that is what the model sees.
    """

    plain: Inlined
    looked: Inlined | None
    whole: Inlined | None


def scene_pictures(case: Case) -> ScenePictures:
    """Draw the scene of a case.

    Raises:
        PictureError: it cannot be read any more.
    """
    seen = _small(case.view, SCENE)
    looked = None if case.attention is None else attended(seen, case.attention)
    whole = None if case.beside is None else _small(View(case.view.picture), WHOLE)
    return ScenePictures(
        Inlined.of(seen, SCENE_QUALITY),
        None if looked is None else Inlined.of(looked, SCENE_QUALITY),
        None if whole is None else Inlined.of(whole, SCENE_QUALITY),
    )


def product_picture(product: Product) -> Inlined:
    """Draw a product.

    Raises:
        PictureError: its picture cannot be read any more.
    """
    return Inlined.of(_small(View(product.picture), PRODUCT), PRODUCT_QUALITY)


def _small(view: View, side: int) -> Image.Image:
    picture = open_picture(view.picture, crop=view.crop, fit=2 * side)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture
