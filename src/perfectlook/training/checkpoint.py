"""The fits of one training, one after the other, each remembered over a stop."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from perfectlook.errors import TrainingError
from perfectlook.model.files import write_file
from perfectlook.training.log import Epoch, write_log
from perfectlook.training.loop import Fit

CHECKPOINT = "checkpoint.pt"


class Checkpoint:
    """The state of a training in one file, replaced in one step after every epoch.

    The file holds tensors and plain values only and is read as such: nothing in it is ever executed.

    Args:
        folder: of the model that is being trained.
        settings: everything the numbers depend on; a checkpoint of other settings is not taken up.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._path = folder / CHECKPOINT
        self._settings = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def read(self) -> dict[str, Any] | None:
        """The state that was last written, None where there is none.

        Raises:
            TrainingError: the checkpoint cannot be read, or is of a training with other settings.
        """
        if not self._path.exists():
            return None
        try:
            content = torch.load(self._path, weights_only=True)
            settings, state = content["settings"], content["state"]
        except Exception as error:  # torch raises whatever the damaged bytes lead it to
            raise TrainingError(f"{self._path}: cannot be read ({error}); delete it to start over") from error
        if settings != self._settings:
            raise TrainingError(
                f"{self._path}: is of an unfinished training with other pairs or settings; run that training "
                "again to finish it, choose another folder, or delete the file to start over"
            )
        found: dict[str, Any] = state
        return found

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state on disk."""
        content = io.BytesIO()
        torch.save({"settings": self._settings, "state": state}, content)
        write_file(self._path, content.getvalue())

    def remove(self) -> None:
        """Forget the state: the training is finished."""
        self._path.unlink(missing_ok=True)


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
