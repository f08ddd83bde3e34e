"""Worker processes that do tasks for their parent; the death of one is noticed, never waited for."""

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from types import ModuleType, TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from perfectlook.errors import FeatureError, PerfectLookError

TASKS_PER_WORKER = 2
"""One that is being done and one that waits, so that a worker never does; nothing else is on its way."""
GRACE_SECONDS = 5.0
RETRIED_STARTS = 2

Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkerError(FeatureError):
    """Workers do not start, or keep dying."""


class Done(NamedTuple, Generic[Task, Result]):
    """A task that was done."""

    task: Task
    result: Result


class Died(NamedTuple, Generic[Task]):
    """A task whose worker ended before it had the result; `how` says in words how the worker ended."""

    task: Task
    how: str


class _Worker(Generic[Task]):
    """A process, the parent's end of the pipe to it, and the tasks it has not answered, oldest first."""

    def __init__(self, start: Callable[[], Callable[..., object]]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, start), daemon=True)
        self.tasks: deque[Task] = deque()
        self.is_ready = False
        with _undisturbed_start():
            self.process.start()
        theirs.close()

    def stop(self) -> None:
        self.process.terminate()
        self.end()

    def end(self) -> str:
        """See the process off; returns how it ended."""
        self.pipe.close()
        self.process.join(GRACE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        how = _how_it_ended(self.process.exitcode)
        self.process.close()
        return how


class WorkerPool(Generic[Task, Result]):
    """Processes that each make `do = start()` once and then answer every task with `do(task)`.

    `start`, tasks and results must be picklable, and tasks small (a few kilobytes). At most
    `TASKS_PER_WORKER` tasks per worker are on their way at any time: `submit` while `has_room`, then
    `receive`. When a worker dies, the task that it was at comes back as `Died`, and is the caller's to submit
    again or not; those that it had not begun go to others, and a fresh worker takes its place.
    """

    def __init__(self, start: Callable[[], Callable[[Task], Result]], workers: int) -> None:
        self._start = start
        self._waiting: deque[Task] = deque()
        self._failed_starts = 0
        self._workers: list[_Worker[Task]] = []
        try:
            for _ in range(workers):
                self._workers.append(_Worker(start))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def in_flight(self) -> int:
        """How many tasks were submitted and have not come back."""
        return len(self._waiting) + sum(len(worker.tasks) for worker in self._workers)

    @property
    def has_room(self) -> bool:
        """Whether a task may be submitted."""
        return self.in_flight < TASKS_PER_WORKER * len(self._workers)

    def submit(self, task: Task) -> None:
        """Hand a task to the worker that has the fewest."""
        self._waiting.append(task)
        self._hand_out()

    def receive(self) -> Done[Task, Result] | Died[Task]:
        """Wait for the next task that is done, or whose worker died.

        Raises:
            WorkerError: workers cannot start, or die before they have done anything.
        """
        while True:
            pipes = {worker.pipe: worker for worker in self._workers}
            ready = connection.wait(list(pipes))
            worker = pipes[ready[0]]  # type: ignore[index]  # only our connections were given
            try:
                kind, content = worker.pipe.recv()
            except (EOFError, OSError):
                died = self._replace(worker)
                if died is not None:
                    return died
                continue
            if kind == "failed":
                raise WorkerError(f"a worker failed: {content}")
            worker.is_ready, self._failed_starts = True, 0
            if kind == "result":
                task = worker.tasks.popleft()
                self._hand_out()
                return Done(task, content)

    def close(self) -> None:
        """End all workers now, whatever they are at."""
        while self._workers:
            self._workers.pop().stop()

    def _hand_out(self) -> None:
        while self._waiting:
            worker = min(self._workers, key=lambda each: len(each.tasks))
            if len(worker.tasks) >= TASKS_PER_WORKER:
                return
            task = self._waiting.popleft()
            worker.tasks.append(task)
            with suppress(OSError):  # it has just died: `receive` will find that, and the task in its list
                worker.pipe.send(task)

    def _replace(self, dead: _Worker[Task]) -> Died[Task] | None:
        """Put a fresh worker in a dead one's place; returns the task that the dead one was at, if any."""
        self._workers.remove(dead)
        how = dead.end()
        if not dead.is_ready:
            self._failed_starts += 1
            if self._failed_starts > RETRIED_STARTS:
                raise WorkerError(f"workers end before they have started ({how})")
        suspect = dead.tasks.popleft() if dead.is_ready and dead.tasks else None
        self._waiting.extendleft(reversed(dead.tasks))
        self._workers.append(_Worker(self._start))
        self._hand_out()
        return None if suspect is None else Died(suspect, how)


class InProcess(Generic[Task, Result]):
    """Does tasks like a `WorkerPool`, in this process: for few tasks, or where processes are not wanted."""

    def __init__(self, start: Callable[[], Callable[[Task], Result]]) -> None:
        self._do = start()
        self._waiting: deque[Task] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    @property
    def in_flight(self) -> int:
        """How many tasks were submitted and have not come back."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether a task may be submitted: one at a time."""
        return not self._waiting

    def submit(self, task: Task) -> None:
        """Take a task; it is done when its result is asked for."""
        self._waiting.append(task)

    def receive(self) -> Done[Task, Result] | Died[Task]:
        """Do the next task; it never comes back as `Died`."""
        task = self._waiting.popleft()
        return Done(task, self._do(task))


def _work(pipe: connection.Connection, start: Callable[[], Callable[[object], object]]) -> None:
    """What a worker process runs until its parent closes the pipe or is gone."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group, and the parent ends its workers
    with suppress(EOFError, OSError):  # the pipe ends: the parent has no more work, or is gone
        for message in _messages(pipe, start):
            pipe.send(message)


def _messages(
    pipe: connection.Connection, start: Callable[[], Callable[[object], object]]
) -> Iterator[tuple[str, object]]:
    try:
        do = start()
    except Exception as error:
        yield "failed", _described(error)
        return
    yield "ready", None
    while True:
        task = pipe.recv()
        try:
            result = do(task)
        except Exception as error:
            yield "failed", _described(error)
            return
        yield "result", result


def _described(error: Exception) -> str:
    return str(error) if isinstance(error, PerfectLookError) else f"{type(error).__name__}: {error}"


@contextmanager
def _undisturbed_start() -> Iterator[None]:
    """Start a process that neither runs the caller's main module again nor is interrupted while it starts.

    Spawned processes import the parent's `__main__`, which may be a script that imports torch, or calls us
    without a guard; workers need nothing of it. Ctrl-C in a worker that is still importing would print a
    traceback; it inherits the signal mask that its parent has here.
    """
    main = sys.modules["__main__"]
    masked = hasattr(signal, "pthread_sigmask")
    if masked:
        resource_tracker.ensure_running()  # starting it later would lift the mask
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if masked:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    with suppress(ValueError):
        name = signal.Signals(-exit_code).name
        return (
            f"killed by {name}, by the system when memory runs out"
            if name == "SIGKILL"
            else f"killed by {name}"
        )
    return f"killed by signal {-exit_code}"
