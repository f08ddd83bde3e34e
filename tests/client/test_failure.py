"""Failures raise the project's errors, with the server's code and the request's id."""

from collections.abc import Iterator

import pytest

from perfectlook import Client
from perfectlook.client import ServerFetchError, ServerPictureError, ServerUsageError
from perfectlook.errors import FetchError, PictureError, ServerError, UsageError
from serving import Running, Store
from web import Web, fail, serve, stall, web


@pytest.fixture
def strange() -> Iterator[Web]:
    """A server that is not `perfectlook serve`."""
    with web() as server:
        yield server


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        ({"k": 0}, "invalid", 422),
        ({"box": (0.5, 0, 0.5, 1)}, "invalid", 422),
        ({"where": "price <"}, "bad_request", 400),
        ({"categories": ["Spaceships"]}, "bad_request", 400),
        ({"look": True, "budget": "lots"}, "bad_request", 400),
        ({"sample": "living-room"}, "bad_request", 400),
    ],
)
def test_wrong_use(options: dict, code: str, status: int, client: Client, store: Store) -> None:
    with pytest.raises(UsageError) as raised:
        client.complete(store.photos[0], **options)
    error = raised.value
    assert isinstance(error, ServerUsageError)
    assert (error.code, error.status) == (code, status)
    assert error.request_id is not None
    assert str(error).endswith(f"({code}, request {error.request_id})")


def test_a_budget_that_nothing_fits_has_the_cheapest_look(client: Client, store: Store) -> None:
    with pytest.raises(ServerUsageError) as raised:
        client.complete(store.photos[0], look=True, budget="5 EUR")
    details = raised.value.details
    assert (details["problem"], details["budget"]) == ("over_budget", "5 EUR")
    found = client.complete(store.photos[0], look=True, budget=details["cheapest"]["price"]).look
    assert found is not None
    assert found.price == details["cheapest"]["price"]
    with pytest.raises(ServerUsageError) as other:
        client.complete(store.photos[0], look=True, budget="lots")
    assert other.value.details is None


@pytest.mark.parametrize(("content", "code"), [(b"no picture", "not_a_picture"), (b"", "bad_picture")])
def test_a_photo_that_cannot_be_read(content: bytes, code: str, client: Client, tmp_path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(content)
    with pytest.raises(PictureError, match=r"photo\.jpg: ") as raised:
        client.complete(photo)
    assert isinstance(raised.value, ServerPictureError)
    assert raised.value.code == code


def test_an_address_that_cannot_be_fetched(client: Client, shop: Running) -> None:
    place = f"{shop.url}/nothing.jpg"
    with pytest.raises(FetchError, match=r"nothing\.jpg") as raised:
        client.complete(place)
    assert isinstance(raised.value, ServerFetchError)
    assert (raised.value.code, raised.value.status, raised.value.passing) == ("bad_url", 400, False)
    with pytest.raises(ServerFetchError) as later:
        client.complete("http://127.0.0.1:9/photo.jpg")
    assert (later.value.code, later.value.status, later.value.passing) == ("unreachable", 502, True)


def test_an_unknown_sample(client: Client) -> None:
    with pytest.raises(ServerUsageError) as raised:
        client.complete(sample="kitchen")
    assert raised.value.code == "no_such_sample"


def test_an_unreachable_server() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(ServerError) as raised:
        client.stats()
    assert str(raised.value).startswith("http://127.0.0.1:9/v1/stats: cannot be reached (")
    assert (raised.value.status, raised.value.code, raised.value.request_id) == (None, "", None)


def test_a_slow_server_times_out(strange: Web) -> None:
    strange.answers["/v1/stats"] = stall
    with Client(strange.url(""), timeout=0.2) as client, pytest.raises(ServerError, match="timed out after"):
        client.stats()


def test_answers_of_another_server(strange: Web) -> None:
    strange.answers |= {
        "/v1/stats": fail(404),
        "/v1/categories": serve(b"<html>"),
        "/v1/samples": serve(b'{"samples": []}'),
        "/ready": serve(b"{}"),
    }
    with Client(strange.url("")) as client:
        for ask in (client.stats, client.categories, client.samples, client.ready):
            with pytest.raises(ServerError, match="unexpected answer to GET"):
                ask()


def test_secrets_in_an_address_are_not_printed(strange: Web) -> None:
    address = strange.url("/shop").replace("http://", "http://me:secret@")
    with Client(address) as client, pytest.raises(ServerError, match="/shop/v1/stats") as raised:
        client.stats()
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(client)
