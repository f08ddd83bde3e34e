"""A folder with all files that the documentation's commands name."""

import csv
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from drawn import FASHION, drawn_set
from perfectlook.cli.main import main
from perfectlook.data import load_set
from perfectlook.model.adaptation import Moments, SceneStatistics
from perfectlook.model.files import SCENES
from random_model import random_model

CHAIRS = "Furniture|Chairs"
FEED = ("id", "title", "image_link", "category", "price", "brand", "availability")
RENAMED = ("sku", "title", "photo", "category", "price", "brand", "availability")


class Desk(NamedTuple):
    """The folder, and the drawn set in it."""

    folder: Path
    source: Path


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Made once. Tests must not change it: see `own_desk`."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        source = drawn_set(folder / "SET", scenes=30, products_per_category=6, categories=(*FASHION, CHAIRS))
        _tell_prices(source)
        random_model(source, folder / "MODEL")
        random_model(source, folder / "OTHER", seed=1)
        for name in ("rooms", "my-model", "my-ridge"):
            shutil.copytree(folder / "MODEL", folder / name)
        moments = Moments(np.zeros(36, np.float32), np.ones(36, np.float32))  # `adapt` reads them
        (folder / "rooms" / SCENES).write_bytes(SceneStatistics(moments).content())
        shutil.copytree(source, folder / "showroom")
        shutil.copytree(source, folder / "SOURCE")
        shutil.copytree(source, folder / "my-pictures", ignore=shutil.ignore_patterns("pairs.jsonl"))
        scenes = sorted((source / "scenes").iterdir())
        for name in ("photo.jpg", "room.jpg"):
            shutil.copy(scenes[0], folder / name)
        for name in ("shoe.jpg", "rug.jpg"):
            shutil.copy(min((source / "products").iterdir()), folder / name)
        for place in (folder, folder / "shop"):
            place.mkdir(exist_ok=True)
            shutil.copytree(source / "products", place / "pictures")
            _write_feed(source, place / "feed.csv", FEED)
        for name in ("export.txt", "export.csv"):
            _write_feed(source, folder / name, RENAMED)
        _write_own(source, folder)
        (folder / "rules.toml").write_text(
            '[[rule]]\naction = "boost"\nwhere = "brand = Acme"\nfactor = 0.9\n', encoding="utf-8"
        )
        for feed, catalogue in (("feed.csv", "CATALOGUE"), ("shop/feed.csv", "shop/catalogue")):
            arguments = ["catalogue", "sync", folder / feed, "--model", folder / "MODEL"]
            assert main([str(each) for each in (*arguments, "--catalogue", folder / catalogue)]) == 0
    return Desk(folder, source)


@pytest.fixture
def own_desk(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the desk as the current folder, which a test may change."""
    folder = Path(shutil.copytree(desk.folder, tmp_path / "desk"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
    for name in [name for name in os.environ if name.startswith("PERFECTLOOK_") and name.endswith("KEY")]:
        monkeypatch.delenv(name)
    return folder


def _tell_prices(source: Path) -> None:
    """Add titles, prices and brands, as a shop's set has them."""
    listed = {
        product.id: {"title": f"Number {number}", "price": f"{10 + 7 * (number % 13)}.90 EUR"}
        | {"brand": ("Acme", "Muji")[number % 2], "availability": "in_stock"}
        for number, product in enumerate(load_set(source).products.values())
    }
    (source / "products.json").write_text(json.dumps(listed), encoding="utf-8")


def _write_feed(source: Path, file: Path, header: Iterable[str]) -> None:
    """Write all products of a set as a CSV feed; the first one gets the id sku-4711."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(header)
        for number, product in enumerate(load_set(source).products.values()):
            fields = [product.fields[name] for name in ("price", "brand", "availability")]
            picture, category = f"pictures/{product.picture.name}", product.category.replace("|", " > ")
            rows.writerow(
                ["sku-4711" if number == 0 else product.id, product.title, picture, category, *fields]
            )


def _write_own(source: Path, folder: Path) -> None:
    """Write pictures and pairs as input of `data make`."""
    dataset = load_set(source)
    shutil.copytree(source / "scenes", folder / "photos")
    shutil.copytree(source / "products", folder / "items")
    with (folder / "pairs.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["scene", "product", "category"])
        for pair in dataset.pairs:
            rows.writerow([pair.scene, pair.product, dataset.products[pair.product].category])
