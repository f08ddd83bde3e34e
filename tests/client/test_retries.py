"""Calls to a busy server are repeated after the pause that it requests, a limited number of times."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import httpx
import pytest

from perfectlook import Client
from perfectlook.client import ApiCall, Calls
from perfectlook.errors import ServerError
from web import fail, first, serve, web

EMPTY = b'{"by_category": [], "by_rank": []}'
IN_AN_HOUR = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


def pause(call: ApiCall[object], status: int, headers: dict[str, str], **options: float) -> float | None:
    """Return how long a client waits before it repeats a call."""
    with Client("http://127.0.0.1:9", **options) as client:  # type: ignore[arg-type]
        return client._pause(client._retry(), call, httpx.Response(status, headers=headers))


@pytest.mark.parametrize(
    ("status", "headers", "least", "most"),
    [
        (503, {"retry-after": "7"}, 7, 7),
        (429, {"retry-after": "60"}, 60, 60),
        (503, {}, 0.25, 0.5),
        (503, {"retry-after": "soon"}, 0.25, 0.5),
        (503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.25, 0.5),
    ],
)
def test_the_client_waits_as_long_as_the_server_requests(
    status: int, headers: dict[str, str], least: float, most: float
) -> None:
    found = pause(Calls.stats(), status, headers)
    assert found is not None
    assert least <= found <= most


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (503, {"retry-after": "61"}),  # longer than `longest_pause`
        (503, {"retry-after": IN_AN_HOUR}),
        (500, {"retry-after": "7"}),
        (200, {}),
    ],
)
def test_other_answers_are_not_repeated(status: int, headers: dict[str, str]) -> None:
    assert pause(Calls.stats(), status, headers) is None


def test_a_retry_date_in_the_future_is_respected() -> None:
    found = pause(Calls.stats(), 503, {"retry-after": IN_AN_HOUR}, longest_pause=4000)
    assert found is not None
    assert 3000 < found <= 3600


@pytest.mark.parametrize(
    ("call", "again"),
    [
        (Calls.complete(b"photo"), True),
        (Calls.similar(id="a"), True),
        (Calls.put_product("a", "Shoes"), True),
        (Calls.delete_product("a"), True),
        (Calls.feedback("request-1", []), True),
        (Calls.ready(), False),
        (Calls.health(), False),
    ],
)
def test_only_repeatable_calls_are_repeated(call: ApiCall[object], again: bool) -> None:
    assert (pause(call, 503, {"retry-after": "7"}) == 7) is again


def test_the_number_of_retries_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("perfectlook.client.time", SimpleNamespace(sleep=pauses.append))
    later = {"retry_after": "0"}
    with web() as server:
        server.answers["/v1/stats"] = first(fail(503, **later), fail(429, **later), serve(EMPTY))
        server.answers["/v1/categories"] = fail(503, **later)
        with Client(server.url(""), retries=2) as client:
            assert client.stats().by_category == []
            assert len(server.asked) == 3
            with pytest.raises(ServerError) as raised:
                client.categories()
        assert raised.value.status == 503
        assert server.paths == ["/v1/stats"] * 3 + ["/v1/categories"] * 3
        with Client(server.url(""), retries=0) as client, pytest.raises(ServerError):
            client.categories()
        assert len(server.asked) == 7
    assert len(pauses) == 4
