"""The shortlist: kept products, their total, and ways to copy them."""

import csv
import io
from typing import Any

import pytest

from browser import keep, settle, violations


@pytest.fixture
def kept(opens: Any) -> Any:
    """The page with two products on the shortlist, which is open."""
    page = opens("?sample=stripes", permissions=["clipboard-read", "clipboard-write"])
    page.wait_for_selector(".rows[aria-busy=false] .card")
    for place in (0, 1):
        page.locator(".card").nth(place).hover()
        page.locator(".card .heart").nth(place).click()
    page.get_by_role("button", name="Shortlist: 2").click()
    page.locator("#shortlist").wait_for()
    return page


def ids(page: Any) -> list[str]:
    cards = page.locator(".row .card").evaluate_all("cards => cards.map(card => card.dataset.product)")
    return cards[:2]


def copied(page: Any, name: str) -> str:
    page.get_by_role("button", name=name).click()
    page.wait_for_selector(".toast.shown")
    return page.evaluate("navigator.clipboard.readText()")


def test_it_shows_the_products_and_their_total(kept: Any) -> None:
    shelf = kept.locator("#shortlist")
    settle(kept)
    keep(kept, "shortlist")

    prices = [float(text.lstrip("€")) for text in shelf.locator(".price").all_inner_texts()]
    assert float(shelf.locator(".total strong").inner_text().lstrip("€")) == pytest.approx(sum(prices))
    assert violations(kept) == []
    shelf.get_by_role("button", name="from the shortlist").first.click()
    assert shelf.locator("li").count() == 1


def test_it_is_copied_as_a_list_a_table_and_a_link(kept: Any, opens: Any) -> None:
    names = kept.locator("#shortlist .card-name").all_inner_texts()

    lines = copied(kept, "Copy as list").splitlines()
    table = list(csv.DictReader(io.StringIO(copied(kept, "Copy as CSV"))))
    link = copied(kept, "Copy link")

    assert all(name in line for name, line in zip(names, lines, strict=True))
    assert [each["id"] for each in table] == ids(kept)
    other = opens(link[link.index("?") :])
    other.locator("#shortlist .kept-open").nth(1).wait_for()
    assert (
        other.locator("#shortlist .price").all_inner_texts()
        == kept.locator("#shortlist .price").all_inner_texts()
    )


def test_it_survives_a_reload_and_back_closes_it(kept: Any) -> None:
    kept.go_back()
    kept.locator("#shortlist").wait_for(state="hidden")

    kept.reload()

    kept.get_by_role("button", name="Shortlist: 2").wait_for()


def test_a_look_is_built_with_a_kept_product_only_where_there_is_a_scene(kept: Any, opens: Any) -> None:
    kept.locator("#shortlist .kept-open").first.click()
    kept.get_by_role("button", name="Build a look with this").click()
    kept.wait_for_selector(".look[aria-busy=false] .slot.held")
    assert not kept.locator("#shortlist").is_visible()
    assert not kept.locator("#drawer").is_visible()

    start = opens("?" + "&".join(f"list={each}" for each in ids(kept)))
    start.locator("#shortlist .kept-open").first.click()
    start.locator("#drawer h2").wait_for()
    assert start.get_by_role("button", name="Build a look with this").count() == 0
