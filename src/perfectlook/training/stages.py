"""The fits of one training, one after the other, each remembered over a stop."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from perfectlook.errors import TrainingError
from perfectlook.training.checkpoint import Checkpoint
from perfectlook.training.fit import Fit
from perfectlook.training.history import Epoch
from perfectlook.training.log import write_log

Say = Callable[[str, Epoch], None]
"""Told of every epoch: the stage it belongs to, and the epoch."""


class Stages:
    """Runs fits, checkpointing each after every epoch.

    Args:
        out: the model folder, which has the checkpoint meanwhile.
        settings: all that the numbers depend on; a checkpoint of others is not taken up.
        say: told of every epoch.
    """

    def __init__(self, out: Path, settings: dict[str, Any], say: Say | None) -> None:
        self._out = out
        self._say = say
        self._checkpoint = Checkpoint(out, settings)
        self._states: dict[str, dict[str, Any]] = self._checkpoint.read() or {}
        self.history: dict[str, Sequence[Epoch]] = {}

    def run(self, stage: str, fit: Fit, epochs: int, *, patience: int | None = None) -> Fit:
        """Run a fit to its end, from where it was stopped if it was."""
        self.history[stage] = fit.history
        if stage in self._states:
            fit.restore(self._states[stage])
            self.history[stage] = fit.history
        for epoch in self._epochs(fit, epochs, patience):
            self._states[stage] = fit.state
            self._checkpoint.write(self._states)
            write_log(self.history, self._out)
            if self._say:
                self._say(stage, epoch)
        return fit

    def measure(self, stage: str, fit: Fit, epochs: int) -> Fit:
        """Run a fit to its end for what is measured after its epochs; only that is remembered of it then."""
        self.run(stage, fit, epochs)
        self._states[stage] = fit.measurements
        return fit

    def _epochs(self, fit: Fit, epochs: int, patience: int | None) -> Iterator[Epoch]:
        try:
            yield from fit.run(epochs, patience=patience)
        except TrainingError:  # the weights went astray: other settings must be able to start over
            self.finish()
            raise

    def finish(self) -> None:
        """Forget what a stopped training would need."""
        self._checkpoint.remove()
