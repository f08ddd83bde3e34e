"""Contact sheets of a set: its scenes by style, its products by category.

python tools/showroom/sheet.py SET --out FOLDER
"""

import argparse
import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw

COLUMNS, SCENE, PRODUCT = 6, (288, 216), (128, 128)


def sheet_of(pictures: list[tuple[Path, str]], size: tuple[int, int], columns: int) -> Image.Image:
    """Arrange pictures with their captions in rows."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * size[0], rows * (size[1] + 12)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (path, caption) in enumerate(pictures):
        x, y = i % columns * size[0], i // columns * (size[1] + 12)
        sheet.paste(Image.open(path).resize(size, Image.Resampling.LANCZOS), (x, y))
        pen.text((x + 2, y + size[1]), caption, fill="black")
    return sheet


def main(arguments: list[str]) -> int:
    """Parse the command line and write the sheets."""
    parser = argparse.ArgumentParser(description="Contact sheets of a set.")
    parser.add_argument("set", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((options.set / "manifest.json").read_text(encoding="utf-8"))
    scenes: dict[str, list[tuple[Path, str]]] = {}
    for name, entry in manifest.items():
        if name.startswith("scenes/"):
            key = entry["styles"][0] if len(entry["styles"]) == 1 else "two-styles"
            scenes.setdefault(key, []).append((options.set / name, Path(name).stem.removeprefix("room-")))
    for key, pictures in scenes.items():
        sheet_of(pictures, SCENE, COLUMNS).save(options.out / f"sheets-{key}.png")
    categories = json.loads((options.set / "categories.json").read_text(encoding="utf-8"))
    order = sorted(categories, key=lambda key: (key.split("-")[0], key.split("-")[-2], key))
    products = [(options.set / "products" / f"{key}.jpg", key) for key in order]
    sheet_of(products, PRODUCT, 12).save(options.out / "sheets-products.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
