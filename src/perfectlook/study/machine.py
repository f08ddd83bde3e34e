"""The machine that figures were measured on, in one line that tells nobody whose it is."""

import os
import platform
from pathlib import Path

from perfectlook.files import worker_count


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
