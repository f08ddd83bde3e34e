"""Clothing Co-Parsing (Yang et al., CVPR 2014): street photos, and the garments cut out of them.

    photos/0001.jpg                        a photo
    annotations/pixel-level/0001.mat       `groundtruth`: the label of every pixel (1,004 photos have one)
    label_list.mat                         `label_list`: the names of the labels, the first of number 0

Each garment whose pixels are enough of the photo is cut out on white; the rectangle around them is its box.
"""

import io
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from perfectlook.data.fetch.download import LISTING, Wanted
from perfectlook.data.fetch.sources import Annotations, Content, Plan, Source
from perfectlook.data.layout import ProblemKind
from perfectlook.errors import DatasetError, MissingExtraError, PictureError
from perfectlook.files import write_file
from perfectlook.images import encode_jpeg, open_picture
from perfectlook.types import BoolArray, Box, IntArray, Problem, Rectangle

LARGEST = 40_000_000
"""Elements of the largest matrix that is read."""


def read_matrix(file: Path, name: str) -> IntArray:
    """The whole numbers of a matrix, [rows, columns].

    Raises:
        DatasetError: there is no such matrix, or the file is damaged.
        MissingExtraError: scipy is not installed.
    """
    matrix = _variable(file, name)
    if matrix.ndim != 2 or matrix.dtype.kind not in "uif" or not matrix.size:
        raise DatasetError(f"{file}: '{name}' is no matrix of numbers; delete the file and fetch it again")
    numbers: IntArray = np.asarray(matrix).astype(np.int64)
    return numbers


def read_names(file: Path, name: str) -> list[str]:
    """The texts of a cell array, in its order.

    Raises:
        DatasetError: there is no such array, or the file is damaged.
        MissingExtraError: scipy is not installed.
    """
    cells = _variable(file, name).ravel()
    names = [str(np.ravel(cell)[0]) if np.size(cell) else "" for cell in cells]
    if not names or cells.dtype.kind != "O":
        raise DatasetError(f"{file}: '{name}' is no list of names; fetch the file again")
    return names


def _variable(file: Path, name: str) -> Any:
    try:
        from scipy.io import loadmat, whosmat
    except ImportError as error:
        raise MissingExtraError("reading MATLAB files", "data") from error
    content = file.read_bytes()
    try:
        # what the header promises is what a reader would make room for
        _check(whosmat(io.BytesIO(content), appendmat=False), name)
        return loadmat(io.BytesIO(content), appendmat=False, variable_names=[name])[name]
    except Exception as error:  # on garbage scipy raises nearly anything
        reason = str(error) or type(error).__name__
        raise DatasetError(f"{file}: not read ({reason}); fetch it again") from error


def _check(listed: list[tuple[str, tuple[int, ...], str]], name: str) -> None:
    shapes = {found: shape for found, shape, _ in listed}
    if name not in shapes:
        raise ValueError(f"it holds {', '.join(sorted(shapes)) or 'nothing'}, and no '{name}'")
    if np.prod(shapes[name], dtype=float) > LARGEST:
        raise ValueError(f"'{name}' is of {'×'.join(map(str, shapes[name]))} elements")


LEAST_SHARE = 0.0015
"""A garment of fewer of the photo's pixels is too small to be a product."""
QUALITY = 92
_LABELS = "annotations/pixel-level/"

GARMENTS: dict[str, tuple[str, ...]] = {
    "Apparel & Accessories|Shoes": (
        "boots",
        "flats",
        "heels",
        "loafers",
        "pumps",
        "sandals",
        "shoes",
        "sneakers",
    ),
    "Apparel & Accessories|Clothing|Shirts & Tops": (
        "blouse",
        "bodysuit",
        "cardigan",
        "hoodie",
        "jumper",
        "shirt",
        "sweater",
        "sweatshirt",
        "t-shirt",
        "top",
        "vest",
    ),
    "Apparel & Accessories|Handbags, Wallets & Cases": ("bag", "purse", "wallet"),
    "Apparel & Accessories|Clothing|Pants": ("jeans", "leggings", "pants"),
    "Apparel & Accessories|Clothing|Outerwear|Coats & Jackets": ("blazer", "cape", "coat", "jacket"),
    "Apparel & Accessories|Clothing|Dresses": ("dress", "romper"),
    "Apparel & Accessories|Clothing Accessories|Sunglasses": ("glasses", "sunglasses"),
    "Apparel & Accessories|Clothing|Skirts": ("skirt",),
    "Apparel & Accessories|Clothing Accessories|Belts": ("belt",),
    "Apparel & Accessories|Clothing Accessories|Hats": ("hat",),
    "Apparel & Accessories|Clothing|Suits": ("suit",),
    "Apparel & Accessories|Clothing Accessories|Scarves & Shawls": ("scarf",),
    "Apparel & Accessories|Clothing|Shorts": ("shorts",),
    "Apparel & Accessories|Jewelry|Necklaces": ("necklace", "tie"),
    "Apparel & Accessories|Jewelry|Bracelets": ("bracelet",),
}
"""The labels that are products, by category; the others are skin, hair, or hardly ever seen."""

CATEGORY_OF = {label: category for category, labels in GARMENTS.items() for label in labels}


def scene_id(number: str) -> str:
    """The id of a photo, from its number `0001`."""
    return md5(f"ccp/{number}".encode(), usedforsecurity=False).hexdigest()


def product_id(number: str, label: str) -> str:
    """The id of a garment, from its photo's number and its label."""
    return md5(f"ccp/{number}/{label}".encode(), usedforsecurity=False).hexdigest()


def rectangle_around(mask: BoolArray) -> Rectangle:
    """The smallest rectangle that holds every pixel of a mask which has any."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return Rectangle(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def cut_out(photo: Image.Image, mask: BoolArray) -> Image.Image:
    """The pixels of a mask, in the middle of a white square a tenth larger than they are."""
    rectangle = rectangle_around(mask)
    width, height = rectangle.right - rectangle.left, rectangle.bottom - rectangle.top
    side = max(width, height) * 11 // 10 + 2
    square = Image.new("RGB", (side, side), "white")
    part = Image.fromarray(mask[rectangle.top : rectangle.bottom, rectangle.left : rectangle.right])
    square.paste(photo.crop(rectangle), ((side - width) // 2, (side - height) // 2), part)
    return square


def _plan(annotations: Annotations, limit: int | None) -> Plan:
    listing = annotations.listing()
    labels = annotations.read("label_list.mat", lambda file: read_names(file, "label_list"))
    numbers = sorted(
        PurePosixPath(path).stem for path in listing if path.startswith(_LABELS) and path.endswith(".mat")
    )
    numbers = [number for number in numbers if f"photos/{number}.jpg" in listing][:limit]
    wanted = []
    for number in numbers:
        photo, matrix = f"photos/{number}.jpg", f"{_LABELS}{number}.mat"
        wanted.append(Wanted(photo, f"scenes/{scene_id(number)}.jpg", listing[photo]))
        wanted.append(Wanted(matrix, f"source/{matrix}", listing[matrix], is_picture=False))

    def content(folder: Path, there: set[str]) -> Content:
        made = Content()
        for photo, matrix in zip(wanted[::2], wanted[1::2], strict=True):
            if photo.target in there and matrix.target in there:
                try:
                    made.rows += _garments(folder, photo, matrix, labels, made.categories)
                except (DatasetError, PictureError) as error:
                    made.problems.append(Problem(matrix.path, photo.path, str(error), ProblemKind.UNREADABLE))
        return made

    return Plan(wanted, content)


def _garments(
    folder: Path, photo: Wanted, matrix: Wanted, labels: list[str], categories: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Cut the garments out of a photo, in the order of their labels, and tell where each is."""
    of_pixels = read_matrix(folder / matrix.target, "groundtruth")
    height, width = of_pixels.shape
    picture = open_picture(folder / photo.target)
    if picture.size != (width, height):
        size = f"{picture.width}×{picture.height}"
        raise DatasetError(f"{photo.path} is of {size} pixels and its labels of {width}×{height}; left out")
    number = PurePosixPath(photo.path).stem
    for value, count in zip(*np.unique(of_pixels, return_counts=True), strict=True):
        label = labels[value] if 0 <= value < len(labels) else ""
        if label not in CATEGORY_OF or count < LEAST_SHARE * of_pixels.size:
            continue
        mask: BoolArray = of_pixels == value
        product = product_id(number, label)
        file = folder / "products" / f"{product}.jpg"
        if not file.exists():  # written in one step, so it is whole
            write_file(file, encode_jpeg(cut_out(picture, mask), QUALITY))
        categories[product] = CATEGORY_OF[label]
        box = _normalised(rectangle_around(mask), width, height)
        yield {"product": product, "scene": scene_id(number), "bbox": list(box)}


def _normalised(rectangle: Rectangle, width: int, height: int) -> Box:
    left, top, right, bottom = rectangle
    return Box(*(round(edge, 6) for edge in (left / width, top / height, right / width, bottom / height)))


CCP_LOOKS = Source(
    name="ccp-looks",
    what="street photos, and the garments cut out of them",
    home="https://github.com/bearpaw/clothing-co-parsing",
    size="1,004 photos and their labels, roughly 200 MB",
    licence="Apache-2.0 (Clothing Co-Parsing, Yang et al. 2014)",
    terms=(
        "Clothing Co-Parsing is given under the Apache License 2.0: keep its notice when you pass any of it "
        "on. The people in the photos have rights of their own. Cite Yang et al., 'Clothing Co-Parsing by "
        "Joint Image Segmentation and Labeling', CVPR 2014."
    ),
    roots={
        "": "https://raw.githubusercontent.com/bearpaw/clothing-co-parsing/HEAD/",
        LISTING: "https://api.github.com/repos/bearpaw/clothing-co-parsing/git/trees/HEAD?recursive=1",
    },
    plan=_plan,
    needs=(("scipy",), "data"),
)
