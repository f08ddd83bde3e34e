"""The maker of the showroom, as its scripts import it; its plans and products need no renderer."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="session")
def maker() -> Iterator[ModuleType]:
    """The package `showroom` of the tools, with the modules that need no renderer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        package = importlib.import_module("showroom")
        for name in ("development", "layout", "library", "products", "rugs", "solids", "styles"):
            importlib.import_module(f"showroom.{name}")
        yield package
