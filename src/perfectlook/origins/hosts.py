"""Asks servers politely: few files at once of each, and none while it asks for patience."""

import random
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from perfectlook.errors import FetchError
from perfectlook.fetch import DEFAULT_LIMITS, Fetcher, FetchLimits


@dataclass(frozen=True, slots=True)
class Manners:
    """How servers are asked.

    Attributes:
        at_once: files asked of one server at the same time.
        tries: how often a file is asked for in all, where trying again may help.
        first_pause: seconds before a file is asked for again; each further time twice as long.
        longest_pause: of these pauses.
        patience: the longest wait a server may ask for; one that asks for more is left alone for this run.
        given_up_after: so many files in a row that a server cannot give for passing reasons, or all of which
            it refuses before it has given any: the run ends.
        seconds: the longest one file may take.
        max_bytes: the largest file accepted.
    """

    at_once: int = 6
    tries: int = 4
    first_pause: float = 1.0
    longest_pause: float = 30.0
    patience: float = 300.0
    given_up_after: int = 20
    seconds: float = 120.0
    max_bytes: int = DEFAULT_LIMITS.max_bytes


class UnwillingError(FetchError):
    """A server that does not answer, or asks to be left alone: there is no use in going on now."""


class _Host:
    """What is known of one server."""

    def __init__(self, at_once: int) -> None:
        self.room = threading.BoundedSemaphore(at_once)
        self.not_before = 0.0
        self.failures = 0
        self.refusals = 0
        self.has_given = False


class Hosts:
    """Fetches from several servers and threads; a context manager that breaks off what is still under way."""

    def __init__(self, manners: Manners, *, allow_private: bool = False) -> None:
        """Prepare; nothing is sent yet. `allow_private`: whether private addresses may be asked."""
        self._manners = manners
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        limits = FetchLimits(
            max_bytes=manners.max_bytes,
            seconds=manners.seconds,
            tries=1,
            connections=4 * manners.at_once,
            allow_private=allow_private,
        )
        self._fetcher = Fetcher(limits)

    def get(self, url: str) -> bytes:
        """Return what lies at a URL.

        Raises:
            UnwillingError: its server does not answer any more, refuses everything, or asks for a long wait.
            FetchError: it cannot be had; `passing` says whether it may be at another time.
        """
        name = urlsplit(url).netloc
        with self._lock:
            host = self._hosts.setdefault(name, _Host(self._manners.at_once))
        pause = self._manners.first_pause
        for left in reversed(range(self._manners.tries)):
            with host.room:
                self._wait(host, url)
                try:
                    content = self._fetcher.fetch(url).content
                except FetchError as error:
                    self._note(host, name, error, last=not left)
                    if not error.passing or not left:
                        raise
                else:
                    host.failures, host.has_given = 0, True
                    assert content is not None  # asked without validators
                    return content
            self._sleep(random.uniform(pause / 2, pause), url)
            pause = min(2 * pause, self._manners.longest_pause)
        raise ValueError("Manners.tries must be at least 1")

    def close(self) -> None:
        """Break off whatever is still being fetched."""
        self._closed.set()
        self._fetcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, host: _Host, url: str) -> None:
        """Wait as long as the server has asked; who waits keeps a place, so that not all rush in after."""
        self._sleep(host.not_before - time.monotonic(), url)

    def _sleep(self, seconds: float, url: str) -> None:
        if self._closed.wait(max(seconds, 0.0)) or self._closed.is_set():
            raise FetchError(f"{url}: the fetch was broken off", passing=True)

    def _note(self, host: _Host, name: str, error: FetchError, *, last: bool) -> None:
        """Learn from a failure; raises where there is no use in asking the server for anything else."""
        again = "run the same command again later: it goes on where it stopped"
        with self._lock:
            if error.passing:
                host.not_before = max(
                    host.not_before, time.monotonic() + min(error.pause, self._manners.patience)
                )
                host.failures += last
            elif error.status in (401, 403) and not host.has_given:
                host.refusals += 1
        if error.pause > self._manners.patience:
            raise UnwillingError(
                f"{name} asks to wait {error.pause:,.0f} seconds; {again}", passing=True
            ) from error
        if host.failures >= self._manners.given_up_after:
            raise UnwillingError(f"{name} does not answer ({error}); {again}", passing=True) from error
        if host.refusals >= self._manners.given_up_after:
            raise UnwillingError(f"{name} refuses everything ({error}); use a mirror (--from)") from error
