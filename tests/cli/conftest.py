"""A small shop for the commands: a drawn set, two models with random weights."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from drawn import drawn_set
from perfectlook.cli.main import main
from random_model import random_model


class Shop(NamedTuple):
    source: Path
    model: Path
    other_model: Path

    @property
    def photos(self) -> list[Path]:
        return sorted((self.source / "scenes").iterdir())


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop that is made once. Tests must not change it."""
    folder = tmp_path_factory.mktemp("shop")
    source = drawn_set(folder / "set", scenes=8, products_per_category=9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        model = random_model(source, folder / "model")
        other = random_model(source, folder / "other", seed=1, distance="l2")
    return Shop(source, model, other)


@pytest.fixture(scope="session")
def catalogue(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole shop with its model. Tests must not change it."""
    folder = tmp_path_factory.mktemp("synced") / "catalogue"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder.with_name("cache")))
        arguments = ["catalogue", "sync", shop.source, "--model", shop.model, "--catalogue", folder]
        assert main([str(argument) for argument in arguments]) == 0
    return folder


@pytest.fixture
def run(shop: Shop, catalogue: Path) -> Callable[..., int]:
    """Run a command with the shop's model and catalogue."""

    def asked(command: str, *arguments: str | Path) -> int:
        more = ["--model", shop.model, "--catalogue", catalogue]
        return main([command, *(str(argument) for argument in (*arguments, *more))])

    return asked


@pytest.fixture
def complete(run: Callable[..., int]) -> Callable[..., int]:
    """Run `complete` with the shop's model and catalogue."""
    return partial(run, "complete")


@pytest.fixture
def foreign_model(shop: Shop, tmp_path: Path) -> Path:
    """The shop's model as if it had been trained on another backbone of the same name."""
    folder = Path(shutil.copytree(shop.model, tmp_path / "foreign"))
    record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    record["backbone_identity"] = "tiny-fp32-000000000000"
    (folder / "config.json").write_text(json.dumps(record), encoding="utf-8")
    return folder
