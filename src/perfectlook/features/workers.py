"""Worker processes. A worker that crashes or hangs fails its own task only.

Unlike `concurrent.futures.ProcessPoolExecutor`, the pool continues after a worker died, and tasks can have a
timeout.
"""

import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from typing import IO, Any, Generic, TypeVar

from perfectlook.errors import PerfectLookError
from perfectlook.files import Closable

TASKS_PER_WORKER = 2
"""Tasks that `run` takes ahead for each worker: one that runs and one that waits."""
GRACE_SECONDS = 5.0
RETRIED_STARTS = 2
PIPE_BYTES = 2**18
HAS_TIMER = hasattr(signal, "setitimer")
"""Whether tasks can have a timeout: not on Windows."""

Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkerError(PerfectLookError):
    """Workers cannot start, or a task failed in a worker."""


class WorkerDiedError(WorkerError):
    """A worker ended without a result: it crashed, was killed, or ran out of memory."""


class WorkerMemoryError(WorkerError):
    """A task needed more memory than its worker may have."""


class TaskTimeoutError(WorkerDiedError):
    """A task timed out; its worker was killed."""


class WorkerPool(Closable, Generic[Task, Result]):
    """A pool of processes. Each calls `do = initializer()` once and then returns `do(task)` for each task.

    The initializer, tasks and results are pickled. Workers do not import the caller's script. They start when
    tasks need them and run until the pool is closed. A worker that dies or times out is replaced. All methods
    can be called from several threads. The pool protects against crashes, not against malicious code: it
    unpickles the results of the workers.
    """

    def __init__(self, initializer: Callable[[], Callable[[Task], Result]], count: int) -> None:
        self._initializer = pickle.dumps(initializer)
        self._count = count
        self._threads = ThreadPoolExecutor(count)  # each thread waits for one worker
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Future[Result]]]:
        """Run tasks and yield each with its future when it is done. `submit` lists the errors of the future.

        At most `TASKS_PER_WORKER` tasks for each worker are taken ahead of the results.
        """
        waiting = iter(tasks)
        pending: dict[Future[Result], Task] = {}
        while True:
            for task in islice(waiting, TASKS_PER_WORKER * self._count - len(pending)):
                pending[self.submit(task)] = task
            if not pending:
                return
            # Windows handles Ctrl-C only between two waits
            done, _ = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                yield pending.pop(future), future

    def submit(self, task: Task, *, seconds: float | None = None) -> Future[Result]:
        """Submit a task and return its future. The timeout `seconds` starts when a worker starts the task.

        The future raises a `PerfectLookError` of the task unchanged, and any other error as a `WorkerError`
        with the same text. It raises `WorkerDiedError` or `TaskTimeoutError` if the worker ended without a
        result, and `WorkerError` if workers cannot start. Closing the pool cancels it.

        Raises:
            WorkerError: the pool is closed.
        """
        if self._is_closed:
            raise WorkerError("The pool of workers is closed. Open another one.")
        return self._threads.submit(self._do, pickle.dumps(task), seconds)

    def _release(self) -> None:
        """Kill all workers, including those that run a task."""
        with self._lock:
            for worker in self._workers:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers.union(self._idle):
            worker.end()

    def _do(self, task: bytes, seconds: float | None) -> Result:
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = self._started()
        if not worker.is_alive():  # it died while idle or during its last task
            worker.end()
            worker = self._started()
        try:
            result: Result = worker.ask(task, seconds)
        except TaskTimeoutError:  # the next task must not wait for the start of another worker
            worker.end()
            with suppress(WorkerError):
                worker = self._started()
            raise
        else:
            return result
        finally:
            self._idle.append(worker)

    def _started(self) -> "_Worker":
        """Start a worker and run the initializer in it."""
        for attempt in range(RETRIED_STARTS, -1, -1):
            with self._lock:
                if self._is_closed:
                    raise WorkerError("The pool of workers is closed. Open another one.")
                worker = _Worker()
                self._workers = {each for each in self._workers if each.is_alive()} | {worker}
            try:
                worker.ask(self._initializer)
                break
            except WorkerDiedError as error:
                if not attempt:
                    raise WorkerError(
                        f"workers cannot start ({error}). Use fewer workers, or free some memory."
                    ) from error
            except Exception:
                worker.kill()
                worker.end()
                raise
        return worker


class _Worker:
    """A process that handles one message at a time.

    It has its own process group, so Ctrl-C in a terminal reaches only the parent, which ends its workers.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-c", _PROGRAM, *map(str, sys.path)]
        group: dict[str, Any] = {"process_group": 0}
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **group)
        assert self._process.stdin and self._process.stdout
        self._messages, self._answers = self._process.stdin, self._process.stdout
        for pipe in (self._messages, self._answers):
            _widen(pipe)

    def ask(self, message: bytes, seconds: float | None = None) -> Any:
        """Send a pickled message, and return the result or raise the error of the worker."""
        try:
            _send(self._messages, message, seconds if seconds and HAS_TIMER else 0.0)
            answer, _ = _receive(self._answers)
        except (OSError, EOFError) as error:
            how = self.end()
            if HAS_TIMER and self._process.returncode == -signal.SIGALRM:
                raise TaskTimeoutError(f"timed out after {seconds:g} s. Raise the timeout.") from error
            raise WorkerDiedError(how) from error
        result, problem = pickle.loads(answer)
        if problem is not None:
            raise problem
        return result

    def is_alive(self) -> bool:
        """Return whether the worker can run a task."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the process. A thread that waits for its result gets a `WorkerDiedError`."""
        self._process.kill()

    def end(self) -> str:
        """Wait for the end of the process, and return how it ended."""
        for pipe in (self._messages, self._answers):
            with suppress(OSError):
                pipe.close()
        try:
            code = self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        if code >= 0:
            return f"exit code {code}"
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"killed by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")
        return f"killed by signal {-code}"


_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from perfectlook.features.workers import _work; _work()"


def _work() -> None:
    """Run a worker process until its parent closes the pipe or ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of tasks must not mix with the results
    do: Callable[[Any], Any] | None = None
    with suppress(EOFError, OSError):
        while True:
            answer = result = given = None  # the memory of a task is free before the next one comes
            message, seconds = _receive(sys.stdin.buffer)
            if seconds:
                signal.setitimer(signal.ITIMER_REAL, seconds)  # nothing handles its signal, so it kills
            try:
                given, message = pickle.loads(message), b""
                if do is None:  # the first message is the initializer
                    do = given()
                else:
                    result = do(given)
                answer = pickle.dumps((result, None))
            except Exception as error:
                answer = pickle.dumps((None, _portable(error)))
            if seconds:
                signal.setitimer(signal.ITIMER_REAL, 0)
            _send(answers, answer)


def _portable(error: Exception) -> Exception:
    """Return an error that can be pickled."""
    if isinstance(error, MemoryError):
        return WorkerMemoryError("a task needs more memory than there is. Use fewer workers.")
    if isinstance(error, PerfectLookError):
        with suppress(Exception):
            pickle.loads(pickle.dumps(error))
            return error
        return WorkerError(str(error))
    return WorkerError(f"a worker failed ({type(error).__name__}: {error}). Run the same command again.")


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold a picture, so that neither side waits for the other in the middle of a message."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # the pipes of a user have a limit together
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _send(stream: IO[bytes], message: bytes, seconds: float = 0.0) -> None:
    stream.write(_HEADER.pack(len(message), seconds))
    stream.write(message)  # joining them would copy a large one
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[bytes, float]:
    """Read a message and its timeout. Messages are never empty."""
    header = stream.read(_HEADER.size)
    size, seconds = _HEADER.unpack(header) if len(header) == _HEADER.size else (0, 0.0)
    message = stream.read(size)
    if not size or len(message) < size:
        raise EOFError
    return message, seconds


_HEADER = struct.Struct(">Qd")
