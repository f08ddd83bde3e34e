"""Render the showroom: every product alone on white, and rooms in which the products stand.

    python tools/showroom/make.py --out FOLDER [--only products|rooms] [--rooms N] [--display]

`--display` renders the larger copies that people see: every product, and the rooms of the demo.

Pictures that exist are kept, so a stopped run continues. See README.md in this folder.
"""

import argparse
import hashlib
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from showroom import library

DISPLAY = "display"
"""Folder of the larger copies, in the output and in the set."""
LARGER, CLOSER = 2, 0.93
"""The factor of the larger copies, and the share of a product's picture that the piece fills."""


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Render the showroom.")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the pictures (PNG) and the products in each"
    )
    parser.add_argument("--only", choices=("products", "rooms"), help="render only these; by default both")
    parser.add_argument("--rooms", type=int, default=240, help="how many rooms (240)")
    parser.add_argument(
        "--furniture", type=Path, default=library.FURNITURE, help="folder of the .sh3f libraries"
    )
    parser.add_argument("--display", action="store_true", help="render the larger copies that people see")
    parser.add_argument("--limit", type=int, help="stop after this many new pictures")
    parser.add_argument(
        "--part", default="1/1", help="K/N: the K-th of N shares, for N processes side by side"
    )
    return parser.parse_args(arguments)


def spread(names: list[str]) -> list[str]:
    """Return names in an order in which the first ones are a mix of all kinds."""
    return sorted(names, key=lambda name: hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def _share(names: list[str], part: str) -> list[str]:
    k, n = (int(word) for word in part.split("/"))
    return names[k - 1 :: n]


def in_demo(room: str) -> bool:
    """Return whether the demo shows a room: the rule of `perfectlook.data.scenes.split_of` for tests."""
    return int(hashlib.md5(room.encode(), usedforsecurity=False).hexdigest()[:8], 16) % 10 == 9


def make_products(out: Path, unpacked: Path, part: str, limit: int | None, *, display: bool) -> None:
    """Render the products that have no picture yet."""
    from showroom.photo import FILLED, SIDE, photo
    from showroom.products import catalogue
    from showroom.surfaces import prepare

    folder = out / "products"
    folder.mkdir(parents=True, exist_ok=True)
    prepare()
    todo = [key for key in _share(spread(list(catalogue())), part) if not (folder / f"{key}.png").exists()][
        :limit
    ]
    for done, key in enumerate(todo, 1):
        started = time.monotonic()
        side, filled = (SIDE * LARGER, CLOSER) if display else (SIDE, FILLED)
        _save(photo(catalogue()[key], unpacked, side=side, filled=filled), folder / f"{key}.png")
        print(f"product {done}/{len(todo)} {key} {time.monotonic() - started:.1f} s", flush=True)


def make_rooms(out: Path, unpacked: Path, count: int, part: str, limit: int | None, *, display: bool) -> None:
    """Render the light of the rooms that have no picture yet, and record what each shows."""
    from showroom.layout import plan, room_ids
    from showroom.room import light_of
    from showroom.surfaces import prepare

    folder = out / "rooms"
    folder.mkdir(parents=True, exist_ok=True)
    prepare()
    ids = [id_ for id_ in room_ids(count) if not display or in_demo(id_)]
    todo = [key for key in _share(spread(ids), part) if not (folder / f"{key}.npz").exists()][:limit]
    for done, key in enumerate(todo, 1):
        started = time.monotonic()
        light, sights = light_of(plan(key), unpacked, larger=LARGER if display else 1)
        seen = json.dumps([asdict(sight) for sight in sights])
        partial = folder / f"{key}.partial.npz"
        np.savez_compressed(partial, light=np.minimum(light, 60000).astype(np.float16), sights=np.array(seen))
        partial.rename(folder / f"{key}.npz")
        print(f"room {done}/{len(todo)} {key} {time.monotonic() - started:.1f} s", flush=True)


def _save(picture: object, path: Path) -> None:
    """Write to a temporary file and rename it, so that no file is incomplete."""
    partial = path.with_suffix(".partial")
    Image.fromarray(picture).save(partial, format="PNG")  # type: ignore[arg-type]
    partial.rename(path)


def main(arguments: list[str]) -> int:
    """Parse the command line and render."""
    options = parsed(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    unpacked = options.out / "models"
    library.unpack(options.furniture, unpacked)
    out = options.out / DISPLAY if options.display else options.out
    if options.only != "rooms":
        make_products(out, unpacked, options.part, options.limit, display=options.display)
    if options.only != "products":
        make_rooms(out, unpacked, options.rooms, options.part, options.limit, display=options.display)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
