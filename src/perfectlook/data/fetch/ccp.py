"""The set ccp-looks: street photos of Clothing Co-Parsing (Yang et al., CVPR 2014) and their garments.

    photos/0001.jpg                        a photo
    annotations/pixel-level/0001.mat       `groundtruth`: the label of every pixel (for 1,004 photos)
    label_list.mat                         `label_list`: the names of the labels, from number 0

Each garment that covers enough of its photo is cut out on white. Its box is the rectangle around its pixels.
"""

import io
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from perfectlook.data.fetch.download import ANNOTATIONS, FETCH_AGAIN, Annotations, SetPlan, Wanted, public_set
from perfectlook.data.layout import ProblemKind, SetContent
from perfectlook.errors import DatasetError, PictureError
from perfectlook.files import write_file
from perfectlook.images import encode_jpeg, open_picture
from perfectlook.types import BoolArray, IntArray, Problem, Rectangle

LEAST_SHARE = 0.0015  # the smallest share of the photo that a product covers
QUALITY = 92
LARGEST = 40_000_000  # the largest number of elements of a matrix
_LABELS = "annotations/pixel-level/"


def _plan(annotations: Annotations, limit: int | None) -> SetPlan:
    listing = annotations.listing()
    labels = annotations.read("label_list.mat", lambda file: read_names(file, "label_list"))
    matrices = sorted(path for path in listing if path.startswith(_LABELS) and path.endswith(".mat"))
    photos: list[tuple[str, Wanted, Wanted]] = []
    for path in matrices:
        number = PurePosixPath(path).stem
        photo = f"photos/{number}.jpg"
        if photo in listing:
            scene = Wanted(photo, f"scenes/{scene_id(number)}.jpg", listing[photo])
            matrix = Wanted(path, f"{ANNOTATIONS}/{path}", listing[path], is_picture=False)
            photos.append((number, scene, matrix))
    photos = photos[:limit]

    def content(there: set[str]) -> SetContent:
        made = SetContent()
        for number, scene, matrix in photos:
            if scene.target in there and matrix.target in there:
                files = annotations.folder / scene.target, annotations.folder / matrix.target
                try:
                    _add_garments(made, number, *files, labels)
                except (DatasetError, PictureError) as error:
                    cause = str(error).removesuffix(FETCH_AGAIN).rstrip(" .")
                    reason = f"{cause}. The photo is left out."
                    made.problems.append(Problem(matrix.path, scene.path, reason, ProblemKind.UNREADABLE))
        return made

    return [wanted for _, *both in photos for wanted in both], content


def _add_garments(made: SetContent, number: str, photo: Path, matrix: Path, labels: list[str]) -> None:
    """Add the garments of a photo to the set, in the order of their labels."""
    of_pixels = read_matrix(matrix, "groundtruth")
    height, width = of_pixels.shape
    picture = open_picture(photo)
    if picture.size != (width, height):
        size = f"{picture.width}×{picture.height}"
        raise DatasetError(f"{photo}: has {size} pixels, but its labels have {width}×{height}. {FETCH_AGAIN}")
    for value, count in zip(*np.unique(of_pixels, return_counts=True), strict=True):
        label = labels[value] if 0 <= value < len(labels) else ""
        if label not in CATEGORY_OF or count < LEAST_SHARE * of_pixels.size:
            continue
        mask: BoolArray = of_pixels == value
        product = product_id(number, label)
        file = photo.parents[1] / "products" / f"{product}.jpg"
        if not file.exists():  # written atomically, so an existing file is complete
            write_file(file, encode_jpeg(cut_out(picture, mask), QUALITY))
        made.categories[product] = CATEGORY_OF[label]
        left, top, right, bottom = rectangle_around(mask)
        box = [round(edge, 6) for edge in (left / width, top / height, right / width, bottom / height)]
        made.rows.append({"product": product, "scene": scene_id(number), "bbox": box})


def scene_id(number: str) -> str:
    """Return the id of a photo, from its number such as `0001`."""
    return md5(f"ccp/{number}".encode(), usedforsecurity=False).hexdigest()


def product_id(number: str, label: str) -> str:
    """Return the id of a garment, from the number of its photo and its label."""
    return md5(f"ccp/{number}/{label}".encode(), usedforsecurity=False).hexdigest()


def rectangle_around(mask: BoolArray) -> Rectangle:
    """Return the smallest rectangle around the pixels of a mask that is not empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return Rectangle(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def cut_out(photo: Image.Image, mask: BoolArray) -> Image.Image:
    """Return the pixels of a mask, centred on a white square that is 10 % larger."""
    rectangle = rectangle_around(mask)
    width, height = rectangle.right - rectangle.left, rectangle.bottom - rectangle.top
    side = max(width, height) * 11 // 10 + 2
    square = Image.new("RGB", (side, side), "white")
    part = Image.fromarray(mask[rectangle.top : rectangle.bottom, rectangle.left : rectangle.right])
    square.paste(photo.crop(rectangle), ((side - width) // 2, (side - height) // 2), part)
    return square


def read_matrix(file: Path, name: str) -> IntArray:
    """Read a matrix of whole numbers, [rows, columns].

    Raises:
        DatasetError: there is no such matrix, or the file is damaged.
    """
    matrix = _variable(file, name)
    if matrix.ndim != 2 or matrix.dtype.kind not in "uif" or not matrix.size:
        raise DatasetError(f"{file}: '{name}' is not a matrix of numbers. {FETCH_AGAIN}")
    numbers: IntArray = np.asarray(matrix).astype(np.int64)
    return numbers


def read_names(file: Path, name: str) -> list[str]:
    """Read the texts of a cell array, in order.

    Raises:
        DatasetError: there is no such array, or the file is damaged.
    """
    cells = _variable(file, name).ravel()
    names = [str(np.ravel(cell)[0]) if np.size(cell) else "" for cell in cells]
    if not names or cells.dtype.kind != "O":
        raise DatasetError(f"{file}: '{name}' is not a list of names. {FETCH_AGAIN}")
    return names


def _variable(file: Path, name: str) -> Any:
    from scipy.io import loadmat, whosmat

    content = file.read_bytes()
    try:  # check the sizes in the header first, because loadmat allocates memory for them
        _check(whosmat(io.BytesIO(content), appendmat=False), name)
        return loadmat(io.BytesIO(content), appendmat=False, variable_names=[name])[name]
    except Exception as error:  # scipy raises almost any type of error on invalid data
        reason = str(error) or type(error).__name__
        raise DatasetError(f"{file}: cannot be read ({reason}). {FETCH_AGAIN}") from error


def _check(listed: list[tuple[str, tuple[int, ...], str]], name: str) -> None:
    shapes = {found: shape for found, shape, _ in listed}
    if name not in shapes:
        raise ValueError(f"expected '{name}', got {', '.join(sorted(shapes)) or 'nothing'}")
    if np.prod(shapes[name], dtype=float) > LARGEST:
        raise ValueError(f"'{name}' has {'×'.join(map(str, shapes[name]))} elements, more than {LARGEST:,}")


CCP_LOOKS = public_set("ccp-looks", _plan, needs=("scipy", "data"))
CATEGORY_OF = {label: category for category, labels in CCP_LOOKS.categories.items() for label in labels}
