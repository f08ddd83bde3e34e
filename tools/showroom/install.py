"""Make the bundled set from the pictures of make.py: JPEGs, pairs, products, manifest and credits.

    python tools/showroom/install.py --out FOLDER [--into src/perfectlook/showroom] [--display]

Needs no renderer. Any part of the pictures makes a valid set; products that no room shows are candidates too.
"""

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from showroom.credits import credits_of
from showroom.development import developed
from showroom.layout import plan
from showroom.make import DISPLAY
from showroom.plan import Room
from showroom.products import Product, catalogue

ROOT = Path(__file__).resolve().parents[2]
QUALITY, WEBP_QUALITY = 85, 82
PIXELS, AREA = 220, 0.004
SEEN, THIN = 0.1, 0.025
"""The least that a pair needs: visible pixels (of 110,592), the box's share of the picture, the visible share
of the piece, and, for thin pieces such as lamps, the share of the rectangle that the piece fills."""
LICENCE = "CC BY 3.0, rendered for this project from models under CC0 and CC BY 3.0; credits in CREDITS.md"

Json = dict[str, Any]


def jpeg(picture: Image.Image) -> bytes:
    """Encode the picture as JPEG."""
    data = io.BytesIO()
    picture.convert("RGB").save(data, "JPEG", quality=QUALITY, optimize=True, subsampling="4:2:0")
    return data.getvalue()


def webp(picture: Image.Image) -> bytes:
    """Encode the picture as WebP."""
    data = io.BytesIO()
    picture.convert("RGB").save(data, "WEBP", quality=WEBP_QUALITY, method=6)
    return data.getvalue()


def pairs_of(scene: str, sights: list[Json], sold: set[str]) -> Iterator[Json]:
    """Return the rows of a scene: the products that are visible enough, with their boxes."""
    for sight in sights:
        left, top, right, bottom = sight["box"]
        least = THIN if "lamp" in sight["product"] or "pendant" in sight["product"] else SEEN
        large = sight["pixels"] >= PIXELS and (right - left) * (bottom - top) >= AREA
        if sight["product"] in sold and large and sight["seen"] >= least:
            yield {"product": sight["product"], "scene": scene, "bbox": [left, top, right, bottom]}


def about_product(product: Product, data: bytes) -> Json:
    """Return the entry of a product in the manifest."""
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "seed": product.id,
        "styles": [product.style],
        "models": [] if product.piece.is_own else [product.piece.model],
    }


def about_room(room: Room, data: bytes) -> Json:
    """Return the entry of a scene in the manifest."""
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "seed": room.id,
        "styles": [zone.style for zone in room.zones],
        "models": sorted({item.piece.model for item in room.placed if not item.piece.is_own}),
    }


def install(out: Path, into: Path) -> Json:
    """Write the set."""
    products = {
        key: catalogue()[key] for key in sorted(catalogue()) if (out / "products" / f"{key}.png").is_file()
    }
    files: dict[str, bytes] = {}
    pictures: Json = {}
    for key, product in products.items():
        name = f"products/{key}.jpg"
        files[name] = jpeg(Image.open(out / "products" / f"{key}.png"))
        pictures[name] = about_product(product, files[name])
    rows: list[Json] = []
    for path in sorted((out / "rooms").glob("room-*.npz")):
        if path.name.endswith(".partial.npz"):
            continue
        with np.load(path) as saved:
            light, sights = saved["light"].astype(np.float32), json.loads(str(saved["sights"]))
        room = plan(path.stem)
        found = list(pairs_of(room.id, sights, set(products)))
        if not found:
            continue
        rows += found
        name = f"scenes/{room.id}.jpg"
        files[name] = jpeg(Image.fromarray(developed(light, room)))
        pictures[name] = about_room(room, files[name])
    files |= _texts(products, rows, pictures)
    _write(files, into, ("scenes", "products"))
    return {
        "scenes": len(pictures) - len(products),
        "products": len(products),
        "pairs": len(rows),
        "bytes": sum(map(len, files.values())),
    }


def install_larger(out: Path, into: Path) -> Json:
    """Write the larger copies of pictures of the set, as WebP."""
    files: dict[str, bytes] = {}
    for path in sorted((out / DISPLAY / "products").glob("*.png")):
        if (into / "products" / f"{path.stem}.jpg").is_file():
            files[f"{DISPLAY}/products/{path.stem}.webp"] = webp(Image.open(path))
    for path in sorted((out / DISPLAY / "rooms").glob("room-*.npz")):
        if (into / "scenes" / f"{path.stem}.jpg").is_file():
            with np.load(path) as saved:
                picture = developed(saved["light"].astype(np.float32), plan(path.stem))
            files[f"{DISPLAY}/scenes/{path.stem}.webp"] = webp(Image.fromarray(picture))
    _write(files, into, (f"{DISPLAY}/scenes", f"{DISPLAY}/products"))
    return {"pictures": len(files), "bytes": sum(map(len, files.values()))}


def _write(files: dict[str, bytes], into: Path, folders: tuple[str, ...]) -> None:
    """Write files, and delete those of earlier installations from the folders."""
    for folder in folders:
        (into / folder).mkdir(parents=True, exist_ok=True)
        for old in (into / folder).iterdir():
            if f"{folder}/{old.name}" not in files:
                old.unlink()
    for name, data in files.items():
        (into / name).write_bytes(data)


def _texts(products: dict[str, Product], rows: list[Json], pictures: Json) -> dict[str, bytes]:
    """Return the files of the set other than pictures."""
    used = {model for entry in pictures.values() for model in entry["models"]}
    return {
        "pairs.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "categories.json": _lines({key: product.category for key, product in products.items()}),
        "products.json": _lines({key: product.fields for key, product in products.items()}),
        "set.json": (json.dumps({"name": "showroom", "licence": LICENCE}, indent=1) + "\n").encode(),
        "manifest.json": _lines(dict(sorted(pictures.items()))),
        "CREDITS.md": credits_of(used).encode(),
    }


def _lines(entries: Json) -> bytes:
    """Return an object as JSON, with one entry on each line."""
    body = ",\n".join(
        f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items()
    )
    return f"{{\n{body}\n}}\n".encode()


def main(arguments: list[str]) -> int:
    """Parse the command line and write the set."""
    parser = argparse.ArgumentParser(description="Install the showroom.")
    parser.add_argument("--out", type=Path, required=True, help="the folder make.py wrote to")
    parser.add_argument("--into", type=Path, default=ROOT / "src" / "perfectlook" / "showroom")
    parser.add_argument("--display", action="store_true", help="write only the larger copies that people see")
    options = parser.parse_args(arguments)
    print(json.dumps((install_larger if options.display else install)(options.out, options.into)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
