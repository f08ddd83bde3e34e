"""Every epoch writes a checkpoint, so that tests can stop at any of them."""

import pytest


@pytest.fixture(autouse=True)
def _checkpoints_at_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfectlook.training.checkpoint.CHECKPOINT_SHARE", 1e9)
