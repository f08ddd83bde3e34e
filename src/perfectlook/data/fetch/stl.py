"""Pinterest's Shop The Look (Kang et al., "Complete the Look", CVPR 2019): Pins and the products in them.

fashion.json, home.json          one {"product", "scene", "bbox"} a line, by signature
fashion-cat.json, home-cat.json  {product: "Apparel & Accessories|Shoes"}
400x/aa/bb/cc/SIGNATURE.jpg      the picture whose signature begins with aabbcc
"""

import json
import re
from pathlib import Path
from typing import Any

from perfectlook.data.fetch.download import LISTING, Annotations, PublicSet, SetPlan, Wanted
from perfectlook.data.layout import JsonObject, ProblemKind, SetContent, lines_of, shown
from perfectlook.data.stl import LICENCE
from perfectlook.errors import DatasetError
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem

_SIGNATURE = re.compile(r"[0-9a-f]{32}")


def stl_set(part: str, what: str, size: str, *, rows: int, categories: int) -> PublicSet:
    """Return a part of the release, `fashion` or `home`, whose two files have this many entries."""
    return PublicSet(
        name=f"stl-{part}",
        what=what,
        home="https://github.com/kang205/STL-Dataset",
        size=size,
        licence=LICENCE,
        terms=(
            "The pictures belong to Pinterest's users and to shops, and no licence is given for them. Use "
            "them for research and measurement only, not commercially, and do not pass them on. A model "
            "trained on them is to be passed on, if at all, with a card that says so. Cite Kang et al., "
            "'Complete the Look: Scene-based Complementary Product Recommendation', CVPR 2019."
        ),
        roots={
            "": "https://raw.githubusercontent.com/kang205/STL-Dataset/HEAD/",
            "400x/": "https://i.pinimg.com/",
            LISTING: "https://api.github.com/repos/kang205/STL-Dataset/git/trees/HEAD?recursive=1",
        },
        plan=lambda annotations, limit: _plan(part, rows, categories, annotations, limit),
    )


STL_FASHION = stl_set(
    "fashion",
    "Pins of people, and what they wear",
    "72,198 pairs, 85,850 pictures of 400 pixels, roughly 2 GB",
    rows=72_198,
    categories=38_111,
)
STL_HOME = stl_set(
    "home",
    "Pins of rooms, and what stands in them",
    "93,274 pairs, 65,328 pictures of 400 pixels, roughly 2 GB",
    rows=93_274,
    categories=41_306,
)


def picture_path(signature: str) -> str:
    """Return where the picture of a signature lies, as the release's README says."""
    return f"400x/{signature[:2]}/{signature[2:4]}/{signature[4:6]}/{signature}.jpg"


def _plan(part: str, n_rows: int, n_categories: int, annotations: Annotations, limit: int | None) -> SetPlan:
    rows_path, categories_path = f"{part}.json", f"{part}-cat.json"
    rows_file, lines = annotations.read(rows_path, _lines)
    listed = annotations.read(categories_path, lambda file: JsonObject(file).entries)
    problems: list[Problem] = []
    whole = ((rows_path, len(lines), n_rows), (categories_path, len(listed), n_categories))
    for path, found, expected in whole if annotations.is_release else ():
        if found != expected:
            annotations.forget(path)
            reason = (
                f"holds {found:,} entries, and the release {expected:,}: cut short on its way, or changed; "
                "used as it is, and fetched again by the next run"
            )
            problems.append(Problem(path, path, reason, ProblemKind.INCOMPLETE))
    rows: list[dict[str, Any]] = []
    scenes: set[str] = set()
    for line, text in lines:
        row = _row(text)
        where = f"{rows_file}:{line}"
        if row is None:
            reason, item = "is no row of two signatures and a box; left out", text.decode("utf-8", "replace")
            problems.append(Problem(where, shown(item), reason, ProblemKind.MALFORMED))
        elif not isinstance(listed.get(row["product"]), str):
            reason = f"has no category in {categories_path}; its row is left out"
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
    """A file and its lines, by number; a last line that is cut off is a DatasetError."""
    lines = list(lines_of(file))
    if not lines:
        raise DatasetError(f"{file}: is empty; it must hold one row a line")
    number, last = lines[-1]
    try:
        json.loads(last)
    except (ValueError, RecursionError) as error:
        shortened = shown(last.decode("utf-8", "replace"))
        raise DatasetError(f"{file}:{number}: the last line is cut off ({shortened})") from error
    return file, lines


def _row(text: bytes) -> dict[str, Any] | None:
    """A row with exactly what a set's rows have; None if it is something else."""
    try:
        row = json.loads(text)
        found = {name: row[name] for name in ("product", "scene", "bbox")}
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    ids = (found["product"], found["scene"])
    return found if all(isinstance(each, str) and _SIGNATURE.fullmatch(each) for each in ids) else None
