"""Tests run this in a child process: train on the styled set, slowly enough to be stopped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from perfectlook.model.config import ModelConfig
from perfectlook.training.config import TrainingConfig
from perfectlook.training.train import train_on_features
from styled import styled_set

if __name__ == "__main__":
    settings = TrainingConfig(
        model=ModelConfig(backbone="tiny", dimension=8, hidden=16), epochs=6, patience=6, batch_size=128
    )
    features = styled_set(scenes=510, products=24, noise=0.3, categories=("Furniture|Chairs",))
    train_on_features(
        features, Path(sys.argv[1]), settings, on_epoch=lambda stage, epoch: print(epoch.epoch, flush=True)
    )
