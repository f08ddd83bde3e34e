"""The checkpoint of a stopped training."""

from pathlib import Path

import pytest
import torch

from perfectlook.model.config import ModelConfig
from perfectlook.training.checkpoint import CHECKPOINT
from perfectlook.training.config import TrainingConfig
from perfectlook.training.log import Epoch
from perfectlook.training.train import train_on_features
from styled import styled_set

SMALL = TrainingConfig(
    model=ModelConfig(backbone="tiny", dimension=8, hidden=16, memory=0), epochs=2, batch_size=16
)


class StoppedError(Exception):
    pass


def test_a_finished_fold_keeps_its_measurements_but_no_weights(tmp_path: Path) -> None:
    features = styled_set(scenes=40, products=8)

    def stop(stage: str, epoch: Epoch) -> None:
        if (stage, epoch.epoch) == ("fold 2", 1):
            raise StoppedError

    with pytest.raises(StoppedError):
        train_on_features(features, tmp_path, SMALL, on_epoch=stop)
    left = torch.load(tmp_path / CHECKPOINT, weights_only=True)["state"]

    assert list(left) == ["fold 0", "fold 1", "fold 2"]
    for stage in ("fold 0", "fold 1"):
        assert left[stage].keys() == {"history", "shares"}
        assert [epoch["epoch"] for epoch in left[stage]["history"]] == [0, 1, 2]
        assert len(left[stage]["shares"]) == 3
    assert {"network", "averaged", "optimiser", "random"} < left["fold 2"].keys()
