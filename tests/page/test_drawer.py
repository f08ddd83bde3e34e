"""The drawer: a product in detail, similar products, and a look with it."""

from typing import Any

import pytest

from serving import Running


@pytest.fixture
def drawer(page: Any) -> Any:
    page.locator(".card-open").first.click()
    page.wait_for_selector(".alike[aria-busy=false] .card")
    return page.locator("#drawer")


def test_more_like_this(page: Any, drawer: Any, shop: Running) -> None:
    product = page.locator(".row .card").first.get_attribute("data-product")

    found = shop.client.post("/v1/similar", json={"id": product, "k": 12}).json()["products"]

    ids = drawer.locator(".alike .card").evaluate_all("cards => cards.map(card => card.dataset.product)")
    assert ids == [each["id"] for each in found]
    assert (
        drawer.get_by_role("heading", level=2).inner_text() == page.locator(".card-name").first.inner_text()
    )


def test_open_a_similar_product_and_go_back(drawer: Any, page: Any) -> None:
    first = drawer.locator(".drawer-product").get_attribute("data-product")
    second = drawer.locator(".alike .card").first.get_attribute("data-product")

    drawer.locator(".alike .card-open").first.click()
    page.wait_for_selector(f".drawer-product[data-product='{second}']")
    drawer.get_by_role("button", name="Back").click()

    page.wait_for_selector(f".drawer-product[data-product='{first}']")
    assert drawer.get_by_role("button", name="Back").count() == 0


def test_escape_gives_the_focus_back(drawer: Any, page: Any) -> None:
    assert page.evaluate("document.activeElement.id") == "drawer-title"

    page.keyboard.press("Escape")

    assert drawer.is_hidden()
    assert page.evaluate("document.activeElement === document.querySelector('.card-open')")


def test_a_heart_in_the_drawer_shows_on_the_card(drawer: Any, page: Any) -> None:
    drawer.locator(".drawer-product .heart").click()
    drawer.get_by_role("button", name="Close").click()

    assert page.locator(".row .heart").first.get_attribute("aria-pressed") == "true"


def test_back_closes_the_drawer_first(drawer: Any, page: Any) -> None:
    page.go_back()

    drawer.wait_for(state="hidden")
    assert page.locator(".rows .card").first.is_visible()
    page.locator(".card-open").first.click()
    page.wait_for_selector("#drawer[open]")
    drawer.get_by_role("button", name="Close").click()  # its entry of the history goes too
    drawer.wait_for(state="hidden")
    page.wait_for_function("() => history.state === null")
    assert "sample=stripes" in page.url


def test_a_look_is_built_with_the_product(drawer: Any, page: Any) -> None:
    product = drawer.locator(".drawer-product").get_attribute("data-product")

    drawer.get_by_role("button", name="Build a look with this").click()

    page.wait_for_selector(".look[aria-busy=false] .slot.held")
    assert f"/{product}/" in page.locator(".slot.held img").get_attribute("src")
