"""Trainings that tests can stop at any epoch, and that take no longer than tests need."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _checkpoints_at_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfectlook.training.checkpoint.CHECKPOINT_SHARE", 1e9)


@pytest.fixture(autouse=True, scope="module")
def _few_steps_of_presence() -> Iterator[None]:
    """What photos show is learned in few steps; `test_presence.py` takes as many as it needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perfectlook.training.presence.STEPS", 20)
        yield


@pytest.fixture
def plots() -> None:
    """Tests that ask for this get the plots that trainings draw."""


@pytest.fixture(autouse=True)
def _no_other_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plot takes as long as a small training."""
    if "plots" not in request.fixturenames:
        monkeypatch.setattr("perfectlook.training.log.draw_plot", lambda *_: None)
