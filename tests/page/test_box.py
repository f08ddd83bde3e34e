"""A box on the photo: the answer is for this part only."""

import re
from typing import Any

import pytest

from serving import Running


def ids(page: Any) -> list[str]:
    return page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.product)")


def completed(shop: Running, box: str | None) -> list[str]:
    asked = {"sample": "stripes", "k": 12} | ({"box": box} if box else {})
    answer = shop.client.post("/v1/complete", json=asked).json()
    return [each["id"] for section in answer["categories"] for each in section["products"]]


def boxed(page: Any) -> str:
    page.wait_for_function("() => location.search.includes('box=')")
    page.wait_for_selector(".rows[aria-busy=false]")
    return page.evaluate("() => new URLSearchParams(location.search).get('box')")


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    frame = page.locator(".frame").bounding_box()
    for place, act in ((start, page.mouse.down), (end, page.mouse.up)):
        page.mouse.move(
            frame["x"] + place[0] * frame["width"], frame["y"] + place[1] * frame["height"], steps=4
        )
        act()


def test_dragging_completes_only_that_part(page: Any, shop: Running) -> None:
    whole = ids(page)
    assert whole == completed(shop, None)

    drag(page, (0.1, 0.2), (0.6, 0.7))

    box = boxed(page)
    assert [float(edge) for edge in box.split(",")] == pytest.approx([0.1, 0.2, 0.6, 0.7], abs=0.01)
    assert ids(page) == completed(shop, box) != whole
    page.get_by_role("button", name="Whole photo").click()
    page.wait_for_function("() => !location.search.includes('box=')")
    page.wait_for_selector(".rows[aria-busy=false]")
    assert ids(page) == whole
    assert page.locator(".box").count() == 0


def test_a_box_is_moved_and_resized_by_its_corner(page: Any) -> None:
    drag(page, (0.2, 0.2), (0.5, 0.5))
    boxed(page)

    drag(page, (0.35, 0.35), (0.45, 0.55))  # inside: moves
    page.wait_for_function("() => location.search.includes('box=0.3')")
    drag(page, (0.6, 0.7), (0.8, 0.9))  # the lower right corner
    page.wait_for_function("() => /box=0.3[^&]*0.(8|79)/.test(decodeURIComponent(location.search))")

    assert [float(edge) for edge in boxed(page).split(",")] == pytest.approx([0.3, 0.4, 0.8, 0.9], abs=0.02)


def test_a_box_by_keyboard(page: Any) -> None:
    page.get_by_role("button", name="Choose a part").click()
    box = page.locator(".box")
    assert box.evaluate("box => box === document.activeElement")
    assert box.get_attribute("aria-label").startswith(
        "Selected part: 25 to 75 percent across, 25 to 75 percent down."
    )

    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    assert box.get_attribute("aria-label").startswith(
        "Selected part: 15 to 65 percent across, 25 to 77 percent down."
    )
    page.keyboard.press("Enter")

    assert boxed(page) == "0.15,0.25,0.65,0.77"
    page.locator(".box").focus()
    page.keyboard.press("Escape")
    page.wait_for_function("() => !location.search.includes('box=')")


def test_a_click_draws_no_box(page: Any) -> None:
    page.locator(".frame").click()

    assert page.locator(".box").count() == 0
    assert "box=" not in page.url


def test_the_attention_of_a_part_lies_over_that_part(page: Any) -> None:
    drag(page, (0.5, 0.5), (0.9, 0.9))
    boxed(page)

    page.get_by_role("button", name=re.compile("^Show where the model looked")).first.click()
    page.wait_for_selector(".glow.shown")

    glow, frame = (page.locator(each).bounding_box() for each in (".glow", ".frame"))
    assert glow["width"] / frame["width"] == pytest.approx(0.4, abs=0.02)
    assert (glow["x"] - frame["x"]) / frame["width"] == pytest.approx(0.5, abs=0.02)
