"""A stop finishes what was accepted; a catalogue that dies is said, and used again when it returns."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from perfectlook.catalogue import Catalogue
from perfectlook.model.runtime import Model
from serving import Running, Store, eventually, running, served


def accepted(url: str) -> int:
    """How many photos a server has taken in: those that wait, are looked at or have been answered.

    One that is leaving may be missed for a moment; none is counted twice.
    """
    said = httpx.get(f"{url}/metrics", timeout=30).text
    answered = 'request_seconds_count{method="POST",route="/v1/complete",status="200"}'
    counts = [
        re.search(rf"^perfectlook_{re.escape(name)} (\S+)$", said, re.M) for name in ("queue", answered)
    ]
    return sum(int(float(count[1])) for count in counts if count)


def test_serve_stops_at_a_signal_and_answers_what_it_has_accepted(own_store: Store, tmp_path: Path):
    patient = ("--workers", "1", "--queue-seconds", "600")  # most still wait when the signal comes
    process, url = served(own_store, tmp_path / "log", "--rate", "0", *patient)
    try:
        photo = own_store.photos[0].read_bytes()
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(httpx.post(f"{url}/v1/complete", files={"photo": photo}, timeout=30))

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
        httpx.get(f"{url}/health")


def test_wrong_settings_end_serve_before_it_listens(tmp_path: Path):
    command = [sys.executable, "-m", "perfectlook", "serve", "--model", "absent", "--catalogue", "absent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "absent" in done.stderr
    assert "Traceback" not in done.stderr
    shown = subprocess.run(
        [*command, "--show-config", "--port", "9"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PERFECTLOOK_QUEUE": "5"},
    )
    assert 'model = "absent"' in shown.stdout
    assert "port = 9" in shown.stdout
    assert "queue = 5" in shown.stdout


def test_a_port_that_is_taken_is_said_in_plain_words(own_store: Store):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "perfectlook", "serve", "--model", str(own_store.model)]
        command += ["--catalogue", str(own_store.catalogue), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"cannot bind to 127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr


def test_keys_new_prints_the_key_apart_from_its_line():
    command = [sys.executable, "-m", "perfectlook", "keys", "new", "shop"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("shop:")
    assert done.stderr.startswith("key: pl_")


def test_a_store_that_dies_and_returns(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("qdrant_client")
    from qdrant_over_http import Refusal, served

    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path / "cache"))
    dead = threading.Event()

    def answer(_path: str) -> None:
        if dead.is_set():
            raise Refusal("500")

    with served(answer=answer) as url:
        location = f"qdrant+{url}/catalogue"
        with Catalogue.open(location, create=True) as catalogue:
            catalogue.sync(store.source, Model.open(store.model), workers=1)
        with running(store._replace(catalogue=location), tmp_path) as own:  # type: ignore[arg-type]
            assert own.photo(store.photos[0]).status_code == 200
            dead.set()
            refused = own.photo(store.photos[0])
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert url not in refused.text
            assert own.client.get("/ready").status_code == 503
            assert own.client.get("/health").status_code == 200
            dead.clear()
            assert own.client.get("/ready").status_code == 200
            assert own.photo(store.photos[0]).status_code == 200


def test_a_sync_of_another_process_is_seen(own_shop: Running, own_store: Store):
    with Catalogue.open(own_store.catalogue) as other:
        other.store.delete([own_store.product])
    assert own_shop.client.get(f"/v1/products/{own_store.product}").status_code == 404
    answer = own_shop.photo(own_store.photos[0], k="20").json()
    shown = {each["id"] for section in answer["categories"] for each in section["products"]}
    assert own_store.product not in shown
