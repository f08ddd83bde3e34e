"""The keyboard's place: it is never lost, rows of controls are one tab stop, and motion is reduced."""

import re
from typing import Any

import pytest

FOCUS = "document.activeElement.ariaLabel ?? document.activeElement.textContent"


def focused(page: Any) -> str:
    return page.evaluate(FOCUS)


def ids(page: Any) -> list[str]:
    cards = page.locator(".row").first.locator(".card")
    return cards.evaluate_all("cards => cards.map(card => card.dataset.product)")


def at(page: Any) -> tuple[str, str]:
    """The id of the card with the focus, and the classes of the control."""
    return tuple(
        page.evaluate(
            "[document.activeElement.closest('.card')?.dataset.product, document.activeElement.className]"
        )
    )


def test_a_rejected_product_leaves_the_focus_to_its_replacement(page: Any) -> None:
    before = ids(page)

    page.locator(".row .reject").nth(1).press("Enter")

    now = ids(page)
    assert now[1] == before[2]
    assert at(page) == (now[1], "mark reject")
    page.get_by_role("button", name="Undo").press("Enter")
    assert at(page) == (before[1], "card-open")


def test_the_last_rejected_product_leaves_the_focus_to_its_neighbour(page: Any) -> None:
    page.locator(".row").first.locator(".reject").nth(11).press("Enter")  # the row has no spare product

    assert len(ids(page)) == 11
    assert at(page) == (ids(page)[-1], "mark reject")


def test_a_removed_category_leaves_the_focus_to_the_next(page: Any) -> None:
    names = page.locator(".row h2").all_inner_texts()

    page.get_by_role("button", name=f"Remove category {names[1]}").press("Enter")
    assert focused(page) == f"Remove category {names[2]}"
    page.get_by_role("button", name=f"Remove {names[0]}", exact=True).press("Enter")
    assert focused(page) == f"Remove {names[2]}"
    page.get_by_role("button", name=f"Remove category {names[3]}").press("Enter")
    assert focused(page) == f"Remove category {names[2]}"


def test_a_removed_filter_leaves_the_focus_to_the_next_and_at_last_to_the_button(opens: Any) -> None:
    page = opens("?sample=stripes&to=80&stock=in")
    page.wait_for_selector(".rows[aria-busy=false] .card")

    page.get_by_role("button", name="Remove filter up to €80").press("Enter")
    assert focused(page) == "Remove filter In stock"
    page.keyboard.press("Enter")
    assert focused(page) == "Filters"


def test_a_product_off_the_shortlist_leaves_the_focus_to_the_next(page: Any) -> None:
    for place in range(3):
        page.locator(".row .heart").nth(place).press("Enter")
    page.get_by_role("button", name="Shortlist: 3").click()
    shelf = page.locator("#shortlist")
    names = shelf.locator(".card-name").all_inner_texts()

    shelf.get_by_role("button", name="from the shortlist").first.press("Enter")
    assert focused(page) == f"Remove {names[1]} from the shortlist"
    shelf.get_by_role("button", name="from the shortlist").last.press("Enter")
    assert focused(page) == f"Remove {names[1]} from the shortlist"
    page.keyboard.press("Enter")
    assert focused(page) == "Close"


def test_a_swapped_product_leaves_the_focus_to_its_slot(page: Any) -> None:
    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    name = page.locator(".slot-name").nth(1).inner_text()

    page.get_by_role("button", name=f"Swap {name}").press("Enter")
    page.locator(".tray .other").last.press("Enter")

    assert focused(page) == f"Swap {name}"


def test_the_chips_are_one_tab_stop_with_arrows(page: Any) -> None:
    names = page.locator(".row h2").all_inner_texts()
    page.locator(".chip-go").first.focus()

    page.keyboard.press("ArrowRight")
    assert focused(page) == f"Remove category {names[0]}"
    page.keyboard.press("ArrowRight")
    assert focused(page) == names[1]
    page.keyboard.press("End")
    assert focused(page) == f"Remove category {names[-1]}"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.chips')") is None
    page.keyboard.press("Shift+Tab")
    assert focused(page) == f"Remove category {names[-1]}"


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_rows_scroll_instantly_if_less_motion_is_wanted(opens: Any, motion: str) -> None:
    page = opens("?sample=stripes")
    page.emulate_media(reduced_motion=motion)
    page.wait_for_selector(".rows[aria-busy=false] .card")
    button = page.get_by_role("button", name=re.compile("^Next products in")).first

    moved = button.evaluate(
        "button => { button.click(); return document.querySelector('.cards').scrollLeft; }"
    )
    gone = page.locator(".chip-go").last.evaluate("chip => { chip.click(); return scrollY; }")

    assert (moved > 50, gone > 50) == (motion == "reduce", motion == "reduce")


def test_a_card_says_its_brand_price_and_reason(page: Any) -> None:
    card = page.locator(".card").first
    name, brand, reason = (
        card.locator(each).inner_text() for each in (".card-name", ".brand-line", ".reason")
    )

    label = card.locator(".card-open").get_attribute("aria-label")

    assert label.startswith(f"{name}, {brand}, €")
    assert label.endswith(
        f"{reason.removesuffix('.')}, details and more like this" if reason else "like this"
    )
