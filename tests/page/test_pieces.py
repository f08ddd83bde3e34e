"""What the answer says about the photo: pieces that it shows, and that it is far from known ones."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error

from browser import violations


def answered_with(page: Any, change: Callable[[Any], None]) -> None:
    """Complete the first sample. `change` changes the answer."""
    page.wait_for_selector(".sample")

    def changed(route: Any) -> None:
        with suppress(Error):  # the page has asked again, and this answer is no longer wanted
            found = route.fetch().json()
            change(found)
            route.fulfill(json=found)

    page.route("**/v1/complete", changed)
    page.locator(".sample").first.click()
    page.wait_for_selector(".rows[aria-busy=false] .card")


def test_a_dot_opens_the_piece_and_completes_its_part(opens: Any) -> None:
    page = opens()
    pieces: list[Any] = []

    def with_piece(found: Any) -> None:
        section = found["categories"][0]
        piece = {**section["products"][0], "category": section["category"], "region": [0.2, 0.4, 0.4, 0.6]}
        found["in_scene"] = pieces[:] = [piece]

    answered_with(page, with_piece)
    dot, frame = page.locator(".dot"), page.locator(".frame").bounding_box()
    box = dot.bounding_box()
    across = (box["x"] + box["width"] / 2 - frame["x"]) / frame["width"]
    assert abs(across - 0.3) < 0.01
    assert page.locator(".piece").count() == 1
    assert violations(page) == []

    dot.click()
    page.wait_for_selector(f"#drawer[open] [data-product='{pieces[0]['id']}']")
    page.get_by_role("button", name="What goes with this part").click()

    page.wait_for_function("() => location.search.includes('box=0.08%2C0.28%2C0.52%2C0.72')")
    assert page.locator(".dot").count() == 0  # the part is shown, and dots are of the whole photo


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_dots_of_one_place_are_next_to_each_other_and_below_no_button(opens: Any, width: str) -> None:
    page = opens(width=width)
    regions = [[0.2, 0.4, 0.4, 0.6], [0.2, 0.4, 0.4, 0.6], [0.22, 0.42, 0.4, 0.6], [0.8, 0.85, 1.0, 1.0]]

    def with_pieces(found: Any) -> None:
        sections = (found["categories"] * 4)[:4]
        found["in_scene"] = [
            {**section["products"][0], "category": f"{section['category']}|{at}", "region": region}
            for at, (section, region) in enumerate(zip(sections, regions, strict=True))
        ]

    answered_with(page, with_pieces)
    frame, dots = page.locator(".frame").bounding_box(), page.locator(".dot")
    assert dots.count() == 4
    first = dots.first.bounding_box()
    across = (first["x"] + first["width"] / 2 - frame["x"]) / frame["width"]
    assert abs(across - 0.3) < 0.01
    for dot in dots.all():
        dot.click(trial=True, timeout=5_000)  # nothing else is at its middle
    for group in (".dot", ".piece"):
        assert page.locator(f"{group}[tabindex='0']").count() == 1
    dots.first.focus()
    page.keyboard.press("End")
    assert dots.last.evaluate("each => each === document.activeElement")


def test_the_drawer_has_no_shares_of_a_model_without_regions(opens: Any) -> None:
    page = opens()

    def whole(found: Any) -> None:
        for section in found["categories"]:
            for product in section["products"]:
                product["why"] = {"whole": 1.0, "regions": 0.0}

    answered_with(page, whole)
    page.locator(".card-open").first.click()
    page.wait_for_selector("#drawer[open] .drawer-actions")
    assert page.locator("#drawer .why").count() == 0


def test_a_photo_far_from_known_ones_is_called_a_guess_without_percentages(opens: Any) -> None:
    page = opens()

    answered_with(page, lambda found: found.update(far_from_known=True))

    notice = page.locator(".far")
    assert "guess" in notice.inner_text()
    assert not [each for each in page.locator("[title]").all() if "%" in each.get_attribute("title")]
    page.locator(".card-open").first.click()
    page.wait_for_selector("#drawer[open]")
    assert page.locator("#drawer .why").count() == 0
    page.keyboard.press("Escape")
    notice.get_by_role("button").click()
    page.wait_for_selector("#adapt[open]")
    assert "perfectlook adapt" in page.locator("#adapt pre").inner_text()
