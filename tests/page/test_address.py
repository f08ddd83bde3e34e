"""The address of the page can be shared, and the browser's back and forward work."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from browser import open_filters
from serving import Running, Store


def rows(page: Any) -> list[str]:
    page.wait_for_selector(".rows[aria-busy=false] .card")
    return page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.product)")


def test_an_address_opens_the_same_scene_for_others(opens: Any) -> None:
    first = opens("?sample=checks")
    rows(first)
    first.get_by_role("button", name="Remove category Chairs").click()
    open_filters(first).get_by_label("Price to in EUR").fill("60")
    first.keyboard.press("Enter")
    first.wait_for_function("() => location.search.includes('to=60')")
    seen = rows(first)

    query = parse_qs(urlsplit(first.url).query)
    assert set(query) == {"sample", "category", "to"}
    assert query["sample"] == ["checks"]
    second = opens("?" + urlsplit(first.url).query)

    assert rows(second) == seen
    assert second.get_by_label("Price to in EUR").input_value() == "60"
    assert len(second.locator(".row").all()) == 3


def test_a_box_is_in_the_address(opens: Any, shop: Running) -> None:
    page = opens("?sample=stripes&box=0.1,0.2,0.6,0.7")

    answer = shop.client.post(
        "/v1/complete", json={"sample": "stripes", "k": 12, "box": "0.1,0.2,0.6,0.7"}
    ).json()

    assert rows(page) == [each["id"] for section in answer["categories"] for each in section["products"]]
    assert page.locator(".box").is_visible()


def test_sharing_copies_the_address(opens: Any) -> None:
    page = opens("?sample=stripes", permissions=["clipboard-read", "clipboard-write"])
    rows(page)

    page.get_by_role("button", name="Share").click()
    page.wait_for_selector(".toast.shown")

    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert page.locator(".toast").inner_text() == "The address is copied."


def test_an_own_photo_is_never_in_the_address(opens: Any, store: Store) -> None:
    page = opens()
    page.set_input_files("#file", store.photos[0])
    rows(page)

    page.get_by_role("button", name="Share").click()
    page.get_by_text("Your own photo has no address to share.").wait_for()

    assert urlsplit(page.url).query == "photo=here"


def test_a_reload_keeps_the_own_photo_in_its_tab_alone(opens: Any, store: Store) -> None:
    page = opens()
    page.set_input_files("#file", store.photos[0])
    before = rows(page)

    page.reload()

    assert rows(page) == before
    other = opens("?photo=here")
    other.wait_for_selector("#start:not([hidden])")
    assert other.locator("#studio").is_hidden()


def test_the_look_with_its_locks_and_budget_is_in_the_address(opens: Any) -> None:
    first = opens("?sample=stripes&view=look&budget=400")
    first.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    assert first.get_by_label("Budget EUR").input_value() == "400"
    first.get_by_role("button", name="Lock Rugs").click()
    first.wait_for_function("() => location.search.includes('lock=')")

    second = opens("?" + urlsplit(first.url).query)
    second.wait_for_selector(".look[aria-busy=false] .slot.held")

    names = ".slot .card-name"
    assert sorted(second.locator(names).all_inner_texts()) == sorted(first.locator(names).all_inner_texts())
    assert second.get_by_role("button", name="Lock Rugs").get_attribute("aria-pressed") == "true"


def test_back_and_forward(opens: Any) -> None:
    page = opens()
    page.get_by_role("button", name="Stripes").click()
    seen = rows(page)

    page.go_back()
    page.wait_for_selector("#start:not([hidden])")
    page.go_forward()

    assert rows(page) == seen


def test_invalid_values_in_an_address_are_left_out(opens: Any) -> None:
    page = opens("?sample=stripes&box=1,2,3&from=abc&to=-4&stock=maybe")

    assert len(rows(page)) > 0
    assert page.locator(".box").count() == 0
    assert page.get_by_label("Price from in EUR").input_value() == ""


def test_a_script_address_is_not_opened(opens: Any) -> None:
    page = opens("?url=javascript:alert(1)")

    page.wait_for_selector("#start:not([hidden])")
    assert page.locator("#studio").is_hidden()
