import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import worker_starts
from perfectlook.features.workers import TASKS_PER_WORKER, Died, Done, InProcess, WorkerError, WorkerPool


def _all(pool, tasks):
    """Give the pool everything, as fast as it takes it."""
    waiting, answers = list(tasks), []
    while waiting or pool.in_flight:
        while waiting and pool.has_room:
            pool.submit(waiting.pop(0))
        answers.append(pool.receive())
    return answers


def test_every_task_is_answered_once_by_several_processes():
    with WorkerPool(worker_starts.mortal, 2) as pool:
        answers = _all(pool, [f"sleep {number}" for number in range(8)])
    assert sorted(answer.task for answer in answers) == sorted(f"sleep {number}" for number in range(8))
    assert all(answer.result[0] == answer.task for answer in answers)
    processes = {answer.result[1] for answer in answers}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_only_two_tasks_a_worker_are_on_their_way_however_many_there_are():
    tasks, most = iter(range(1000)), 0
    with WorkerPool(worker_starts.squarer, 2) as pool:
        answered = 0
        while answered < 1000:
            while pool.has_room:
                task = next(tasks, None)
                if task is None:
                    break
                pool.submit(task)
            most = max(most, pool.in_flight)
            answer = pool.receive()
            assert answer.result == answer.task**2
            answered += 1
    assert most == 2 * TASKS_PER_WORKER


def test_a_death_is_noticed_and_only_the_task_that_was_begun_comes_back():
    with WorkerPool(worker_starts.mortal, 2) as pool:
        answers = _all(pool, ["a", "b", "die", "c", "d", "e", "f", "g"])
        died = [answer for answer in answers if isinstance(answer, Died)]
        assert [answer.task for answer in died] == ["die"]
        if sys.platform != "win32":
            assert "SIGKILL" in died[0].how
        assert sorted(answer.task for answer in answers if isinstance(answer, Done)) == list("abcdefg")
        assert len(_all(pool, "xyz")) == 3  # a fresh worker stands in the dead one's place


def test_workers_killed_from_outside_cost_at_most_the_tasks_they_were_at():
    with WorkerPool(worker_starts.mortal, 2) as pool:
        (first, *_) = _all(pool, ["who"])
        psutil.Process(first.result[1]).kill()  # idle
        answers = _all(pool, [f"sleep {number}" for number in range(4)])
        assert sorted(answer.task for answer in answers) == [f"sleep {number}" for number in range(4)]


def test_a_worker_that_cannot_start_is_an_error_with_the_reason():
    with (
        WorkerPool(worker_starts.failing_at_start, 2) as pool,
        pytest.raises(WorkerError, match="no weights here"),
    ):
        _all(pool, [1, 2, 3])


def test_workers_that_die_while_they_start_are_an_error_and_not_a_loop():
    with WorkerPool(worker_starts.dead_at_start, 1) as pool, pytest.raises(WorkerError, match="exit code 3"):
        _all(pool, [1, 2, 3])


def test_a_task_that_raises_is_an_error_with_the_reason():
    with WorkerPool(worker_starts.mortal, 1) as pool, pytest.raises(WorkerError, match="as asked"):
        _all(pool, ["raise"])


def test_closing_ends_the_workers_whatever_they_are_at():
    with WorkerPool(worker_starts.mortal, 2) as pool:
        processes = [psutil.Process(answer.result[1]) for answer in _all(pool, ["sleep 1", "sleep 2"])]
        for number in range(4):
            pool.submit(f"sleep {number}")
    assert not any(process.is_running() for process in processes)


def test_in_this_process_the_same_tasks_give_the_same_answers():
    assert _all(InProcess(worker_starts.squarer), range(5)) == [Done(n, n * n) for n in range(5)]


_SCRIPT = """
import torch_like_module
from perfectlook.features.workers import WorkerPool
import worker_starts

with WorkerPool(worker_starts.loaded_modules, 1) as pool:
    for name in ("torch_like_module", "worker_starts"):
        pool.submit(name)
        print(name, pool.receive().result)
"""


def test_a_script_needs_no_guard_and_workers_import_nothing_of_it(tmp_path: Path):
    (tmp_path / "torch_like_module.py").touch()
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    paths = os.pathsep.join([str(tmp_path), str(Path(worker_starts.__file__).parent)])
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
for number in range(4):
    pool.submit(f"sleep {number}")
print(*[pool.receive().result[1] for _ in range(4)], flush=True)
sys.stdin.read()
"""


def test_workers_end_when_their_parent_is_killed(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(_PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(worker_starts.__file__).parent)}
    with subprocess.Popen(
        [sys.executable, script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(number)) for number in set(parent.stdout.readline().split())]
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
