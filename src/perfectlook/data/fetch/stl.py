"""Pinterest's Shop The Look (Kang et al., "Complete the Look", CVPR 2019): Pins and the products in them.

fashion.json, home.json          one {"product", "scene", "bbox"} a line, by signature
fashion-cat.json, home-cat.json  {product: "Apparel & Accessories|Shoes"}
400x/aa/bb/cc/SIGNATURE.jpg      the picture whose signature begins with aabbcc
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from perfectlook.data.fetch.download import LISTING, Wanted
from perfectlook.data.fetch.sources import Annotations, Content, Plan, Source
from perfectlook.data.layout import JsonObject, ProblemKind, lines_of, shown
from perfectlook.data.stl import LICENCE
from perfectlook.errors import DatasetError
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem

_SIGNATURE = re.compile(r"[0-9a-f]{32}")


class Release(NamedTuple):
    """How much a part of the public release holds."""

    rows: int
    categories: int


def stl_source(part: str, what: str, size: str, release: Release) -> Source:
    """A part of the release, `fashion` or `home`."""
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
            LISTING: "https://api.github.com/repos/kang205/STL-Dataset/git/trees/HEAD?recursive=1",
        },
        plan=lambda annotations, limit: _plan(part, release, annotations, limit),
    )


STL_FASHION = stl_source(
    "fashion",
    "Pins of people, and what they wear",
    "72,198 pairs, 85,850 pictures of 400 pixels, roughly 2 GB",
    Release(rows=72_198, categories=38_111),
)
STL_HOME = stl_source(
    "home",
    "Pins of rooms, and what stands in them",
    "93,274 pairs, 65,328 pictures of 400 pixels, roughly 2 GB",
    Release(rows=93_274, categories=41_306),
)


def picture_path(signature: str) -> str:
    """Where the picture of a signature lies, as the release's README says."""
    return f"400x/{signature[:2]}/{signature[2:4]}/{signature[4:6]}/{signature}.jpg"


def _plan(part: str, release: Release, annotations: Annotations, limit: int | None) -> Plan:
    lines, categories = _Whole(f"{part}.json", release.rows), _Whole(f"{part}-cat.json", release.categories)
    rows_file, texts = annotations.read(lines.path, _lines)
    listed = annotations.read(categories.path, lambda file: JsonObject(file).entries)
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    if annotations.is_release:
        problems += lines.unlike(len(texts), annotations) + categories.unlike(len(listed), annotations)
    scenes: dict[str, None] = {}
    for line, text in texts:
        row = _row(text)
        where = f"{rows_file}:{line}"
        if row is None:
            reason = "is no row of two signatures and a box; left out"
            problems.append(
                Problem(where, shown(text.decode("utf-8", "replace")), reason, ProblemKind.MALFORMED)
            )
        elif not isinstance(listed.get(row["product"]), str):
            reason = f"has no category in {categories.path}; its row is left out"
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


class _Whole(NamedTuple):
    """A file of the release, and how many entries it has when it is whole."""

    path: str
    entries: int

    def unlike(self, found: int, annotations: Annotations) -> list[Problem]:
        """What to say of a file that has more or fewer; it is fetched again next time."""
        if found == self.entries:
            return []
        annotations.forget(self.path)
        reason = (
            f"holds {found:,} entries, and the release {self.entries:,}: cut short on its way, or changed; "
            "used as it is, and fetched again by the next run"
        )
        return [Problem(self.path, self.path, reason, ProblemKind.INCOMPLETE)]


def _lines(file: Path) -> tuple[Path, list[tuple[int, bytes]]]:
    """A file and its lines, by number; the last one shows whether it was cut off in the middle of a line.

    Raises:
        DatasetError: it was.
    """
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
