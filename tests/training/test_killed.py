"""A training that is killed at any time resumes and gives the same model as without the kill."""

import os
import random
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perfectlook.model.runtime import Model

SCRIPT = Path(__file__).with_name("train_styled.py")


def start(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder)], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )


def run_to_the_end(folder: Path) -> str:
    """Train in this process."""
    runpy.run_path(str(SCRIPT))["train"](folder)
    return Model.open(folder).identity


def killed_after(folder: Path, epochs: int, seconds: float) -> None:
    """Start the training, wait for some epochs and a little longer, then kill it."""
    with start(folder) as process:
        assert process.stdout is not None
        for _ in range(epochs):
            process.stdout.readline()
        time.sleep(seconds)
        process.kill()


def check_resumed(folder: Path) -> None:
    """Resume the killed training, and compare its model with that of a training that nothing stopped."""
    assert run_to_the_end(folder / "killed") == run_to_the_end(folder / "straight")
    assert not list((folder / "killed").glob("*.part"))


def test_a_killed_training_gives_the_same_model(tmp_path):
    killed_after(tmp_path / "killed", 2, 0.1)
    assert (tmp_path / "killed" / "checkpoint.pt").exists()
    assert not (tmp_path / "killed" / "config.json").exists()
    check_resumed(tmp_path)


@pytest.mark.long
def test_a_training_killed_twenty_times_gives_the_same_model(tmp_path):
    draw = random.Random(0)
    for _ in range(20):
        killed_after(tmp_path / "killed", draw.randint(1, 3), draw.uniform(0, 0.3))
    check_resumed(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_exits_with_its_code_and_keeps_the_checkpoint(tmp_path):
    from drawn import drawn_set

    drawn_set(tmp_path / "set", scenes=30)
    config = tmp_path / "config.toml"
    config.write_text("backbone = 'tiny'\ndimension = 8\nhidden = 16\nmemory = 0\nepochs = 200\n")
    command = [sys.executable, "-m", "perfectlook", "train", str(tmp_path / "set")]
    command += ["--out", str(tmp_path / "m"), "--config", str(config), "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "epoch 2" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert (tmp_path / "m" / "checkpoint.pt").exists()
