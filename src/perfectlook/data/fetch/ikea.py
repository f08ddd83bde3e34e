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
import re
from collections.abc import Iterable, Mapping
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import Any

from perfectlook.data.fetch.download import LISTING, Annotations, PublicSet, SetPlan, Wanted
from perfectlook.data.layout import ProblemKind, SetContent
from perfectlook.errors import DatasetError
from perfectlook.types import Problem

OTHER = "Home & Garden|Decor"
"""The category of what no keyword names: parasols, paper napkins, pens."""

_TABLE = """
Hardware|Plumbing|Plumbing Fixtures|Faucets
    mixer tap
Hardware|Plumbing|Plumbing Fixtures|Sinks
    sink; wash-basin; washbasin; wash-stand; wsh-stnd
Home & Garden|Lighting|Lighting Fixtures|Ceiling Light Fixtures
    ceiling; pendant; chandelier; lamp shade
Home & Garden|Lighting|Lamps
    lamp; led ; light; lantern
Home & Garden|Decor|Mirrors
    mirror
Home & Garden|Decor|Clocks
    clock
Home & Garden|Decor|Rugs
    rug; bath mat; door mat; play mat; cow hide; sheepskin
Home & Garden|Decor|Window Treatments|Curtains & Drapes
    curtain; blind; bed canopy
Home & Garden|Linens & Bedding|Towels
    towel; washcloth
Furniture|Sofas
    sofa; chaise longue; conversation set
Home & Garden|Linens & Bedding|Bedding
    bedlinen; bed runner; bedspread; quilt; duvet; pillowcase; blanket; throw; sheet; mattress; sleeping bag
Home & Garden|Decor|Throw Pillows
    cushion; pillow; pad
Home & Garden|Lawn & Garden|Pots & Planters
    plant pot; planter; greenhouse; trellis; watering can; flower box
Furniture|Chairs|Table & Bar Stools
    stool; bench; pouffe; stepladder
Furniture|Chairs
    chair
Furniture|Beds
    bed; cot; headboard
Furniture|Tables
    table; desk; worktop; workstation; trestle
Furniture|Cabinets & Storage|Dressers & Wardrobes
    cabinet; chest of; wardrobe; drawer; unit; sideboard; bureau
Furniture|Shelving
    shelf; shelves; rack; bookcase; bracket; section; open storage; wall storage; storage combination
Home & Garden|Decor|Frames & Art
    frame; picture; poster; vase; decoration; candle; potted plant; noticeboard; magnetic board; glass dome
Home & Garden|Household Supplies|Storage & Organization
    box; basket; storage; container; hanger; hook; holder; stand; trolley; tray; rail; bin with lid
    sorting bin; magazine file; organiser; trunk; toilet brush; jar with lid
Home & Garden|Kitchen & Dining|Tableware
    plate; bowl; glass; cup; mug; jug; carafe; coaster; cutlery; teapot; place mat
Home & Garden|Kitchen & Dining|Appliances & Cookware
    hob; oven; microwave; fridge; extractor hood; casserole; pot with lid; saucepan; stockpot
    chopping board; cook's knife; coffee,tea maker; spice mill; dish; dispenser
Hardware|Hardware Accessories
    knob; handle; leg; door; cord; wall panel; decking; wood stain
Toys & Games|Toys
    toy; game; play; doll's; train set; block; baby; tent; children; puppet; costume; easel; mobile; rattle
    swing; beaker
"""
KEYWORDS = {
    category: tuple(keyword for line in lines.splitlines() for keyword in line.strip().split("; "))
    for category, lines in re.findall(r"^(\S.*)\n((?:    .*\n)+)", _TABLE, re.MULTILINE)
}
"""Words in a product's type, by category.

In this order: a `chair cushion` is found among cushions before chairs, a `towel rack` among towels.
"""


def category_of(kind: str) -> str:
    """Return the taxonomy path of a type, `Bedside table` (a slash counts as a comma: `Coffee/tea maker`)."""
    text = kind.lower().replace("/", ",")
    found = (category for category, words in KEYWORDS.items() if any(word in text for word in words))
    return next(found, OTHER)


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
    described = annotations.read(_PRODUCTS, _dict_of)
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
    same: dict[str, str] = {}  # sizes of one product share a picture: the first of them stands for all
    for article, wanted in sorted(articles.items()):
        if isinstance(described.get(article), Mapping):
            same[article] = first_of.setdefault(pictures[wanted.path].sha, article)
        else:
            reason = f"no description in {_PRODUCTS}; the product is left out"
            problems.append(Problem(wanted.path, article, reason, ProblemKind.NO_CATEGORY))
    pairs = _pairs(annotations.read(_PAIRS, _dict_of), same, rooms, limit)
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
    """Room and article of every pair, each once; of the first rooms by name, this many, or of all."""
    found: dict[tuple[str, str], None] = {}
    for item, in_rooms in item_to_room.items():
        article = same.get(_stem(item))
        if article is not None:
            found |= {(room, article): None for room in map(_stem, _each(in_rooms)) if room in rooms}
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


_CONTAINERS = {
    **{("builtins", name): getattr(builtins, name) for name in ("dict", "frozenset", "list", "set", "tuple")},
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): collections.defaultdict,
}
"""All that a pickle may name. Text and numbers need no name, and these only hold values."""
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
    except Exception as error:  # on garbage the unpickler raises nearly anything
        reason = str(error) or type(error).__name__
        message = f"{file}: not read ({reason}); fetch it again, from a place you trust"
        raise DatasetError(message) from error


def _dict_of(file: Path) -> Mapping[Any, Any]:
    found = read_plain_pickle(file)
    if not isinstance(found, Mapping):
        raise DatasetError(f"{file}: holds {type(found).__name__}, not a dict")
    return found


IKEA_ROOMS = PublicSet(
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
