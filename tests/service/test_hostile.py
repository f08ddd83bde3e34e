"""Requests that once took memory, time or places without bound. Small versions of each kind."""

import base64
import errno
import io
import json
import logging
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from PIL import Image

from perfectlook.answers import FeedbackEvent
from perfectlook.catalogue import Catalogue
from perfectlook.errors import CatalogueError, UsageError
from perfectlook.model.runtime import Model
from perfectlook.service.app import ROUTES
from perfectlook.service.errors import LoopErrors, Refusal
from perfectlook.service.feedback import MOST_COUNTS, FeedbackStore
from perfectlook.service.middleware import FREE, MAX_JSON, MAX_KEYED_JSON, BodyBudget
from perfectlook.service.security import network_of, new_key
from perfectlook.service.server import BACKLOG, MAX_PARTS, MAX_PIPELINED, Connections, JsonLines
from perfectlook.service.settings import Settings
from perfectlook.stores.filters import parse_filter
from serving import Running, Store, answer_of, eventually, head_of, raw, running
from web import Handler, web

JSON = {"Content-Type": "application/json"}


def test_json_without_a_picture_has_a_small_limit(shop: Running, store: Store):
    body = json.dumps({"sample": "room", "where": "x" * MAX_JSON}).encode()
    assert shop.client.post("/v1/complete", content=body, headers=JSON).status_code == 413
    assert shop.client.post("/v1/feedback", content=body).status_code == 413
    assert (
        shop.keyed.post("/v1/feedback", content=body).status_code == 422
    )  # callers with a key may send more
    assert shop.keyed.post("/v1/feedback", content=b" " * (MAX_KEYED_JSON + 1)).status_code == 413
    photo = store.photos[0].read_bytes()
    answer = shop.client.post(
        "/v1/complete", content=photo + b"\0" * MAX_JSON, headers={"Content-Type": "image/jpeg"}
    )
    assert answer.status_code == 200


def test_an_error_lists_few_problems_and_repeats_little(shop: Running):
    unknown = {f"{number:x}": 0 for number in range(2_000)} | {"k" * 5_000: 0}
    for body in (unknown, {"box": ["x" * 9_000]}, {"box": list(range(9_000))}, {"k": "9" * 5_000}):
        answer = shop.client.post("/v1/complete", json=body)
        assert answer.status_code == 422
        assert len(answer.json()["error"]["details"]) <= 20
        assert len(answer.content) < 4_000


def test_json_of_too_many_values_is_not_parsed(own_shop: Running):
    body = b"{" + b",".join(b'"%x":0' % number for number in range(40_000)) + b"}"
    answer = own_shop.keyed.put("/v1/products/p", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_required_key_is_checked_before_the_body(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, keyed_reading=True) as own:
        head = "POST /v1/feedback HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\nConnection: close\r\n\r\n"
        answer = own.client.post("/v1/feedback", content=b"{")
        assert answer.status_code == 401
        with raw(own) as connection:
            connection.sendall(head.encode() + b"x" * 50)
            assert "401" in answer_of(connection).splitlines()[0]


def test_scopes_limit_what_a_key_may_do(own_store: Store, tmp_path: Path):
    (reader, line), (writer, other) = new_key("reader", ["read"]), new_key("writer", ["write"])
    (tmp_path / "scoped").write_text(f"{line}\n{other}\n")
    with running(own_store, tmp_path, keyed_reading=True, keys=str(tmp_path / "scoped")) as own:

        def status(key: str, method: str, path: str) -> int:
            return own.client.request(method, path, headers={"Authorization": f"Bearer {key}"}).status_code

        assert status(reader, "GET", "/v1/categories") == 200
        assert status(reader, "DELETE", f"/v1/products/{own_store.product}") == 403
        assert status(reader, "POST", "/v1/feedback") == 403
        assert status(writer, "GET", "/v1/categories") == 403
        assert status(writer, "DELETE", f"/v1/products/{own_store.product}") == 200


def test_lost_keys_are_no_secret(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path) as own:
        (tmp_path / "keys").unlink()
        assert own.keyed.delete(f"/v1/products/{own_store.product}").status_code == 401
        assert own.client.get("/ready").json()["notes"] == [
            "the file of keys cannot be read, so no key is valid"
        ]


def test_a_filter_has_at_most_32_fields():
    parse_filter(" and ".join(f"has f{number}" for number in range(32)))
    with pytest.raises(UsageError, match="more than 32 different fields"):
        parse_filter(" or ".join(f"not has f{number}" for number in range(33)))


def test_bodies_share_one_budget():
    budget = BodyBudget(100)
    assert budget.take("a", 20)
    assert not budget.take("a", 10)  # an address has a quarter
    assert all(budget.take(each, 25) for each in "bcd")
    assert not budget.take("e", 6)
    budget.give("a", 20)
    assert budget.take("e", 25)


def test_what_is_outside_the_budget_is_little():
    assert FREE * Settings().connections <= 2**27


def test_many_large_bodies_are_refused_with_503(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, max_upload=2**21, body_memory=2**20) as own:
        held = [raw(own) for _ in range(3)]
        for connection in held:  # of three bodies, one is within the quarter of its address
            connection.sendall(head_of(2**21) + b"x" * (2**21 - 1))
        deadline, answers = time.monotonic() + 20, []
        for connection in held[1:]:
            connection.settimeout(max(0.1, deadline - time.monotonic()))
            connection.sendall(b"x")
            answers.append(connection.recv(200))
        assert sum(b"503" in each for each in answers) >= 1
        for connection in held:
            connection.close()
        photo = own_store.photos[0]
        assert own.photo(photo).status_code == 200


def test_an_address_has_a_number_of_connections(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, connections_each=3) as own:
        held = [raw(own) for _ in range(5)]
        refused = [answer_of(connection) for connection in held[3:]]
        assert all(each.startswith("HTTP/1.1 503") and "Retry-After: 1" in each for each in refused)
        for connection in held:
            connection.close()
        assert own.client.get("/health").status_code == 200


class Idle:
    def __init__(self) -> None:
        self.is_idle, self.transport, self.aborted = True, self, False

    def abort(self) -> None:
        self.aborted = True


def test_a_newcomer_takes_the_place_of_an_idle_connection_of_the_largest_crowd():
    places = Connections(3, 3)
    crowd = [Idle() for _ in range(3)]
    assert all(places.enter(each, "a") for each in crowd)  # type: ignore[arg-type]
    assert places.enter(Idle(), "b")  # type: ignore[arg-type]
    assert sum(each.aborted for each in crowd) == 1
    assert not places.enter(Idle(), "a")  # type: ignore[arg-type]
    assert BACKLOG <= 128


def test_a_newcomer_takes_the_place_of_a_body_that_never_arrives(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, connections=4) as own:
        port = int(own.url.rpartition(":")[2])
        crowds = [
            socket.create_connection(("127.0.0.1", port), 5, (address, 0))
            for address in ("127.0.0.2", "127.0.0.3")
            for _ in range(2)
        ]
        for each in crowds:
            each.sendall(head_of(100))
        time.sleep(0.2)  # until all heads have come
        assert own.client.get("/health").status_code == 200
        for each in crowds:
            each.close()


def test_chunks_of_one_byte_are_cut_off(shop: Running):
    with raw(shop) as connection:
        head = b"POST /v1/complete HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\n"
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):
            for _ in range(2_000):
                connection.sendall(b"1\r\nA\r\n" * 100)
                time.sleep(0.0005)
    assert shop.client.get("/health").status_code == 200


def test_a_body_of_few_bytes_in_many_chunks_is_cut_off_while_it_is_parsed(shop: Running):
    with raw(shop) as connection:
        head = b"POST /v1/complete HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\n"
        chunks = b"1\r\nA\r\n" * (MAX_PARTS + 100)  # without the limit, all of them are accepted
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        assert answer_of(connection) == ""
    with raw(shop) as connection:
        chunks = b"40\r\n" + b"A" * 64 + b"\r\n"
        head += b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + chunks * 3 * MAX_PARTS + b"0\r\n\r\n")
        assert answer_of(connection).startswith("HTTP/1.1 415")


def test_only_the_first_of_many_pipelined_requests_are_answered(shop: Running):
    with raw(shop) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * (MAX_PIPELINED + 100))
        answers = answer_of(connection)
    assert answers.count("HTTP/1.1 200 OK") == MAX_PIPELINED
    assert answers.count("connection: close") == 1
    assert answers.endswith('{"status":"alive"}')


def test_errors_of_the_event_loop_are_logged_once_a_second(caplog: pytest.LogCaptureFixture):
    log = LoopErrors()
    for _ in range(1_000):
        log(None, {"message": "socket.accept() out of system resource", "exception": OSError(24, "files")})  # type: ignore[arg-type]
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.ERROR
    assert not caplog.records[0].exc_info


def event(number: int, category: str = "A") -> FeedbackEvent:
    return FeedbackEvent(product=f"p{number}" * 50, category=category, rank=number, event="shown")


def test_the_file_of_feedback_has_a_limit(tmp_path: Path):
    with FeedbackStore(tmp_path / "feedback.sqlite", 2**17) as store:
        store.add("request-0", "m", [event(1)])
        with pytest.raises(Refusal, match="507") as full:
            for number in range(1_000):
                store.add(f"request-{number}", "m", [event(each) for each in range(100)])
        assert full.value.status_code == 507
        assert store.stats().by_category[0].shown > 100
    assert (tmp_path / "feedback.sqlite").stat().st_size <= 2**17


def test_statistics_list_the_most_frequent_and_count_what_was_there_before(tmp_path: Path):
    with FeedbackStore(tmp_path / "feedback.sqlite") as store:
        store.add("request-1", "m", [event(1), event(2)])
    with FeedbackStore(tmp_path / "feedback.sqlite") as store:
        some = [event(number, f"C{number}") for number in range(MOST_COUNTS + 50)]
        for start in range(0, len(some), 100):
            store.add(f"request-{start}", "m", some[start : start + 100])
        stats = store.stats()
        assert len(stats.by_category) == MOST_COUNTS
        assert next(each.shown for each in stats.by_category if each.category == "A") == 2


def test_refusals_have_the_headers_of_cors(own_store: Store, tmp_path: Path):
    origin = {"Origin": "https://shop.example"}
    with running(own_store, tmp_path, allow_origin=("https://shop.example",), rate=0.001, burst=1) as own:
        large = own.client.post("/v1/feedback", content=b" " * (MAX_JSON + 1), headers=origin)
        often = own.client.get("/v1/categories", headers=origin)
        assert (large.status_code, often.status_code) == (413, 429)
        for each in (large, often):
            assert each.headers["access-control-allow-origin"] == "https://shop.example"
            assert "Retry-After" in each.headers["access-control-expose-headers"]


def test_the_event_loop_answers_while_forms_are_parsed(shop: Running):
    part = b'--B\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
    body = part + b"\r\n--\r\n--A" * 1_000_000
    form = {"Content-Type": "multipart/form-data; boundary=B"}
    sending = threading.Thread(
        target=lambda: httpx.post(f"{shop.url}/v1/complete", content=body, headers=form, timeout=60)
    )
    sending.start()
    waits = []
    while sending.is_alive():
        began = time.monotonic()
        assert shop.client.get("/health").status_code == 200
        waits.append(time.monotonic() - began)
    sending.join()
    assert waits


def test_the_log_has_no_words_of_requests(
    own_shop: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(logging.INFO)
    for url in ("http://127.0.0.1:9/photo.jpg?q=a'b&token=hidden", "https://user:hidden@shop.example/a b"):
        own_shop.client.post("/v1/complete", json={"url": url})
    own_shop.client.post("/v1/complete", json={"sample": "x", "where": 'price <= "hidden"'})
    said = (
        "https://shop.example/x.jpg?q=a'b&token=hidden: cannot be read.",
        "https://shop.example/x y.jpg?token=hidden",
        "product 'it's-hidden' and \"it's hidden\"",
    )
    for message in said:
        for error, status in ((CatalogueError(message), 503), (KeyError(message), 500)):

            def fail(_: object, error: Exception = error, message: str = message) -> None:
                raise error from sqlite3.OperationalError(message)

            monkeypatch.setattr(type(own_shop.service.recommender.catalogue), "categories", fail)
            assert own_shop.client.get("/v1/categories").status_code == status
    log = LoopErrors()
    log(None, {"message": "an error", "exception": ValueError(said[0])})  # type: ignore[arg-type]
    lines = [JsonLines().format(record) for record in caplog.records if record.name.startswith("perfectlook")]
    assert "hidden" not in "".join(lines)
    found = [json.loads(line) for line in lines]
    assert {each["cause"] for each in found if "cause" in each} >= {
        "CatalogueError < OperationalError",
        "ValueError",
    }
    assert "127.0.0.1" in [each.get("host") for each in found]
    traces = [each["exception"] for each in found if "exception" in each]
    assert any("in fail" in each and each.endswith("KeyError") for each in traces)


def test_a_full_disk_is_507(own_shop: Running, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(picture, "PNG")
    body = {"category": "Clothing", "picture_base64": base64.b64encode(picture.getvalue()).decode()}
    monkeypatch.setattr(Path, "write_bytes", full)
    answer = own_shop.keyed.put("/v1/products/new", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "not_stored")
    assert answer.headers["retry-after"]


def test_writes_after_the_database_was_deleted_are_503(own_shop: Running, own_store: Store):
    (own_store.catalogue / "catalogue.sqlite").unlink()
    answer = own_shop.keyed.delete(f"/v1/products/{own_store.product}")
    assert answer.status_code == 503
    assert own_shop.client.get("/ready").status_code == 503


def test_a_picture_path_that_was_edited_in_the_database_is_not_served(
    own_shop: Running, own_store: Store, tmp_path: Path
):
    secret = tmp_path / "secret.jpg"
    Image.new("RGB", (64, 64), "red").save(secret)
    with closing(sqlite3.connect(own_store.catalogue / "catalogue.sqlite")) as database, database:
        edit = "UPDATE points SET payload = json_set(payload, '$.picture', ?) WHERE id = ?"
        database.execute(edit, (str(secret), own_store.product))
    answer = own_shop.client.get(f"/v1/products/{own_store.product}/picture")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


FIELD = b'--B\r\nContent-Disposition: form-data; name="sample"\r\n\r\nliving-room%s\r\n--B--\r\n'


@pytest.mark.parametrize(
    "charset",
    ["undefined", "punycode", '"idna"', "utf-7", "rot13", "unicode_escape", "x" * 999, "utf-8; charset=hex"],
)
def test_a_form_in_a_strange_charset_is_refused(shop: Running, charset: str):
    type_ = {"Content-Type": f"multipart/form-data; boundary=B; charset={charset}"}
    for body in (FIELD % b"\xff-", FIELD % b"", b""):
        answer = shop.client.post("/v1/complete", content=body, headers=type_)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_form")


@pytest.mark.parametrize("charset", ["UTF-8", '"utf-8"', "us-ascii", "ISO-8859-1"])
def test_a_form_in_a_usual_charset_is_read(shop: Running, charset: str):
    type_ = {"Content-Type": f"multipart/form-data; boundary=B; charset={charset}"}
    assert shop.client.post("/v1/complete", content=FIELD % b"", headers=type_).status_code == 200
    answer = shop.client.post("/v1/complete", content=FIELD % b"\xff", headers=type_)
    assert answer.json()["error"]["code"] == "no_such_sample"


def test_no_body_is_parsed_on_the_event_loop():
    routes = [each for router in ROUTES for each in router.routes if isinstance(each, APIRoute)]
    assert routes
    assert [each.path for each in routes if each.body_field is not None] == []


def test_a_change_of_too_many_values_is_not_parsed(own_shop: Running, store: Store):
    body = b"{" + b",".join(b'"%x":0' % number for number in range(40_000)) + b"}"
    for place in ("/v1/products", f"/v1/products/{store.product}"):
        answer = own_shop.keyed.patch(place, content=body, headers=JSON)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_thousands_of_problems_are_counted_and_not_listed(own_shop: Running):
    body = b"{" + b",".join(b'"%x":0' % number for number in range(20_000)) + b"}"
    answer = own_shop.keyed.patch("/v1/products", content=body, headers=JSON)
    assert answer.json()["error"]["details"] == [{"where": ["body"], "problem": "has 20,001 problems."}]


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"\x00\x00\xfe\xff\xff", b"[" * 9_000, b"\xef\xbb\xbf{", b"9" * 5_000]
)
def test_json_that_cannot_be_decoded_is_malformed(shop: Running, body: bytes):
    for path in ("/v1/complete", "/v1/feedback"):
        answer = shop.client.post(path, content=body, headers=JSON)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_json")


def test_photos_that_are_fetched_are_within_the_budget_of_bodies(own_store: Store, tmp_path: Path):
    settings = {"max_upload": 2**21, "body_memory": 2**20, "allow_private": True}
    with web() as shop, running(own_store, tmp_path, **settings) as own:
        sent = threading.Semaphore(0)

        def most_of_it(handler: Handler) -> None:
            handler.reply(200, b"x" * (2**21 - 1), content_length=str(2**21))
            sent.release()
            shop.ended.wait(20)
            handler.close_connection = True

        shop.answers["/room.jpg"] = most_of_it
        answers: list[httpx.Response] = []

        def ask() -> None:
            url = {"url": shop.url("/room.jpg")}
            answers.append(own.client.post("/v1/complete", json=url))

        asking = [threading.Thread(target=ask) for _ in range(3)]
        for each in asking:
            each.start()
        eventually(lambda: len(answers) >= 2)  # an address has room for one of them
        assert {(each.status_code, each.headers["retry-after"]) for each in answers} == {(503, "1")}
        shop.ended.set()
        for each in asking:
            each.join()
        assert own.photo(own_store.photos[0]).status_code == 200  # the budget has its bytes back


def test_slow_urls_of_one_address_do_not_close_the_fetcher(own_store: Store, tmp_path: Path):
    photo = own_store.photos[0].read_bytes()
    with web() as shop, running(own_store, tmp_path, allow_private=True) as own:

        def slow(handler: Handler) -> None:
            shop.ended.wait(20)
            handler.close_connection = True

        shop.answers["/slow.jpg"] = slow
        shop.answers["/room.jpg"] = lambda handler: handler.reply(200, photo)
        statuses: list[int] = []

        def ask(path: str, address: str) -> int:
            with httpx.Client(
                transport=httpx.HTTPTransport(verify=False, local_address=address), timeout=30
            ) as client:
                url = {"url": shop.url(path)}
                statuses.append(client.post(f"{own.url}/v1/complete", json=url).status_code)
            return statuses[-1]

        asking = [threading.Thread(target=ask, args=("/slow.jpg", "127.0.0.2")) for _ in range(40)]
        for each in asking:
            each.start()
        eventually(lambda: len(statuses) + len(shop.asked) >= 40)
        assert ask("/room.jpg", "127.0.0.1") == 200
        assert set(statuses) == {200, 503}  # no slow one has ended
        shop.ended.set()
        for each in asking:
            each.join()
        assert statuses.count(503) > 20


def test_a_client_that_leaves_ends_the_fetch(own_store: Store, tmp_path: Path):
    with web() as shop, running(own_store, tmp_path, allow_private=True) as own:

        def trickle(handler: Handler) -> None:
            handler.reply(200, content_length="1000")
            while not shop.ended.wait(0.05):
                handler.wfile.write(b"x")

        shop.answers["/slow.jpg"] = trickle
        body = json.dumps({"url": shop.url("/slow.jpg")}).encode()
        with raw(own) as client:
            client.sendall(head_of(len(body), "application/json") + body)
            eventually(lambda: shop.asked)
        assert own.service._fetchers.inside == 1
        eventually(lambda: own.service._fetchers.inside == 0, 5)
        shop.ended.set()


def test_probes_of_about_the_same_time_share_one_count(own_shop: Running, monkeypatch: pytest.MonkeyPatch):
    check, counts = Catalogue.check, []

    def slow(catalogue: Catalogue, model: Model) -> None:
        counts.append(time.sleep(0.3))
        check(catalogue, model)

    monkeypatch.setattr(Catalogue, "check", slow)
    with ThreadPoolExecutor(90) as clients:
        answers = list(clients.map(lambda _: own_shop.client.get("/ready"), range(90)))
    assert {each.status_code for each in answers} == {200}
    assert len(counts) < 20


def test_answers_that_no_one_reads_are_cut_off(own_store: Store, tmp_path: Path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(20 * 2**20))
    settings = {"read_seconds": 0.5, "connections_each": 1, "samples": str(tmp_path / "samples")}
    get = b"GET /v1/samples/large/picture HTTP/1.1\r\nHost: a\r\n"
    closing = {"Connection": "close"}
    with running(own_store, tmp_path, **settings) as own:
        for end in (b"\r\n", b"Connection: close\r\n\r\n"):
            with raw(own) as silent:
                silent.sendall(get + end)
                eventually(lambda: own.client.get("/health", headers=closing).status_code == 200, 20)
        with raw(own) as slow:
            slow.sendall(get + b"Connection: close\r\n\r\n")
            received = 0
            while part := slow.recv(2**20):
                received += len(part)
                time.sleep(0.03)  # longer than the limit in all
        assert received > 20 * 2**20


def test_addresses_of_one_ipv6_network_are_one_caller(own_store: Store, tmp_path: Path):
    assert network_of("2001:db8::1") == network_of("2001:db8:0:0:ffff::2") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("unknown") == "unknown"
    with running(own_store, tmp_path, rate=0.001, burst=1, trusted_proxies="127.0.0.1") as own:

        def status(address: str) -> int:
            return own.client.get("/v1/categories", headers={"X-Forwarded-For": address}).status_code

        asked = [status(each) for each in ("2001:db8::1", "2001:db8::2", "2001:db8:1::1")]
        assert asked == [200, 429, 200]
