"""After any interruption, stored features are correct and the next run continues from there."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from perfectlook.features.extraction import ExtractionReport, extract
from perfectlook.features.store import ViewKey, open_store
from perfectlook.types import View

SCRIPT = Path(__file__).with_name("extract_folder.py")


def start(pictures: Path, folder: Path, workers: int = 2, **options) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), str(pictures), str(folder), str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_until_done(process: subprocess.Popen, count: int) -> None:
    """Read the progress of the process until this many views are done."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("end") or int(line.split()[0]) >= count:
            return
    raise AssertionError(f"ended early: {process.communicate()}")


def contents(pictures: list[Path], folder: Path) -> dict[ViewKey, bytes]:
    """Return every stored value by key."""
    keys = [ViewKey(hashlib.sha256(picture.read_bytes()).hexdigest(), "") for picture in pictures]
    with open_store("tiny", folder) as store:
        keys = [key for key, rows in zip(keys, store.find(keys), strict=True) if rows is not None]
        assert len(store) == len(keys)
        found = store.read(keys, maps=True)
    parts = (found.global_vectors, found.style_statistics, found.feature_maps)
    return {key: b"".join(part[row].tobytes() for part in parts) for row, key in enumerate(keys)}


def run_to_the_end(pictures: list[Path], folder: Path) -> ExtractionReport:
    """Extract in this process."""
    with open_store("tiny", folder) as store:
        keys = {
            View(picture): ViewKey.of(hashlib.sha256(picture.read_bytes()).hexdigest(), None)
            for picture in pictures
        }
        return extract(keys, "tiny", store, maps=True, workers=1)


@pytest.fixture(scope="module")
def undisturbed(draw_in, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], dict[ViewKey, bytes]]:
    """Return pictures and the features that an uninterrupted run stores."""
    folder = tmp_path_factory.mktemp("undisturbed")
    pictures = draw_in(folder / "pictures", 120)
    run_to_the_end(pictures, folder / "store")
    return pictures, contents(pictures, folder / "store")


def check_killed_at(moments: list[tuple[int, float]], undisturbed, folder: Path) -> None:
    """Kill runs after this many views and seconds, then let one run finish."""
    pictures, expected = undisturbed
    kept: set[ViewKey] = set()
    sizes: list[int] = []
    for count, seconds in moments:
        with start(pictures[0].parent, folder) as process:
            wait_until_done(process, count)
            time.sleep(seconds)
            workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.kill()
        found = contents(pictures, folder)
        assert found.items() <= expected.items()  # right, as far as it got
        assert kept <= found.keys()  # and nothing committed was lost
        kept = set(found)
        sizes.append(len(kept))
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert not alive
    assert any(0 < size < len(pictures) for size in sizes)  # or this test would prove nothing
    report = run_to_the_end(pictures, folder)
    assert (report.extracted, report.skipped, report.failures) == (120 - len(kept), len(kept), {})
    assert contents(pictures, folder) == expected


def moments(seed: int, count: int) -> list[tuple[int, float]]:
    random = np.random.default_rng(seed)
    fractions = np.sort(random.uniform(0, 1, count))
    return [(int(120 * fraction), float(random.uniform(0, 0.02))) for fraction in fractions]


def test_a_killed_run_gives_the_same_features(undisturbed, tmp_path: Path):
    check_killed_at([(24, 0.01)], undisturbed, tmp_path / "store")


@pytest.mark.long
def test_a_run_killed_twenty_times_gives_the_same_features(undisturbed, tmp_path: Path):
    check_killed_at(moments(1, 20), undisturbed, tmp_path / "store")


def test_two_processes_on_one_store_store_every_view_once(undisturbed, tmp_path: Path):
    pictures, expected = undisturbed
    folder = tmp_path / "store"
    with start(pictures[0].parent, folder, 1) as one, start(pictures[0].parent, folder, 1) as other:
        for process in (one, other):
            output, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
            _, extracted, skipped, failed = output.splitlines()[-1].split()
            assert (int(extracted) + int(skipped), int(failed)) == (120, 0)
    assert contents(pictures, folder) == expected
    with open_store("tiny", folder) as store:
        row_bytes = 2 * (store.manifest.global_dimension + store.manifest.style_dimension)
    assert (folder / "vectors.f16").stat().st_size == 120 * row_bytes


@pytest.mark.skipif(
    sys.platform == "win32", reason="sends SIGINT to a group of processes, as a terminal does"
)
def test_ctrl_c_ends_the_run_and_its_workers_and_keeps_features(undisturbed, tmp_path: Path):
    pictures, expected = undisturbed
    folder = tmp_path / "store"
    with start(pictures[0].parent, folder, start_new_session=True) as process:
        wait_until_done(process, 20)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    assert errors.count("Traceback") == 1  # the parent's KeyboardInterrupt, and none from its workers
    assert errors.strip().endswith("KeyboardInterrupt")
    found = contents(pictures, folder)
    assert len(found) >= 20
    assert found.items() <= expected.items()
