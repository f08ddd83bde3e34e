"""The checkpoint of a stopped training."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from perfectlook.errors import TrainingError
from perfectlook.model.config import ModelConfig
from perfectlook.training import checkpoint
from perfectlook.training.checkpoint import CHECKPOINT, PROCESS, only_training
from perfectlook.training.config import TrainingConfig
from perfectlook.training.log import LOG, Epoch
from perfectlook.training.train import train_on_features
from styled import styled_set

SMALL = TrainingConfig(
    model=ModelConfig(backbone="tiny", dimension=8, hidden=16, memory=0),
    epochs=2,
    batch_size=16,
    mixture=False,
)


class StoppedError(Exception):
    pass


def test_folds_take_turns_and_leave_their_measurements_but_no_weights(tmp_path: Path) -> None:
    features = styled_set(scenes=40, products=8)
    said: list[tuple[str, int]] = []

    def stop(stage: str, epoch: Epoch) -> None:
        said.append((stage, epoch.epoch))
        if said[-1] == ("all", 0):
            raise StoppedError

    with pytest.raises(StoppedError):
        train_on_features(features, tmp_path, SMALL, on_epoch=stop)
    folds = [f"fold {fold}" for fold in range(5)]
    assert said == [(fold, epoch) for epoch in range(3) for fold in folds] + [("all", 0)]
    left = torch.load(tmp_path / CHECKPOINT, weights_only=True)["state"]
    assert list(left) == [*folds, "all"]
    for fold in folds:
        assert left[fold].keys() == {"history", "shares"}
        assert [epoch["epoch"] for epoch in left[fold]["history"]] == [0, 1, 2]
        assert len(left[fold]["shares"]) == 3
    assert {"network", "averaged", "optimiser", "random"} < left["all"].keys()


def test_folds_end_when_their_mean_accuracy_has_not_risen(tmp_path: Path) -> None:
    features = styled_set(scenes=60, products=12, noise=0.3)
    falling = dataclasses.replace(SMALL, epochs=30, patience=2, averaging=0.0, learning_rate=0.3)
    said: list[tuple[str, int]] = []
    record = train_on_features(
        features, tmp_path, falling, on_epoch=lambda stage, epoch: said.append((stage, epoch.epoch))
    )
    epochs = max(epoch for stage, epoch in said if stage != "all")
    assert epochs == record.training["epoch"] + 2 < 30
    assert sum(epoch == epochs for stage, epoch in said) == 5


def test_a_slow_disk_gets_fewer_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SHARE", 1e-9)
    monkeypatch.setattr(checkpoint, "write_log", lambda history, out: written.append(len(history)))
    features = styled_set(scenes=40, products=8)
    train_on_features(features, tmp_path / "slow", SMALL)
    assert written == [5, 6]  # once for the folds, once for the training on all scenes


@pytest.mark.long
def test_small_sets_wait_until_the_averaged_weights_have_moved(tmp_path: Path) -> None:
    features = styled_set(scenes=60, products=12, noise=0.3)
    falling = dataclasses.replace(SMALL, epochs=40, patience=2, averaging=0.9, batch_size=10_000)
    said: list[int] = []
    record = train_on_features(
        features, tmp_path, falling, on_epoch=lambda stage, epoch: said.append(epoch.epoch)
    )
    waited = max(said) - record.training["epoch"]
    assert waited == 20 or max(said) == 40  # twice the 10 steps that 0.9 averages over


def test_the_time_left_is_an_upper_bound_that_reaches_zero(tmp_path: Path) -> None:
    said: list[tuple[str, Epoch]] = []
    features = styled_set(scenes=40, products=8)
    train_on_features(features, tmp_path, SMALL, on_epoch=lambda stage, epoch: said.append((stage, epoch)))
    assert [epoch.seconds_left for _, epoch in said[:5]] == [None] * 5  # no epoch of training is timed yet
    seconds = said[5][1].seconds  # "fold 0" after epoch 1: 4 folds lack 2 epochs, 1 lacks 1, 2 * 5/4 follow
    assert said[5][1].seconds_left == pytest.approx((4 * 2 + 1 + 2 * 5 / 4) * seconds)
    assert said[-1][0] == "all"
    assert said[-1][1].seconds_left == 0
    assert "seconds_left" not in (tmp_path / LOG).read_text()


HOLD = """
import sys
from pathlib import Path
from perfectlook.training.checkpoint import only_training
with only_training(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_a_second_training_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        with pytest.raises(TrainingError) as refused, only_training(folder):
            pass
        assert str(refused.value) == (
            f"{folder}: another training writes to this folder (process {other.pid}). Wait until it ends, "
            "end it, or choose another folder with --out."
        )
        other.kill()
    assert (folder / PROCESS).exists()  # left by the killed process, which locks no one out
    with only_training(folder):
        assert (folder / PROCESS).read_text() == str(os.getpid())
    assert list(folder.iterdir()) == []


def test_a_training_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_training(tmp_path / "model"):
        _ = 1 / 0
    assert not (tmp_path / "model").exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    expected = r"file: cannot be written \(.*\)\. Choose another folder"
    with pytest.raises(TrainingError, match=expected), only_training(tmp_path / "file"):
        pass
