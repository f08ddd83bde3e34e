"""The set ikea-rooms: rooms and products of IKEA (Tautkute et al., FedCSIS 2017).

images/room_scenes/NAME.jpg                      rooms
images/objects/ARTICLE.jpg, images/bed/…, …      products, some in a folder of their type
text_data/products_dict.p                        {article: {"name", "type", "color", …}}
text_data/item_to_room.p                         {picture of a product: its rooms}
"""

import builtins
import collections
import io
import pickle
from collections.abc import Mapping
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import Any

from perfectlook.data.fetch.download import FETCH_AGAIN, Annotations, SetPlan, Wanted, public_set
from perfectlook.data.layout import ProblemKind, SetContent
from perfectlook.errors import DatasetError
from perfectlook.types import Problem

# the category of types without a keyword: parasols, paper napkins, pens
OTHER = "Home & Garden|Decor"


def category_of(kind: str) -> str:
    """Return the taxonomy path of a type such as `Bedside table`. A slash counts as a comma."""
    text = kind.lower().replace("/", ",")
    by_category = IKEA_ROOMS.categories.items()
    return next((path for path, words in by_category if any(word in text for word in words)), OTHER)


def product_id(article: str) -> str:
    """Return the id of a product, from its article number `000.114.28`."""
    return md5(f"ikea/{article}".encode(), usedforsecurity=False).hexdigest()


def scene_id(file_name: str) -> str:
    """Return the id of a scene, from its picture's name `ikea-…-s4.jpg`."""
    return md5(f"ikea-room/{file_name}".encode(), usedforsecurity=False).hexdigest()


_ROOMS = "images/room_scenes/"
_PRODUCTS = "text_data/products_dict.p"
_PAIRS = "text_data/item_to_room.p"


def _plan(annotations: Annotations, limit: int | None) -> SetPlan:
    pictures = {
        path: blob
        for path, blob in sorted(annotations.listing().items())
        if path.startswith("images/") and path.lower().endswith((".jpg", ".jpeg", ".png"))
    }
    described = annotations.read(_PRODUCTS, read_dict)
    rooms: dict[str, Wanted] = {}
    articles: dict[str, Wanted] = {}
    for path, blob in pictures.items():
        name = PurePosixPath(path)
        if path.startswith(_ROOMS):
            rooms[name.stem] = Wanted(path, f"scenes/{scene_id(name.name)}.jpg", blob)
        else:
            articles[name.stem] = Wanted(path, f"products/{product_id(name.stem)}.jpg", blob)
    problems: list[Problem] = []
    first_of: dict[str, str] = {}
    same: dict[str, str] = {}  # articles with the same picture (sizes of one product) become one product
    for article, wanted in sorted(articles.items()):
        if isinstance(described.get(article), Mapping):
            same[article] = first_of.setdefault(pictures[wanted.path].sha, article)
        else:
            reason = f"has no description in {_PRODUCTS}. The product is left out."
            problems.append(Problem(wanted.path, article, reason, ProblemKind.NO_CATEGORY))
    pairs = _pairs(annotations.read(_PAIRS, read_dict), same, rooms, limit)
    shown = sorted({article for _, article in pairs} if limit is not None else set(same.values()))

    def content(there: set[str]) -> SetContent:
        ids = {each: product_id(each) for each in shown if articles[each].target in there}
        rows = [
            {"product": ids[article], "scene": PurePosixPath(rooms[room].target).stem, "bbox": None}
            for room, article in pairs
            if article in ids and rooms[room].target in there
        ]
        details = {id_: _details(described[article]) for article, id_ in ids.items()}
        categories = {id_: category_of(_text(described[article], "type")) for article, id_ in ids.items()}
        return SetContent(rows, categories, details, problems)

    seen = dict.fromkeys(room for room, _ in pairs)
    return [*(rooms[room] for room in seen), *(articles[article] for article in shown)], content


def _pairs(
    item_to_room: Mapping[Any, Any], same: Mapping[str, str], rooms: Mapping[str, Wanted], limit: int | None
) -> list[tuple[str, str]]:
    """Return room and article of every pair once. With a limit, only of that many rooms, by name."""
    found: dict[tuple[str, str], None] = {}
    for item, in_rooms in item_to_room.items():
        article = same.get(_stem(item))
        if article is not None:
            found |= {(room, article): None for room in _each(in_rooms) if room in rooms}
    chosen = sorted({room for room, _ in found})[:limit]
    return [pair for pair in found if pair[0] in chosen]


def _each(value: Any) -> list[str]:
    """Return the names of one room or of several, sorted so that the order is repeatable."""
    names = value if isinstance(value, list | tuple | set | frozenset | dict) else [value]
    return [_stem(name) for name in sorted(map(str, names))]


def _stem(name: object) -> str:
    """Return the name of a picture without folder and suffix. Article numbers also contain points."""
    last = PurePosixPath(str(name)).name
    return last[:-4] if last.lower().endswith((".jpg", ".png")) else last


def _details(described: Mapping[Any, Any]) -> dict[str, str]:
    kind, colour = _text(described, "type"), _text(described, "color") or _text(described, "colour")
    title = f"{_text(described, 'name')} {kind}".strip()
    return {name: value for name, value in (("color", colour), ("title", title), ("type", kind)) if value}


def _text(described: Mapping[Any, Any], name: str) -> str:
    value = described.get(name)
    return " ".join(value.split()) if isinstance(value, str) else ""


# the only classes that a pickle may name
_CONTAINERS = {
    **{("builtins", name): getattr(builtins, name) for name in ("dict", "frozenset", "list", "set", "tuple")},
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): collections.defaultdict,
}
_PYTHON_2 = {"__builtin__": "builtins"}


class _Containers(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _CONTAINERS.get((_PYTHON_2.get(module, module), name))
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed, only plain containers are")
        return found


def read_dict(file: Path) -> Mapping[Any, Any]:
    """Read a pickled dict of dicts, lists, sets, tuples, text and numbers, written by Python 2 or 3.

    Raises:
        DatasetError: it contains anything else, or is damaged. No code in it runs.
    """
    content = file.read_bytes()
    try:
        found = _Containers(io.BytesIO(content), encoding="utf-8", errors="replace").load()
    except Exception as error:  # the unpickler raises almost any type of error on invalid data
        reason = str(error) or type(error).__name__
        raise DatasetError(f"{file}: cannot be read ({reason}). {FETCH_AGAIN}") from error
    if not isinstance(found, Mapping):
        raise DatasetError(f"{file}: expected a dict, got {type(found).__name__}. {FETCH_AGAIN}")
    return found


IKEA_ROOMS = public_set("ikea-rooms", _plan)
