"""Small mirrors of the public sets, with drawn pictures."""

import json
import pickle
from collections.abc import Mapping
from hashlib import md5
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.io import savemat

from perfectlook.data.fetch.download import blob_sha
from perfectlook.data.fetch.stl import picture_path
from web import Web, serve

SHOES, DRESSES = "Apparel & Accessories|Shoes", "Apparel & Accessories|Clothing|Dresses"


class Row(NamedTuple):
    """Return a row of the STL release, given the numbers of its pictures."""

    scene: int
    product: int


def signature(what: str, number: int) -> str:
    return md5(f"{what} {number}".encode()).hexdigest()


def stl_mirror(folder: Path, *, part: str = "fashion", scenes: int = 4) -> Path:
    """Scene n has products 2n and 2n+1, a shoe and a dress."""
    rows, categories = [], {}
    for scene in range(scenes):
        _picture(folder / picture_path(signature("scene", scene)), 40, 60, seed=scene)
        for product in (2 * scene, 2 * scene + 1):
            name = signature("product", product)
            _picture(folder / picture_path(name), 24, 24, seed=100 + product)
            categories[name] = DRESSES if product % 2 else SHOES
            box = [0.25, 0.5, 0.75, 1.0]
            rows.append({"product": name, "scene": signature("scene", scene), "bbox": box})
    (folder / f"{part}.json").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / f"{part}-cat.json").write_text(json.dumps(categories), encoding="utf-8")
    return folder


def ikea_mirror(folder: Path) -> Path:
    """Make a mirror with three rooms and five articles. Two share a picture, and one has no description."""
    for number, room in enumerate(("ikea-blue-s4", "ikea-green.room-s4", "ikea-red-s4")):
        _picture(folder / f"images/room_scenes/{room}.jpg", 48, 36, seed=number)
    _picture(folder / "images/bed/001.626.34.jpg", 24, 24, seed=10)
    _picture(folder / "images/objects/000.114.28.jpg", 24, 24, seed=11)
    _picture(folder / "images/objects/000.171.33.jpg", 24, 24, seed=12)
    _picture(folder / "images/objects/000.379.80.jpg", 24, 24, seed=11)  # the same as 000.114.28
    _picture(folder / "images/objects/999.999.99.jpg", 24, 24, seed=13)
    described = {
        "001.626.34": {"name": "MALM", "type": "Bed frame", "color": "White", "img": "001.626.34.jpg"},
        "000.114.28": {"name": "RENS", "type": "Sheepskin", "color": "white", "size": "60"},
        "000.379.80": {"name": "RENS", "type": "Sheepskin", "color": "white", "size": "90"},
        "000.171.33": {"name": "ARV", "type": "Side plate", "color": "blue"},
        "123.456.78": {"name": "GONE", "type": "Table", "color": "black"},
    }
    in_rooms = {
        "000.114.28.jpg": ["ikea-blue-s4.jpg"],
        "000.379.80.jpg": ["ikea-blue-s4.jpg", "ikea-red-s4.jpg"],
        "001.626.34.jpg": {"ikea-red-s4.jpg", "ikea-unknown-s4.jpg"},
        "999.999.99.jpg": ["ikea-blue-s4.jpg"],
        "123.456.78.jpg": ["ikea-blue-s4.jpg"],
    }
    texts = folder / "text_data"
    texts.mkdir()
    (texts / "products_dict.p").write_bytes(pickle.dumps(described, protocol=2))
    (texts / "item_to_room.p").write_bytes(pickle.dumps(in_rooms, protocol=0))
    return folder


LABELS = ["null", "skin", "shoes", "hair", "dress", "tie"]


def ccp_mirror(folder: Path) -> Path:
    """Make a mirror with two photos of 100×80 pixels with labels (see `ccp_labels`) and one without."""
    for number, labels in ccp_labels().items():
        (folder / "photos").mkdir(parents=True, exist_ok=True)
        height, width = labels.shape
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = 40 * labels  # a different red for each label
        Image.fromarray(pixels).save(folder / f"photos/{number}.jpg", "JPEG", quality=95, subsampling=0)
        _mat(folder / f"annotations/pixel-level/{number}.mat", {"groundtruth": labels})
    _picture(folder / "photos/0003.jpg", 20, 20, seed=3)
    cells = np.empty((1, len(LABELS)), dtype=object)
    cells[0, :] = LABELS
    _mat(folder / "label_list.mat", {"label_list": cells})
    return folder


def ccp_labels() -> Mapping[str, np.ndarray]:
    """0001: skin, a dress in columns 20..40 and rows 10..60, and two shoes; 0002: a tie, a speck of dress.

    A garment needs 0.15 % of 8,000 pixels: 12.
    """
    first = np.zeros((80, 100), np.uint8)
    first[0:10, 20:40] = 1
    first[10:60, 20:40] = 4
    first[70:75, 20:28] = 2
    first[70:75, 32:40] = 2
    second = np.zeros((80, 100), np.uint8)
    second[20:32, 50] = 5  # 12 pixels: just enough
    second[40:51, 10] = 4  # 11 pixels: too few
    return {"0001": first, "0002": second}


def publish(server: Web, folder: Path, *, listing: bool = True) -> str:
    """Serve the files of a mirror under /m, with the list of files that GitHub's API would return."""
    tree = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, content = file.relative_to(folder).as_posix(), file.read_bytes()
        server.answers[f"/m/{name}"] = serve(content)
        tree.append({"path": name, "type": "blob", "size": len(content), "sha": blob_sha(content)})
    if listing:
        body = json.dumps({"tree": [{"path": "images", "type": "tree"}, *tree], "truncated": False})
        server.answers["/m/tree.json"] = serve(body.encode())
    return server.url("/m")


def _mat(file: Path, variables: dict[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, variables, do_compression=True)


def _picture(file: Path, width: int, height: int, *, seed: int) -> None:
    """Draw soft noise, so that no two pictures are copies."""
    file.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(file, quality=90)
