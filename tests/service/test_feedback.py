"""Feedback is on the disk when it is acknowledged, counts once, and is summarised."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from perfectlook.answers import FeedbackEvent
from perfectlook.errors import PerfectLookError
from perfectlook.service.errors import Refusal
from perfectlook.service.feedback import EVENTS, FeedbackStore
from perfectlook.service.security import new_key
from serving import Running, Store, running


def event(product: str = "p", rank: int = 1, what: str = "shown", category: str = "A") -> dict[str, Any]:
    return {"product": product, "category": category, "rank": rank, "event": what}


def test_feedback_counts_once_and_is_summarised(own_shop: Running):
    events = [event("p", 1), event("q", 2), event("q", 2, "clicked"), event("r", 1, "kept", "B")]
    for _ in range(2):
        answer = own_shop.client.post("/v1/feedback", json={"request_id": "request-1", "events": events})
        assert (answer.status_code, answer.json()) == (202, {"stored": 4})
    stats = own_shop.client.get("/v1/stats").json()
    none = dict.fromkeys(EVENTS, 0)
    assert stats["by_category"] == [
        {"category": "A", **none, "shown": 2, "clicked": 1, "click_through": 0.5},
        {"category": "B", **none, "kept": 1, "click_through": None},
    ]
    assert [(each["rank"], each["click_through"]) for each in stats["by_rank"]] == [(1, 0.0), (2, 1.0)]


@pytest.mark.parametrize(
    "body",
    [
        {"request_id": "request-1", "events": []},
        {"request_id": "request-1", "events": [{**event(), "event": "bought"}]},
        {"request_id": "request-1", "events": [{**event(), "rank": -1}]},
        {"request_id": "request-1", "events": [{**event(), "more": 1}]},
        {"request_id": "' OR 1", "events": [event()]},
        {"events": [event()]},
        [],
    ],
)
def test_malformed_feedback_is_refused(shop: Running, body: object):
    answer = shop.client.post("/v1/feedback", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]


def test_a_missing_field_is_named(shop: Running):
    error = shop.client.post("/v1/feedback", json={"events": [event()]}).json()["error"]
    assert error["message"] == "body.request_id: missing. Add it."
    assert error["details"] == [{"where": ["body", "request_id"], "problem": "missing. Add it."}]


def test_acknowledged_events_are_visible_to_another_connection(tmp_path: Path):
    store = FeedbackStore(tmp_path / "feedback.sqlite")
    store.add("request-1", "model-7", [FeedbackEvent(product="p", category="A", rank=3, event="clicked")])
    with sqlite3.connect(tmp_path / "feedback.sqlite") as other:
        rows = other.execute(
            "SELECT request_id, product, category, rank, event, model FROM feedback"
        ).fetchall()
    other.close()
    assert rows == [("request-1", "p", "A", 3, "clicked", "model-7")]
    store.close()


def test_a_full_disk_is_an_error_and_loses_no_acknowledged_event(tmp_path: Path):
    store = FeedbackStore(tmp_path / "feedback.sqlite")
    store._connected().execute("PRAGMA max_page_count = 12")
    kept = 0
    with pytest.raises(Refusal) as full:
        for number in range(10_000):
            store.add(
                f"request-{number}",
                "m",
                [FeedbackEvent(product="p" * 200, category="A", rank=1, event="shown")],
            )
            kept += 1
    assert (full.value.status_code, full.value.code) == (507, "not_stored")
    assert full.value.headers == {"Retry-After": "30"}
    store.close()
    again = FeedbackStore(tmp_path / "feedback.sqlite")  # the disk has room again
    again.add("request-later", "m", [FeedbackEvent(product="p", category="A", rank=1, event="shown")])
    assert again.stats().by_category[0].shown == kept + 1
    again.close()


def test_a_file_that_cannot_be_written_is_an_error_until_it_can(own_shop: Running, tmp_path: Path):
    file = tmp_path / "feedback.sqlite"
    locker = sqlite3.connect(file)
    body = {"request_id": "request-1", "events": [event()]}
    own_shop.service.feedback._connected().execute("PRAGMA busy_timeout = 10")
    locker.execute("BEGIN EXCLUSIVE")
    answer = own_shop.client.post("/v1/feedback", json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (507, "30")
    locker.rollback()
    locker.close()
    assert own_shop.client.post("/v1/feedback", json=body).status_code == 202


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"event": "purchased"}, "'purchased' requires a value"),
        ({"event": "added", "category": "A", "rank": 1, "value": "5.00 EUR"}, "'added' cannot have a value"),
        ({"event": "clicked", "rank": 1}, "'clicked' requires a category and a rank"),
        ({"event": "purchased", "value": "cheap"}, "'cheap' is not a price"),
    ],
)
def test_an_event_has_what_belongs_to_it(shop: Running, given: dict[str, Any], problem: str):
    body = {"request_id": "request-1", "events": [{"product": "p", **given}]}
    answer = shop.keyed.post("/v1/feedback", json=body)
    assert answer.status_code == 422
    assert problem in answer.json()["error"]["message"]


def test_only_a_server_reports_purchases(own_shop: Running, tmp_path: Path):
    public, line = new_key("pages", public=True)
    keys = Path(own_shop.service.settings.keys)
    keys.write_text(f"{keys.read_text()}{line}\n")
    sale = {"product": "p", "event": "purchased", "value": "1.249,90 €"}
    body = {"request_id": "order-4711", "session": "s1", "events": [sale]}
    assert own_shop.client.post("/v1/feedback", json=body).status_code == 401
    refused = own_shop.client.post("/v1/feedback", json=body, headers={"Authorization": f"Bearer {public}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_scope")
    for _ in range(2):  # the order counts once
        assert own_shop.keyed.post("/v1/feedback", json=body).status_code == 202
    with sqlite3.connect(own_shop.service.settings.feedback) as reader:
        rows = reader.execute("SELECT product, event, value, currency, session FROM feedback").fetchall()
    reader.close()
    assert rows[0][:4] == ("p", "purchased", 1249.90, "EUR")
    assert rows[0][4] != "s1"  # only a hash is stored
    assert len(rows) == 1


def test_a_server_starts_where_feedback_cannot_be_stored(own_store: Store, tmp_path: Path):
    (own_store.catalogue / "feedback.sqlite").mkdir()  # as on a read-only file system
    event = {"product": "a", "category": "b", "rank": 1, "event": "clicked"}
    with running(own_store, tmp_path, feedback="") as own:
        assert own.photo(own_store.photos[0]).status_code == 200
        sent = own.client.post("/v1/feedback", json={"request_id": "request-1", "events": [event]})
        assert (sent.status_code, sent.json()["error"]["code"]) == (507, "not_stored")
        assert own.client.get("/v1/stats").status_code == 503
    with pytest.raises(PerfectLookError, match="choose another --feedback"):
        FeedbackStore(own_store.catalogue / "feedback.sqlite")


def test_a_file_with_the_columns_of_an_old_version_is_not_opened(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "feedback.sqlite")) as file:
        columns = "request_id, product, category, rank, event, model, time"
        file.execute(f"CREATE TABLE feedback ({columns}, PRIMARY KEY (request_id, category, product, event))")
    with pytest.raises(PerfectLookError, match=r"no such column: arm\)\. Move it away, or choose another"):
        FeedbackStore(tmp_path / "feedback.sqlite")
    (tmp_path / "feedback.sqlite").rename(tmp_path / "old.sqlite")
    FeedbackStore(tmp_path / "feedback.sqlite").close()


@pytest.mark.parametrize("right", [b"CREATE TABLE feedback", b"INSERT OR IGNORE INTO by_rank"])
def test_a_damaged_file_is_an_error(right: bytes, tmp_path: Path):
    file = tmp_path / "feedback.sqlite"
    FeedbackStore(file).close()
    content = file.read_bytes()
    assert right in content
    file.write_bytes(content.replace(right, right[:8] + b"\xac" + right[9:]))
    with pytest.raises((PerfectLookError, Refusal), match=r"cannot be written|cannot be stored"):
        FeedbackStore(file).add("request-1", "m", [FeedbackEvent(**event())])


def test_counts_that_are_no_numbers_are_an_error(tmp_path: Path):
    file = tmp_path / "feedback.sqlite"
    with FeedbackStore(file) as store:
        store.add("request-1", "m", [FeedbackEvent(**event())])
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("UPDATE by_rank SET shown = 'many'")
        with pytest.raises(Refusal, match="cannot be read"):
            store.stats()


WRITE = """
import sys
from pathlib import Path
from perfectlook.answers import FeedbackEvent
from perfectlook.service.feedback import FeedbackStore
store = FeedbackStore(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), sys.maxsize):
    store.add(f"request-{number}", "m", [FeedbackEvent(product="p", category="A", rank=1, event="shown")])
    print(number, flush=True)
"""


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_killed_writers_lose_no_acknowledged_event(tmp_path: Path, kills: int):
    file, acknowledged = tmp_path / "feedback.sqlite", set[str]()
    for kill in range(kills):
        command = [sys.executable, "-c", WRITE, str(file), str(1_000_000 * kill)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = [line for _, line in zip(range(1 + 7 * kill), process.stdout, strict=False)]
            process.kill()
            said += process.stdout.readlines()
        acknowledged |= {f"request-{int(line)}" for line in said if line.endswith("\n")}
        with FeedbackStore(file) as store:
            shown = store.stats().by_rank[0].shown
        with closing(sqlite3.connect(file)) as reader:
            stored = {id_ for (id_,) in reader.execute("SELECT request_id FROM feedback")}
        assert acknowledged <= stored
        assert len(stored - acknowledged) <= kill + 1  # each may have stored one more, and not said so
        assert shown == len(stored)


@pytest.mark.parametrize("removed", [False, True])
def test_events_after_the_file_was_moved_are_in_a_new_one(tmp_path: Path, removed: bool):
    file, moved = tmp_path / "feedback.sqlite", tmp_path / "moved.sqlite"

    def add(number: int) -> None:
        store.add(f"request-{number}", "m", [FeedbackEvent(product="p", category="A", rank=1, event="shown")])

    def stored(path: Path) -> list[str]:
        with closing(sqlite3.connect(path)) as reader:
            return [row[0] for row in reader.execute("SELECT request_id FROM feedback")]

    with FeedbackStore(file) as store:
        add(1)
        file.unlink() if removed else file.rename(moved)
        assert store.stats().by_rank == []
        add(2)
        assert stored(file) == ["request-2"]
        assert store.stats().by_rank[0].shown == 1
    assert removed or stored(moved) == ["request-1"]


def test_a_file_that_was_moved_before_the_end_is_whole(tmp_path: Path):
    with FeedbackStore(tmp_path / "feedback.sqlite") as store:
        store.add("request-1", "m", [FeedbackEvent(product="p", category="A", rank=1, event="shown")])
        (tmp_path / "feedback.sqlite").rename(tmp_path / "moved.sqlite")
    with FeedbackStore(tmp_path / "moved.sqlite") as store:
        assert store.stats().by_rank[0].shown == 1


def test_events_without_a_folder_to_store_them_are_refused(tmp_path: Path):
    (tmp_path / "shop").mkdir()
    with FeedbackStore(tmp_path / "shop" / "feedback.sqlite") as store:
        (tmp_path / "shop").rename(tmp_path / "away")
        with pytest.raises(Refusal, match="507"):
            store.add("request-1", "m", [FeedbackEvent(product="p", category="A", rank=1, event="shown")])
