"""Rows of products: the shares of a distance, attention, categories, filters and ratings."""

import re
from typing import Any

import pytest

from browser import keep, open_filters
from serving import Running, eventually

SHOES, BAGS, CHAIRS, RUGS = "Shoes", "Handbags", "Chairs", "Rugs"
ALL = {SHOES, BAGS, CHAIRS, RUGS}


def titles(page: Any) -> list[str]:
    return page.locator(".row h2").all_inner_texts()


def settled(page: Any) -> None:
    page.wait_for_selector(".rows[aria-busy=false]")


def answer(shop: Running, **options: Any) -> Any:
    return shop.client.post("/v1/complete", json={"sample": "stripes", "k": 12, **options}).json()


def test_a_card_shows_name_and_price_and_the_drawer_the_shares(page: Any, shop: Running) -> None:
    first = answer(shop)["categories"][0]
    product = first["products"][0]

    card = page.locator(".card").first

    assert card.locator(".card-name").inner_text() == f"{titles(page)[0]} 1"  # the drawn shop has no titles
    amount = product["price"].split()[0]
    assert card.locator(".price").inner_text().startswith(f"€{amount}")
    assert card.locator(".why").count() == 0

    card.locator(".card-open").click()

    whole, regions = (round(100 * product["why"][part]) for part in ("whole", "regions"))
    drawer = page.locator("#drawer")
    assert (
        drawer.locator(".why .unseen").inner_text()
        == f"Why: {whole}% from the whole scene, {regions}% from its regions"
    )
    bar, part = (drawer.locator(each).bounding_box()["width"] for each in (".why-bar", ".why-whole"))
    assert part / bar == pytest.approx(product["why"]["whole"], abs=0.02)


def eye(page: Any) -> Any:
    return page.get_by_role("button", name=re.compile("^Show where the model looked")).first


def test_the_attention_is_shown_on_demand_alone_and_without_boxes(page: Any) -> None:
    page.locator(".row").first.hover()
    page.locator(".card-open").first.focus()
    page.wait_for_timeout(100)
    assert "shown" not in page.locator(".glow").get_attribute("class")

    eye(page).click()

    page.wait_for_selector(".glow.shown canvas")
    assert page.locator(".glow > :not(canvas), .small-glow > :not(canvas)").count() == 0
    caption = page.locator(".caption").inner_text()
    assert caption.startswith(f"For {titles(page)[0].lower()}, the model looked")
    keep(page, "attention")
    eye(page).click()
    page.wait_for_selector(".glow:not(.shown)", state="attached")


def test_the_veil_is_thinnest_where_the_model_looked_most(page: Any, shop: Running) -> None:
    eye(page).click()
    page.wait_for_selector(".glow.shown canvas")
    weights = answer(shop, attention=True)["categories"][0]["attention"]["weights"]

    dark = page.locator(".glow canvas").evaluate(
        """canvas => {
          const pen = canvas.getContext("2d");
          return [...Array(49).keys()].map(region => {
            const x = (region % 7 + 0.5) * canvas.width / 7;
            const y = (Math.floor(region / 7) + 0.5) * canvas.height / 7;
            return pen.getImageData(x, y, 1, 1).data[3];
          });
        }"""
    )

    assert dark.index(min(dark)) == weights.index(max(weights))


def test_the_attention_can_be_shown_by_keyboard(page: Any) -> None:
    eye(page).focus()
    page.keyboard.press("Enter")
    page.locator("#theme").focus()

    assert eye(page).get_attribute("aria-pressed") == "true"
    assert "shown" in page.locator(".glow").get_attribute("class")


@pytest.mark.parametrize("arrow", [False, True])
def test_a_category_is_removed_and_added_by_keyboard(page: Any, arrow: bool) -> None:
    before = titles(page)
    assert set(before) == ALL

    page.get_by_role("button", name=f"Remove category {CHAIRS}").click()
    assert CHAIRS not in titles(page)

    page.get_by_role("button", name="Category", exact=True).click()
    page.keyboard.type("chai")
    if arrow:
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(f".row[aria-label={CHAIRS}] .card")
    assert page.locator(".picker-panel").is_hidden()

    assert titles(page) == [*(each for each in before if each != CHAIRS), CHAIRS]
    page.get_by_role("button", name="Suggested").click()
    page.wait_for_function(
        "before => [...document.querySelectorAll('.row h2')].map(e => e.textContent).join() === before",
        arg=",".join(before),
    )


def test_the_picker_closes_on_escape_and_says_when_it_is_empty(page: Any) -> None:
    page.get_by_role("button", name="Category", exact=True).click()
    assert page.locator(".picker-panel").inner_text().strip() == "No other category."

    page.keyboard.press("Escape")

    assert page.locator(".picker-panel").is_hidden()
    assert page.evaluate("document.activeElement.className") == "chip-add"


def test_without_categories_the_model_suggests_some(page: Any) -> None:
    for name in titles(page):
        page.get_by_role("button", name=f"Remove category {name}").click()
    page.get_by_role("heading", name="No categories chosen").wait_for()

    page.get_by_role("button", name="Suggest categories").click()

    page.wait_for_selector(".row .card")
    assert set(titles(page)) == ALL


def test_prices_and_stock(page: Any, shop: Running) -> None:
    open_filters(page).get_by_label("Price to in EUR").fill("40")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.search.includes('to=40')")
    settled(page)

    shown = [float(text.split()[0].lstrip("€")) for text in page.locator(".card .price").all_inner_texts()]
    assert shown
    assert max(shown) <= 40
    open_filters(page).get_by_role("switch", name="In stock").click()
    page.wait_for_function("() => location.search.includes('stock=in')")
    settled(page)
    ids = page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.product)")
    wanted = answer(shop, where="price <= 40 EUR and availability = in_stock")["categories"]
    assert ids == [each["id"] for section in wanted for each in section["products"]]


def test_filters_that_match_no_product_can_be_cleared(page: Any) -> None:
    open_filters(page).get_by_label("Price from in EUR").fill("9000")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="No product matches these filters").wait_for()

    page.get_by_role("button", name="Clear filters").click()

    page.wait_for_selector(".row .card")
    assert page.get_by_label("Price from in EUR").input_value() == ""


def test_what_is_not_a_price_is_explained_and_changes_nothing(page: Any) -> None:
    sheet = open_filters(page)
    sheet.get_by_label("Price to in EUR").fill("80")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.search.includes('to=80')")
    settled(page)

    sheet.get_by_label("Price to in EUR").fill("cheap")
    page.keyboard.press("Enter")
    sheet.get_by_text("“cheap” is not a number. The filter stays as it was.").wait_for()
    sheet.get_by_label("Price from in EUR").fill("90")
    page.keyboard.press("Enter")
    sheet.get_by_text("No price is from 90 and up to 80. The filter stays as it was.").wait_for()

    assert "to=80" in page.url
    assert "from=" not in page.url


def test_brands_are_chosen_and_everything_is_cleared(page: Any, shop: Running) -> None:
    brand = answer(shop)["categories"][0]["products"][0]["brand"]
    sheet = open_filters(page)
    brands = sheet.locator(".value").all_inner_texts()
    sheet.locator(".value").filter(has_text=brand).click()
    page.wait_for_function("() => location.search.includes('brand=')")
    settled(page)

    assert sheet.locator(".value").all_inner_texts() == brands  # nothing moves below a finger
    assert sheet.locator(".value[aria-pressed=true]").count() == 1
    wanted = answer(shop, where=f'brand = "{brand}"')["categories"]
    ids = page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.product)")
    assert ids == [each["id"] for section in wanted for each in section["products"]]
    assert page.locator(".active .found").inner_text() == f"{len(ids)} products"
    assert sheet.locator(".found").inner_text() == f"{len(ids)} products"
    page.keyboard.press("Escape")
    page.locator(".active").get_by_role("button", name="Clear").click()
    page.wait_for_function("() => !location.search.includes('brand=')")


def test_words_become_a_filter_that_can_be_seen_and_removed(page: Any, shop: Running) -> None:
    box = page.get_by_role("searchbox", name="Filter by words")
    box.fill("in stock, nowhere, under 70")
    box.press("Enter")
    page.get_by_role("heading", name="No product matches these filters").wait_for()

    active = page.locator(".active")
    assert active.locator(".chip-text").all_inner_texts() == ["up to €70", "In stock", "“nowhere”"]
    active.get_by_role("button", name="Remove filter “nowhere”").click()
    page.wait_for_selector(".rows[aria-busy=false] .card")
    ids = page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.product)")
    wanted = answer(shop, where="price <= 70 EUR and availability = in_stock")["categories"]
    assert ids == [each["id"] for section in wanted for each in section["products"]]


def test_rows_without_products_come_last(opens: Any) -> None:
    page = opens()
    page.wait_for_selector(".sample")

    def without_chairs(route: Any) -> None:
        found = route.fetch().json()
        for section in found["categories"]:
            section["products"] = [] if section["category"].endswith(CHAIRS) else section["products"]
        route.fulfill(json=found)

    page.route("**/v1/complete", without_chairs)
    page.get_by_role("button", name="Stripes").click()
    page.wait_for_selector(".rows[aria-busy=false] .card")

    assert set(titles(page)) == ALL - {CHAIRS}
    assert page.locator(".rows > :last-child").inner_text() == "No product matches the filters in Chairs."


def test_a_rejected_product_leaves_and_comes_back(page: Any, shop: Running) -> None:
    def ids() -> list[str]:
        cards = page.locator(".row").first.locator(".card")
        return cards.evaluate_all("cards => cards.map(card => card.dataset.product)")

    def count(event: str) -> int:
        return sum(each[event] for each in shop.client.get("/v1/stats").json()["by_rank"])

    rejected, before = count("rejected"), ids()
    category = page.locator(".row").first.get_attribute("data-category")
    more = answer(shop, k=16, category=[category])["categories"][0]["products"]
    spare = [each["id"] for each in more[12:13]]

    page.locator(".row .card").nth(1).hover()
    page.locator(".row .card").nth(1).locator(".reject").click()
    page.locator(f".card[data-product='{before[1]}']").wait_for(state="detached")

    assert ids() == [before[0], *spare, *before[2:]]
    page.get_by_role("button", name="Undo").click()
    page.locator(f".card[data-product='{before[1]}']").wait_for()
    assert ids() == before
    eventually(lambda: count("rejected") == rejected + 1)


def test_a_rejected_product_stays_away_from_later_answers_until_it_is_undone(page: Any) -> None:
    def shown() -> list[str]:
        return page.locator("[data-product]").evaluate_all("all => all.map(each => each.dataset.product)")

    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    page.get_by_role("button", name=re.compile("^Lock ")).first.click()
    picture = page.locator(".slot .card-open img").first.get_attribute("src")
    rejected = re.search("products/([^/]+)/picture", picture)
    assert rejected
    page.get_by_role("button", name="Products", exact=True).click()

    card = page.locator(f".row .card[data-product='{rejected[1]}']")
    card.hover()
    card.locator(".reject").click()
    card.wait_for(state="detached")
    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    pictures = page.locator(".slot .card-open img").evaluate_all("all => all.map(each => each.src)")
    assert [each for each in pictures if rejected[1] in each] == []
    page.get_by_role("button", name="Products", exact=True).click()
    open_filters(page).get_by_label("Price from in EUR").fill("1")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.search.includes('from=1')")
    settled(page)

    assert rejected[1] not in shown()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Undo").click()  # of an earlier answer by now
    page.wait_for_function("id => document.querySelector(`.row [data-product='${id}']`)", arg=rejected[1])


def test_a_rejection_cannot_be_undone_after_its_scene_is_left(page: Any) -> None:
    page.locator(".row .reject").nth(1).press("Enter")
    page.get_by_role("button", name="Undo").wait_for()
    page.locator("#home").click()
    page.locator("#start").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_timeout(200)  # an error would be on the console
    assert page.locator("#start").is_visible()


def test_a_kept_look_with_a_rejected_product_is_not_kept(page: Any) -> None:
    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    page.get_by_role("button", name=re.compile("^Lock ")).first.click()
    page.get_by_role("button", name="Keep to compare").click()
    picture = page.locator(".slot .card-open img").first.get_attribute("src")
    page.get_by_role("button", name="Products", exact=True).click()
    ids = page.locator(".row .card").evaluate_all("cards => cards.map(card => card.dataset.product)")
    held = next(each for each in ids if each in picture)
    page.locator(f".row [data-product='{held}'] .reject").press("Enter")
    page.get_by_role("button", name="Whole look").click()
    page.wait_for_selector(".look[aria-busy=false] .slot .card-name")
    assert page.get_by_role("button", name="Keep to compare").is_enabled()


def test_the_server_stores_what_is_kept_and_shown(opens: Any, shop: Running) -> None:
    def count(event: str) -> int:
        return sum(each[event] for each in shop.client.get("/v1/stats").json()["by_rank"])

    before = count("kept"), count("shown")
    page = opens("?sample=stripes")
    page.wait_for_selector(".rows[aria-busy=false] .card")
    page.locator(".card").first.hover()
    page.locator(".heart").first.click()
    assert page.locator(".heart").first.get_attribute("aria-pressed") == "true"

    eventually(lambda: count("kept") == before[0] + 1)
    eventually(lambda: count("shown") > before[1])  # cards on the screen


def test_a_row_scrolls(page: Any) -> None:
    row = page.locator(".row").first
    back = row.get_by_role("button", name=re.compile("^Previous products in"))
    assert back.is_disabled()

    row.get_by_role("button", name=re.compile("^Next products in")).click()

    page.wait_for_function("() => document.querySelector('.cards').scrollLeft > 50")
    eventually(back.is_enabled)  # enabled when the scrolling ends
