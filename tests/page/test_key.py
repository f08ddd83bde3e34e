"""A server that requires a key for reading: the page asks for the key once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from browser import keep, settle, violations
from serving import Running, Store, running

LOADED = """() => {{
  const all = [...document.querySelectorAll("{0}")];
  return all.length > 0 && all.every((each) => each.naturalWidth);
}}"""
REFUSED = {"error": {"code": "unauthorized", "message": "The key is not known."}}


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


def test_a_shared_look_and_a_shared_shortlist_open_after_the_key(opens: Any, closed: Running) -> None:
    first = opens("?sample=stripes&view=look", url=closed.url)
    enter(first, key_of(closed))
    first.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    first.get_by_role("button", name="Another look").click()
    first.wait_for_function("() => location.search.includes('other=1')")
    first.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    names = first.locator(".slot .card-name").all_inner_texts()
    first.get_by_role("button", name=re.compile("^Lock ")).first.click()  # now the address has the products
    first.wait_for_function("() => location.search.includes('slot=')")
    query = parse_qs(first.url.partition("?")[2])

    other = opens(first.url[first.url.index("?") :], url=closed.url)
    enter(other, key_of(closed))
    other.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    assert other.locator(".slot .card-name").all_inner_texts() == names
    assert parse_qs(other.url.partition("?")[2]) == query

    ids = [each.partition("=")[2] for each in query["slot"][:2]]
    third = opens(f"?list={ids[0]}&list={ids[1]}", url=closed.url)
    third.get_by_role("heading", name="This server requires a key").wait_for()
    assert not third.locator("#shortlist").is_visible()  # over the question for the key
    enter(third, key_of(closed))
    third.locator("#shortlist .kept-open").nth(1).wait_for()

    third.get_by_role("button", name="from the shortlist").first.click()
    third.keyboard.press("Escape")
    third.route("**/v1/complete", lambda route: route.fulfill(status=401, json=REFUSED))
    third.locator(".sample").first.click()  # the key is no longer accepted
    third.get_by_text("The server does not accept this key.").wait_for()
    third.unroute("**/v1/complete")
    with third.expect_response("**/v1/categories*"):
        enter(third, key_of(closed))
    third.wait_for_selector(".rows[aria-busy=false] .card")
    third.get_by_role("button", name="Shortlist: 1").wait_for()
    assert not third.locator("#shortlist").is_visible()
