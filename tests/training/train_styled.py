"""Train on the styled set, slowly enough to be stopped: in this process, or in a child process."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from perfectlook.model.config import ModelConfig
from perfectlook.training import checkpoint
from perfectlook.training.config import TrainingConfig
from perfectlook.training.log import Epoch
from perfectlook.training.train import train_on_features
from styled import styled_set


def train(folder: Path, on_epoch: Callable[[str, Epoch], None] | None = None) -> None:
    settings = TrainingConfig(
        model=ModelConfig(backbone="tiny", dimension=8, hidden=16), epochs=6, patience=6, batch_size=128
    )
    features = styled_set(scenes=510, products=24, noise=0.3, categories=("Furniture|Chairs",))
    train_on_features(features, folder, settings, on_epoch=on_epoch)


if __name__ == "__main__":
    checkpoint.CHECKPOINT_SHARE = 1e9  # a checkpoint after every epoch

    def said(stage: str, epoch: Epoch) -> None:
        print(epoch.epoch, flush=True)
        time.sleep(0.3)

    train(Path(sys.argv[1]), said)
