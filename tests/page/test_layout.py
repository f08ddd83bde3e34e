"""Where things are: products in view, the photo of a phone, and no jumps."""

from typing import Any

import pytest

from browser import open_filters
from pictures import drawn

IN_VIEW = """() => [...document.querySelectorAll(".card")].filter(card => {
  const { left, top, right, bottom } = card.getBoundingClientRect();
  return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
}).length"""
JUMPS = """() => new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 100);
})"""


def rows(page: Any) -> Any:
    page.wait_for_selector(".rows[aria-busy=false] .tile img.here")
    return page


def test_a_desktop_shows_eight_products(page: Any) -> None:
    rows(page)

    assert page.evaluate(IN_VIEW) >= 8


@pytest.mark.parametrize(("across", "down"), [(640, 480), (480, 720)])
def test_a_phone_shows_the_first_product(opens: Any, tmp_path: Any, across: int, down: int) -> None:
    drawn(across, down).save(tmp_path / "scene.jpg")
    page = opens(width="phone")

    page.set_input_files("#file", tmp_path / "scene.jpg")

    rows(page)
    assert page.evaluate(IN_VIEW) >= 1


def test_nothing_overflows_from_320_pixels_up(opens: Any) -> None:
    page = opens()
    wrong: list[tuple[str, int]] = []

    def measure(state: str, selector: str = "html") -> None:
        for across in (320, 360, 390, 768, 1024):
            page.set_viewport_size({"width": across, "height": 720})
            if page.locator(selector).evaluate("each => each.scrollWidth > each.clientWidth"):
                wrong.append((state, across))

    page.wait_for_selector(".sample img")
    measure("start")
    page.get_by_role("button", name="Stripes").click()
    rows(page)
    measure("rows")
    open_filters(page)
    measure("filters", "#filters")
    page.keyboard.press("Escape")
    page.locator(".card-open").first.click()
    page.wait_for_selector(".alike[aria-busy=false] .card")
    measure("drawer", "#drawer")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    measure("look")

    assert wrong == []


@pytest.mark.parametrize("width", ["phone", "desktop"])
def test_nothing_jumps_when_the_answer_comes(opens: Any, width: str) -> None:
    page = rows(opens("?sample=stripes", width=width))

    assert page.evaluate(JUMPS) <= 0.02


def test_the_small_photo_of_a_phone_opens_the_photo(opens: Any) -> None:
    page = rows(opens("?sample=stripes", width="phone"))
    peek = page.locator(".peek")
    assert peek.is_hidden()

    page.locator(".where").last.click()
    page.locator(".row").last.scroll_into_view_if_needed()
    page.wait_for_selector(".peek .shown canvas", state="attached")
    peek.click()

    dialog = page.locator("#photo")
    assert dialog.locator(".frame .glow.shown").count() == 1
    dialog.get_by_role("button", name="Close").click()
    assert page.locator("#scene .frame").count() == 1
    assert page.evaluate("document.activeElement.className") == "peek"
