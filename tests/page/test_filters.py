"""Filters: brands and colours of the catalogue, words that become filters, and the number of products."""

from typing import Any

import pytest

from browser import open_filters
from serving import Running

BRANDS = ["Acme20", "Muji20", "Odd & Sons16"]
"""14 products in each of 4 categories take turns with three brands."""


def settled(page: Any) -> Any:
    page.wait_for_selector(".rows[aria-busy=false] .card")
    return page


def chips(page: Any) -> list[str]:
    return page.locator(".active .chip-text").all_inner_texts()


def values(page: Any) -> list[str]:
    found = open_filters(page).locator(".value:visible").all_inner_texts()
    return [each.replace("\n", "") for each in found]


@pytest.fixture
def many_brands(opens: Any) -> Any:
    """The page of a catalogue with 20 brands."""
    page = opens()
    names = [*(f"Brand {number}" for number in range(1, 20)), "Rare & Co"]
    counts = [{"value": name, "products": 40 - place} for place, name in enumerate(names)]
    page.route(
        "**/v1/facets", lambda route: route.fulfill(json={"facets": [{"field": "brand", "values": counts}]})
    )
    page.goto(page.url + "?sample=stripes")
    return settled(page)


@pytest.mark.parametrize("query", [pytest.param("", marks=pytest.mark.long), "&brand=Acme", "&word=nothing"])
def test_brands_are_counted_over_the_catalogue_at_every_address(opens: Any, query: str) -> None:
    page = opens(f"?sample=stripes{query}")
    page.wait_for_selector(".rows[aria-busy=false]:not(:empty)")

    assert values(page) == BRANDS


def test_rarer_brands_unfold(many_brands: Any) -> None:
    assert values(many_brands)[-1] == "8 more"
    assert len(values(many_brands)) == 13

    open_filters(many_brands).get_by_role("button", name="8 more").press("Enter")

    assert values(many_brands)[-1] == "Rare & Co21"
    assert many_brands.evaluate("document.activeElement.textContent") == "Brand 1328"


def test_words_know_every_brand_of_the_catalogue(many_brands: Any) -> None:
    box = many_brands.get_by_role("searchbox", name="Filter by words")
    box.fill("rare & co, brand 11")
    box.press("Enter")
    many_brands.wait_for_function("() => location.search.includes('brand=')")

    assert sorted(chips(many_brands)) == ["Brand 11", "Rare & Co"]
    assert "word=" not in many_brands.url


def test_words_that_cannot_be_a_price_are_explained_and_change_nothing(opens: Any) -> None:
    page = settled(opens("?sample=stripes&to=80"))
    box = page.get_by_role("searchbox", name="Filter by words")

    for words, reason in (
        ("300 to 100", "No price is from 300 and up to 100. The filter stays as it was."),
        ("over 90", "No price is from 90 and up to 80. The filter stays as it was."),
        ("under 12.34.5", "“12.34.5” is not a number. The filter stays as it was."),
    ):
        box.fill(words)
        box.press("Enter")

        page.get_by_text(reason).wait_for()
        assert chips(page) == ["up to €80"]
        assert box.input_value() == words  # to correct it
        box.fill("under 70")
        assert page.locator(".words-problem").is_hidden()
    box.press("Enter")
    page.wait_for_function("() => location.search.includes('to=70')")


def test_only_prices_become_price_filters(opens: Any) -> None:
    page = settled(opens("?sample=stripes"))
    understood = """async texts => {
      const { understood } = await import("/typed.js");
      const none = { brands: new Map(), colours: new Map() };
      return texts.map(text => {
        const { from, to, words } = understood(text, none);
        return [from ?? null, to ?? null, words.join(" ")];
      });
    }"""
    expected = {
        "2-3 seater sofa": [None, None, "2-3 seater sofa"],
        "desk 120-160 cm": [None, None, "desk 120-160 cm"],
        "desk from 120 to 160 cm": [None, None, "desk from 120 160 cm"],
        "shoes 38-39": [None, None, "shoes 38-39"],
        "rug under 2 m": [None, None, "rug under 2 m"],
        "rug under 12.5 cm": [None, None, "rug under 12.5 cm"],
        "rug 160 to 230": [None, None, "rug 160 230"],
        "3-seater under 900": [None, "900", "3-seater"],
        "sofa between 300 and 900": ["300", "900", "sofa"],
        "lamp 100-200 €": ["100", "200", "lamp"],
        "oak, 100-300": ["100", "300", "oak"],
        "over 100 under 300 oak": ["100", "300", "oak"],
        "sofa from 100": ["100", None, "sofa"],
    }
    assert page.evaluate(understood, list(expected)) == list(expected.values())


def test_only_prices_become_price_filters_in_german(opens: Any, german: Running) -> None:
    page = settled(opens("?sample=stripes", url=german.url))
    for words, found in (
        ("Tisch 120 bis 160 cm", ["„Tisch“", "„120“", "„160“", "„cm“"]),
        ("3-Sitzer von 100 bis 300", ["ab 100 €", "bis 300 €", "„3-Sitzer“"]),
    ):
        box = page.get_by_role("searchbox")
        box.fill(words)
        box.press("Enter")
        page.wait_for_function(
            "n => document.querySelectorAll('.active .chip-text').length === n", arg=len(found)
        )
        assert [each.replace("\xa0", " ") for each in chips(page)] == found
        page.locator(".active .chip-reset").click()
        page.wait_for_function("() => !document.querySelector('.active .chip-text')")


NAMED = """async texts => {
  const { understood } = await import("/typed.js");
  const facets = { brands: new Map([["Kessel & Werk", 3]]), colours: new Map([["Rot", 2]]) };
  const known = PATHS.map(category => ({ category }));
  return texts.map(text => {
    const { categories, brands, colours, words, to } = understood(text, facets, known);
    const names = categories.map(each => each.split("|").at(-1));
    return [names, [...brands, ...colours, ...words], to ?? null];
  });
}"""


def test_words_name_categories(opens: Any) -> None:
    page = settled(opens("?sample=stripes"))
    paths = [
        "Decor|Rugs",
        "Tables|Coffee Tables",
        "Shelving|Shelves",
        "Lamps|Floor Lamps",
        "Lamps|Table Lamps",
    ]
    expected = {
        "rugs under 200": [["Rugs"], [], "200"],
        "white rug": [["Rugs"], ["white"], None],
        "oak coffee table, shelf": [["Coffee Tables", "Shelves"], ["oak"], None],
        "rug in red from Kessel & Werk": [["Rugs"], ["Kessel & Werk", "red"], None],
        "brass lamps": [["Floor Lamps", "Table Lamps"], ["brass"], None],
        "lamp": [[], ["lamp"], None],  # titles have it
        "rug tassel": [[], ["rug", "tassel"], None],
        "rugged": [[], ["rugged"], None],
        'lamp "white shade"': [[], ["lamp", "white shade"], None],
    }
    assert page.evaluate(NAMED.replace("PATHS", str(paths)), list(expected)) == list(expected.values())


def test_words_name_categories_and_colours_in_german(opens: Any, german: Running) -> None:
    page = settled(opens("?sample=stripes", url=german.url))
    paths = ["Deko|Kissen", "Möbel|Stühle", "Deko|Teppiche", "Lampen|Stehlampen", "Lampen|Tischlampen"]
    expected = {
        "rote Kissen bis 50": [["Kissen"], ["Rot"], "50"],
        "Teppich bis 200": [["Teppiche"], [], "200"],
        "Stuhl von Kessel & Werk": [["Stühle"], ["Kessel & Werk"], None],
        "Lampen aus Messing": [["Stehlampen", "Tischlampen"], ["Messing"], None],
        "Rotwein": [[], ["Rotwein"], None],
    }
    assert page.evaluate(NAMED.replace("PATHS", str(paths)), list(expected)) == list(expected.values())


def test_a_named_category_is_shown_alone(opens: Any) -> None:
    page = settled(opens("?sample=stripes"))
    page.wait_for_function("async () => (await import('/state.js')).get().known.length > 0")
    box = page.get_by_role("searchbox", name="Filter by words")
    box.fill("rugs under 150")
    box.press("Enter")

    page.wait_for_function("() => document.querySelectorAll('.rows[aria-busy=false] .row').length === 1")
    assert page.locator(".row h2").inner_text() == "Rugs"
    assert chips(page) == ["up to €150"]
    assert "category=" in page.url


def test_a_full_row_may_have_more_products(opens: Any, shop: Running) -> None:
    page = opens()
    page.wait_for_selector(".sample")

    def longer(route: Any) -> None:
        found = route.fetch().json()
        first, others = found["categories"][0], found["categories"][1:]
        first["products"] += [{**each, "id": each["id"] + "x"} for each in first["products"][:4]]
        found["categories"] = [first, *({**each, "products": each["products"][:5]} for each in others)]
        route.fulfill(json=found)

    page.get_by_role("button", name="Stripes").click()
    settled(page)
    assert open_filters(page).locator(".found").inner_text() == "48 products"
    page.keyboard.press("Escape")
    page.route("**/v1/complete", longer)
    page.goto(page.url)
    settled(page)

    assert open_filters(page).locator(".found").inner_text() == "31+ products"
