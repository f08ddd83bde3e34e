"""Worker processes that do tasks for their parent. One that crashes or hangs costs its own task, no other.

Unlike `concurrent.futures.ProcessPoolExecutor`, a pool goes on after the death of a worker, and it can end a
task that takes too long.
"""

import os
import pickle
import signal
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
"""What `run` takes ahead: a task that is being done and one that waits, so that a worker never does."""
GRACE_SECONDS = 5.0
RETRIED_STARTS = 2

Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkerError(PerfectLookError):
    """Workers do not start, or a task failed in one."""


class WorkerDiedError(WorkerError):
    """A worker ended before it had the result: it crashed, was killed, or ran out of memory."""


class TaskTimeoutError(WorkerDiedError):
    """A task took too long; its worker was killed."""


class WorkerPool(Closable, Generic[Task, Result]):
    """Processes that each make `do = initializer()` once and then answer every task with `do(task)`.

    The initializer, tasks and results are pickled; workers import nothing of the caller's script. They start
    when tasks need them and are kept until the pool is closed. A worker that dies, or that a timeout kills,
    is replaced by a fresh one. All methods may be called from several threads. Workers contain crashes, not
    malice: their answers are unpickled here.
    """

    def __init__(self, initializer: Callable[[], Callable[[Task], Result]], count: int) -> None:
        self._initializer = pickle.dumps(initializer)
        self._count = count
        self._threads = ThreadPoolExecutor(count)  # each waits for one worker
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Future[Result]]]:
        """Do tasks; yields each with its future as it is done. `submit` says what the future raises.

        Takes only `TASKS_PER_WORKER` tasks per worker ahead of what it has yielded, however many there are.
        """
        waiting = iter(tasks)
        pending: dict[Future[Result], Task] = {}
        while True:
            for task in islice(waiting, TASKS_PER_WORKER * self._count - len(pending)):
                pending[self.submit(task)] = task
            if not pending:
                return
            # on Windows, Ctrl-C is noticed only between two waits
            done, _ = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                yield pending.pop(future), future

    def submit(self, task: Task, *, seconds: float | None = None) -> Future[Result]:
        """Hand in a task that may take `seconds`, from when a worker begins it; returns its future.

        The future raises what the task raised: a `PerfectLookError` as it is, anything else as a
        `WorkerError` with its text. It raises `WorkerDiedError` or `TaskTimeoutError` where the worker ended
        before it had the result, and `WorkerError` where workers cannot start. Closing the pool cancels it.

        Raises:
            WorkerError: the pool is closed.
        """
        if self._is_closed:
            raise WorkerError("the pool of workers is closed")
        return self._threads.submit(self._do, pickle.dumps(task), seconds)

    def _release(self) -> None:
        """End all workers now, whatever they are doing."""
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
        if not worker.is_alive():  # it died while it was idle, or with its last task
            worker.end()
            worker = self._started()
        try:
            result: Result = worker.ask(task, seconds)
            return result
        finally:
            self._idle.append(worker)

    def _started(self) -> "_Worker":
        """A fresh worker that has run the initializer."""
        for attempt in range(RETRIED_STARTS, -1, -1):
            with self._lock:
                if self._is_closed:
                    raise WorkerError("the pool of workers is closed")
                worker = _Worker()
                self._workers = {each for each in self._workers if each.is_alive()} | {worker}
            try:
                worker.ask(self._initializer)
                break
            except WorkerDiedError as error:
                if not attempt:
                    raise WorkerError(f"workers end before they have started ({error})") from error
            except Exception:
                worker.kill()
                worker.end()
                raise
        return worker


class _Worker:
    """A process that answers one message at a time.

    It is in a process group of its own: Ctrl-C in a terminal reaches the parent, which ends its workers.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-c", _PROGRAM, *map(str, sys.path)]
        group: dict[str, Any] = {"process_group": 0}
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **group)
        assert self._process.stdin and self._process.stdout
        self._messages, self._answers = self._process.stdin, self._process.stdout
        self._timed_out = False

    def ask(self, message: bytes, seconds: float | None = None) -> Any:
        """Send a pickled message; returns the answer, or raises the error that is the answer."""
        timer = None if seconds is None else threading.Timer(seconds, self._time_out)
        if timer:
            timer.start()
        try:
            _send(self._messages, message)
            answer = _receive(self._answers)
        except (OSError, EOFError) as error:
            how = self.end()
            if self._timed_out:
                raise TaskTimeoutError(f"timed out after {seconds:g} s") from error
            raise WorkerDiedError(how) from error
        finally:
            if timer:
                timer.cancel()
                timer.join()  # so that it never kills a worker that is at its next task
        result, problem = pickle.loads(answer)
        if problem is not None:
            raise problem
        return result

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()

    def is_alive(self) -> bool:
        """Whether it can be given a task."""
        return not self._timed_out and self._process.poll() is None

    def kill(self) -> None:
        """End it now; what waits for its answer sees it die."""
        self._process.kill()

    def end(self) -> str:
        """Wait until it has ended; returns how it did."""
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
            return f"killed by {name}" + (", by the system when memory runs out" if name == "SIGKILL" else "")
        return f"killed by signal {-code}"


_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from perfectlook.features.workers import _work; _work()"


def _work() -> None:
    """What a worker process runs until its parent closes the pipe or is gone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what tasks print must not come between the answers
    do: Callable[[Any], Any] | None = None
    with suppress(EOFError, OSError):
        while True:
            message, result = _receive(sys.stdin.buffer), None
            try:
                if do is None:  # the first message is the initializer
                    do = pickle.loads(message)()
                else:
                    result = do(pickle.loads(message))
                answer = pickle.dumps((result, None))
            except Exception as error:
                answer = pickle.dumps((None, _portable(error)))
            _send(answers, answer)


def _portable(error: Exception) -> Exception:
    """The error in a form that survives pickling."""
    if isinstance(error, PerfectLookError):
        with suppress(Exception):
            pickle.loads(pickle.dumps(error))
            return error
        return WorkerError(str(error))
    return WorkerError(f"a worker failed: {type(error).__name__}: {error}")


def _send(stream: IO[bytes], message: bytes) -> None:
    stream.write(len(message).to_bytes(8, "big") + message)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    size = int.from_bytes(stream.read(8), "big")
    message = stream.read(size)
    if not size or len(message) < size:  # no message is empty
        raise EOFError
    return message
