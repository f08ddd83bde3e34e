"""IKEA's rooms and what stands in them (Tautkute et al., "What Looks Good with my Sofa", FedCSIS 2017).

images/room_scenes/NAME.jpg                      rooms
images/objects/ARTICLE.jpg, images/bed/…, …      products, some in a folder of their kind
text_data/products_dict.p                        {article: {"name", "type", "color", …}}
text_data/item_to_room.p                         {picture of a product: rooms that it stands in}
"""

from collections.abc import Iterable, Mapping
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import Any

from perfectlook.datasets.problems import ProblemKind
from perfectlook.errors import DatasetError
from perfectlook.origins.gathering import Wanted
from perfectlook.origins.ikea_types import category_of
from perfectlook.origins.pickles import read_plain_pickle
from perfectlook.origins.place import LISTING, Blob
from perfectlook.origins.source import Annotations, Content, Plan, Source
from perfectlook.types import Problem

_ROOMS = "images/room_scenes"
_PRODUCTS = "text_data/products_dict.p"
_PAIRS = "text_data/item_to_room.p"


def product_id(article: str) -> str:
    """The id of a product, from its article number `000.114.28`."""
    return md5(f"ikea/{article}".encode(), usedforsecurity=False).hexdigest()


def scene_id(file_name: str) -> str:
    """The id of a scene, from its picture's name `ikea-…-s4.jpg`."""
    return md5(f"ikea-room/{file_name}".encode(), usedforsecurity=False).hexdigest()


def _plan(annotations: Annotations, limit: int | None) -> Plan:
    pictures = {
        path: blob
        for path, blob in annotations.listing().items()
        if path.startswith("images/") and path.lower().endswith((".jpg", ".jpeg", ".png"))
    }
    described = annotations.read(_PRODUCTS, _dict_of)
    rooms = {PurePosixPath(path).stem: path for path in pictures if path.startswith(f"{_ROOMS}/")}
    articles = {
        PurePosixPath(path).stem: path for path in sorted(pictures) if not path.startswith(f"{_ROOMS}/")
    }
    problems: list[Problem] = []
    same = _one_for_each_picture(articles, pictures, described, problems)
    pairs = _pairs(annotations.read(_PAIRS, _dict_of), same, rooms, limit)
    shown = {article for _, article in pairs} if limit is not None else set(same.values())
    wanted: dict[str, Wanted] = {}
    for room in dict.fromkeys(room for room, _ in pairs):
        path = rooms[room]
        wanted[f"room {room}"] = Wanted(path, f"scenes/{_scene(path)}.jpg", pictures[path])
    for article in sorted(shown):
        path = articles[article]
        wanted[article] = Wanted(path, f"products/{product_id(article)}.jpg", pictures[path])

    def content(_folder: Path, there: set[str]) -> Content:
        kept = [article for article in sorted(shown) if wanted[article].target in there]
        ids = {article: product_id(article) for article in kept}
        rows = [
            {"product": ids[article], "scene": _scene(rooms[room]), "bbox": None}
            for room, article in pairs
            if article in ids and wanted[f"room {room}"].target in there
        ]
        details = {ids[article]: _details(described[article]) for article in kept}
        categories = {ids[article]: category_of(_text(described[article], "type")) for article in kept}
        return Content(rows, categories, details, problems)

    return Plan(list(wanted.values()), content)


def _scene(path: str) -> str:
    return scene_id(PurePosixPath(path).name)


def _one_for_each_picture(
    articles: Mapping[str, str],
    pictures: Mapping[str, Blob],
    described: Mapping[Any, Any],
    problems: list[Problem],
) -> dict[str, str]:
    """The article that stands for each: the first of those that share a picture (sizes of one product)."""
    first: dict[str, str] = {}
    same: dict[str, str] = {}
    for article in sorted(articles):
        if not isinstance(described.get(article), Mapping):
            reason = f"no description in {_PRODUCTS}; the product is left out"
            problems.append(Problem(articles[article], article, reason, ProblemKind.NO_CATEGORY))
            continue
        same[article] = first.setdefault(pictures[articles[article]].sha, article)
    return same


def _pairs(
    item_to_room: Mapping[Any, Any], same: Mapping[str, str], rooms: Mapping[str, str], limit: int | None
) -> list[tuple[str, str]]:
    """Room and article of every pair, each once; of the first so many rooms, by name, or of all."""
    found: dict[tuple[str, str], None] = {}
    for item, in_rooms in item_to_room.items():
        article = same.get(_stem(item))
        if article is not None:
            for room in map(_stem, _each(in_rooms)):
                if room in rooms:
                    found[room, article] = None
    chosen = sorted({room for room, _ in found})[:limit]
    return [pair for pair in found if pair[0] in chosen]


def _each(value: Any) -> Iterable[Any]:
    """One room, or several; sets are sorted, for the same order every time."""
    if isinstance(value, str):
        return (value,)
    return sorted(map(str, value)) if isinstance(value, list | tuple | set | frozenset | dict) else ()


def _stem(name: object) -> str:
    """The name of a picture without folder and `.jpg` (article numbers have points too)."""
    last = PurePosixPath(str(name)).name
    return last[:-4] if last.lower().endswith((".jpg", ".png")) else last


def _details(described: Mapping[Any, Any]) -> dict[str, str]:
    kind, colour = _text(described, "type"), _text(described, "color") or _text(described, "colour")
    title = f"{_text(described, 'name')} {kind}".strip()
    return {name: value for name, value in (("color", colour), ("title", title), ("type", kind)) if value}


def _text(described: Mapping[Any, Any], name: str) -> str:
    value = described.get(name)
    return " ".join(value.split()) if isinstance(value, str) else ""


def _dict_of(file: Path) -> Mapping[Any, Any]:
    found = read_plain_pickle(file)
    if not isinstance(found, Mapping):
        raise DatasetError(f"{file}: holds {type(found).__name__}, not a dict")
    return found


IKEA_ROOMS = Source(
    name="ikea-rooms",
    what="IKEA's rooms, and the products that stand in them",
    home="https://github.com/IvonaTau/ikea",
    size="about 2,400 pictures, roughly 200 MB",
    licence="IKEA's pictures: non-commercial use only",
    terms=(
        "All pictures are property of IKEA and allowed for non-commercial use only; do not pass them on. A "
        "model trained on them is to be passed on, if at all, with a card that says so. Cite Tautkute et al."
        ", 'What Looks Good with my Sofa', FedCSIS 2017."
    ),
    roots={
        "": "https://raw.githubusercontent.com/IvonaTau/ikea/HEAD/",
        LISTING: "https://api.github.com/repos/IvonaTau/ikea/git/trees/HEAD?recursive=1",
    },
    plan=_plan,
)
