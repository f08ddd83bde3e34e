"""Work in a process of its own, so that the memory it peaks at is its own."""

import multiprocessing
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from perfectlook.errors import PerfectLookError

Work = Callable[..., Mapping[str, Any]]
"""A function of a module, whose arguments and result can be pickled."""


def in_child(work: Work, *arguments: Any) -> dict[str, Any]:
    """Run `work(*arguments)` in a fresh process and return what it returns.

    Raises:
        PerfectLookError: as the work raises it, or because the process was killed (for want of memory).
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, work, arguments))
    process.start()
    sender.close()
    try:
        outcome = receiver.recv()
    except EOFError:
        process.join()
        raise PerfectLookError(_why(work.__name__, process.exitcode)) from None
    except BaseException:
        process.terminate()
        raise
    finally:
        receiver.close()
        process.join()
    if isinstance(outcome, BaseException):
        raise outcome
    return dict(outcome)


def peak_bytes() -> int | None:
    """The most memory this process has held; None where the system does not tell.

    Linux hands `ru_maxrss` on from the process that started this one, which may have held far more, so there
    its own high-water mark is read.
    """
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return _peak("RUSAGE_SELF")


def largest_child_bytes() -> int | None:
    """The most memory that any one finished child of this process has held; None where nobody tells."""
    return _peak("RUSAGE_CHILDREN")


def _peak(whose: str) -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak: int = resource.getrusage(getattr(resource, whose)).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def _run(sender: Connection, work: Work, arguments: tuple[Any, ...]) -> None:
    try:
        outcome: Any = work(*arguments)
    except PerfectLookError as error:
        outcome = _portable(error)
    except KeyboardInterrupt:  # the parent is interrupted too, and says so
        return
    sender.send(outcome)
    sender.close()


def _why(step: str, code: int | None) -> str:
    again = "and run the same command again: it goes on where it stood"
    if code is not None and code < 0:  # killed by a signal
        return (
            f"the process of the step '{step}' was killed (signal {-code}), as the system does with one that "
            f"wants too much memory; free some memory, or use a smaller share, {again}"
        )
    return f"the step '{step}' failed (code {code}) for the reason printed above; mend that, {again}"


def _portable(error: PerfectLookError) -> PerfectLookError:
    """An error that can be pickled: those with arguments of their own become the plain one."""
    plain = type(error).__init__ is PerfectLookError.__init__
    return error if plain else PerfectLookError(str(error))
