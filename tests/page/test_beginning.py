"""Give a scene in every way, wait for the answer, and see failures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from browser import open_filters
from pictures import drawn
from serving import Running, Store, running

GIVE = """([bytes, name, type, event]) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], name, { type }));
  const said = event === "paste"
    ? new ClipboardEvent("paste", { clipboardData: files, bubbles: true })
    : new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
  document.body.dispatchEvent(said);
}"""


def rows(page: Any) -> list[str]:
    page.wait_for_selector(".rows[aria-busy=false] .card")
    return page.locator(".row h2").all_inner_texts()


def names(page: Any) -> list[str]:
    return page.locator(".card-name").all_inner_texts()


def test_a_click_on_a_sample_completes_it(opens: Any, shop: Running) -> None:
    page = opens()
    page.wait_for_selector(".sample")

    assert page.get_by_role("heading", level=1).inner_text().startswith("Show a scene.")
    assert page.locator(".sample").all_inner_texts() == ["Checks", "Slopes", "Stripes"]

    page.get_by_role("button", name="Stripes").click()

    answer = shop.client.post("/v1/complete", json={"sample": "stripes"}).json()
    assert rows(page) == [each["category"].split("|")[-1] for each in answer["categories"]]
    assert (
        page.locator(".scene-photo").evaluate("photo => photo.naturalWidth") == answer["photo_size"]["width"]
    )


def test_a_photo_from_the_disk(opens: Any, shop: Running, store: Store) -> None:
    page = opens()

    page.set_input_files("#file", store.photos[0])

    assert len(rows(page)) == 4
    ids = page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.product)")
    answer = shop.photo(store.photos[0], k=12).json()
    assert ids == [each["id"] for section in answer["categories"] for each in section["products"]]


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_dropped_or_pasted(opens: Any, store: Store, event: str) -> None:
    page = opens()

    page.evaluate(GIVE, [list(store.photos[0].read_bytes()), "room.jpg", "image/jpeg", event])

    assert len(rows(page)) == 4


def test_a_photo_from_the_web(opens: Any, shop: Running) -> None:
    page = opens()

    page.get_by_label("Address of a picture on the web").fill(f"{shop.url}/v1/samples/stripes/picture")
    page.get_by_role("button", name="Use it").click()

    assert len(rows(page)) == 4
    # the server fetches it; the page shows no picture of an http address
    assert "blank" in page.locator(".frame").get_attribute("class")


def test_a_picture_that_cannot_be_fetched(opens: Any) -> None:
    page = opens()

    page.get_by_label("Address of a picture on the web").fill("http://127.0.0.1:9/room.jpg")
    page.get_by_role("button", name="Use it").click()

    page.get_by_role("heading", name="This picture could not be fetched").wait_for()


def test_a_large_photo_is_scaled_down_before_it_is_sent(opens: Any, tmp_path: Path) -> None:
    heavy = tmp_path / "heavy.bmp"
    drawn(1300, 1000).save(heavy)
    assert heavy.stat().st_size > 3 * 2**20  # the server takes 0.4 MB
    page = opens()

    page.set_input_files("#file", heavy)

    assert len(rows(page)) == 4


def test_skeletons_are_shown_while_waiting(opens: Any) -> None:
    page = opens()
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/v1/complete", hold)

    page.get_by_role("button", name="Stripes").click()
    page.wait_for_selector(".row.skeleton")

    assert page.locator(".rows").get_attribute("aria-busy") == "true"
    assert page.locator("#spoken").inner_text() == "Looking for products."
    held[0].continue_()
    assert len(rows(page)) == 4
    assert page.locator(".skeleton").count() == 0


def test_a_file_that_is_not_a_picture(opens: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    page = opens()

    page.set_input_files("#file", tmp_path / "notes.txt")

    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "This file cannot be read as a photo" in alert.inner_text()
    page.get_by_role("button", name="Use another photo").click()
    assert page.locator("#start").is_visible()


def test_a_photo_that_is_too_large(opens: Any, tmp_path: Path) -> None:
    (tmp_path / "large.heic").write_bytes(bytes(600_000))
    page = opens()

    page.set_input_files("#file", tmp_path / "large.heic")

    page.get_by_role("heading", name="This photo is too large").wait_for()


def changing(page: Any, change: Callable[[Any], None]) -> None:
    """Open the first sample. `change` changes its answer."""

    def changed(route: Any) -> None:
        found = route.fetch().json()
        change(found)
        route.fulfill(json=found)

    page.route("**/v1/complete", changed)
    page.goto(page.url + "?sample=stripes")


def test_an_empty_catalogue_is_called_empty(opens: Any) -> None:
    page = opens()
    page.route("**/v1/categories", lambda route: route.fulfill(json={"categories": []}))

    changing(
        page,
        lambda found: found.update(categories=[], **({"look": {"slots": []}} if "look" in found else {})),
    )

    page.get_by_role("heading", name="There are no products yet").wait_for()
    page.get_by_role("button", name="Whole look").click()
    page.locator("#look").get_by_role("heading", name="There are no products yet").wait_for()


def test_a_look_that_fails_has_no_empty_bar(opens: Any) -> None:
    page = opens("?sample=stripes")
    rows(page)

    page.route("**/v1/complete", lambda route: route.abort())
    page.get_by_role("button", name="Whole look").click()
    page.get_by_role("heading", name="The server cannot be reached").wait_for()

    assert page.locator(".totals").count() == 0


def test_prices_are_in_the_currency_of_most_products(opens: Any) -> None:
    page = opens()

    def mixed(found: Any) -> None:
        found["categories"][0]["products"][0]["price"] = "12500 JPY"

    changing(page, mixed)
    rows(page)
    sheet = open_filters(page)
    assert sheet.get_by_text("Price EUR", exact=True).is_visible()


def test_a_missing_picture_is_called_missing_in_the_drawer_and_on_the_shortlist(opens: Any) -> None:
    page = opens("?sample=stripes")
    rows(page)
    page.route("**/picture?size=*", lambda route: route.abort())

    page.locator(".rows .heart").first.click()
    page.locator("#list").click()
    page.wait_for_selector("#shortlist .tile.broken")
    page.keyboard.press("Escape")
    page.locator(".card-open").first.click()
    page.wait_for_selector("#drawer .tile.large.broken")


def test_a_busy_server_can_be_tried_again(opens: Any, store: Store, samples: Path, tmp_path: Path) -> None:
    with running(store, tmp_path, samples=str(samples), rate=0.001, burst=40) as slow:
        page = opens(url=slow.url)
        page.wait_for_selector(".sample")
        while slow.client.get("/v1/categories").status_code != 429:
            pass

        page.get_by_role("button", name="Stripes").click()

        page.get_by_role("heading", name="The server is busy").wait_for()
        assert page.get_by_role("button", name="Try again").is_visible()


def test_a_server_that_cannot_be_reached_can_be_tried_again(opens: Any) -> None:
    page = opens()
    page.wait_for_selector(".sample")
    page.context.set_offline(True)

    page.get_by_role("button", name="Stripes").click()
    page.get_by_role("heading", name="The server cannot be reached").wait_for()

    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    assert len(rows(page)) == 4


def test_a_scene_that_does_not_exist(opens: Any) -> None:
    page = opens("?sample=nowhere")

    page.get_by_role("alert").wait_for()
    assert page.get_by_role("button", name="Use another photo").is_visible()
