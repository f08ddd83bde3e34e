"""A shop and its server, made once. Tests that write use their own copies."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from random_model import random_model
from serving import Running, Store, running, small_store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that tests must not change."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        return small_store(folder)


@pytest.fixture(scope="session")
def samples(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one sample scene."""
    folder = tmp_path_factory.mktemp("samples")
    shutil.copy(store.photos[0], folder / "living-room.jpg")
    return folder


@pytest.fixture(scope="session")
def shop(store: Store, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that tests only read from."""
    with running(store, tmp_path_factory.mktemp("shop"), samples=str(samples)) as found:
        yield found


@pytest.fixture(scope="session")
def other_model(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model for the same products."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        return random_model(store.source, tmp_path_factory.mktemp("other") / "other", seed=7)


@pytest.fixture
def own_store(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of the store that a test may change."""
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path / "cache"))
    return store._replace(catalogue=Path(shutil.copytree(store.catalogue, tmp_path / "catalogue")))


@pytest.fixture
def own_shop(own_store: Store, tmp_path: Path) -> Iterator[Running]:
    with running(own_store, tmp_path) as found:
        yield found
