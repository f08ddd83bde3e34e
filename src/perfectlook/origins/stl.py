"""Pinterest's Shop The Look (Kang et al., "Complete the Look", CVPR 2019): Pins and the products in them.

fashion.json, home.json          one {"product", "scene", "bbox"} a line, by signature
fashion-cat.json, home-cat.json  {product: "Apparel & Accessories|Shoes"}
400x/aa/bb/cc/SIGNATURE.jpg      the picture whose signature begins with aabbcc
"""

import json
import re
from pathlib import Path
from typing import Any

from perfectlook.datasets.jsonfiles import JsonObject, lines_of
from perfectlook.datasets.problems import ProblemKind, shown
from perfectlook.datasets.stl import LICENCE
from perfectlook.origins.gathering import Wanted
from perfectlook.origins.source import Annotations, Content, Plan, Source
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem

_SIGNATURE = re.compile(r"[0-9a-f]{32}")


def _source(part: str, what: str, size: str) -> Source:
    return Source(
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
        },
        plan=lambda annotations, limit: _plan(part, annotations, limit),
    )


STL_FASHION = _source(
    "fashion",
    "Pins of people, and what they wear",
    "72,198 pairs, 85,850 pictures of 400 pixels, roughly 2 GB",
)
STL_HOME = _source(
    "home",
    "Pins of rooms, and what stands in them",
    "93,274 pairs, 65,328 pictures of 400 pixels, roughly 2 GB",
)


def picture_path(signature: str) -> str:
    """Where the picture of a signature lies, as the release's README says."""
    return f"400x/{signature[:2]}/{signature[2:4]}/{signature[4:6]}/{signature}.jpg"


def _plan(part: str, annotations: Annotations, limit: int | None) -> Plan:
    rows_file, categories_file = annotations.file(f"{part}.json"), annotations.file(f"{part}-cat.json")
    listed = JsonObject(categories_file).entries
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    scenes: dict[str, None] = {}
    for line, text in lines_of(rows_file):
        row = _row(text)
        where = f"{rows_file}:{line}"
        if row is None:
            reason = "is no row of two signatures and a box; left out"
            problems.append(
                Problem(where, shown(text.decode("utf-8", "replace")), reason, ProblemKind.MALFORMED)
            )
        elif not isinstance(listed.get(row["product"]), str):
            reason = f"has no category in {categories_file.name}; its row is left out"
            problems.append(Problem(where, row["product"], reason, ProblemKind.UNKNOWN_PRODUCT))
        elif row["scene"] in scenes or limit is None or len(scenes) < limit:
            scenes[row["scene"]] = None
            rows.append(row)
    wanted = dict.fromkeys(
        Wanted(picture_path(row[what]), f"{what}s/{row[what]}.jpg")
        for row in rows
        for what in ("scene", "product")
    )

    def content(_folder: Path, there: set[str]) -> Content:
        both = [row for row in rows if f"scenes/{row['scene']}.jpg" in there and _product(row) in there]
        categories = {row["product"]: normalise(str(listed[row["product"]])) for row in both}
        return Content(both, categories, problems=problems)

    return Plan(list(wanted), content)


def _product(row: dict[str, Any]) -> str:
    return f"products/{row['product']}.jpg"


def _row(text: bytes) -> dict[str, Any] | None:
    """A row with exactly what a set's rows have; None where it is none."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or "bbox" not in row:
        return None
    ids = [row.get("product"), row.get("scene")]
    if not all(isinstance(each, str) and _SIGNATURE.fullmatch(each) for each in ids):
        return None
    return {"product": row["product"], "scene": row["scene"], "bbox": row["bbox"]}
