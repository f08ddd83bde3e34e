"""A small shop for the commands: a drawn set, two models with random weights."""

from pathlib import Path
from typing import NamedTuple

import pytest

from drawn import drawn_set
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
    """Made once; not to be changed by tests."""
    folder = tmp_path_factory.mktemp("shop")
    source = drawn_set(folder / "set", scenes=8, products_per_category=9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        model = random_model(source, folder / "model")
        other = random_model(source, folder / "other", seed=1, distance="l2")
    return Shop(source, model, other)
