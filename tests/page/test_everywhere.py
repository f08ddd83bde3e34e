"""From phone to desktop, light and dark: nothing overflows, and axe-core finds no violation."""

from typing import Any

import pytest

from browser import WIDTHS, keep, open_filters, settle, violations
from serving import Running


def overflow(page: Any) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


SHORT = ("desktop", "light")
"""The width and scheme of the short suite. The long suite has the others."""


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(width, scheme, marks=() if (width, scheme) == SHORT else pytest.mark.long)
        for width in WIDTHS
        for scheme in ("light", "dark")
    ],
)
def test_every_state_at_every_width(opens: Any, width: str, scheme: str) -> None:
    page = opens(width=width, scheme=scheme)
    wrong: dict[str, object] = {}

    def look_at(state: str) -> None:
        settle(page)
        keep(page, f"{width}-{scheme}-{state}")
        wrong[state] = [*violations(page), *(["overflows"] if overflow(page) > 0 else [])]

    page.wait_for_selector(".sample img")
    look_at("1-start")
    page.get_by_role("button", name="Stripes").click()
    page.wait_for_selector(".rows[aria-busy=false] .tile img.here")
    look_at("2-rows")
    page.locator(".where").first.click()
    page.wait_for_selector(".glow.shown")
    look_at("3-attention")
    page.get_by_role("button", name="Remove category Rugs").click()
    page.get_by_role("button", name="Category", exact=True).click()
    look_at("4-picker")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Choose a part").click()
    look_at("5-box")
    page.get_by_role("button", name="Cancel").click()
    page.locator(".card-open").first.click()
    page.wait_for_selector(".alike[aria-busy=false] .card")
    look_at("6-drawer")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    page.locator("[data-key^='swap']").first.click()
    look_at("7-look")
    open_filters(page).get_by_label("Price from in EUR").fill("9000")
    page.keyboard.press("Enter")
    page.locator("#look h2", has_text="No look with these filters").wait_for()  # a look is pale until then
    look_at("8-filters")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Products").click()
    page.get_by_role("heading", name="No product matches these filters").wait_for()
    look_at("9-empty")

    assert {state: found for state, found in wrong.items() if found} == {}


def test_german_and_dark_on_a_phone(opens: Any, german: Running) -> None:
    page = opens("?sample=stripes", width="phone", scheme="dark", url=german.url)
    page.wait_for_selector(".rows[aria-busy=false] .tile img.here")
    wrong: dict[str, object] = {}

    def look_at(state: str) -> None:
        settle(page)
        keep(page, f"phone-dark-german-{state}")
        wrong[state] = [*violations(page), *(["overflows"] if overflow(page) > 0 else [])]

    look_at("1-rows")
    page.locator(".heart").first.click()
    page.locator("#list").click()
    look_at("2-shortlist")
    page.keyboard.press("Escape")
    page.locator(".filter-open").click()
    page.locator(".value").first.click()
    page.wait_for_selector(".rows[aria-busy=false] .card")
    look_at("3-filters")
    page.keyboard.press("Escape")
    page.locator(".card-open").first.click()
    page.wait_for_selector(".alike[aria-busy=false] > *")
    look_at("4-drawer")
    page.keyboard.press("Escape")
    page.locator("[data-key='view look']").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    look_at("5-look")

    assert {state: found for state, found in wrong.items() if found} == {}


SMALL = """() => [...document.querySelectorAll("button, a, input, label.primary, label.secondary, .corner")]
  .filter(each => each.checkVisibility({ visibilityProperty: true }) && !each.matches(".unseen, .skip"))
  .map(each => [each.getBoundingClientRect(), each])
  .filter(([{ width, height }]) => width < 44 || height < 44)
  .map(([{ width, height }, each]) => `${each.outerHTML.slice(0, 90)} ${width} x ${height}`)"""


def test_every_target_is_44_pixels_on_touch(opens: Any) -> None:
    page = opens(width="phone")
    wrong: dict[str, list[str]] = {}

    def measure(state: str) -> None:
        wrong[state] = page.evaluate(SMALL)

    page.wait_for_selector(".sample img")
    measure("start")
    page.goto(page.url + "?sample=stripes&to=90")
    page.wait_for_selector(".rows[aria-busy=false] .card")
    measure("rows")
    page.locator(".reject").first.click()
    page.locator(".toast-action").wait_for()
    measure("undo")
    page.get_by_role("button", name="Choose a part").click()
    measure("part")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Remove category Rugs").click()
    page.get_by_role("button", name="Category", exact=True).click()
    measure("picker")
    page.keyboard.press("Escape")
    open_filters(page)
    measure("filters")
    page.keyboard.press("Escape")
    page.locator(".card-open").first.click()
    page.wait_for_selector(".alike[aria-busy=false] .card")
    page.locator(".alike .heart").first.click()
    measure("drawer")
    page.keyboard.press("Escape")
    page.locator("#list").click()
    measure("shortlist")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    page.locator("[data-key^='swap']").first.click()
    measure("look")

    assert {state: found for state, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    "width", ["phone", *(pytest.param(each, marks=pytest.mark.long) for each in ("tablet", "desktop"))]
)
def test_a_failure_at_every_width(opens: Any, width: str) -> None:
    page = opens("?sample=nowhere", width=width)
    page.get_by_role("alert").wait_for()
    settle(page)
    keep(page, f"{width}-light-10-failure")

    assert violations(page) == []
    assert overflow(page) <= 0


def test_the_chosen_colours_are_remembered(opens: Any) -> None:
    page = opens(scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)

    page.get_by_role("button", name="Dark colours").click()
    page.wait_for_function(f"before => {paper} !== before", arg=light)  # colours fade
    settle(page)
    dark = page.evaluate(paper)
    page.reload()
    page.wait_for_function(f"dark => {paper} === dark", arg=dark)

    assert dark != light
    assert page.evaluate(paper) == dark
    assert page.get_by_role("button", name="Dark colours").get_attribute("aria-pressed") == "true"


def test_everything_works_by_keyboard(opens: Any) -> None:
    page = opens()
    page.wait_for_selector(".sample")

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"no way to {selector}")

    tab_to(".sample")
    page.keyboard.press("Enter")
    page.wait_for_selector(".rows[aria-busy=false] .card")
    tab_to(".card-open")
    page.keyboard.press("ArrowUp")  # the eye of the row
    page.keyboard.press("Enter")
    page.wait_for_selector(".glow.shown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#drawer[open]")
    page.keyboard.press("Escape")
    page.wait_for_function("() => !history.state?.layer")  # the drawer has given the focus back
    page.keyboard.press("ArrowRight")  # a row is one tab stop
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.heart')[1]")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.keyboard.press("Tab")

    page.wait_for_function(
        "() => document.activeElement.closest('.row') === document.querySelectorAll('.row')[1]"
    )


def test_a_finger_draws_a_box_only_after_choose_a_part(opens: Any) -> None:
    page = opens("?sample=stripes", width="phone")
    page.wait_for_selector(".rows[aria-busy=false] .card")
    frame = page.locator(".frame")

    assert frame.evaluate("frame => getComputedStyle(frame).touchAction") == "auto"  # the page scrolls
    page.get_by_role("button", name="Choose a part").click()

    assert frame.evaluate("frame => getComputedStyle(frame).touchAction") == "none"
