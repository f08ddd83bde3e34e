"""A server that requires a key for reading: the page asks for the key once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import keep, settle, violations
from serving import Running, Store, running

LOADED = """() => {{
  const all = [...document.querySelectorAll("{0}")];
  return all.length > 0 && all.every((each) => each.naturalWidth);
}}"""


@pytest.fixture(scope="module")
def closed(store: Store, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(store, tmp_path_factory.mktemp("closed"), samples=str(samples), keyed_reading=True) as found:
        yield found


def key_of(shop: Running) -> str:
    return shop.keyed.headers["Authorization"].removeprefix("Bearer ")


def enter(page: Any, key: str) -> None:
    page.get_by_role("textbox", name="Key").fill(key)
    page.get_by_role("button", name="Use key").click()


def test_the_page_asks_until_the_key_is_right(opens: Any, closed: Running) -> None:
    page = opens(url=closed.url)
    page.get_by_role("heading", name="This server requires a key").wait_for()
    assert page.locator(".sample").count() == 0
    settle(page)
    assert violations(page) == []
    keep(page, "key")

    for wrong in ("pl_wrong", "schlüssel"):
        enter(page, wrong)
        page.get_by_text("The server does not accept this key.").wait_for()

    enter(page, key_of(closed))
    page.wait_for_selector(".sample")
    page.wait_for_function(LOADED.format(".sample img"))
    assert not page.locator("#key").evaluate("dialog => dialog.open")


def test_with_the_key_everything_is_shown(opens: Any, closed: Running) -> None:
    page = opens("?sample=stripes", url=closed.url)
    page.get_by_role("heading", name="This server requires a key").wait_for()
    enter(page, key_of(closed))

    page.wait_for_selector(".rows[aria-busy=false] .card")
    page.wait_for_function(LOADED.format(".scene-photo"))
    page.wait_for_function(LOADED.format(".card:first-child .tile img.here"))
    page.locator(".card-open").first.click()
    page.wait_for_function(LOADED.format("#drawer .tile.large img"))

    page.reload()  # the tab keeps the key
    page.wait_for_selector(".rows[aria-busy=false] .card")
    assert page.locator("#key[open]").count() == 0


def test_without_the_key_the_page_says_so(opens: Any, closed: Running) -> None:
    page = opens("?sample=stripes", url=closed.url)
    page.get_by_role("button", name="Not now").click()

    page.get_by_role("heading", name="A key is required").wait_for()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="This server requires a key").wait_for()
