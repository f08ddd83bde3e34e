"""From real photos to recommendations: train, evaluate, sync a catalogue, complete five held-out scenes.

    python examples/demo.py [--set FOLDER] [--out FOLDER]

Reads the set `stl-fashion` from the folder that PERFECTLOOK_DATA names, unless --set names another.
"""

import argparse
import os
import sys
from pathlib import Path

from perfectlook.cli.main import main as perfectlook
from perfectlook.datasets import open_dataset
from perfectlook.datasets.split import split_of
from perfectlook.types import Scene

SCENES = 5
MISSING = """\
The demo needs real photos, and there are none here.

  Looked for: {looked_for}

It trains on a set of scene-product pairs in this layout:

  SET/pairs.jsonl        {{"product": id, "scene": id, "bbox": [left, top, right, bottom] or null}} a line
  SET/categories.json    {{product id: "Apparel & Accessories|Shoes", ...}}
  SET/scenes/ID.jpg      SET/products/ID.jpg

Name the folder that holds the set `stl-fashion`:   make demo PERFECTLOOK_DATA=FOLDER
or run it on any set of your own:                   .venv/bin/python examples/demo.py --set SET

`make test` needs no photos."""


def main() -> int:
    """Run the whole way; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", type=Path, metavar="FOLDER", help="default: PERFECTLOOK_DATA/stl-fashion")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), metavar="FOLDER")
    parser.add_argument("--epochs", default=None, help="at most this many")
    arguments = parser.parse_args()
    data = os.environ.get("PERFECTLOOK_DATA")
    chosen = arguments.set or (Path(data) / "stl-fashion" if data else None)
    if chosen is None or not chosen.is_dir():
        looked_for = chosen or "nothing: PERFECTLOOK_DATA is not set"
        print(MISSING.format(looked_for=looked_for), file=sys.stderr)
        return 1
    model, catalogue = str(arguments.out / chosen.name), str(arguments.out / "catalogue")
    epochs = ["--epochs", arguments.epochs] if arguments.epochs else []
    answers, sheet = str(arguments.out / "answers.json"), str(arguments.out / "sheet.png")
    scenes = [str(picture) for picture in held_out_scenes(chosen)]
    on_catalogue = ["--model", model, "--catalogue", catalogue]
    steps = [
        ["train", str(chosen), "--out", model, *epochs],
        ["evaluate", model, str(chosen), "--split", "test", "--json", str(arguments.out / "evaluation.json")],
        ["catalogue", "sync", str(chosen), *on_catalogue],
        ["complete", *scenes, *on_catalogue, "-k", "6", "--json", answers, "--sheet", sheet],
    ]
    for step in steps:
        print("\n$ perfectlook", " ".join(step), flush=True)
        code = perfectlook(step)
        if code:
            return code
    sheets = sorted(arguments.out.glob("sheet*.png"))
    print("\nLook at the sheets:", *(f"  {sheet}" for sheet in sheets), sep="\n")
    return 0


def held_out_scenes(folder: Path) -> list[Path]:
    """Pictures of test scenes with products of several categories, one of each: outfits, not collages."""
    dataset = open_dataset(folder)
    test = [scene for scene in dataset.scenes.values() if split_of(scene.id) == "test"]

    def merit(scene: Scene) -> tuple[bool, int, str]:
        known = dataset.positives[scene.id]
        categories = {dataset.products[product].category for product in known}
        return len(categories) < len(known), -len(categories), scene.id

    return [scene.picture for scene in sorted(test, key=merit)[:SCENES]]


if __name__ == "__main__":
    sys.exit(main())
