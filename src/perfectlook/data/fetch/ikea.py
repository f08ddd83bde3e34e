"""IKEA's rooms and what stands in them (Tautkute et al., "What Looks Good with my Sofa", FedCSIS 2017).

images/room_scenes/NAME.jpg                      rooms
images/objects/ARTICLE.jpg, images/bed/…, …      products, some in a folder of their kind
text_data/products_dict.p                        {article: {"name", "type", "color", …}}
text_data/item_to_room.p                         {picture of a product: rooms that it stands in}
"""

import builtins
import collections
import io
import pickle
from collections.abc import Iterable, Mapping
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import Any

from perfectlook.data.fetch.download import LISTING, Blob, Wanted
from perfectlook.data.fetch.sources import Annotations, Content, Plan, Source
from perfectlook.data.layout import ProblemKind
from perfectlook.errors import DatasetError
from perfectlook.types import Problem

_CONTAINERS = {
    **{("builtins", name): getattr(builtins, name) for name in ("dict", "frozenset", "list", "set", "tuple")},
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): collections.defaultdict,
}
"""All that a pickle may name. Text and numbers need no name, and none of these does anything but hold."""
_PYTHON_2 = {"__builtin__": "builtins"}


class _Containers(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _CONTAINERS.get((_PYTHON_2.get(module, module), name))
        if found is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, and only plain containers are read")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it refers to {str(pid)[:40]!r}, which lies outside of it")


def read_plain_pickle(file: Path) -> Any:
    """Read a pickle of dicts, lists, sets, tuples, text and numbers, written by Python 2 or 3.

    Raises:
        DatasetError: it holds anything else, or is damaged; nothing in it has been run.
    """
    content = file.read_bytes()
    try:
        return _Containers(io.BytesIO(content), encoding="utf-8", errors="replace").load()
    except (
        MemoryError,
        RecursionError,
        Exception,
    ) as error:  # on garbage the unpickler raises nearly anything
        reason = str(error) or type(error).__name__
        raise DatasetError(f"{file}: not read ({reason}); fetch it again, from a place you trust") from (
            error
        )


OTHER = "Home & Garden|Decor"
"""What no keyword names: parasols, paper napkins, pens."""

KEYWORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Hardware|Plumbing|Plumbing Fixtures|Faucets", ("mixer tap",)),
    (
        "Hardware|Plumbing|Plumbing Fixtures|Sinks",
        ("sink", "wash-basin", "washbasin", "wash-stand", "wsh-stnd"),
    ),
    (
        "Home & Garden|Lighting|Lighting Fixtures|Ceiling Light Fixtures",
        ("ceiling", "pendant", "chandelier", "lamp shade"),
    ),
    ("Home & Garden|Lighting|Lamps", ("lamp", "light", "lantern", "led ")),
    ("Home & Garden|Decor|Mirrors", ("mirror",)),
    ("Home & Garden|Decor|Clocks", ("clock",)),
    ("Home & Garden|Decor|Rugs", ("rug", "bath mat", "door mat", "play mat", "cow hide", "sheepskin")),
    ("Home & Garden|Decor|Window Treatments|Curtains & Drapes", ("curtain", "blind", "bed canopy")),
    ("Home & Garden|Linens & Bedding|Towels", ("towel", "washcloth")),
    ("Furniture|Sofas", ("sofa", "chaise longue", "conversation set")),
    (
        "Home & Garden|Linens & Bedding|Bedding",
        (
            "bedlinen",
            "bed runner",
            "bedspread",
            "quilt",
            "duvet",
            "pillowcase",
            "blanket",
            "throw",
            "sheet",
            "mattress",
            "sleeping bag",
        ),
    ),
    ("Home & Garden|Decor|Throw Pillows", ("cushion", "pillow", "pad")),
    (
        "Home & Garden|Lawn & Garden|Pots & Planters",
        ("plant pot", "planter", "greenhouse", "trellis", "watering can", "flower box"),
    ),
    ("Furniture|Chairs|Table & Bar Stools", ("stool", "bench", "pouffe", "stepladder")),
    ("Furniture|Chairs", ("chair",)),
    ("Furniture|Beds", ("bed", "cot", "headboard")),
    ("Furniture|Tables", ("table", "desk", "worktop", "workstation", "trestle")),
    (
        "Furniture|Cabinets & Storage|Dressers & Wardrobes",
        ("cabinet", "chest of", "wardrobe", "drawer", "unit", "sideboard", "bureau"),
    ),
    (
        "Furniture|Shelving",
        (
            "shelf",
            "shelves",
            "rack",
            "bookcase",
            "bracket",
            "section",
            "open storage",
            "wall storage",
            "storage combination",
        ),
    ),
    (
        "Home & Garden|Decor|Frames & Art",
        (
            "frame",
            "picture",
            "poster",
            "vase",
            "decoration",
            "candle",
            "potted plant",
            "noticeboard",
            "magnetic board",
            "glass dome",
        ),
    ),
    (
        "Home & Garden|Household Supplies|Storage & Organization",
        (
            "box",
            "basket",
            "storage",
            "container",
            "hanger",
            "hook",
            "holder",
            "stand",
            "trolley",
            "tray",
            "rail",
            "bin with lid",
            "sorting bin",
            "magazine file",
            "organiser",
            "trunk",
            "toilet brush",
            "jar with lid",
        ),
    ),
    (
        "Home & Garden|Kitchen & Dining|Tableware",
        (
            "plate",
            "bowl",
            "glass",
            "cup",
            "mug",
            "jug",
            "carafe",
            "coaster",
            "cutlery",
            "teapot",
            "place mat",
        ),
    ),
    (
        "Home & Garden|Kitchen & Dining|Appliances & Cookware",
        (
            "hob",
            "oven",
            "microwave",
            "fridge",
            "extractor hood",
            "casserole",
            "pot with lid",
            "saucepan",
            "stockpot",
            "chopping board",
            "cook's knife",
            "coffee,tea maker",
            "spice mill",
            "dish",
            "dispenser",
        ),
    ),
    (
        "Hardware|Hardware Accessories",
        ("knob", "handle", "leg", "door", "cord", "wall panel", "decking", "wood stain"),
    ),
    (
        "Toys & Games|Toys",
        (
            "toy",
            "game",
            "play",
            "doll's",
            "train set",
            "block",
            "baby",
            "tent",
            "children",
            "puppet",
            "costume",
            "easel",
            "mobile",
            "rattle",
            "swing",
            "beaker",
        ),
    ),
)
"""In this order: a `chair cushion` is found among cushions before chairs, a `towel rack` among towels."""


def category_of(kind: str) -> str:
    """The taxonomy path of a type, `Bedside table` (a slash counts as a comma: `Coffee/tea maker`)."""
    text = kind.lower().replace("/", ",")
    for category, keywords in KEYWORDS:
        if any(keyword in text for keyword in keywords):
            return category
    return OTHER


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
