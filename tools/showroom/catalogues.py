"""Write models.json and roles.json again from pieces.toml and the furniture libraries.

python tools/showroom/catalogues.py --out FOLDER [--furniture FOLDER]
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from showroom import library

HERE = Path(__file__).resolve().parent


def written(entries: Mapping[str, object], name: str) -> None:
    """Return the object as JSON, with one entry on each line."""
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items())
    (HERE / name).write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description="Write models.json and roles.json again.")
    parser.add_argument("--out", type=Path, required=True, help="the folder make.py works in")
    parser.add_argument("--furniture", type=Path, default=library.FURNITURE)
    options = parser.parse_args(arguments)
    unpacked = options.out / "models"
    written(library.read_models(options.furniture), "models.json")
    library.unpack(options.furniture, unpacked)
    from showroom.photo import seen_roles  # needs models.json

    written({key: seen_roles(key, unpacked) for key in library.pieces()}, "roles.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
