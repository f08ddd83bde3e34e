"""The whole look: a product for each category, to swap and to lock, and the total price."""

import re
from typing import Any
from urllib.parse import parse_qs

import pytest

from serving import Running


@pytest.fixture
def look(page: Any) -> Any:
    page.get_by_role("button", name="Whole look").click()
    return settled(page)


def settled(page: Any) -> Any:
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    return page


def chosen(page: Any) -> dict[str, str]:
    """The prices of the slots, by category."""
    prices = page.locator(".slot .card-open .price").all_inner_texts()
    return dict(zip(page.locator(".slot-name").all_inner_texts(), prices, strict=True))


def cents(price: str) -> int:
    return round(100 * float(price.split(maxsplit=1)[0].lstrip("€").replace(",", "")))


def total(page: Any) -> int:
    return cents(page.locator(".total strong").inner_text())


def test_it_has_a_product_for_each_category_and_their_sum(look: Any, shop: Running) -> None:
    categories = [
        each["category"]
        for each in shop.client.post("/v1/complete", json={"sample": "stripes"}).json()["categories"]
    ]
    said = shop.client.post(
        "/v1/complete", json={"sample": "stripes", "look": True, "category": categories}
    ).json()["look"]

    assert list(chosen(look)) == [each["category"].split("|")[-1] for each in said["slots"]]
    assert total(look) == sum(map(cents, chosen(look).values())) == cents(said["price"].split()[0])


def test_swapping_a_product_keeps_the_others_and_updates_the_sum(look: Any) -> None:
    before = chosen(look)
    first = next(iter(before))

    look.get_by_role("button", name=f"Swap {first}").click()
    other = look.locator(".tray .other").last
    price = other.locator(".price").inner_text()
    other.click()

    after = chosen(look)
    assert cents(after.pop(first)) == cents(price)
    assert after == {name: before[name] for name in after}
    assert total(look) == sum(map(cents, chosen(look).values()))
    assert look.get_by_role("button", name=f"Lock {first}").get_attribute("aria-pressed") == "true"


def test_a_locked_product_stays_when_the_others_are_chosen_again(look: Any) -> None:
    first = next(iter(chosen(look)))
    look.get_by_role("button", name=f"Swap {first}").click()
    look.locator(".tray .other").last.click()
    own = look.locator(".slot").first.locator("img").get_attribute("src")

    look.get_by_role("button", name="Choose the others again").click()
    look.wait_for_function("() => document.querySelector('#spoken').textContent.startsWith('The look has')")
    settled(look)

    assert look.locator(".slot").first.locator("img").get_attribute("src") == own


def test_a_budget_is_kept(look: Any) -> None:
    dear = total(look)

    look.get_by_label("Budget EUR").fill(str(dear // 100 - 20))
    look.keyboard.press("Enter")
    look.wait_for_function(
        "dear => !document.querySelector('.total strong').textContent.includes(dear)", arg=f"{dear / 100:.2f}"
    )
    settled(look)

    assert total(look) <= dear - 2000


def test_a_budget_that_is_too_low_gives_an_error_and_can_be_changed(look: Any) -> None:
    look.get_by_label("Budget EUR").fill("1")
    look.keyboard.press("Enter")

    look.get_by_role("alert").wait_for()
    assert "cheapest" in look.get_by_role("alert").inner_text()
    look.get_by_label("Budget EUR").fill("")
    look.keyboard.press("Enter")
    settled(look)
    assert total(look) > 100


@pytest.mark.parametrize(
    ("typed", "kept", "said"),
    [
        ("0", "", ""),
        ("2,000,000,000,000", "", ""),
        ("abc", "500", "“abc” is not a number. The budget stays as it was."),
    ],
)
def test_what_is_no_budget_refuses_no_look(opens: Any, typed: str, kept: str, said: str) -> None:
    look = opens("?sample=stripes&view=look&budget=500")
    settled(look)

    look.get_by_label("Budget EUR").fill(typed)
    look.keyboard.press("Enter")
    look.wait_for_function("kept => document.getElementById('budget').value === kept", arg=kept)
    settled(look)

    assert total(look) > 0
    assert ("budget=500" in look.url) == bool(kept)
    assert look.locator("#toast").inner_text() == said


def test_an_address_with_a_budget_of_nothing_has_none(opens: Any) -> None:
    look = opens("?sample=stripes&view=look&budget=0")
    settled(look)
    assert look.get_by_label("Budget EUR").input_value() == ""


def test_a_budget_that_is_too_low_offers_the_cheapest_look(look: Any, shop: Running) -> None:
    look.get_by_label("Budget EUR").fill("1")
    look.keyboard.press("Enter")
    look.get_by_role("heading", name="No look fits €1").wait_for()
    assert look.locator(".total strong").count() == 0  # no total of another look

    look.get_by_role("button", name=re.compile("^Show the look for €")).click()

    settled(look)
    assert str(total(look) / 100).rstrip("0").rstrip(".") == look.get_by_label("Budget EUR").input_value()


def test_another_look_changes_slots_in_place(look: Any) -> None:
    before = chosen(look)
    element = look.locator(".slot").first.element_handle()

    look.get_by_role("button", name="Another look").click()
    look.wait_for_function("() => location.search.includes('other=1')")
    settled(look)

    assert list(chosen(look)) == list(before)
    assert chosen(look) != before
    assert element.evaluate("slot => slot.isConnected")


def pictures(page: Any) -> list[str]:
    return page.locator(".slot .card-open img").evaluate_all("all => all.map(each => each.src)")


def reloaded(page: Any) -> Any:
    page.reload()
    return settled(page)


def test_another_look_with_a_lock_is_the_same_after_a_reload(look: Any) -> None:
    look.get_by_role("button", name="Another look").click()
    look.wait_for_function("() => location.search.includes('other=1')")
    settled(look)
    look.get_by_role("button", name=re.compile("^Lock ")).first.click()
    before, names = pictures(look), list(chosen(look))

    reloaded(look)

    assert (pictures(look), list(chosen(look))) == (before, names)
    assert look.locator(".slot.held").count() == 1
    look.get_by_role("button", name="Another look").click()
    look.wait_for_function("() => location.search.includes('other=2')")


def test_a_swap_that_is_unlocked_is_the_same_after_a_reload(look: Any) -> None:
    first = next(iter(chosen(look)))
    look.get_by_role("button", name=f"Swap {first}").click()
    look.locator(".tray .other").last.click()
    look.get_by_role("button", name=f"Lock {first}").click()
    before = pictures(look)

    reloaded(look)

    assert pictures(look) == before
    assert look.locator(".slot.held").count() == 0
    look.get_by_label("Budget EUR").fill("9000")  # now the server chooses again, and the address says so
    look.keyboard.press("Enter")
    look.wait_for_function("() => location.search.includes('budget=') && !location.search.includes('slot=')")


def test_two_looks_are_compared(look: Any) -> None:
    first = look.locator(".total strong").inner_text()
    look.get_by_role("button", name="Keep to compare").click()
    look.get_by_role("button", name="Another look").click()
    look.get_by_role("button", name="Compare").click()

    dialog = look.locator("#compare")
    assert dialog.locator("th strong").all_inner_texts() == [
        first,
        look.locator(".total strong").inner_text(),
    ]
    assert dialog.locator("tbody tr").count() == 4
    dialog.get_by_role("button", name="Use the kept look").click()
    dialog.wait_for(state="hidden")
    assert look.locator(".total strong").inner_text() == first


def test_removing_a_category_removes_its_slot(look: Any) -> None:
    look.get_by_role("button", name="Remove category Chairs").click()

    look.wait_for_function("() => document.querySelectorAll('.slot').length === 3")
    assert "Chairs" not in chosen(look)


def without(page: Any, gone: str) -> None:
    """Let the server answer as if it had lost a product."""

    def answered(route: Any) -> None:
        if gone in (route.request.post_data or ""):
            message = f"locked product '{gone}': not in shop. Check the id."
            route.fulfill(status=422, json={"error": {"code": "invalid", "message": message}})
        else:
            route.continue_()

    page.route("**/v1/complete", answered)
    page.route(f"**/v1/products/{gone}", lambda route: route.fulfill(status=404, json={"error": {}}))


def test_a_look_outlives_a_product_that_left_the_shop(opens: Any) -> None:
    first = opens("?sample=stripes&view=look")
    settled(first)
    for name in ("Rugs", "Chairs"):
        first.get_by_role("button", name=f"Lock {name}").click()
    first.wait_for_function("() => location.search.split('lock=').length === 3")
    query = first.url[first.url.index("?") :]
    locked = dict(each.split("=", 1) for each in parse_qs(query[1:])["lock"])
    gone = next(id_ for category, id_ in locked.items() if category.endswith("Rugs"))

    other = opens()
    without(other, gone)
    other.goto(other.url + query)
    settled(other)

    toast = "A product of this look is no longer available. The look was chosen without it."
    assert other.locator(".toast").inner_text() == toast
    assert other.locator(".slot.held").count() == 1
    assert len(chosen(other)) == 4
    assert gone not in other.url


def test_locks_that_exclude_each_other_can_be_unlocked(look: Any) -> None:
    def refused(route: Any) -> None:
        if "locked" in (route.request.post_data or ""):
            message = "locked products exclude each other in a look. Unlock one of them."
            route.fulfill(status=422, json={"error": {"code": "invalid", "message": message}})
        else:
            route.continue_()

    look.route("**/v1/complete", refused)
    look.get_by_role("button", name=re.compile("^Lock ")).first.click()
    look.get_by_role("button", name="Choose the others again").click()
    look.get_by_role("alert").get_by_role("button", name="Unlock all").click()

    settled(look)
    assert look.locator(".slot.held").count() == 0


def test_a_slot_of_several_says_so_to_everyone(opens: Any) -> None:
    page = opens()

    def four(route: Any) -> None:
        found = route.fetch().json()
        for slot in (found.get("look") or {"slots": []})["slots"]:
            slot["quantity"] = 4 if slot["category"].endswith("Chairs") else 1
        route.fulfill(json=found)

    page.route("**/v1/complete", four)
    page.goto(page.url + "?sample=stripes&view=look")
    settled(page)
    chairs = page.locator(".slot").filter(has=page.get_by_role("heading", name="Chairs"))
    assert chairs.locator(".card-open").get_attribute("aria-label").startswith("4 × Chairs")
    page.get_by_role("button", name="Keep to compare").click()
    page.get_by_role("button", name="Another look").click()
    page.get_by_role("button", name="Compare").click()

    names = page.locator("#compare td:first-child .card-name").all_inner_texts()  # the kept look
    assert [each.startswith("4 × ") for each in names] == ["Chairs" in each for each in names]
    assert any("Chairs" in each for each in names)
