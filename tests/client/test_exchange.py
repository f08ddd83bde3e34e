"""The course of a call: what is sent again, and when."""

import httpx
import pytest

from perfectlook import Client
from perfectlook.client import calls
from perfectlook.client.client import asking
from perfectlook.client.transport import Call, Patience
from perfectlook.errors import ServerError
from web import fail, first, serve, web

PATIENCE = Patience(retries=2, longest=60)
EMPTY = b'{"by_category": [], "by_rank": []}'


def busy(status: int = 503, **headers: str) -> httpx.Response:
    error = {"error": {"code": "busy", "message": "too many", "request_id": "r"}}
    request = httpx.Request("GET", "http://shop.example")
    return httpx.Response(status, headers=headers, json=error, request=request)


def test_a_call_is_sent_again_after_the_pause_and_then_answered() -> None:
    call = calls.stats()
    exchange = asking(call, PATIENCE)
    assert next(exchange) is call
    assert exchange.send(busy(**{"Retry-After": "7"})) == 7
    assert exchange.send(None) is call
    with pytest.raises(StopIteration) as end:
        exchange.send(httpx.Response(200, content=EMPTY))
    assert end.value.value.by_rank == []


@pytest.mark.parametrize(
    ("call", "again"),
    [
        (calls.complete(b"photo"), True),
        (calls.similar(id="a"), True),
        (calls.put_product("a", "Shoes"), True),
        (calls.delete_product("a"), True),
        (calls.feedback("request-1", []), True),
        (calls.ready(), False),
        (calls.health(), False),
    ],
)
def test_only_what_does_nothing_twice_is_sent_again(call: Call[object], again: bool) -> None:
    exchange = asking(call, PATIENCE)
    next(exchange)
    if again:
        assert exchange.send(busy(**{"Retry-After": "7"})) == 7
    else:
        with pytest.raises(ServerError) as raised:
            exchange.send(busy(**{"Retry-After": "7"}))
        assert (raised.value.status, raised.value.code, raised.value.request_id) == (503, "busy", "r")


def test_a_busy_server_is_asked_again_but_not_for_ever() -> None:
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
