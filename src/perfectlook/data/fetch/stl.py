"""The STL sets: Shop The Look of Pinterest (Kang et al., "Complete the Look", CVPR 2019).

fashion.json, home.json          one {"product", "scene", "bbox"} a line, by signature
fashion-cat.json, home-cat.json  {product: "Apparel & Accessories|Shoes"}
400x/aa/bb/cc/SIGNATURE.jpg      the picture whose signature starts with aabbcc
"""

import json
import re
from pathlib import Path
from typing import Any

from perfectlook.data.fetch.download import FETCH_AGAIN, Annotations, SetPlan, Wanted, public_set
from perfectlook.data.layout import JsonObject, ProblemKind, SetContent, lines_of
from perfectlook.errors import DatasetError
from perfectlook.taxonomy import normalise
from perfectlook.texts import shown
from perfectlook.types import Problem

_SIGNATURE = re.compile(r"[0-9a-f]{32}")


def picture_path(signature: str) -> str:
    """Return the path of the picture of a signature, as in the README of the release."""
    return f"400x/{signature[:2]}/{signature[2:4]}/{signature[4:6]}/{signature}.jpg"


def _plan(annotations: Annotations, limit: int | None) -> SetPlan:
    rows_path, categories_path = annotations.source.entries
    rows_file, lines = annotations.read(rows_path, _lines)
    listed = annotations.read(categories_path, lambda file: JsonObject(file).entries)
    problems: list[Problem] = []
    for path, found in ((rows_path, len(lines)), (categories_path, len(listed))):
        expected = annotations.source.entries[path]
        if annotations.is_release and found != expected:
            annotations.forget(path)
            reason = (
                f"has {found:,} entries, but the release has {expected:,}; it was truncated or has changed. "
                "It is used now; run the command again to fetch it again."
            )
            problems.append(Problem(path, path, reason, ProblemKind.INCOMPLETE))
    rows: list[dict[str, Any]] = []
    scenes: set[str] = set()
    for line, text in lines:
        row = _row(text)
        where = f"{rows_file}, line {line}"
        if row is None:
            item = text.decode("utf-8", "replace")
            reason = "expected a product, a scene and a bbox. The row is left out."
            problems.append(Problem(where, shown(item), reason, ProblemKind.MALFORMED))
        elif not isinstance(listed.get(row["product"]), str):
            reason = f"has no category in {categories_path}. The row is left out."
            problems.append(Problem(where, row["product"], reason, ProblemKind.UNKNOWN_PRODUCT))
        elif row["scene"] in scenes or limit is None or len(scenes) < limit:
            scenes.add(row["scene"])
            rows.append(row)

    def target(row: dict[str, Any], what: str) -> str:
        return f"{what}s/{row[what]}.jpg"

    def content(there: set[str]) -> SetContent:
        both = [row for row in rows if target(row, "scene") in there and target(row, "product") in there]
        categories = {row["product"]: normalise(str(listed[row["product"]])) for row in both}
        return SetContent(both, categories, problems=problems)

    kinds = ("scene", "product")
    wanted = (Wanted(picture_path(row[what]), target(row, what)) for row in rows for what in kinds)
    return list(dict.fromkeys(wanted)), content


def _lines(file: Path) -> tuple[Path, list[tuple[int, bytes]]]:
    """Return a file and its numbered lines. DatasetError if it is empty or its last line is truncated."""
    lines = list(lines_of(file))
    if not lines:
        raise DatasetError(f"{file}: empty (0 rows). {FETCH_AGAIN}")
    number, last = lines[-1]
    try:
        json.loads(last)
    except (ValueError, RecursionError) as error:
        shortened = shown(last.decode("utf-8", "replace"))
        raise DatasetError(f"{file}, line {number}: truncated ({shortened}). {FETCH_AGAIN}") from error
    return file, lines


def _row(text: bytes) -> dict[str, Any] | None:
    """Return a row with product, scene and bbox only; None if the line is not a row."""
    try:
        row = json.loads(text)
        found = {name: row[name] for name in ("product", "scene", "bbox")}
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    ids = (found["product"], found["scene"])
    return found if all(isinstance(each, str) and _SIGNATURE.fullmatch(each) for each in ids) else None


STL_FASHION = public_set("stl-fashion", _plan)
STL_HOME = public_set("stl-home", _plan)
