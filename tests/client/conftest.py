"""A drawn shop with prices, and its server. Tests that write use their own copies."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from drawn import drawn_set
from perfectlook import Client
from perfectlook.catalogue import Catalogue
from perfectlook.model.runtime import Model
from priced import PricedSet
from random_model import random_model
from serving import Running, Store, running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that tests must not change."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        source = drawn_set(folder / "set", scenes=8, products_per_category=9)
        model = random_model(source, folder / "model")
        with Catalogue.open(folder / "catalogue", create=True) as catalogue:
            catalogue.sync(PricedSet(source), Model.open(model), workers=1)
    return Store(source, model, folder / "catalogue")


@pytest.fixture(scope="session")
def shop(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that tests only read from."""
    folder = tmp_path_factory.mktemp("shop")
    samples = folder / "samples"
    samples.mkdir()
    shutil.copy(store.photos[0], samples / "living-room.jpg")
    with running(store, folder, samples=str(samples), allow_private=True) as found:
        yield found


@pytest.fixture(scope="session")
def client(shop: Running) -> Iterator[Client]:
    with Client(shop.url) as opened:
        yield opened


@pytest.fixture
def own_shop(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server whose catalogue a test may change."""
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path / "cache"))
    own = store._replace(catalogue=Path(shutil.copytree(store.catalogue, tmp_path / "catalogue")))
    with running(own, tmp_path, allow_private=True) as found:
        yield found


@pytest.fixture
def own_client(own_shop: Running) -> Iterator[Client]:
    """A client with a key."""
    key = own_shop.keyed.headers["authorization"].removeprefix("Bearer ")
    with Client(own_shop.url, key) as opened:
        yield opened
