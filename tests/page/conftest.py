"""A drawn shop with prices, on the real server, in a real browser."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error

from browser import WIDTHS
from drawn import FASHION, HOME, drawn_set
from perfectlook.catalogue import Catalogue
from perfectlook.model.files import ModelRecord
from perfectlook.model.runtime import Model
from priced import PricedSet
from random_model import random_model
from serving import Running, Store, running

Opens = Callable[..., Any]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        source = drawn_set(folder / "set", scenes=8, products_per_category=14, categories=(*FASHION, *HOME))
        model = random_model(source, folder / "model", temperature=0.05)
        replace(ModelRecord.read(model), attention_holds=True).write(model)  # so that the page shows it
        with Catalogue.open(folder / "catalogue", create=True) as catalogue:
            catalogue.sync(PricedSet(source), Model.open(model), workers=1)
        return Store(source, model, folder / "catalogue")


@pytest.fixture(scope="session")
def samples(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    for photo, name in zip(store.photos, ("stripes", "checks", "slopes"), strict=False):
        shutil.copy(photo, folder / f"{name}.jpg")
    return folder


@pytest.fixture(scope="session")
def shop(store: Store, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("shop")
    with running(store, folder, samples=str(samples), allow_private=True, max_upload=400_000) as found:
        yield found


@pytest.fixture(scope="session")
def german(store: Store, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("german")
    settings = {"locale": "de", "name": "Möbel & Mehr", "accent": "#0b6e4f", "samples": str(samples)}
    with running(store, folder, **settings) as found:
        yield found


@pytest.fixture(scope="session")
def contexts(browser: Any) -> Iterator[Callable[..., Any]]:
    """Contexts of the browser by what they differ in. Their caches spare tests what an earlier one loaded."""
    kept: dict[str, Any] = {}

    def context_of(**wanted: Any) -> Any:
        name = repr(wanted)
        if name not in kept:
            kept[name] = browser.new_context(**wanted)
        return kept[name]

    yield context_of
    for each in kept.values():
        each.close()


@pytest.fixture
def opens(browser: Any, contexts: Callable[..., Any], shop: Running) -> Iterator[Opens]:
    """Open the page at an address. At the end of the test, the browser's console must be empty.

    Pages of one kind share a context, and with it a cache. A `fresh` one has its own, as for a new visitor.
    """
    pages: list[Any] = []
    own: list[Any] = []
    said: list[str] = []

    def open_page(
        query: str = "",
        *,
        width: str = "desktop",
        scheme: str = "light",
        url: str = shop.url,
        fresh: bool = False,
        **more: Any,
    ) -> Any:
        across, down = WIDTHS[width]
        phone = {"has_touch": True, "is_mobile": True} if width == "phone" else {}
        wanted = {"viewport": {"width": across, "height": down}, "color_scheme": scheme}
        wanted |= {"reduced_motion": "reduce", **phone, **more}
        context = browser.new_context(**wanted) if fresh else contexts(**wanted)
        if fresh:
            own.append(context)
        page = context.new_page()
        pages.append(page)
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda line: line.type == "error" and said.append(line.text))
        page.goto(url + "/" + query)
        return page

    yield open_page
    for page in pages:
        page.context.set_offline(False)
        if not page.is_closed():
            with suppress(Error):  # a page of a server that is gone has no storage
                page.evaluate("localStorage.clear()")
            page.close()
    for context in own:
        context.close()
    expected = "Failed to load resource"  # the browser logs this for every status from 400
    assert [each for each in said if expected not in each] == []


@pytest.fixture
def page(opens: Opens) -> Any:
    """A sample scene with its rows."""
    return rows(opens("?sample=stripes"))


def rows(page: Any) -> Any:
    page.wait_for_selector(".rows[aria-busy=false] .card")
    return page
