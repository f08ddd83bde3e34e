"""The showroom as a demo: a catalogue of its products, and rooms that its model has never seen."""

import re
import shutil
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from perfectlook.answers import Answer
from perfectlook.catalogue import Catalogue, SyncReport
from perfectlook.catalogue.sources import SetSource
from perfectlook.client import Client
from perfectlook.data import load_set
from perfectlook.data.layout import larger_copy
from perfectlook.data.scenes import split_of
from perfectlook.errors import CatalogueError, PerfectLookError, UsageError
from perfectlook.model.runtime import Model
from perfectlook.progress import ProgressOf
from perfectlook.service import server as running
from perfectlook.service.service import Service
from perfectlook.service.settings import Settings
from perfectlook.types import Product

ASKED = 3
"""Number of rooms that a check asks for."""
PORT = 8000
KINDS = {"living": "living-room", "bed": "bedroom", "dining": "dining-room", "study": "study"}
"""Kinds of rooms: the words in ids, and the words on the page."""
GERMAN = {
    "living": "Wohnzimmer",
    "bed": "Schlafzimmer",
    "dining": "Esszimmer",
    "study": "Arbeitszimmer",
    "classic": "klassisch",
    "coastal": "maritim",
    "colourful": "bunt",
    "industrial": "industriell",
    "midcentury": "Mid-Century",
    "nordic": "nordisch",
}
"""Kinds and styles of rooms in German, where a style follows its kind."""
SHOP = next(
    filter(
        Path.is_dir,
        (Path(__file__).with_name("shop_page"), Path(__file__).parents[2] / "examples" / "shop_page"),
    ),
    None,
)
"""Folder of the example shop's pages: a part of the wheel, and of a checkout."""
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Demo:
    """A set, a model that was trained on its training scenes, and a folder for everything else."""

    showroom: Path
    model: Path
    folder: Path
    locale: str = "en"

    @property
    def catalogue(self) -> Path:
        """Folder of the catalogue."""
        return self.folder / "catalogue"

    @property
    def samples(self) -> Path:
        """Folder of the sample rooms."""
        return self.folder / "rooms"

    def prepare(self, progress: ProgressOf | None = None) -> SyncReport:
        """Sync the catalogue, and copy the rooms of the test split. A second call takes little time.

        Raises:
            PerfectLookError: the set or the model is missing or damaged, or the folder cannot be used.
        """
        self._lay_out_rooms()
        with Catalogue.open(self.catalogue, create=True) as catalogue:
            source = _WithLinks(load_set(self.showroom))
            return catalogue.sync(source, Model.open(self.model), progress=progress, wait=60.0)

    def _lay_out_rooms(self) -> None:
        scenes = load_set(self.showroom).scenes
        held_out = [id_ for id_ in scenes if split_of(id_) == "test"]
        if not held_out:
            raise UsageError(f"{self.showroom}: has no scene in the test split. Choose a set that has one.")
        digits = len(str(len(held_out)))
        named = _named(_mixed(held_out), self.locale)
        pictures = [(larger_copy(scenes[id_].picture), name) for id_, name in named.items()]
        rooms = {
            f"{number:0{digits}}-{name}{picture.suffix}": picture
            for number, (picture, name) in enumerate(pictures, 1)
        }
        self.samples.mkdir(parents=True, exist_ok=True)
        for old in self.samples.iterdir():
            if old.name not in rooms:
                old.unlink()
        for name, picture in rooms.items():
            shutil.copyfile(picture, self.samples / name)


class _WithLinks(SetSource):
    """The products of a set, each with a link to its page in the example shop."""

    def products(self) -> Iterator[Product]:
        """Yield every product."""
        for each in super().products():
            yield replace(each, fields={"link": link_of(each.id), **each.fields})


def link_of(id_: str) -> str:
    """Return the address of a product's page in the example shop, relative to the service."""
    return f"shop/product.html?id={quote(id_, safe='')}"


def _words(id_: str) -> list[str]:
    """Return the words of an id: `room-classic-colourful-study-living-081c` has the four in the middle."""
    return re.sub(r"^room-|-\d+[a-z]*$", "", id_).split("-")


def _mixed(ids: Sequence[str]) -> list[str]:
    """Order the rooms so that neighbours differ: styles take turns, each with its least shown kind."""
    left = {id_: _words(id_) for id_ in sorted(ids)}
    styles, kinds, places = Counter[str](), Counter[str](), list(KINDS)

    def turn(id_: str) -> tuple[int, int, int, int]:
        *_, kind = words = left[id_]
        return styles[words[0]], kinds[kind], len(words), (*places, kind).index(kind)

    order: list[str] = []
    while left:
        order.append(min(left, key=turn))
        words = left.pop(order[-1])
        styles[words[0]] += 1
        kinds[words[-1]] += 1
    return order


def _named(ids: Sequence[str], locale: str = "en") -> dict[str, str]:
    """Name the rooms for the page: `room-nordic-bed-012a` becomes `nordic-bedroom`, numbered if not unique.

    A room of two styles, `room-classic-colourful-study-living-081c`, becomes
    `classic-study-and-colourful-living-room`. Other ids do not change. In German, the first room is a
    `Schlafzimmer-nordisch`.
    """
    names = {id_: _name(_words(id_), locale) for id_ in ids}
    times, seen = Counter(names.values()), Counter[str]()
    for id_, name in names.items():
        if times[name] > 1:
            seen[name] += 1
            names[id_] = f"{name}-{seen[name]}"
    return names


def _name(words: Sequence[str], locale: str) -> str:
    kinds = [word for word in words if word in KINDS]
    styles = [word for word in words if word not in KINDS]
    if not kinds or len(kinds) != len(styles):
        return "-".join(words)
    if locale == "de":
        found = (
            f"{GERMAN[kind]}-{GERMAN.get(style, style)}" for kind, style in zip(kinds, styles, strict=True)
        )
        return "-und-".join(found).replace("midcentury", "Mid-Century")
    kinds = [KINDS[kind] for kind in kinds]
    styles = [style.replace("midcentury", "mid-century") for style in styles]
    return "-and-".join(f"{style}-{kind}" for style, kind in zip(styles, kinds, strict=True))


@contextmanager
def serving(demo: Demo, port: int | None) -> Iterator[str]:
    """Serve the demo in a thread while the context lasts. Yield the address once it answers requests.

    Args:
        demo: a prepared demo.
        port: the port to listen on. None means 8000, or a free port if 8000 is taken.

    Raises:
        UsageError: the port is taken, or needs more rights.
        PerfectLookError: the model or the catalogue cannot be opened.
    """
    with _listening(port) as listener:
        address, number = listener.getsockname()
        settings = Settings(
            model=str(demo.model),
            catalogue=str(demo.catalogue),
            host=address,
            port=number,
            samples=str(demo.samples),
            locale=demo.locale,
            rate=0.0,
        )
        service = Service.open(settings)
        service.shop = SHOP
        with running.serving(service, listener):
            yield f"http://{address}:{number}/"


def check(url: str) -> Iterator[tuple[str, Answer]]:
    """Ask a server for some of its sample rooms, like the page. Yield the name and the answer of each.

    Raises:
        PerfectLookError: the server does not answer, has no samples, or has no product for one.
    """
    with Client(url) as client:
        rooms = [each.name for each in client.samples()][:ASKED]
        if not rooms:
            raise CatalogueError(f"{url}: has no sample rooms. Start it with --samples.")
        for room in rooms:
            answer = client.complete(sample=room, k=3, limit_categories=4)
            if not any(section.products for section in answer.categories):
                raise PerfectLookError(f"{url}: no product for the room '{room}'. Sync its catalogue again.")
            yield room, answer


def _listening(port: int | None) -> socket.socket:
    for number in (PORT, 0) if port is None else (port,):
        try:
            return running.listen(_HOST, number)
        except UsageError as error:
            reason = error
    raise reason
