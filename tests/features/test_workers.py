import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import perfectlook
import worker_starts
from perfectlook.errors import MissingExtraError, PictureError
from perfectlook.features.workers import (
    TASKS_PER_WORKER,
    TaskTimeoutError,
    WorkerDiedError,
    WorkerError,
    WorkerMemoryError,
    WorkerPool,
)

PATHS = [str(Path(worker_starts.__file__).parent), str(Path(perfectlook.__file__).parents[1])]


@pytest.fixture(scope="module")
def one_worker() -> Iterator[WorkerPool]:
    with WorkerPool(worker_starts.mortal, 1) as pool:
        yield pool


@pytest.fixture(scope="module")
def two_workers() -> Iterator[WorkerPool]:
    with WorkerPool(worker_starts.mortal, 2) as pool:
        yield pool


@pytest.fixture(scope="module")
def squarers() -> Iterator[WorkerPool]:
    with WorkerPool(worker_starts.squarer, 2) as pool:
        yield pool


def died(future: Future) -> bool:
    return isinstance(future.exception(), WorkerDiedError)


def test_every_task_is_answered_once_by_several_processes(two_workers: WorkerPool):
    tasks, processes = [f"sleep {number}" for number in range(4)], set()
    for _ in range(20):  # one process may take all tasks while the other starts
        answers = [(task, future.result()) for task, future in two_workers.run(tasks)]
        assert sorted(task for task, _ in answers) == tasks
        assert all(result[0] == task for task, result in answers)
        processes |= {process for _, (_, process) in answers}
        if len(processes) == 2:
            break
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_at_most_two_tasks_per_worker_are_taken_ahead(squarers: WorkerPool):
    tasks = iter(range(1000))
    answered, most = 0, 0
    for task, future in squarers.run(tasks):
        assert future.result() == task**2
        taken = 1000 - tasks.__length_hint__()
        most = max(most, taken - answered)
        answered += 1
    assert (answered, most) == (1000, 2 * TASKS_PER_WORKER)


def test_a_dead_worker_fails_only_its_task(two_workers: WorkerPool):
    answers = list(two_workers.run(["a", "b", "die", "c", "d", "e", "f", "g"]))
    assert [task for task, future in answers if died(future)] == ["die"]
    if sys.platform != "win32":
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            two_workers.submit("die").result()
    assert sorted(future.result()[0] for _, future in answers if not died(future)) == list("abcdefg")
    assert len([future.result() for _, future in two_workers.run("xyz")]) == 3  # by new workers


def test_a_task_times_out_and_its_worker_is_replaced(one_worker: WorkerPool):
    _, before = one_worker.submit("who").result()
    with pytest.raises(TaskTimeoutError, match=r"timed out after 0\.3 s"):
        one_worker.submit("hang", seconds=0.3).result()
    assert not psutil.pid_exists(before)
    _, after = one_worker.submit("who", seconds=60).result()
    assert after != before


def test_tasks_within_the_timeout_keep_their_worker(one_worker: WorkerPool):
    results = [one_worker.submit(str(number), seconds=60).result() for number in range(50)]
    assert len({process for _, process in results}) == 1


def test_the_timeout_starts_when_a_worker_starts_the_task(one_worker: WorkerPool):
    one_worker.submit("who").result()
    waiting = [one_worker.submit("sleep", seconds=0.9) for _ in range(6)]  # 1.2 seconds in all
    assert all(future.result()[0] == "sleep" for future in waiting)


def test_idle_workers_that_are_killed_are_replaced(two_workers: WorkerPool):
    _, process = two_workers.submit("who").result()
    idle = psutil.Process(process)
    idle.kill()
    idle.wait(30)
    tasks = [f"sleep {number}" for number in range(4)]
    assert sorted(future.result()[0] for _, future in two_workers.run(tasks)) == tasks


def test_many_threads_may_submit(squarers: WorkerPool):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: squarers.submit(number).result(), range(100)))
    assert found == [number**2 for number in range(100)]


def test_output_of_tasks_does_not_mix_with_results(capfd: pytest.CaptureFixture[str]):
    with WorkerPool(worker_starts.printing, 1) as pool:
        assert pool.submit("hello").result() == 5
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "hello\n")


def test_large_results_arrive_complete():
    with WorkerPool(worker_starts.repeating, 1) as pool:
        assert pool.submit(50 * 2**20).result() == bytes(50 * 2**20)


def test_a_worker_that_cannot_start_is_an_error_with_the_reason():
    with WorkerPool(worker_starts.failing_at_start, 2) as pool:
        for _, future in pool.run([1, 2, 3]):
            with pytest.raises(WorkerError, match="no weights here"):
                future.result()


def test_workers_that_die_at_start_are_an_error():
    with WorkerPool(worker_starts.dead_at_start, 1) as pool, pytest.raises(WorkerError, match="exit code 3"):
        pool.submit(1).result()


def test_a_task_that_raises_is_an_error_and_keeps_its_worker(one_worker: WorkerPool):
    _, before = one_worker.submit("who").result()
    with pytest.raises(WorkerError, match="RuntimeError: as asked"):
        one_worker.submit("raise").result()
    assert one_worker.submit("who").result() == ("who", before)


def test_errors_of_this_package_and_of_memory_are_raised_as_such_if_they_can_be_pickled():
    with WorkerPool(worker_starts.raising, 1) as pool:
        with pytest.raises(WorkerMemoryError, match="needs more memory"):
            pool.submit(MemoryError()).result()
        with pytest.raises(PictureError, match="truncated"):
            pool.submit(PictureError("truncated")).result()
        with pytest.raises(WorkerError, match=r"Painting needs the extra 'paint'"):
            pool.submit(("painting", "paint")).result()
    assert not issubclass(MissingExtraError, WorkerError)


def test_tasks_that_cannot_be_pickled_are_refused(squarers: WorkerPool):
    with pytest.raises(Exception, match="pickle"):
        squarers.submit(lambda: None)
    assert squarers.submit(3).result() == 9


def test_closing_kills_busy_workers():
    with WorkerPool(worker_starts.mortal, 2) as pool:
        processes = [psutil.Process(pool.submit(task).result()[1]) for task in ("sleep 1", "sleep 2")]
        begun = [pool.submit("hang") for _ in range(4)]
        started = time.monotonic()
    assert time.monotonic() - started < 30
    assert not any(process.is_running() for process in processes)
    for future in begun:
        with pytest.raises((WorkerError, CancelledError)):
            future.result(timeout=30)
    with pytest.raises(WorkerError, match="closed"):
        pool.submit("more")


def test_closing_while_workers_start_ends_them():
    before = psutil.Process().children()
    pool = WorkerPool(worker_starts.mortal, 2)
    begun = [pool.submit("hang") for _ in range(4)]
    pool.close()
    assert all(future.done() for future in begun)
    running = []
    for each in set(psutil.Process().children()) - set(before):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            running.append(" ".join(each.cmdline()))
    assert not [each for each in running if "perfectlook" in each]


_SCRIPT = """
import torch_like_module
from perfectlook.features.workers import WorkerPool
import worker_starts

with WorkerPool(worker_starts.loaded_modules, 1) as pool:
    for name in ("torch_like_module", "worker_starts"):
        print(name, pool.submit(name).result())
"""


def test_workers_do_not_import_the_script_of_the_caller(tmp_path: Path):
    (tmp_path / "torch_like_module.py").touch()
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    paths = os.pathsep.join([str(tmp_path), *PATHS])
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split("\n")[:2] == ["torch_like_module False", "worker_starts True"]
    assert done.stderr == ""


_PARENT = """
import sys
from perfectlook.features.workers import WorkerPool
import worker_starts

pool = WorkerPool(worker_starts.mortal, 2)
futures = [pool.submit(f"sleep {number}") for number in range(4)]
print(*[future.result()[1] for future in futures], flush=True)
sys.stdin.read()
"""


def test_workers_end_when_their_parent_is_killed(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(_PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    with subprocess.Popen(
        [sys.executable, script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(number)) for number in set(parent.stdout.readline().split())]
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
