"""A set in the set layout, written row by row for tests of readers. Its pictures are empty files."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def row(scene: str, product: str, bbox: object = None) -> dict[str, object]:
    """A row of `pairs.jsonl`."""
    return {"product": product, "scene": scene, "bbox": bbox}


def written_set(
    folder: Path,
    *,
    rows: Iterable[Mapping[str, object] | str | bytes],
    categories: Mapping[str, object] | str,
    scenes: Iterable[str] = (),
    products: Iterable[str] = (),
    details: Mapping[str, object] | None = None,
) -> Path:
    """Write a set; text and bytes stand in the files as they are. Pictures are named with their suffix."""
    for name, pictures in (("scenes", scenes), ("products", products)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            (folder / name / picture).touch()
    (folder / "pairs.jsonl").write_bytes(b"".join(_line(each) for each in rows))
    text = categories if isinstance(categories, str) else json.dumps(categories, indent=0)
    (folder / "categories.json").write_text(text, encoding="utf-8")
    if details is not None:
        (folder / "products.json").write_text(json.dumps(details, indent=0), encoding="utf-8")
    return folder


def _line(each: Mapping[str, object] | str | bytes) -> bytes:
    if isinstance(each, bytes):
        return each + b"\n"
    return (each if isinstance(each, str) else json.dumps(each)).encode() + b"\n"
