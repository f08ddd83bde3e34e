"""API keys, guards of routes, and rate limits."""

import hashlib
import hmac
import ipaddress
import logging
import math
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fastapi import Request

from perfectlook.errors import UsageError
from perfectlook.service.errors import LOGGER, Refusal, state_of

CALLERS = 20_000
"""Rate limits remember this many callers. The callers that have been silent longest are forgotten first."""
SCOPES = ("read", "write", "feedback")
"""What a key may do. A key whose line names no scope may do everything."""
PUBLIC = "public"
"""The only scope of a public key, which everyone can read in a page: it may read and report feedback."""
_SCOPE = "|".join(SCOPES)
_LINE = re.compile(
    rf"([A-Za-z0-9][A-Za-z0-9._-]{{0,63}}):([0-9a-f]{{64}})(?::({PUBLIC}|(?:{_SCOPE})(?:,(?:{_SCOPE}))*))?"
)
_PREFIX = "pl_"


class Key(NamedTuple):
    """A line of the file of keys: the name, the hash of the key, and what the key may do."""

    name: str
    digest: bytes
    scopes: frozenset[str]


def missing_key(has_keys: bool) -> Refusal:
    """Return the refusal of a request without a known key, by a server that has a file of keys or none."""
    message = "The API key is missing or unknown. Send 'Authorization: Bearer KEY'."
    if not has_keys:
        message = "The server has no keys, so no key can work. Start it with --keys FILE."
    return Refusal(401, "no_key", message)


def _require(request: Request, scope: str) -> None:
    state = state_of(request)
    if state.key is None:
        raise missing_key(bool(request.app.state.service.settings.keys))
    if scope not in state.scopes:
        message = f"The API key does not have the scope '{scope}'. Use another key."
        raise Refusal(403, "no_scope", message)


async def writing(request: Request) -> None:
    """Allow only requests with a known API key that may write.

    Raises:
        Refusal: the key is missing or unknown (401), or lacks the scope (403).
    """
    _require(request, "write")


async def reading(request: Request) -> None:
    """Allow every request, unless the server requires a key for reading."""
    if request.app.state.service.settings.keyed_reading and request.method not in ("PUT", "PATCH", "DELETE"):
        _require(request, "read")


async def reporting(request: Request) -> None:
    """Allow every report of feedback, unless the server requires a key for reading."""
    if request.app.state.service.settings.keyed_reading:
        _require(request, "feedback")


async def selling(request: Request) -> None:
    """Allow only a report with a server's key: one that no page shows.

    Raises:
        Refusal: the key is missing or unknown (401), public, or lacks the scope (403).
    """
    _require(request, "feedback")
    if state_of(request).is_public:
        message = "A public key cannot report 'purchased'. Report it from your server, with a key of its own."
        raise Refusal(403, "no_scope", message)


def new_key(name: str, scopes: Sequence[str] = (), *, public: bool = False) -> tuple[str, str]:
    """Return a new key and its line for the file of keys. The line holds only a hash of the key.

    Without `scopes`, the key may do everything. A public key may read and report feedback, and has no others.

    Raises:
        UsageError: the name has invalid characters, a scope is unknown, or a public key has scopes.
    """
    if public and scopes:
        raise UsageError("--public and --scope exclude each other. Leave one out.")
    if unknown := next((each for each in scopes if each not in SCOPES), None):
        raise UsageError(f"--scope {unknown}: unknown scope. Choose one of: {', '.join(SCOPES)}.")
    scopes = [PUBLIC] if public else scopes
    key = _PREFIX + secrets.token_urlsafe(32)
    line = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}{':' if scopes else ''}{','.join(scopes)}"
    if not _LINE.fullmatch(line):
        raise UsageError(f"name '{name}': invalid. Use at most 64 letters, digits, '.', '_' and '-'.")
    return key, line


class Keys:
    """The API keys of a file. The file is read again when it changes. Safe for several threads.

    Attributes:
        problem: what is wrong with the file now, or "". It names no key and no path.
    """

    def __init__(self, file: Path | None) -> None:
        """Read the file. None means no keys. Malformed lines are logged and ignored, as later.

        Raises:
            UsageError: the file cannot be read.
        """
        self._file = file
        self._stamp: tuple[int, ...] | None = None
        self._known: list[Key] = []
        self._lock = threading.Lock()
        self.problem = ""
        self._note(self._reread())

    def find(self, key: str) -> Key | None:
        """Return the line of a key, or None if the key is not in the file now.

        If the file cannot be read, no key is valid. A malformed line revokes only its own key.
        """
        self.check()
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        found = None
        for each in self._known:  # compare with all keys, so that the time reveals nothing
            if hmac.compare_digest(digest, each.digest):
                found = each
        return found

    def check(self) -> str:
        """Read the file again if it has changed. Log and return what is wrong with it, or ""."""
        try:
            return self._note(self._reread())
        except UsageError as error:
            self._known, self._stamp = [], None
            return self._note([error], "the file of keys cannot be read, so no key is valid")

    def _note(self, wrong: Sequence[UsageError] | None, problem: str = "") -> str:
        """Log the first error of the file, unless the same was logged before. None: it has not changed."""
        if wrong is None:
            return self.problem
        if wrong and not problem:
            problem = f"the file of keys has malformed lines ({len(wrong)}), which are ignored"
        if problem != self.problem:
            self.problem = problem
            reason = {"reason": str(wrong[0]) if wrong else "the file of keys can be read again"}
            LOGGER.log(logging.ERROR if problem else logging.INFO, "keys", extra=reason)
        return problem

    @property
    def any(self) -> bool:
        """Whether any key is valid."""
        return bool(self._known)

    def _reread(self) -> list[UsageError] | None:
        """Read the file and return the errors of its lines; None if it has not changed."""
        if self._file is None:
            return None
        with self._lock:
            try:
                status = self._file.stat()
                stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
                if stamp == self._stamp:
                    return None
                text = self._file.read_text(encoding="utf-8-sig", errors="replace")
            except FileNotFoundError as error:
                remedy = f"Make it with `perfectlook keys new NAME >> {self._file}`"
                raise UsageError(f"{self._file}: no such file. {remedy}, or check the path.") from error
            except OSError as error:
                raise UsageError(f"{self._file}: cannot be read ({error}). Check its permissions.") from error
            (self._known, wrong), self._stamp = _parsed(text, self._file), stamp
            return wrong


def _parsed(text: str, file: Path) -> tuple[list[Key], list[UsageError]]:
    keys, wrong = [], []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if not (found := _LINE.fullmatch(line)):
            place = f"{file}, line {number}"
            remedy = "Make it with `perfectlook keys new NAME`"
            wrong.append(UsageError(f"{place}: expected 'name:sha256' or 'name:sha256:scopes'. {remedy}."))
            continue
        scopes = frozenset(found[3].split(",") if found[3] else SCOPES)
        if PUBLIC in scopes:
            scopes |= {"read", "feedback"}
        keys.append(Key(found[1], bytes.fromhex(found[2]), scopes))
    return keys, wrong


@lru_cache(4096)
def network_of(address: str) -> str:
    """Return what counts as one caller: an IPv4 address, or the /64 network of an IPv6 address.

    Every customer of a provider has 2**64 IPv6 addresses.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found), 64), strict=False))


class Rates:
    """A token bucket per caller. It holds `burst` tokens and gains `rate` tokens a second. For one thread."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the rate (0: no limit) and the burst."""
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str, cost: float = 1.0) -> int:
        """Take tokens and return 0. With too few tokens, take none and return the seconds to wait."""
        if not self._rate:
            return 0
        now = self._clock()
        tokens, then = self._buckets.pop(caller, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        enough = tokens >= cost
        self._buckets[caller] = (tokens - cost if enough else tokens, now)
        if len(self._buckets) > CALLERS:
            self._buckets.popitem(last=False)
        return 0 if enough else math.ceil((cost - tokens) / self._rate)
