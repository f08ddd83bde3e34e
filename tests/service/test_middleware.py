"""The middleware: ids, headers, limits, keys, rates, logs and metrics."""

import io
import json
import logging
import socket
import time
from pathlib import Path

import pytest

from perfectlook.service.errors import BUSY_DELAY
from perfectlook.service.server import JsonLines
from serving import Running, Store, answer_of, eventually, head_of, raw, running


def test_every_answer_has_an_id_and_safe_headers(shop: Running):
    for place in ("/health", "/v1/categories", "/nothing", "/v1/products/nobody"):
        answer = shop.client.get(place)
        assert len(answer.headers["x-request-id"]) == 24
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
    assert (
        shop.client.get("/health", headers={"X-Request-Id": "mine-12345"}).headers["x-request-id"]
        == "mine-12345"
    )
    assert (
        shop.client.get("/health", headers={"X-Request-Id": "a\tb c<d>"}).headers["x-request-id"]
        != "a\tb c<d>"
    )


def test_unknown_paths_and_methods_get_the_usual_error(shop: Running):
    assert shop.client.get("/nothing").json()["error"]["code"] == "not_found"
    assert shop.client.get("/v1/complete").json()["error"]["code"] == "method_not_allowed"
    assert shop.client.get("/docs").status_code == 404
    assert shop.client.get("/nothing").json()["error"]["message"] == (
        "/nothing: no such address. See /v1/openapi.json for all addresses."
    )
    assert shop.client.get("/v1/complete").json()["error"]["message"] == (
        "/v1/complete: the method GET is not allowed. Use POST."
    )


def test_ready_and_health(shop: Running):
    assert shop.client.get("/health").json() == {"status": "alive"}
    assert shop.client.get("/ready").json() == {"status": "ready", "model": "model", "products": 18}


def test_a_body_that_is_too_large_is_refused_before_it_is_read(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, max_upload=5_000) as own:
        with raw(own) as connection:  # announces its size and sends nothing
            connection.sendall(head_of(99_999_999_999))
            assert "413" in answer_of(connection).splitlines()[0]

        def endless():
            for _ in range(1_000):
                yield b"x" * 1_000

        answer = own.client.post("/v1/complete", content=endless(), headers={"Content-Type": "image/jpeg"})
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"
        assert answer.json()["error"]["message"].endswith("or raise the server's --max-upload.")
        feedback = own.client.post("/v1/feedback", content=b'{"a": "' + b"x" * 100_000 + b'"}')
        assert feedback.status_code == 413
        small = own.client.post("/v1/complete", content=b"x" * 4_000, headers={"Content-Type": "image/jpeg"})
        assert small.status_code == 415


def test_slow_clients_time_out(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, read_seconds=0.3) as own, raw(own) as slow, raw(own) as silent:
        slow.sendall(head_of(1_000) + b"abc")  # the rest never follows
        assert own.client.get("/health").status_code == 200
        assert "408" in answer_of(slow).splitlines()[0]
        assert answer_of(silent) == ""  # closed without an answer


def test_clients_that_disconnect_early_do_no_harm(shop: Running, store: Store):
    photo = store.photos[0].read_bytes()
    for part in (photo[:100], photo):
        connection = raw(shop)
        connection.sendall(head_of(len(photo)) + part)
        connection.close()
    with raw(shop) as half:  # closed for writing only: the answer still arrives
        half.sendall(head_of(len(photo)).replace(b"Host: a", b"Host: a\r\nConnection: close") + photo)
        half.shutdown(socket.SHUT_WR)
        assert answer_of(half).startswith(("HTTP/1.1 200", "")), "answered, or closed"
    eventually(lambda: shop.service.workers.inside == 0)
    assert shop.photo(store.photos[0]).status_code == 200


@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.long)])
def test_many_simultaneous_connections(shop: Running, count: int):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    connections = [raw(shop) for _ in range(count)]
    try:
        for connection in connections:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert all("200 OK" in answer_of(connection) for connection in connections)
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_rates_are_by_key_and_by_address(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, rate=0.001, burst=3) as own:
        statuses = [own.client.get("/v1/categories").status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = own.client.get("/v1/categories")
        assert int(refused.headers["retry-after"]) > 100
        assert refused.json()["error"]["code"] == "too_often"
        assert own.keyed.get("/v1/categories").status_code == 200  # each key has its own bucket
        assert own.client.get("/health").status_code == 200  # health checks are not limited


def test_reading_can_require_a_key(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, keyed_reading=True) as own:
        for place in ("/v1/categories", "/v1/products", "/v1/samples", "/v1/stats"):
            assert own.client.get(place).status_code == 401
            assert own.keyed.get(place).status_code == 200
        assert own.client.post("/v1/complete", content=b"x").status_code == 401
        assert own.client.get("/health").status_code == 200
        picture = f"/v1/products/{own_store.product}/picture"
        assert own.client.get(picture).status_code == 401
        assert own.keyed.get(picture).headers["cache-control"] == "private, max-age=3600"


def test_a_server_without_keys_says_that_none_can_work(own_store: Store, tmp_path: Path):
    with running(own_store, tmp_path, keys="") as own:
        answer = own.keyed.delete(f"/v1/products/{own_store.product}")
    assert answer.status_code == 401
    message = answer.json()["error"]["message"]
    assert message == "The server has no keys, so no key can work. Start it with --keys FILE."


def test_only_allowed_origins_may_call(shop: Running, own_store: Store, tmp_path: Path):
    origin = {"Origin": "https://shop.example"}
    assert "access-control-allow-origin" not in shop.client.get("/v1/categories", headers=origin).headers
    with running(own_store, tmp_path, allow_origin=("https://shop.example",)) as own:
        allowed = own.client.get("/v1/categories", headers=origin).headers
        assert allowed["access-control-allow-origin"] == "https://shop.example"
        other = own.client.get("/v1/categories", headers={"Origin": "https://other.example"}).headers
        assert "access-control-allow-origin" not in other


def test_logs_are_json_without_secrets(own_store: Store, tmp_path: Path):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("perfectlook.service")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        with running(own_store, tmp_path) as own:
            own.keyed.get("/v1/categories?secret=hush")
            own.client.post("/v1/complete", json={"url": "http://127.0.0.1/private?token=hush"})
            own.client.get("/v1/products/hush")
            key = own.keyed.headers["authorization"].split()[1]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(each["route"], each["status"]) for each in requests] == [
        ("/v1/categories", 200),
        ("/v1/complete", 400),
        ("/v1/products/{id:path}", 404),
    ]
    assert requests[0]["key"] == "tests"
    assert key not in stream.getvalue()
    for line in requests:
        assert "hush" not in json.dumps(line)


def test_metrics_count_stages_results_and_errors(own_shop: Running, store: Store):
    own_shop.photo(store.photos[0], k="2", limit_categories="1")
    own_shop.client.get("/nothing")
    text = own_shop.client.get("/metrics").text
    assert 'perfectlook_stage_seconds_count{stage="features"} 1.0' in text
    assert 'perfectlook_results_total{endpoint="complete"} 2.0' in text
    assert 'perfectlook_errors_total{code="not_found"} 1.0' in text
    assert 'route="/v1/complete",status="200"' in text
    assert "perfectlook_queue 0.0" in text


def test_the_page_has_a_strict_policy_and_a_tag(shop: Running):
    page = shop.client.get("/")
    if page.status_code == 404:
        pytest.skip("there is no page in this checkout")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    again = shop.client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    assert shop.client.get("/../app.py").status_code == 404


def test_a_full_queue_is_refused_after_a_delay(own_store: Store, tmp_path: Path, store: Store):
    import threading

    with running(own_store, tmp_path, workers=1, queue=0) as own:
        gate = threading.Event()
        blocked = threading.Thread(
            target=lambda: own.service.workers._pool.submit(gate.wait).result()
        )  # the one worker is busy
        own.service.workers._inside["another"] += 1
        blocked.start()
        began = time.monotonic()
        answer = own.photo(store.photos[0])
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]["code"] == "busy"
        assert BUSY_DELAY <= time.monotonic() - began < 10
        gate.set()
        blocked.join()
        del own.service.workers._inside["another"]
        assert own.photo(store.photos[0]).status_code == 200
