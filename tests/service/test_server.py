"""Start and stop of the server, failures of its catalogue, and limits on heads of requests."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

import serving
from milvus_of_run import milvus_url, need_milvus, new_catalogue
from milvus_server import MilvusServer
from perfectlook.catalogue import Catalogue
from perfectlook.cli.main import main
from perfectlook.cli.serve import BLAS
from perfectlook.errors import CatalogueError, ModelError, StoreAwayError, UsageError
from perfectlook.model.runtime import Model
from perfectlook.service.server import server
from perfectlook.service.service import Service
from perfectlook.service.settings import Settings
from perfectlook.service.waiting import Waiting
from serving import Running, Store, answer_of, eventually, head_of, raw, running, served


def get(url: str, **more: Any) -> httpx.Response:
    """Ask a server without TLS: the certificates of the system take longer to read than the answer."""
    return httpx.get(url, timeout=30, verify=False, **more)


def accepted(url: str) -> int:
    """Return how many photos a server has accepted: waiting, in work and answered.

    One that is leaving may be missed for a moment; none is counted twice.
    """
    said = get(f"{url}/metrics").text
    answered = 'request_seconds_count{method="POST",route="/v1/complete",status="200"}'
    counts = [
        re.search(rf"^perfectlook_{re.escape(name)} (\S+)$", said, re.M) for name in ("queue", answered)
    ]
    return sum(int(float(count[1])) for count in counts if count)


def test_serve_stops_at_a_signal_after_answering_accepted_requests(own_store: Store, tmp_path: Path):
    waiting = (
        "--workers",
        "1",
        "--queue-seconds",
        "600",
    )  # most requests are waiting when the signal arrives
    process, url = served(own_store, tmp_path / "log", "--rate", "0", *waiting)
    try:
        photo = own_store.photos[0].read_bytes()
        answers: list[httpx.Response] = []

        def ask() -> None:
            asked = {"files": {"photo": photo}, "timeout": 30, "verify": False}
            answers.append(httpx.post(f"{url}/v1/complete", **asked))  # type: ignore[arg-type]

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        eventually(lambda: accepted(url) == len(threads))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * 6
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    with pytest.raises(httpx.ConnectError):
        get(f"{url}/health")


def test_wrong_settings_are_errors_before_the_server_listens():
    command = [sys.executable, "-m", "perfectlook", "serve", "--model", "absent", "--catalogue", "absent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "absent" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_settings_are_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("PERFECTLOOK_QUEUE", "5")
    assert main(["serve", "--model", "a", "--catalogue", "b", "--show-config", "--port", "9"]) == 0
    shown = capsys.readouterr().out
    assert 'model = "a"' in shown
    assert "port = 9" in shown
    assert "queue = 5" in shown


def test_a_port_that_is_taken_is_an_error(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the tests keep theirs, as they keep the following
    monkeypatch.setattr("perfectlook.service.server._allow_files", lambda: None)
    for name in BLAS:
        monkeypatch.setenv(name, "1")
    command = ["serve", "--model", str(store.model), "--catalogue", str(store.catalogue), "--port"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main([*command, str(port)]) == 2
    cause = "cannot be bound (Address already in use). Choose another --host or --port."
    assert f"127.0.0.1:{port}: {cause}" in capsys.readouterr().err


def test_a_service_whose_store_is_away_at_the_start_waits_for_it(store: Store, tmp_path: Path):
    pytest.importorskip("pymilvus", reason="the extra 'cluster' is not installed")
    with socket.socket() as closed:  # bound, so nothing else listens there
        closed.bind(("127.0.0.1", 0))
        address = f"milvus+http://127.0.0.1:{closed.getsockname()[1]}/shop"
        away = store._replace(catalogue=address)  # type: ignore[arg-type]
        process, url = served(away, tmp_path / "log", "--allow-origin", "https://shop.example")
        try:
            assert get(f"{url}/health").json() == {"status": "alive"}
            for path in ("/ready", "/v1/categories", "/"):
                refused = get(url + path, headers={"Origin": "https://shop.example"})
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
                assert refused.json()["error"]["code"] == "unavailable"
                assert refused.headers["access-control-allow-origin"] == "https://shop.example"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) in (0, -signal.SIGTERM)
    assert f"{address}: connecting failed (no connection" in (tmp_path / "log").read_text()
    for model, catalogue in ((store.source, address), (store.model, address[:-5])):  # not to be waited for
        with pytest.raises((ModelError, UsageError)):
            Service.open(Settings(model=str(model), catalogue=catalogue, port=0))


def waiting_server(store: Store, *errors: Exception) -> tuple[Waiting, uvicorn.Server]:
    """Return a server whose service cannot be opened at first, for these reasons."""
    left, settings = list(errors), Settings(model=str(store.model), catalogue=str(store.catalogue), port=0)

    def opened() -> Service:
        if left:
            raise left.pop(0)
        return serving.opened(settings)

    waiting = Waiting(opened, settings, StoreAwayError("away"))
    return waiting, server(settings, waiting)


def test_a_waiting_server_answers_once_its_store_is_there(
    own_store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("perfectlook.service.waiting.AGAIN_SECONDS", 0.05)
    _, runner = waiting_server(own_store, StoreAwayError("away"), CatalogueError("no catalogue"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: get(f"{url}/ready").status_code == 200)
            photo = {"photo": own_store.photos[0].read_bytes()}
            asked = httpx.post(f"{url}/v1/complete", files=photo, timeout=30, verify=False)
            assert asked.status_code == 200
        finally:
            runner.should_exit = True
            thread.join(60)
    assert not thread.is_alive()
    waits = [vars(each)["reason"] for each in caplog.records if each.message == "waiting"]
    assert waits == ["away", "no catalogue"]  # each reason once


def test_a_waiting_server_ends_if_it_can_never_open(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("perfectlook.service.waiting.AGAIN_SECONDS", 0.05)
    waiting, runner = waiting_server(store, ModelError("the model is gone"))
    waiting.give_up = lambda: setattr(runner, "should_exit", True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]})
        thread.start()
        thread.join(60)
    assert not thread.is_alive()
    assert isinstance(waiting.failure, ModelError)


EARLY = """
import os, signal, threading
from perfectlook.errors import UsageError
from perfectlook.service.server import run
from perfectlook.service.service import Service
from perfectlook.service.settings import Settings

looked = []
class Opened:
    def look_again(self): looked.append(1)
def opening(settings):
    os.kill(os.getpid(), signal.SIGHUP)
    return Opened()
def ended(*_):
    raise UsageError("opened")
Service.open = opening
import perfectlook.service.app
perfectlook.service.app.create_app = ended
try:
    run(Settings(model="m", catalogue="c", port=0))
except UsageError:
    for each in threading.enumerate():
        each is threading.main_thread() or each.join()
    print("looked again", len(looked))
"""


def test_a_signal_during_the_start_is_kept():
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "looked again 1\n"), done.stderr


def test_keys_new_prints_the_key_and_its_line_to_different_streams(capsys: pytest.CaptureFixture[str]):
    assert main(["keys", "new", "shop"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("shop:")
    assert printed.err.startswith("key: pl_")


class Link:
    """A way to the Milvus server of the tests that can be cut, or swallow what is sent."""

    def __init__(self) -> None:
        address = urlsplit(milvus_url())
        self._end = (address.hostname or "", address.port or 0)
        self._open = set[socket.socket]()
        self._lock = threading.Lock()
        self._is_cut = False
        self._flows = threading.Event()
        self._listener = self._listening(0)
        self.port = self._listener.getsockname()[1]

    def _listening(self, port: int) -> socket.socket:
        self._flows.set()
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(self._end)
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    if self._is_cut or listener is not self._listener:  # accepted just before the cut
                        near.close()
                        far.close()
                        return
                    self._open |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                self._flows.wait()
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Close all connections, and refuse new ones."""
        self._flows.set()
        with self._lock:
            self._is_cut = True
            for each in (self._listener, *self._open):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()

    def restore(self) -> None:
        """Take connections again after a cut."""
        with self._lock:
            self._is_cut = False
            self._listener = self._listening(self.port)

    def pause(self) -> None:
        """Accept everything, and answer nothing."""
        self._flows.clear()

    def resume(self) -> None:
        """Send what was held back."""
        self._flows.set()


@pytest.fixture
def link() -> Iterator[Link]:
    need_milvus()
    found = Link()
    yield found
    found.cut()


def test_a_store_that_fails_and_recovers(store: Store, tmp_path: Path, link: Link):
    name = new_catalogue().rpartition("/")[2]

    def location(timeout: int) -> str:
        return f"milvus+http://127.0.0.1:{link.port}/{name}?timeout={timeout}&partitions=1"

    with Catalogue.open(location(30), create=True) as catalogue:
        catalogue.sync(store.source, Model.open(store.model), workers=1)
    with running(store._replace(catalogue=location(1)), tmp_path) as own:  # type: ignore[arg-type]
        assert own.photo(store.photos[0]).status_code == 200
        for hurt, heal in ((link.cut, link.restore), (link.pause, link.resume)):
            hurt()
            refused = own.photo(store.photos[0])
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert str(link.port) not in refused.text
            assert own.client.get("/ready").status_code == 503
            assert own.client.get("/health").status_code == 200
            heal()
            eventually(lambda: own.client.get("/ready").status_code == 200)
            eventually(lambda: own.photo(store.photos[0]).status_code == 200)


@pytest.mark.long
def test_a_store_that_is_killed_and_starts_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    need_milvus(local=True)
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path / "cache"))
    milvus = MilvusServer(tmp_path / "milvus").start()
    try:
        location = f"milvus+{milvus.url}/shop?timeout=1"
        with Catalogue.open(location.replace("=1", "=30"), create=True) as catalogue:
            catalogue.sync(store.source, Model.open(store.model), workers=1)
        with running(store._replace(catalogue=location), tmp_path) as own:  # type: ignore[arg-type]
            assert own.photo(store.photos[0]).status_code == 200
            for hurt, heal in (
                (milvus.kill, milvus.start),
                (lambda: milvus.pause(True), lambda: milvus.pause(False)),
            ):
                hurt()
                refused = own.photo(store.photos[0])
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
                assert milvus.url not in refused.text
                assert own.client.get("/ready").status_code == 503
                assert own.client.get("/health").status_code == 200
                heal()
                eventually(lambda: own.client.get("/ready").status_code == 200)
                eventually(lambda: own.photo(store.photos[0]).status_code == 200)
        milvus.kill()
        process, url = served(store._replace(catalogue=location), tmp_path / "log")  # type: ignore[arg-type]
        try:
            assert get(f"{url}/ready").status_code == 503
            milvus.start()
            eventually(lambda: get(f"{url}/ready").status_code == 200, 120)
        finally:
            process.kill()
            process.wait()
    finally:
        milvus.kill()


def test_a_service_is_not_ready_after_a_sync_with_another_model(
    own_shop: Running, own_store: Store, other_model: Path
):
    assert own_shop.client.get("/ready").status_code == 200
    other = Model.open(other_model)
    with Catalogue.open(own_store.catalogue) as catalogue:
        catalogue.sync(own_store.source, other, workers=1)
    eventually(lambda: own_shop.client.get("/ready").status_code == 503)
    assert own_shop.client.get("/ready").json()["error"]["code"] == "unavailable"
    assert own_shop.photo(own_store.photos[0]).status_code == 503


def test_a_sync_of_another_process_is_seen(own_shop: Running, own_store: Store):
    with Catalogue.open(own_store.catalogue) as other:
        other.store.delete([own_store.product])
    assert own_shop.client.get(f"/v1/products/{own_store.product}").status_code == 404
    answer = own_shop.photo(own_store.photos[0], k="20").json()
    shown = {each["id"] for section in answer["categories"] for each in section["products"]}
    assert own_store.product not in shown


def until(connection: socket.socket, end: bytes) -> None:
    received = b""
    while not received.endswith(end):
        received += connection.recv(65536)


@pytest.fixture(scope="module")
def impatient(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(store, tmp_path_factory.mktemp("impatient"), read_seconds=0.4) as found:
        yield found


def test_a_slow_head_times_out_even_after_a_first_request(impatient: Running):
    with raw(impatient) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        until(connection, b'{"status":"alive"}')
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 20:
                connection.sendall(b"G")
                time.sleep(0.05)


@pytest.mark.parametrize("part", [b"GET /hea", b"\r\n"], ids=["half a line", "a line that the parser skips"])
def test_a_head_that_does_not_go_on_times_out(impatient: Running, part: bytes):
    with raw(impatient) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        until(connection, b'{"status":"alive"}')
        connection.sendall(part)
        assert answer_of(connection) == ""


def test_the_time_limit_of_heads_does_not_cut_off_bodies_or_further_requests(
    own_store: Store, tmp_path: Path
):
    photo = own_store.photos[0].read_bytes()
    post = head_of(len(photo)) + photo
    with running(own_store, tmp_path, read_seconds=5) as own, raw(own) as connection:
        connection.sendall(post[:200])
        connection.sendall(post[200:] + b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answers = answer_of(connection)
        assert answers.count("HTTP/1.1 200 OK") == 2
        assert answers.endswith('{"status":"alive"}')


TOO_LARGE = "The head of the request is larger than 65,536 bytes. Send fewer or shorter headers."
INVALID = "Invalid HTTP request received."


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", TOO_LARGE),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", TOO_LARGE),
        (b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"A: aaaa\r\n" * 20_000 + b"\r\n", TOO_LARGE),
        (b"\r\n" * 40_000, TOO_LARGE),
        (head_of(1).replace(b"Host: a", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", INVALID),
        (b"GET /h\xe9alth HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
        (b"nonsense\r\n\r\n", INVALID),
    ],
    ids=["long-url", "long-header", "many-headers", "empty-lines", "two-lengths", "not-ascii", "nonsense"],
)
def test_heads_that_are_too_large_or_wrong_are_refused(shop: Running, head: bytes, problem: str):
    with raw(shop) as connection:
        with suppress(OSError):  # the server may close before everything is sent
            connection.sendall(head)
        with suppress(OSError):
            status, _, rest = answer_of(connection).partition("\r\n")
            assert status == "HTTP/1.1 400 Bad Request"
            error = json.loads(rest.partition("\r\n\r\n")[2])["error"]
            assert (error["code"], error["message"]) == ("bad_request", problem)
    assert shop.client.get("/health").status_code == 200
