"""What both clients are made with."""

import os
from collections.abc import Mapping
from typing import Any

import httpx

from perfectlook.client.call import Call
from perfectlook.client.failure import KEY_VARIABLE, shown
from perfectlook.client.patience import Patience
from perfectlook.errors import UsageError

SECONDS = 30.0
RETRIES, LONGEST = 3, 60.0
EVERY = 1.0
"""Seconds between looks after a job."""


class ClientSettings:
    """A server's address, the key that calls carry, and how long and often to try."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = SECONDS,
        retries: int = RETRIES,
        longest_pause: float = LONGEST,
    ) -> None:
        """Open nothing yet; the first call connects.

        Args:
            url: where `perfectlook serve` answers: http://127.0.0.1:8000.
            key: an API key; by default what PERFECTLOOK_API_KEY says, if it is set.
            timeout: seconds that the server may take to connect, and to say anything at all.
            retries: how often a call is sent again that a busy server (503, 429) has not taken; 0 is never.
                Calls that would do something twice are never sent again.
            longest_pause: seconds; where a server wants more time (`Retry-After`), it is not asked again.

        Raises:
            UsageError: the address or the key is none.
        """
        address = _checked(url)
        self.url = shown(address)
        self._address = str(address).rstrip("/")
        self._key = os.environ.get(KEY_VARIABLE) if key is None else key
        if self._key and not (self._key.isascii() and self._key.isprintable()):
            raise UsageError("the API key is none: `perfectlook keys new` makes them of letters and digits")
        self._timeout = timeout
        self._patience = Patience(retries, longest_pause)
        self._open()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _open(self) -> None:
        """Make httpx's client."""
        raise NotImplementedError

    def _http(self) -> dict[str, Any]:
        """What httpx's client is made with."""
        from perfectlook import __version__

        headers = {"User-Agent": f"perfectlook/{__version__}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return {"base_url": self._address, "headers": headers, "timeout": self._timeout}


def sent(http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
    """Return the request that a call is sent as."""
    return http.build_request(call.method, call.path, params=_query(call.query), **call.body)


def _query(query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return query or None  # httpx takes an empty one for the wish to drop what the address has


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise UsageError(f"{url}: not the address of a server ({error})") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url}: not the address of a server; write http://HOST:PORT or https://HOST")
    return parsed
