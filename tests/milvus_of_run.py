"""The Milvus server of a test run: one for all its workers, started by the first that asks for it."""

import os
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.util import find_spec
from pathlib import Path

import pytest

import milvus_server
from perfectlook.stores import Payload, Store

SERVER = "PERFECTLOOK_MILVUS_URL"
"""Environment variable with the URL of another Milvus server that tests may write to: http://localhost:19530."""


_MADE: list[str] = []


def need_milvus(*, local: bool = False) -> None:
    """Skip the test where no server can run, or with `local` none that the test starts itself.

    In CI one must run, so the test fails there.
    """
    reason = None if find_spec("pymilvus") else "pymilvus is not installed (extra 'cluster')"
    if not reason and (local or not os.environ.get(SERVER)):
        reason = milvus_server.why_not()
    if reason and os.environ.get("CI"):
        pytest.fail(f"no Milvus server: {reason}")
    if reason:
        pytest.skip(f"no Milvus server: {reason}")


def milvus_url() -> str:
    """Return the URL of the server of this run, and start it if necessary."""
    need_milvus()
    if named := os.environ.get(SERVER):
        return named.rstrip("/")
    import fcntl

    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    folder = Path(tempfile.gettempdir()) / f"perfectlook-milvus-{run}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = folder / "said"
        if not said.exists():  # the server outlives the worker that starts it, and ends with the run
            said.touch()
            words = [sys.executable, milvus_server.__file__, folder, "--while", str(run)]
            subprocess.run(["sh", "-c", 'exec "$@" >"$0" 2>&1 &', said, *words], check=True)
        deadline = time.monotonic() + milvus_server.START_SECONDS
        while not (text := said.read_text(encoding="utf-8")).startswith("http"):
            if time.monotonic() > deadline or "Error" in text:
                pytest.fail(f"the Milvus server did not start: {text}")
            time.sleep(0.1)
        return text.strip()


def new_catalogue(query: str = "") -> str:
    """Return the address of a new catalogue on the server of this run. It is dropped after the module."""
    return address_of(f"test_{uuid.uuid4().hex}") + query


def address_of(name: str) -> str:
    """Return the address of a catalogue on the server of this run. It is dropped after the module."""
    _MADE.append(name)
    return f"milvus+{milvus_url()}/{name}"


def drop_catalogues() -> None:
    """Drop the collections of all catalogues of `new_catalogue`: the server keeps them in memory."""
    if not _MADE:
        return
    from pymilvus import MilvusClient

    client = MilvusClient(milvus_url(), dedicated=True)
    for name in client.list_collections():
        catalogue = name.partition("__")[0]
        if catalogue in _MADE:
            if catalogue in client.list_aliases(name)["aliases"]:
                client.drop_alias(catalogue)
            client.drop_collection(name)
    _MADE.clear()
    client.close()


def emptied(store: Store, document: Payload, name: str, dimension: int) -> None:
    """Give a store one collection without products, and a manifest. What it has already is kept."""
    if name not in store.collections():
        store.create_collection(name, dimension)
    if (store.active(), store.manifest()) != (name, document):
        store.write_manifest(document, active=name)
    for other in store.collections().keys() - {name}:
        store.drop_collection(other)
    store.delete(id_ for id_, _ in store.excerpts() if id_ is not None)
