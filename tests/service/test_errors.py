"""Messages of refused requests: they reveal no path of the server, and ordinary words stay."""

import logging
import sqlite3

import pytest

from perfectlook.errors import CatalogueError, UsageError
from perfectlook.service.errors import refusal_of
from serving import Running


@pytest.mark.parametrize(
    ("hidden", "message", "shown"),
    [
        (
            {"catalogue": "the catalogue"},
            "no category of the catalogue matches 'Tents'",
            "no category of the catalogue matches 'Tents'",
        ),
        ({"cat": "the catalogue"}, "no category of the catalogue", "no category of the catalogue"),
        ({"": "the catalogue", "/": "the catalogue"}, "/a: wrong", "/a: wrong"),
        (
            {"/shop/cat": "the catalogue", "/shop": "the model"},
            "/shop/cat: made with /shop, not /shop/cat/x.db.",
            "the catalogue: made with the model, not the catalogue.",
        ),
        ({"shop/cat/": "the catalogue"}, "'shop/cat': wrong", "'the catalogue': wrong"),
        (
            {"shop/cat": "the catalogue"},
            "my/shop/cat and shop/cats and shop/cat.old",
            "my/shop/cat and shop/cats and shop/cat.old",
        ),
    ],
)
def test_whole_paths_are_replaced_once(hidden: dict[str, str], message: str, shown: str):
    assert refusal_of(UsageError(message), hidden).detail == shown


def test_an_unexpected_error_is_answered_as_json_and_logged(
    shop: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object, **__: object):
        raise KeyError("a defect")

    monkeypatch.setattr("perfectlook.service.routes.recommend._completed", fail)
    with caplog.at_level(logging.ERROR, logger="perfectlook.service"):
        answer = shop.client.post("/v1/complete", json={"sample": "living-room"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/json")
    error = answer.json()["error"]
    assert error["code"] == "internal"
    assert error["request_id"] == answer.headers["x-request-id"]
    assert "a defect" not in answer.text
    (record,) = [each for each in caplog.records if each.message == "failed"]
    assert record.request_id == error["request_id"]
    assert "a defect" in str(record.exc_info[1])
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("url", ["http://xn--/x.jpg", "http://a\\ud800.example/x.jpg", "http://a\\u0000/"])
def test_a_malformed_url_of_a_photo_is_the_fault_of_the_request(shop: Running, url: str):
    answer = shop.client.post(
        "/v1/complete", content=f'{{"url": "{url}"}}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["code"] in ("bad_url", "invalid")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (sqlite3.SQLITE_FULL, 507),
        (sqlite3.SQLITE_IOERR_WRITE, 507),  # a quota
        (sqlite3.SQLITE_IOERR_SHMSIZE, 507),
        (sqlite3.SQLITE_IOERR_READ, 503),
    ],
)
def test_what_sqlite_cannot_write_is_a_full_disk(code: int, status: int):
    error = CatalogueError("failed")
    error.__cause__ = sqlite3.OperationalError()
    error.__cause__.sqlite_errorcode = code
    assert refusal_of(error, {}).status_code == status
