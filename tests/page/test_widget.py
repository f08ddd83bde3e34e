"""<perfect-look> on a shop's own pages, in the browser: another origin, with a strict policy of its own."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from browser import keep, settle, violations
from drawn import HOME
from perfectlook.catalogue import Catalogue
from perfectlook.demo import link_of
from perfectlook.model.runtime import Model
from perfectlook.service.security import new_key
from perfectlook.service.service import Service
from perfectlook.service.settings import Settings
from perfectlook.service.widget import FILE
from perfectlook.types import Product
from priced import PricedSet
from serving import Running, Store, eventually, running, serving

SHOP = Path(__file__).parents[2] / "examples" / "shop_page"
POLICY = (
    "default-src 'none'; script-src 'self' {0}; style-src 'self'; img-src 'self' {0}; "
    "connect-src {0} http://127.0.0.1:9; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'"
)
CLS = """
new Promise(done => { let sum = 0; new PerformanceObserver(list => { for (const each of list.getEntries())
  if (!each.hadRecentInput) sum += each.value; }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 300); })
"""
EVENTS = """
window.told = []; for (const name of ["shown", "clicked", "added"])
  document.addEventListener(name, event => {
    const { id, quantity } = event.detail.product; told.push([name, id, quantity]); });
"""

APPEND = """
attributes => { const look = document.createElement("perfect-look");
  for (const [name, value] of Object.entries(attributes)) look.setAttribute(name, value);
  document.querySelector("main").append(look); }
"""

Pages = dict[str, str]

SHORT = (("product", "phone"), ("room", "desktop"))
"""The pages and widths of the short suite. The long suite has the others."""


class Linked(PricedSet):
    """A priced set whose products have pages and pictures in the shop."""

    def products(self) -> Iterator[Product]:
        for each in super().products():
            links = {"link": f"/product.html?id={each.id}"}
            if each.id.endswith("1"):
                links["image_link"] = f"/pictures/{each.id}.jpg"
            yield replace(each, fields=each.fields | links)


@contextmanager
def listening(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Answer each request of a server on `localhost`, which is not the origin of the service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            answer(self)

        do_POST = do_OPTIONS = do_GET  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()


def send(
    handler: BaseHTTPRequestHandler, content: bytes, kind: str, status: int = 200, **headers: str
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture(scope="module")
def linked(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The drawn shop with links, and a catalogue of its own."""
    folder = tmp_path_factory.mktemp("linked")
    shutil.copytree(store.catalogue, folder / "catalogue")
    with Catalogue.open(folder / "catalogue") as catalogue:
        catalogue.sync(Linked(store.source), Model.open(store.model), workers=1)
    return store._replace(catalogue=folder / "catalogue")


@pytest.fixture(scope="module")
def pages() -> Pages:
    """Pages that a test adds to the shop, by path."""
    return {}


@pytest.fixture(scope="module")
def service(
    linked: Store, samples: Path, tmp_path_factory: pytest.TempPathFactory, pages: Pages
) -> Iterator[tuple[Running, str]]:
    """A service, and the address of a shop on another origin, which shows the example pages."""
    holder: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        policy = {"Content_Security_Policy": POLICY.format(holder[0])}
        if path.startswith("/pictures/"):
            found = next((linked.source / "products").glob(f"{Path(path).stem}.*"))
            send(handler, found.read_bytes(), "image/jpeg")
        elif path == "/widget.js":
            send(handler, FILE.read_bytes(), "text/javascript")
        elif path == "/told.js":
            send(handler, EVENTS.encode(), "text/javascript")
        elif text := pages.get(path):
            send(handler, text.replace("SERVICE", holder[0]).encode(), "text/html; charset=utf-8", **policy)
        elif (file := SHOP / path[1:]).is_file():
            kind = {".js": "text/javascript", ".css": "text/css"}.get(file.suffix, "text/html; charset=utf-8")
            text = file.read_text(encoding="utf-8").replace("../", f"{holder[0]}/")
            text = text.replace("coastal-living-room-1", "stripes")
            product = linked.product
            text = text.replace("armchair-bentwood-nordic-1", product)
            send(handler, text.encode(), kind, **policy)
        else:
            send(handler, b"", "text/plain", 404)

    with listening(answer) as shop:
        folder = tmp_path_factory.mktemp("widget")
        with running(linked, folder, samples=str(samples), allow_origin=(shop,)) as found:
            holder.append(found.url)
            yield found, shop


@pytest.fixture
def visit(
    opens: Any, service: tuple[Running, str], pages: Pages, request: pytest.FixtureRequest
) -> Callable[..., Any]:
    """Open a page of the shop with some HTML in it, and note the widget's events."""
    found, shop = service

    def open_page(html: str, *, service: str = found.url, wait: str = "ready", **more: Any) -> Any:
        path = f"/{re.sub('[^a-z0-9]+', '-', request.node.name.lower())}.html"
        pages[path] = (
            '<!doctype html><html lang="en"><head><title>Shop</title><meta name="viewport" '
            'content="width=device-width"><link rel="icon" href="SERVICE/favicon.svg">'
            f'<script src="/told.js"></script><script type="module" src="{service}/widget.js"></script>'
            f"</head><body><main><h1>Shop</h1>{html}<p id=below>Below</p></main></body></html>"
        )
        page = opens(path[1:], url=shop, **more)
        if wait:
            page.wait_for_selector(f"perfect-look[data-state={wait}]")
        return page

    return open_page


def told(page: Any, name: str) -> list[str]:
    return [id_ for event, id_, _ in page.evaluate("told") if event == name]


@pytest.mark.parametrize(
    ("name", "width"),
    [
        pytest.param(name, width, marks=() if (name, width) in SHORT else pytest.mark.long)
        for name in ("product", "room")
        for width in ("phone", "tablet", "desktop")
    ],
)
def test_the_example_shop_on_another_origin_with_a_strict_policy(
    opens: Any, service: tuple[Running, str], name: str, width: str
):
    page = opens(f"{name}.html", url=service[1], width=width, fresh=True)
    page.locator("perfect-look").first.scroll_into_view_if_needed()
    page.wait_for_selector("perfect-look[data-state=ready]")
    page.locator("perfect-look .card img").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(CLS) <= 0.02
    assert violations(page) == []
    settle(page)
    keep(page, f"shop-{name}-{width}")


def test_a_product_has_products_of_other_categories_in_tabs(
    visit: Callable[..., Any], service: tuple[Running, str], linked: Store
):
    page = visit(f'<perfect-look product="{linked.product}" k="5"></perfect-look>')
    body = {"product": linked.product, "k": 5, "limit_categories": 6}
    sections = service[0].client.post("/v1/complete", json=body).json()["categories"]
    tabs = page.get_by_role("tab")
    assert tabs.all_inner_texts() == [each["category"].split("|")[-1] for each in sections]
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", selected=True).inner_text() == tabs.nth(1).inner_text()
    cards = page.get_by_role("tabpanel").get_by_role("link")
    assert cards.count() == len(sections[1]["products"])
    first = sections[1]["products"][0]
    assert cards.first.get_attribute("href") == f"{service[1]}{first['link']}"
    assert "€" in cards.first.inner_text()
    page.keyboard.press("Tab")  # the row is one stop, and arrows move in it
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.className") == "link"
    page.keyboard.press("End")
    assert cards.last.evaluate("each => each.getRootNode().activeElement === each")


def test_what_is_in_the_basket_stays_marked_in_every_tab(visit: Callable[..., Any], linked: Store):
    page = visit(f'<perfect-look product="{linked.product}" basket></perfect-look>')
    first = page.locator("perfect-look .add").first
    first.click()
    label = first.get_attribute("aria-label")
    page.get_by_role("tab").nth(1).click()
    assert page.locator("perfect-look .add.in").count() == 0
    page.get_by_role("tab").first.click()
    assert first.get_attribute("aria-label") == label
    assert first.locator(".tick").is_visible()
    assert page.locator("perfect-look .add.in").count() == 1


def test_what_the_shop_could_not_add_is_not_marked_and_not_reported(
    visit: Callable[..., Any], service: tuple[Running, str], linked: Store
):
    category = HOME[0]
    page = visit(f'<perfect-look product="{linked.product}" categories="{category}" basket></perfect-look>')
    eventually(lambda: len(told(page, "shown")) > 0)
    before = _count(service[0], category)["added"]
    page.evaluate("document.addEventListener('added', event => event.preventDefault())")
    first, second = (page.locator("perfect-look .add").nth(place) for place in (0, 1))
    first.click()
    second.click()
    assert len(told(page, "added")) == 2
    assert page.locator("perfect-look .add.in").count() == 0

    id_ = page.locator("perfect-look .card").first.get_attribute("data-id")
    assert page.evaluate("id => document.querySelector('perfect-look').report('added', id)", id_)
    assert first.locator(".tick").is_visible()  # it is in the basket now
    assert len(told(page, "added")) == 2  # the shop knows
    page.goto(page.url.replace("/what", "/other"), wait_until="commit")  # leave: reports are sent
    eventually(lambda: _count(service[0], category)["added"] == before + 1)
    page.wait_for_timeout(200)
    assert _count(service[0], category)["added"] == before + 1


def test_a_slot_of_four_shows_and_adds_four(visit: Callable[..., Any]):
    def four(route: Any) -> None:
        found = route.fetch().json()
        for place, slot in enumerate(found["look"]["slots"]):
            slot["quantity"] = 1 if place else 4
        route.fulfill(json=found)

    page = visit("<p>nothing yet</p>", wait="")
    page.route("**/v1/complete", four)
    page.evaluate(APPEND, {"sample": "stripes", "look": "", "basket": "", "loading": "eager"})
    page.wait_for_selector("perfect-look[data-state=ready]")
    cards = page.locator("perfect-look .card")
    assert [each.startswith("4 × €") for each in cards.locator(".money").all_inner_texts()] == [
        not place for place in range(cards.count())
    ]
    assert cards.first.locator(".add").get_attribute("aria-label").startswith("Add to basket: 4 × ")
    page.get_by_role("button", name="Add all to basket").click()
    quantities = [each for event, _, each in page.evaluate("told") if event == "added"]
    assert quantities == [4, *[1] * (cards.count() - 1)]
    keep(page, "widget-quantity")


@pytest.mark.parametrize(("attribute", "sent"), [({}, None), ({"k": "3"}, 3), ({"look": ""}, 1)])
def test_the_number_of_products_is_the_services_unless_the_page_names_one(
    visit: Callable[..., Any], attribute: dict[str, str], sent: int | None
):
    page = visit("<p>nothing yet</p>", wait="")
    with page.expect_request("**/v1/complete") as asked:
        page.evaluate(APPEND, {"sample": "stripes", "loading": "eager", **attribute})
    assert asked.value.post_data_json.get("k") == sent


def test_another_language_has_its_format_of_prices_and_the_shops_texts(
    visit: Callable[..., Any], linked: Store
):
    page = visit(f'<perfect-look product="{linked.product}" locale="fr-FR" basket></perfect-look>')
    price = page.locator("perfect-look .money").first.inner_text()
    assert re.fullmatch(r"[\d\s]+(,\d\d)?\s€", price)
    page.evaluate(
        "() => { const look = document.querySelector('perfect-look');"
        " look.texts = { heading: 'Va bien avec', basket: title => `Ajouter : ${title}` }; look.refresh(); }"
    )
    page.get_by_role("heading", name="Va bien avec").wait_for()
    page.get_by_role("button", name=re.compile("^Ajouter : ")).first.wait_for()


@pytest.mark.parametrize(
    ("page_of", "said"), [("fr", ['lang="fr": has English texts. Set the property texts']), ("de", [])]
)
def test_a_page_in_another_language_is_warned_once(
    opens: Any, service: tuple[Running, str], pages: Pages, page_of: str, said: list[str]
):
    pages["/language.html"] = (
        f'<!doctype html><html lang="{page_of}"><title>Shop</title>'
        '<link rel="icon" href="SERVICE/favicon.svg"><body><perfect-look sample="stripes" loading="eager">'
        '</perfect-look><script type="module" src="SERVICE/widget.js"></script></body></html>'
    )
    warned: list[str] = []
    page = opens("told.js", url=service[1])
    page.on("console", lambda line: line.type == "warning" and warned.append(line.text))
    page.goto(f"{service[1]}/language.html")
    page.wait_for_selector("perfect-look[data-state=ready]")
    of_language = [each for each in warned if "English texts" in each]
    assert [part in each for part, each in zip(said, of_language, strict=True)] == [True] * len(said)


def test_categories_have_their_short_names_in_german(visit: Callable[..., Any], linked: Store):
    page = visit(f'<perfect-look product="{linked.product}" locale="de"></perfect-look>')
    assert {"Teppiche", "Schuhe"} & set(page.get_by_role("tab").all_inner_texts())
    page.evaluate(
        "() => { const look = document.querySelector('perfect-look');"
        " look.names = { 'Home & Garden|Decor|Rugs': 'Läufer', 'Apparel & Accessories|Shoes': 'Läufer' };"
        " look.refresh(); }"
    )
    page.get_by_role("tab", name="Läufer").first.wait_for()


def test_its_targets_are_44_pixels_on_touch_and_it_moves_instantly(visit: Callable[..., Any], linked: Store):
    html = f'<perfect-look product="{linked.product}" basket></perfect-look>'
    page = visit(html, width="phone")
    small = """[...document.querySelector("perfect-look").shadowRoot.querySelectorAll("button, a")]
      .map(each => [each.getBoundingClientRect(), each.outerHTML.slice(0, 80)])
      .filter(([{ width, height }]) => width && (width < 44 || height < 44)).map(([, html]) => html)"""
    assert page.evaluate(small) == []
    moved = """() => { const root = document.querySelector("perfect-look").shadowRoot;
      root.querySelectorAll(".moves button")[1].click(); return root.querySelector(".strip").scrollLeft; }"""
    assert page.evaluate(moved) > 50


def test_pictures_come_from_the_shop_where_the_feed_had_them(visit: Callable[..., Any], linked: Store):
    page = visit(f'<perfect-look product="{linked.product}" k="14"></perfect-look>')
    for card in page.locator("perfect-look .card").all():
        id_ = card.get_attribute("data-id")
        source = card.locator("img").get_attribute("src")
        own = source.endswith(f"/pictures/{id_}.jpg")
        assert own if id_.endswith("1") else f"/v1/products/{id_}/picture?size=512" in source


def test_an_old_price_without_room_is_left_out_and_not_cut(
    opens: Any, service: tuple[Running, str], pages: Pages, linked: Store
):
    pages["/dear.html"] = (
        '<!doctype html><html lang="de"><head><title>Shop</title><link rel="icon" href="SERVICE/favicon.svg">'
        '</head><body><h1>Shop</h1><main id="main"></main></body></html>'
    )
    page = opens("dear.html", url=service[1], width="phone")

    def dear(route: Any) -> None:
        found = route.fetch().json()
        first, second, *_ = found["categories"][0]["products"]
        first |= {"price": "123456.00 EUR", "sale_price": "98765.00 EUR"}
        second |= {"price": "9.00 EUR", "sale_price": "8.00 EUR"}
        route.fulfill(json=found)

    page.route("**/v1/complete", dear)
    page.evaluate(
        "async ([url, id]) => { await import(url + '/widget.js'); const look = "
        "document.createElement('perfect-look'); look.setAttribute('product', id); main.append(look); }",
        [service[0].url, linked.product],
    )
    page.wait_for_selector("perfect-look[data-state=ready]")
    old = page.locator("perfect-look .money s")
    room = "({ offsetTop, parentElement: line }) => offsetTop - line.offsetTop < line.clientHeight"
    assert not old.nth(0).evaluate(room)  # on a second line, which is not shown
    assert old.nth(1).evaluate(room)


def test_events_reach_the_page_and_the_service(
    visit: Callable[..., Any], service: tuple[Running, str], linked: Store
):
    category = HOME[0]
    before = _count(service[0], category)
    page = visit(
        f'<perfect-look product="{linked.product}" categories="{category}" k="4" session="s1" basket>'
        "</perfect-look>"
    )
    cards = page.locator("perfect-look .card")
    eventually(lambda: len(told(page, "shown")) >= 4)
    add = cards.nth(1).locator(".add")
    name = add.get_attribute("aria-label")
    add.click()
    assert add.get_attribute("aria-label") == name.replace("Add", "Added", 1) + ". Add another one"
    assert add.get_attribute("aria-pressed") is None  # a second press adds another one
    assert told(page, "added") == [cards.nth(1).get_attribute("data-id")]
    ids = [each.get_attribute("data-id") for each in cards.all()]
    assert told(page, "shown") == ids
    cards.first.locator("a").click()
    page.wait_for_url(f"**/product.html?id={ids[0]}")

    def counted() -> bool:
        now = _count(service[0], category)
        return [now[each] - before[each] for each in ("shown", "clicked", "added")] == [4, 1, 1]

    eventually(counted)


def _count(shop: Running, category: str) -> dict[str, Any]:
    none = {"shown": 0, "clicked": 0, "added": 0}
    stats = shop.client.get("/v1/stats").json()["by_category"]
    return next((each for each in stats if each["category"] == category), none)


def test_a_page_may_handle_a_click_itself(visit: Callable[..., Any], linked: Store):
    page = visit(f'<perfect-look product="{linked.product}"></perfect-look>')
    page.evaluate("document.addEventListener('clicked', event => event.preventDefault())")
    address = page.url
    page.locator("perfect-look .link").first.click()
    assert len(told(page, "clicked")) == 1
    assert page.url == address
    assert page.evaluate("document.querySelector('perfect-look').report('added', 'no such product')") is False


def test_a_look_has_one_product_for_each_slot_and_a_total(
    visit: Callable[..., Any], service: tuple[Running, str]
):
    page = visit('<perfect-look sample="stripes" look basket locale="de-AT"></perfect-look>')
    body = {"sample": "stripes", "look": True, "k": 1, "limit_categories": 8}
    look = service[0].client.post("/v1/complete", json=body).json()["look"]
    ids = [each.get_attribute("data-id") for each in page.locator("perfect-look .card").all()]
    assert ids == [each["product"]["id"] for each in look["slots"]]
    assert page.get_by_role("heading", name="Den Look vervollständigen").is_visible()
    total = page.locator("perfect-look .total").inner_text()
    digits = re.sub(r"\D", "", look["price"])
    assert re.sub(r"\D", "", total) == digits
    page.get_by_role("button", name="Alles in den Warenkorb").click()
    assert told(page, "added") == ids


def test_a_shopper_adds_a_photo(visit: Callable[..., Any], store: Store):
    page = visit("<perfect-look upload></perfect-look>", wait="waiting")
    page.get_by_label("Add a photo of your room or outfit").set_input_files(str(store.photos[0]))
    page.wait_for_selector("perfect-look[data-state=ready]")
    assert page.locator("perfect-look .drop canvas").evaluate("each => each.width") > 1
    assert page.locator("perfect-look .card").count() > 0
    page.get_by_label("Choose another photo").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )
    page.get_by_text("This photo cannot be used.").first.wait_for()


def test_nothing_is_asked_before_it_comes_near_the_screen(visit: Callable[..., Any], linked: Store):
    html = "<p>line</p>" * 120
    element = f'<perfect-look product="{linked.product}"></perfect-look>'
    page = visit(html + element, wait="waiting", fresh=True)
    page.wait_for_timeout(300)
    assert page.locator("perfect-look").get_attribute("data-state") == "waiting"
    height = page.locator("perfect-look").bounding_box()["height"]
    page.locator("perfect-look").scroll_into_view_if_needed()
    page.wait_for_selector("perfect-look[data-state=ready]")
    assert page.locator("perfect-look").bounding_box()["height"] == height  # its space was reserved
    assert page.evaluate(CLS) <= 0.02


@pytest.mark.parametrize(
    ("html", "remedy"),
    [
        ("<perfect-look></perfect-look>", "Set product, photo, sample or upload."),
        ('<perfect-look product="nothing"></perfect-look>', "not in the catalogue. Check the id."),
        ('<perfect-look sample="stripes" categories="Cars"></perfect-look>', "Cars"),
        ('<perfect-look sample="stripes" where="price <"></perfect-look>', "column"),
        ('<perfect-look sample="stripes" key="wrong" service="SERVICE/"></perfect-look>', ""),
        ('<perfect-look sample="stripes" service="javascript:1"></perfect-look>', "not an http(s) address"),
        ('<perfect-look sample="stripes" service="http://127.0.0.1:9"></perfect-look>', "cannot be reached"),
    ],
)
def test_what_goes_wrong_is_quiet_for_the_shopper_and_said_to_the_developer(
    opens: Any, service: tuple[Running, str], pages: Pages, html: str, remedy: str
):
    found, shop = service
    pages["/wrong.html"] = (
        '<!doctype html><html lang="en"><head><title>Shop</title><link rel="icon" href="SERVICE/favicon.svg">'
        f"</head><body><h1>Shop</h1>{html}<p>Below</p>"
        f'<script type="module" src="{found.url}/widget.js"></script></body></html>'
    )
    said: list[str] = []
    page = opens("told.js", url=shop)
    page.on("console", lambda line: line.type == "warning" and said.append(line.text))
    page.goto(f"{shop}/wrong.html")
    if not remedy:  # the server needs no key, so a wrong one is ignored
        page.wait_for_selector("perfect-look[data-state=ready]")
        return
    page.wait_for_selector("perfect-look[data-state=empty]")
    assert page.locator("perfect-look .empty").inner_text() == "There are no suggestions right now."
    assert len(said) == 1
    assert said[0].startswith("<perfect-look>: ")
    assert remedy in said[0]


def test_unknown_values_are_named_and_replaced(
    opens: Any, service: tuple[Running, str], pages: Pages, linked: Store
):
    found, shop = service
    pages["/odd.html"] = (
        '<!doctype html><html lang="en"><head><title>Shop</title><link rel="icon" href="SERVICE/favicon.svg">'
        f'</head><body><perfect-look product="{linked.product}" sample="stripes" k="many" locale="xx">'
        f'</perfect-look><script type="module" src="{found.url}/widget.js"></script></body></html>'
    )
    said: list[str] = []
    page = opens("told.js", url=shop)
    page.on("console", lambda line: line.type == "warning" and said.append(line.text))
    page.goto(f"{shop}/odd.html")
    page.wait_for_selector("perfect-look[data-state=ready]")
    assert {each.removeprefix("<perfect-look>: ").split(" ")[0] for each in said} == {
        *('locale="xx":', 'k="many":', "product,")
    }
    assert page.get_by_role("heading", name="Goes well with this").count() == 1


def test_a_server_with_keys_answers_a_public_one_alone(
    opens: Any, linked: Store, samples: Path, tmp_path: Path
):
    public, line = new_key("pages", public=True)
    (tmp_path / "page.html").write_text("")
    holder: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        key = f'key="{public}"' if "keyed" in handler.path else ""
        html = f'<perfect-look sample="stripes" k="8" {key}></perfect-look>'
        html = (
            f'<!doctype html><title>Shop</title><link rel="icon" href="data:,"><body>{html}'
            f'<script type="module" src="{holder[0]}/widget.js"></script>'
        )
        send(
            handler,
            html.encode(),
            "text/html",
            Content_Security_Policy=f"default-src 'none'; script-src {holder[0]}; connect-src {holder[0]}; "
            "img-src data:",
        )

    with (
        listening(answer) as shop,
        running(linked, tmp_path, keyed_reading=True, samples=str(samples), allow_origin=(shop,)) as found,
    ):
        (tmp_path / "keys").write_text(line + "\n")
        holder.append(found.url)
        said: list[str] = []
        page = opens("keyed", url=shop)
        page.wait_for_selector("perfect-look[data-state=ready]")
        drawn = (
            "[...document.querySelector('perfect-look').shadowRoot.querySelectorAll('.card canvas')]"
            ".some(each => each.getContext('2d').getImageData(5, 5, 1, 1).data[3])"
        )
        eventually(lambda: page.evaluate(drawn))  # pictures of the service, fetched with the key
        page.on("console", lambda line: line.type == "warning" and said.append(line.text))
        page.goto(f"{shop}/other")
        page.wait_for_selector("perfect-look[data-state=empty]")
        assert "keys new NAME --public" in said[0]


def test_the_page_and_the_widget_work_below_a_path_of_a_proxy(
    opens: Any, service: tuple[Running, str], linked: Store
):
    found, _ = service

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if not handler.path.startswith("/look/"):
            html = (
                f'<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,"><body>'
                f'<perfect-look product="{linked.product}"></perfect-look>'
                '<script type="module" src="/look/widget.js"></script></body></html>'
            )
            send(handler, html.encode(), "text/html", 200 if handler.path == "/" else 404)
            return
        forward(client, handler, f"{found.url}{handler.path[5:]}")

    with httpx.Client(timeout=30) as client, listening(answer) as proxy:
        page = opens("", url=proxy)
        page.wait_for_selector("perfect-look[data-state=ready]")
        page.wait_for_function(
            "[...document.querySelector('perfect-look').shadowRoot.querySelectorAll('img')]"
            ".some(each => each.src.includes('/look/v1/') && each.naturalWidth > 1)"
        )
        page.goto(f"{proxy}/look/?sample=stripes")
        page.wait_for_selector(".rows[aria-busy=false] .card")
        page.wait_for_function("[...document.images].some(each => each.src.includes('/look/v1/products'))")
        page.locator("#home").click()
        page.wait_for_selector("#start:not([hidden])")
        assert page.url.startswith(f"{proxy}/look/")
        page.close()  # before the proxy, which it may still ask


def forward(client: httpx.Client, handler: BaseHTTPRequestHandler, address: str) -> None:
    """Answer with what the service answers, as a proxy does."""
    body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
    headers = {"content-type": handler.headers.get("content-type", "")}
    got = client.request(handler.command, address, content=body, headers=headers)
    moved = {"Location": got.headers["location"]} if "location" in got.headers else {}
    send(handler, got.content, got.headers.get("content-type", ""), got.status_code, **moved)


class OfDemo(PricedSet):
    """A priced set whose products have the links of the demo."""

    def products(self) -> Iterator[Product]:
        for each in super().products():
            yield replace(each, fields=each.fields | {"link": link_of(each.id)})


def test_the_demos_shop_works_below_a_path_of_a_proxy(
    opens: Any, store: Store, samples: Path, tmp_path: Path
):
    shutil.copytree(store.catalogue, tmp_path / "catalogue")
    with Catalogue.open(tmp_path / "catalogue") as catalogue:
        catalogue.sync(OfDemo(store.source), Model.open(store.model), workers=1)
    settings = {"catalogue": str(tmp_path / "catalogue"), "samples": str(samples), "rate": 0.0}
    demo = Service.open(Settings(model=str(store.model), port=0, **settings))
    demo.shop = SHOP

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/look/"):
            forward(client, handler, f"{url}{handler.path[5:]}")
        else:
            send(handler, b"", "text/plain", 404)

    with serving(demo) as url, httpx.Client(timeout=30) as client, listening(answer) as proxy:
        page = opens("look/shop/", url=proxy)
        assert page.url == f"{proxy}/look/shop/product.html"
        page.goto(f"{page.url}?id={store.product}")
        page.wait_for_selector("perfect-look[data-state=ready]")
        link = page.locator("perfect-look a").first
        address = link.get_attribute("href")
        assert address.startswith(f"{proxy}/look/shop/product.html?id=")
        link.click()
        page.wait_for_url(address)
        page.wait_for_selector("perfect-look[data-state=ready]")
        page.goto(f"{proxy}/look/?sample=stripes")
        page.locator(".card-open").first.click()
        visit = page.locator("#drawer").get_by_role("link", name="Visit the shop")
        assert visit.get_attribute("href").startswith(f"{proxy}/look/shop/product.html?id=")
        page.close()  # before the proxy, which it may still ask


def test_a_fixed_file_on_the_shops_own_site_calls_the_service(
    opens: Any, service: tuple[Running, str], pages: Pages
):
    found, shop = service
    integrity = httpx.get(f"{found.url}/widget.json").json()["integrity"]
    pages["/own.html"] = (
        '<!doctype html><html lang="de"><title>Shop</title><link rel="icon" href="SERVICE/favicon.svg"><body>'
        '<perfect-look sample="stripes" service="SERVICE"></perfect-look>'
        f'<script type="module" src="/widget.js" integrity="{integrity}"></script></body></html>'
    )
    page = opens("own.html", url=shop)
    page.wait_for_selector("perfect-look[data-state=ready]")
    assert {"Teppiche", "Schuhe"} & set(page.get_by_role("tab").all_inner_texts())


def test_a_script_with_the_integrity_hash_runs(opens: Any, service: tuple[Running, str], pages: Pages):
    found, shop = service
    about = json.loads(httpx.get(f"{found.url}/widget.json").text)
    tag = about["tag"].replace('src="', f'src="{found.url}/')
    pages["/pinned.html"] = (
        '<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="SERVICE/favicon.svg"><body>'
        f'<perfect-look sample="stripes"></perfect-look>{tag}</body></html>'
    )
    page = opens("pinned.html", url=shop)
    page.wait_for_selector("perfect-look[data-state=ready]")
