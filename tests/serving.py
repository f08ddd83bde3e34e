"""A real server on a free port, in a thread of the tests, over a small drawn shop."""

import atexit
import json
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import httpx
import pytest

from drawn import drawn_set
from perfectlook.catalogue import Catalogue
from perfectlook.features.workers import WorkerError, WorkerPool
from perfectlook.model.runtime import Model
from perfectlook.service.security import new_key
from perfectlook.service.server import serving as in_thread
from perfectlook.service.service import Service
from perfectlook.service.settings import Settings
from random_model import random_model


class Store(NamedTuple):
    """A set, a model with random weights, and the catalogue of all its products."""

    source: Path
    model: Path
    catalogue: Path

    @property
    def photos(self) -> list[Path]:
        return sorted((self.source / "scenes").iterdir())

    @property
    def product(self) -> str:
        return min(json.loads((self.source / "categories.json").read_text(encoding="utf-8")))


class Running(NamedTuple):
    """A server at `url`, with a client, and with a `keyed` client that sends a key."""

    url: str
    service: Service
    client: httpx.Client
    keyed: httpx.Client

    def photo(self, path: Path, **options: Any) -> httpx.Response:
        return self.client.post("/v1/complete", files={"photo": (path.name, path.read_bytes())}, data=options)


def small_store(folder: Path) -> Store:
    source = drawn_set(folder / "set", scenes=8, products_per_category=9)
    model = random_model(source, folder / "model")
    with Catalogue.open(folder / "catalogue", create=True) as catalogue:
        catalogue.sync(source, Model.open(model), workers=1)
    return Store(source, model, folder / "catalogue")


class SharedPool:
    """The decoding processes of all servers in this process: starting them takes longer than most tests."""

    _pools: ClassVar[dict[bytes, WorkerPool[Any, Any]]] = {}

    def __init__(self, initializer: Callable[[], Any], count: int) -> None:
        key = pickle.dumps((initializer, count))
        if key not in self._pools:
            self._pools[key] = WorkerPool(initializer, count)
            atexit.register(self._pools[key].close)
        self._pool = self._pools[key]
        self._is_closed = False

    def submit(self, task: Any, **options: Any) -> "Future[Any]":
        if self._is_closed:
            raise WorkerError("The pool of workers is closed. Open another one.")
        return self._pool.submit(task, **options)

    def close(self) -> None:
        """Keep the processes for the next server; this one gets no more results."""
        self._is_closed = True


def opened(settings: Settings) -> Service:
    """Open a service that decodes in the shared processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perfectlook.service.decoding.WorkerPool", SharedPool)
        return Service.open(settings)


@contextmanager
def running(store: Store, folder: Path, **settings: Any) -> Iterator[Running]:
    """Serve a store. The service stores its own files in `folder`."""
    key, line = new_key("tests")
    keys = folder / "keys"
    keys.write_text(line + "\n", encoding="utf-8")
    given = {"keys": str(keys), "feedback": str(folder / "feedback.sqlite"), "rate": 0.0, **settings}
    service = opened(Settings(model=str(store.model), catalogue=str(store.catalogue), port=0, **given))
    with serving(service) as url:
        bearer = {"Authorization": f"Bearer {key}"}
        with (
            httpx.Client(base_url=url, timeout=30, verify=False) as client,
            httpx.Client(base_url=url, timeout=60, headers=bearer, verify=False) as keyed,
        ):
            yield Running(url, service, client, keyed)


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """Serve an open service, yield its URL, and close it at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener, in_thread(service, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def served(store: Store, log: Path, *flags: str) -> tuple["subprocess.Popen[bytes]", str]:
    """Start `perfectlook serve` in its own process. Return the process, and its URL once it listens."""
    command = [sys.executable, "-m", "perfectlook", "serve", "--model", str(store.model)]
    command += ["--catalogue", str(store.catalogue), "--port", "0", *flags]
    with log.open("w") as stream:
        process = subprocess.Popen(command, stderr=stream)

    def announced() -> str | None:
        return next((line for line in log.read_text().splitlines() if "running on" in line), None)

    try:
        line = eventually(announced)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process, "http://" + line.split("http://")[1].split(" ")[0]


def eventually(done: Any, seconds: float = 60.0) -> Any:
    """Call `done` until it returns something true."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return found


def raw(shop: Running) -> socket.socket:
    """Return a connection to a server."""
    host, port = shop.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def head_of(length: int, kind: str = "image/jpeg") -> bytes:
    """Return the head of a request with a photo, or another body, of `length` bytes."""
    head = f"POST /v1/complete HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


def answer_of(connection: socket.socket) -> str:
    """Return everything that the server sends until it closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts).decode("latin-1")
