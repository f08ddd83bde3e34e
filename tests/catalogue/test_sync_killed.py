"""A killed sync loses no acknowledged product, and the next sync finishes its work."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from perfectlook.catalogue import Catalogue
from perfectlook.stores import Point
from toy_model import ToyModel

SYNC = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from toy_model import ToyModel
from perfectlook.catalogue import Catalogue, embedding
embedding.BATCH = 4

def progress(part, unit='pictures'):
    return lambda done, total, failed: print(part, done, flush=True)

catalogue = Catalogue.open(sys.argv[3], create=True)
catalogue.sync(Path(sys.argv[2]), ToyModel(seed=int(sys.argv[4])), workers=1, progress=progress)
"""


def start(source: Path, folder: Path, seed: int) -> subprocess.Popen[str]:
    arguments = [str(Path(__file__).parents[1]), str(source), str(folder), str(seed)]
    return subprocess.Popen(
        [sys.executable, "-c", SYNC, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def kill_after(process: subprocess.Popen[str], lines: int) -> int:
    """Kill a sync after a number of lines. Return how many products it had acknowledged."""
    assert process.stdout is not None
    said = [line for _, line in zip(range(lines), process.stdout, strict=False)]
    process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    said += process.stdout.readlines()
    process.stdout.close()
    process.wait(60)
    return max((int(line.split()[-1]) for line in said if line.startswith("embedding")), default=0)


def contents(folder: Path) -> tuple[dict[str, Point], dict[str, list[float]]]:
    with Catalogue.open(folder) as catalogue:
        generation = catalogue.generation()
        manifest = catalogue.manifest()
        assert manifest.pending is None
        kept = {each.collection for each in (generation, manifest.previous) if each}
        assert catalogue.store.collections().keys() == kept
        points = {point.id: point for batch in catalogue.store.scroll() for point in batch}
        assert len(points) == catalogue.count()
        return points, {name: centre.tolist() for name, centre in generation.centres.items()}


def stored(folder: Path) -> int:
    """Return the number of products in the collection that is being filled."""
    if not (folder / "catalogue.sqlite").exists():
        return 0
    with Catalogue.open(folder, create=True) as catalogue:
        manifest = catalogue.manifest()
        target = manifest.pending or manifest.active
        return catalogue.store.count(collection=target.collection) if target else 0


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_a_killed_sync_ends_in_the_same_state_when_it_runs_again(kills: int, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    source = drawn_set(tmp_path / "set", scenes=1, products_per_category=20)
    with Catalogue.open(tmp_path / "whole", create=True) as whole:
        whole.sync(source, ToyModel(seed=0))
        whole.sync(source, ToyModel(seed=1))
    expected, centres = contents(tmp_path / "whole")
    folder = tmp_path / "killed"
    for seed in (0, 1):
        for _ in range(kills // 2):
            acknowledged = kill_after(start(source, folder, seed), int(random.integers(0, 15)))
            assert stored(folder) >= acknowledged
            if seed == 1:
                with Catalogue.open(folder) as catalogue:
                    assert catalogue.count() == 40  # of the old model, until the new one has all products
        final = start(source, folder, seed)
        final.communicate(timeout=60)
        assert final.returncode == 0
    points, found_centres = contents(folder)
    assert found_centres == centres
    assert points.keys() == expected.keys()
    for id_, point in points.items():
        assert (point.category, point.payload) == (expected[id_].category, expected[id_].payload)
        np.testing.assert_allclose(point.vector, expected[id_].vector, atol=1e-6)
