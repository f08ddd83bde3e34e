"""The demo on a drawn set: sample rooms of the test split, a catalogue and a server."""

import httpx
import pytest

from drawn import drawn_set
from perfectlook.data.scenes import split_of
from perfectlook.demo import Demo, _mixed, _named, check, serving
from perfectlook.errors import PerfectLookError, UsageError
from random_model import random_model


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    source = drawn_set(folder / "set", scenes=30, products_per_category=4)
    return Demo(source, random_model(source, folder / "model"), folder / "kept")


def test_the_sample_rooms_are_the_test_split(demo: Demo):
    report = demo.prepare()
    rooms = [each.stem.split("-", 1)[1] for each in sorted(demo.samples.iterdir())]
    assert rooms
    assert {split_of(room) for room in rooms} == {"test"}
    assert report.added == report.embedded > 0


def test_rooms_have_readable_names():
    ids = ["room-nordic-living-012a", "room-nordic-living-040", "0b7f", "room-coastal-bed-1ae"]
    rooms = ["nordic-living-room-1", "nordic-living-room-2", "0b7f", "coastal-bedroom"]
    assert list(_named(ids).values()) == rooms
    assert _named(["room-classic-midcentury-study-living-081c"]) == {
        "room-classic-midcentury-study-living-081c": "classic-study-and-mid-century-living-room"
    }


def test_rooms_have_german_names():
    ids = ["room-nordic-living-012a", "0b7f", "room-classic-midcentury-study-living-081c"]
    assert list(_named(ids, "de").values()) == [
        "Wohnzimmer-nordisch",
        "0b7f",
        "Arbeitszimmer-klassisch-und-Wohnzimmer-Mid-Century",
    ]


def test_similar_rooms_are_not_neighbours():
    ids = ["room-coastal-bed-1", "room-coastal-bed-2", "room-nordic-bed-1", "room-nordic-study-1"]
    assert _mixed(ids) == [ids[0], ids[3], ids[1], ids[2]]


def test_a_second_call_embeds_nothing_and_removes_old_rooms(demo: Demo):
    demo.prepare()
    (demo.samples / "gone.jpg").touch()
    again = demo.prepare()
    assert (again.embedded, again.deleted) == (0, 0)
    assert not (demo.samples / "gone.jpg").exists()


def test_it_answers_for_its_rooms_and_serves_the_page(demo: Demo):
    demo.prepare()
    with serving(demo, 0) as url:
        answers = dict(check(url))
        assert len(answers) == min(3, len(list(demo.samples.iterdir())))
        assert all(section.products for answer in answers.values() for section in answer.categories)
        assert "<html" in httpx.get(url).text
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_port_that_is_taken_is_an_error(demo: Demo):
    demo.prepare()
    with serving(demo, 0) as url:
        port = httpx.URL(url).port
        assert port is not None
        taken = rf"127\.0\.0\.1:{port}: cannot be bound \(Address already in use\)\. Choose"
        with pytest.raises(UsageError, match=taken), serving(demo, port):
            pass


def test_a_free_port_is_used_if_the_default_is_taken(demo: Demo, monkeypatch: pytest.MonkeyPatch):
    demo.prepare()
    with serving(demo, 0) as url:
        taken = httpx.URL(url).port
        monkeypatch.setattr("perfectlook.demo.PORT", taken)
        with serving(demo, None) as other:
            assert httpx.URL(other).port != taken
            assert httpx.get(f"{other}ready").status_code == 200


def test_a_server_that_does_not_answer_is_an_error():
    with pytest.raises(PerfectLookError):
        list(check("http://127.0.0.1:9"))


def test_its_products_have_pages_in_the_example_shop(demo: Demo):
    demo.prepare()
    with serving(demo, 0) as url, httpx.Client(base_url=url, timeout=30, follow_redirects=True) as client:
        shop = client.get("/shop")
        assert (shop.status_code, shop.url.path) == (200, "/shop/product.html")
        assert "script-src 'self'" in shop.headers["content-security-policy"]
        product = client.get("/v1/products?limit=1").json()["products"][0]
        assert product["link"] == f"shop/product.html?id={product['id']}"
        assert client.get(product["link"]).text == shop.text
        assert client.get("/shop/").text == shop.text
        assert client.get("/shop/room.html").status_code == 200
