"""Times, memory and the machine as tables print them."""

import math
import os
import platform
import re
from pathlib import Path

from perfectlook.errors import UsageError
from perfectlook.files import worker_count


def parse_duration(text: str) -> float:
    """Seconds of "2h", "90m", "45s" or "1h30m".

    Raises:
        UsageError: the text is not a duration, or is zero.
    """
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text.strip())
    seconds = 0.0
    if found:
        seconds = sum(
            float(part) * size for part, size in zip(found.groups(), (3600, 60, 1), strict=True) if part
        )
    if seconds <= 0:
        raise UsageError(f"budget '{text}': expected a duration. Write it like 2h, 90m or 45s.")
    return seconds


def duration_argument(seconds: float) -> str:
    """A time as `parse_duration` reads it, rounded up: to seconds, to minutes from ten minutes on."""
    if seconds < 600:
        return f"{max(1, math.ceil(seconds))}s"
    return f"{math.ceil(seconds / 60)}m"


def spoken(seconds: float) -> str:
    """A time as a table shows it: 0.31 ms, 4.2 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 1:
        return f"{seconds * 1e3:.2g} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def spoken_bytes(count: float | None) -> str:
    """Memory as a table shows it: 312 MiB, 2.4 GiB; a dash if it is unknown."""
    if count is None:
        return "–"
    return f"{count / 2**20:,.0f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"


def describe_machine() -> str:
    """Processor, processors this process may use, memory, threads, system and Python."""
    cores = worker_count()
    parts = [_processor(), f"{cores} core{'' if cores == 1 else 's'}"]
    memory = _memory()
    if memory:
        parts.append(f"{memory / 2**30:.0f} GiB")
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads:
        parts.append(f"OMP_NUM_THREADS={threads}")
    return ", ".join([*parts, platform.system(), f"Python {platform.python_version()}"])


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
