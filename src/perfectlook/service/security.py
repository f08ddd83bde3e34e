"""Who may call what, and how often: API keys, guards of routes, rate limits."""

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
"""Rate limits remember this many callers, and forget those that have been silent longest."""
_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([0-9a-f]{64})")
_PREFIX = "pl_"


async def writing(request: Request) -> None:
    """Let only requests with a known key through.

    Raises:
        Refusal: the key is missing or unknown (401).
    """
    if state_of(request).key is None:
        raise Refusal(401, "no_key", "this call needs an API key: send 'Authorization: Bearer KEY'")


async def reading(request: Request) -> None:
    """Let every request through, unless the server requires keys for reading too."""
    if request.app.state.service.settings.keyed_reading:
        await writing(request)


def new_key(name: str) -> tuple[str, str]:
    """Return a new key and its line for the file of keys, which holds only a hash.

    Raises:
        UsageError: the name has other characters than a name may have.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    line = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"
    if not _LINE.fullmatch(line):
        raise UsageError(f"'{name}' cannot name a key: use letters, digits, '.', '_' and '-', 64 at most")
    return key, line


class Keys:
    """The keys of a file, which is read again when it changes. Safe to use from several threads."""

    def __init__(self, file: Path | None) -> None:
        """Read the file; None means no keys.

        Raises:
            UsageError: the file cannot be read, or a line is not 'name:sha256'.
        """
        self._file = file
        self._stamp: tuple[int, int, int] | None = None
        self._digests: list[tuple[str, bytes]] = []
        self._lock = threading.Lock()
        self._reread()

    def owner(self, key: str) -> str | None:
        """Return the name of a key; None if it is not in the file."""
        with suppress(UsageError):  # half written or gone for a moment: the keys read before still count
            self._reread()
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        found = None
        for name, known in self._digests:  # compare with all: the time taken tells nothing
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
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(
                    f"{self._file}: cannot be read ({error}); `perfectlook keys new NAME` makes its lines"
                ) from error
            self._digests, self._stamp = _parsed(text, self._file), stamp


def _parsed(text: str, file: Path) -> list[tuple[str, bytes]]:
    digests = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if not (found := _LINE.fullmatch(line)):
            raise UsageError(
                f"{file}, line {number}: expected 'name:sha256'; `perfectlook keys new NAME` prints it"
            )
        digests.append((found[1], bytes.fromhex(found[2])))
    return digests


class Rates:
    """A token bucket for each caller: it holds `burst` tokens and gains `rate` a second. For one thread."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the rate (0: no limit) and the burst."""
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str, cost: float = 1.0) -> int:
        """Take tokens and return 0; if there are too few, take none and return the seconds to wait."""
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
