"""Fixtures for all tests."""

import os

# Two test workers share two cores: more threads would only compete.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from browser import ARGUMENTS, chromium
from milvus_of_run import drop_catalogues
from web import Web, web

# A shell's background job ignores Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(  # on a busy machine, the time of an example means nothing
    "untimed",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache."""
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True, scope="module")
def _catalogues_on_milvus() -> Iterator[None]:
    yield
    drop_catalogues()


@pytest.fixture
def photos() -> Path:
    """Return the folder of real photos. Without it, skip the test."""
    folder = os.environ.get("PERFECTLOOK_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PERFECTLOOK_DATA does not name a folder of real photos")
    return Path(folder)


@pytest.fixture
def server() -> Iterator[Web]:
    """A web server whose answers a test defines."""
    with web() as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a worker: playwright can start only once in a thread."""
    executable = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield opened
        opened.close()
