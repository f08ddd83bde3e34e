"""API keys, guards of routes, and rate limits."""

import hashlib
import hmac
import math
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fastapi import Request

from perfectlook.errors import UsageError
from perfectlook.service.errors import Refusal, state_of

CALLERS = 20_000
"""Rate limits remember this many callers. The callers that have been silent longest are forgotten first."""
_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([0-9a-f]{64})")
_PREFIX = "pl_"


async def writing(request: Request) -> None:
    """Allow only requests with a known API key.

    Raises:
        Refusal: the key is missing or unknown (401).
    """
    if state_of(request).key is None:
        raise Refusal(401, "no_key", "The API key is missing or unknown. Send 'Authorization: Bearer KEY'.")


async def reading(request: Request) -> None:
    """Allow every request, unless the server requires a key for reading."""
    if request.app.state.service.settings.keyed_reading:
        await writing(request)


def new_key(name: str) -> tuple[str, str]:
    """Return a new key and its line for the file of keys. The line holds only a hash of the key.

    Raises:
        UsageError: the name has invalid characters.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    line = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"
    if not _LINE.fullmatch(line):
        raise UsageError(f"name '{name}': invalid. Use at most 64 letters, digits, '.', '_' and '-'.")
    return key, line


class Keys:
    """The API keys of a file. The file is read again when it changes. Safe for several threads."""

    def __init__(self, file: Path | None) -> None:
        """Read the file. None means no keys.

        Raises:
            UsageError: the file cannot be read, or a line does not have the form 'name:sha256'.
        """
        self._file = file
        self._stamp: tuple[int, int, int] | None = None
        self._digests: list[tuple[str, bytes]] = []
        self._lock = threading.Lock()
        self._reread()

    def owner(self, key: str) -> str | None:
        """Return the name of a key, or None if the key is not in the file."""
        with suppress(UsageError):  # the file may be incomplete for a moment: the known keys stay valid
            self._reread()
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        found = None
        for name, known in self._digests:  # compare with all keys, so that the time reveals nothing
            if hmac.compare_digest(digest, known):
                found = name
        return found

    def _reread(self) -> None:
        if self._file is None:
            return
        with self._lock:
            try:
                status = self._file.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp == self._stamp:
                    return
                text = self._file.read_text(encoding="utf-8")
            except FileNotFoundError as error:
                remedy = f"Make it with `perfectlook keys new NAME >> {self._file}`"
                raise UsageError(f"{self._file}: no such file. {remedy}, or check the path.") from error
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{self._file}: cannot be read ({error}). Check its permissions.") from error
            self._digests, self._stamp = _parsed(text, self._file), stamp


def _parsed(text: str, file: Path) -> list[tuple[str, bytes]]:
    digests = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if not (found := _LINE.fullmatch(line)):
            place = f"{file}, line {number}"
            raise UsageError(f"{place}: expected 'name:sha256'. Make it with `perfectlook keys new NAME`.")
        digests.append((found[1], bytes.fromhex(found[2])))
    return digests


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
