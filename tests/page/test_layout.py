"""Where things are: products in view, the photo of a phone, and no jumps."""

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from pictures import drawn
from serving import Running

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


def showing(picture: Image.Image) -> Callable[[Any], None]:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return lambda route: route.fulfill(body=file.getvalue(), content_type="image/png")


@pytest.mark.parametrize("width", ["phone", pytest.param("desktop", marks=pytest.mark.long)])
def test_nothing_jumps_at_the_start_when_the_samples_come(opens: Any, width: str) -> None:
    def later(route: Any) -> None:
        time.sleep(0.4)
        route.continue_()

    page = opens(width=width, fresh=True)
    page.route("**/v1/samples", later)
    page.reload()

    page.wait_for_selector(".sample img")
    assert page.evaluate(JUMPS) <= 0.02


def rows(page: Any) -> Any:
    page.wait_for_selector(".rows[aria-busy=false] .tile img.here")
    return page


@pytest.mark.parametrize("across", [320, 390, pytest.param(1440, marks=pytest.mark.long)])
def test_a_reason_is_read_whole(opens: Any, across: int) -> None:
    page = opens(width="phone" if across < 800 else "desktop", viewport={"width": across, "height": 844})
    said = "Hell und ruhig wie der Großteil des Fotos."

    def reasoned(route: Any) -> None:
        found = route.fetch().json()
        for section in found["categories"]:
            for product in section["products"]:
                product["reason"] = {"text": said, "colours": [], "materials": [], "tone": "light"}
        route.fulfill(json=found)

    page.route("**/v1/complete", reasoned)
    page.goto(page.url + "?sample=stripes")
    page.wait_for_selector(".rows[aria-busy=false] .card")
    cut = """all => all.map(each =>
        [each.scrollWidth - each.clientWidth, each.scrollHeight - each.clientHeight, each.clientWidth])
      .filter(([across, down]) => across > 1 || down > 1)"""
    assert page.locator(".card .reason").first.inner_text() == said
    assert page.locator(".card .reason").evaluate_all(cut) == []


def test_a_desktop_shows_eight_products(page: Any) -> None:
    rows(page)

    assert page.evaluate(IN_VIEW) >= 8


@pytest.mark.parametrize(("across", "down"), [pytest.param(640, 480, marks=pytest.mark.long), (480, 720)])
def test_a_phone_shows_the_first_product(opens: Any, tmp_path: Any, across: int, down: int) -> None:
    drawn(across, down).save(tmp_path / "scene.jpg")
    page = opens(width="phone")

    page.set_input_files("#file", tmp_path / "scene.jpg")

    rows(page)
    assert page.evaluate(IN_VIEW) >= 1


@pytest.mark.parametrize("language", [pytest.param("english", marks=pytest.mark.long), "german"])
def test_nothing_overflows_from_320_pixels_up(
    opens: Any, language: str, request: pytest.FixtureRequest
) -> None:
    page = opens(url=request.getfixturevalue("german" if language == "german" else "shop").url)
    wrong: list[tuple[str, int]] = []

    def measure(state: str, selector: str = "html") -> None:
        for across in (320, 360, 390, 768, 1024):
            page.set_viewport_size({"width": across, "height": 720})
            if page.locator(selector).evaluate("each => each.scrollWidth > each.clientWidth"):
                wrong.append((state, across))

    page.wait_for_selector(".sample img")
    measure("start")
    page.locator(".sample").first.click()
    rows(page)
    measure("rows")
    page.locator(".filter-open").click()
    measure("filters", "#filters")
    page.keyboard.press("Escape")
    page.locator(".card-open").first.click()
    page.wait_for_selector(".alike[aria-busy=false] .card")
    measure("drawer", "#drawer")
    page.keyboard.press("Escape")
    page.locator("[data-key='view look']").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    page.locator("[data-key^='swap']").first.click()
    measure("look")

    assert wrong == []


@pytest.mark.parametrize("width", ["phone", pytest.param("tablet", marks=pytest.mark.long), "desktop"])
def test_nothing_jumps_when_the_answer_comes(opens: Any, width: str) -> None:
    page = rows(opens("?sample=stripes", width=width, fresh=True))

    assert page.evaluate(JUMPS) <= 0.02


def test_nothing_jumps_when_the_small_photo_comes(opens: Any) -> None:
    page = rows(opens("?sample=stripes", width="phone"))
    page.wait_for_timeout(600)  # what moves soon after a click or a key is no jump
    before = page.evaluate(JUMPS)
    page.evaluate("scrollTo(0, 700)")
    page.wait_for_selector(".peek:not([hidden])")
    assert page.evaluate(JUMPS) - before <= 0.001
    chips = page.locator(".chips").bounding_box()
    assert (
        chips["x"]
        >= page.locator(".peek").bounding_box()["x"] + page.locator(".peek").bounding_box()["width"]
    )
    page.locator(".chip").last.scroll_into_view_if_needed()
    last = page.locator(".chip").last.bounding_box()
    assert last["x"] + last["width"] <= page.evaluate("innerWidth")


@pytest.mark.parametrize("width", ["phone", pytest.param("desktop", marks=pytest.mark.long)])
def test_nothing_jumps_when_a_look_comes(opens: Any, german: Running, width: str) -> None:
    page = opens("?sample=stripes&view=look", width=width, url=german.url, fresh=True)
    page.wait_for_selector(".look[aria-busy=false] .slot .tile img.here")

    assert page.evaluate(JUMPS) <= 0.02


def test_the_space_under_the_photo_has_the_totals(page: Any) -> None:
    sums = page.locator(".sum")
    assert sums.count() == 0

    page.locator(".heart").first.click()
    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    look = page.locator(".totals .total").inner_text().split("\n")
    page.get_by_role("button", name="Products").click()

    assert sums.nth(0).inner_text().split("\n") == ["Whole look", " · ".join(reversed(look))]
    price = page.locator(".card .price > :first-child").first.inner_text()
    assert sums.nth(1).inner_text().split("\n") == ["Shortlist", f"1 product · {price}"]
    sums.nth(1).click()
    page.wait_for_selector("#shortlist[open]")


@pytest.mark.parametrize("fills", [False, True])
def test_photos_fill_tiles_and_clothes_have_upright_ones(opens: Any, fills: bool) -> None:
    page = opens()
    page.wait_for_selector(".sample")

    on_white, photo = Image.new("RGB", (60, 60), "white"), Image.new("RGB", (60, 60), "red")
    on_white.paste("red", (2, 2, 58, 58))  # a narrow margin, as of a trimmed picture
    page.route("**/picture?size=320", showing(photo if fills else on_white))
    page.route("**/picture?size=640", showing(photo))
    page.locator(".sample").first.click()
    rows(page)
    page.wait_for_function("() => document.querySelectorAll('.rows img.here').length >= 5")

    assert (page.locator(".rows .tile.photo").count() >= 5) == fills
    for card in page.locator(".rows .card").all()[:30]:
        tile = card.locator(".tile").bounding_box()
        upright = "Apparel" in card.evaluate("card => card.closest('.row').dataset.category")
        assert tile["width"] == pytest.approx(card.bounding_box()["width"], abs=1)
        assert tile["width"] / tile["height"] == pytest.approx(0.75 if upright else 1, abs=0.02)
    page.locator(".card-open").first.click()
    page.wait_for_selector(".tile.large.photo img.here")


def test_the_button_of_a_panorama_is_below_the_header(opens: Any) -> None:
    page = opens(width="phone")
    page.wait_for_selector(".sample")
    file = io.BytesIO()
    Image.new("RGB", (900, 60), "teal").save(file, "PNG")
    page.set_input_files("#file", {"name": "p.png", "mimeType": "image/png", "buffer": file.getvalue()})
    rows(page)

    button = page.get_by_role("button", name="Choose a part").bounding_box()
    header = page.locator(".top").bounding_box()
    assert button["y"] >= header["y"] + header["height"]


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
    page.wait_for_selector("#scene .frame")  # the dialog's event of closing comes later
    assert page.evaluate("document.activeElement.className") == "peek"
