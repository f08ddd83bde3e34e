"""The fits of one training, one after the other, each remembered over a stop; they choose the epoch."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perfectlook.errors import TrainingError
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.files import write_model_file
from perfectlook.training.config import TrainingConfig
from perfectlook.training.log import Epoch, Learned, write_log
from perfectlook.training.loop import Fit, remembering
from perfectlook.training.validation import (
    BY_FOLDS,
    BY_VALIDATION,
    HeldOut,
    Round,
    folds,
    learning_pairs,
    validation_round,
)
from perfectlook.types import IntArray

CHECKPOINT = "checkpoint.pt"
NO_PAIRS: IntArray = np.empty(0, np.int64)

OnEpoch = Callable[[str, Epoch], None]
"""Called after every epoch with the stage it belongs to, and the epoch."""


class Stages:
    """Runs fits, with a checkpoint and the log written after every epoch.

    The checkpoint is one file, replaced in one step. It holds tensors and plain values only and is read as
    such: nothing in it is ever executed.

    Args:
        out: the model folder; None for a training so short that nothing of it is kept over a stop.
        settings: everything the numbers depend on; a checkpoint of other settings is refused.
        on_epoch: called after every epoch.

    Raises:
        TrainingError: the folder has a checkpoint that cannot be used.
    """

    def __init__(
        self, out: Path | None, settings: Mapping[str, Any] | None = None, on_epoch: OnEpoch | None = None
    ) -> None:
        self._out = out
        self._on_epoch = on_epoch
        self._settings = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        self._states: dict[str, dict[str, Any]] = self._read(out / CHECKPOINT) if out else {}
        self.history: dict[str, Sequence[Epoch]] = {}

    def run(self, fit: Fit, epochs: int, *, patience: int | None = None) -> Fit:
        """Run a fit to its end, from where it was stopped if it was."""
        if fit.name in self._states:
            fit.restore(self._states[fit.name])
        self.history[fit.name] = fit.history
        try:
            for epoch in fit.run(epochs, patience=patience):
                if self._out:
                    self._states[fit.name] = fit.state
                    content = io.BytesIO()
                    torch.save({"settings": self._settings, "state": self._states}, content)
                    write_model_file(self._out / CHECKPOINT, content.getvalue())
                    write_log(self.history, self._out)
                if self._on_epoch:
                    self._on_epoch(fit.name, epoch)
        except TrainingError:  # the weights diverged: other settings must be able to start over
            self.finish()
            raise
        return fit

    def measure(self, fit: Fit, epochs: int) -> Fit:
        """Run a fit to its end for what is measured after its epochs; only that is remembered of it then."""
        self.run(fit, epochs)
        self._states[fit.name] = fit.measurements
        return fit

    def finish(self) -> None:
        """Remove the checkpoint."""
        if self._out:
            (self._out / CHECKPOINT).unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, dict[str, Any]]:
        """The states that were last written; none where there is no file."""
        for unfinished in path.parent.glob(".*.part"):  # what a killed training was writing
            unfinished.unlink(missing_ok=True)
        if not path.exists():
            return {}
        try:
            content = torch.load(path, weights_only=True)
            settings, states = content["settings"], content["state"]
        except Exception as error:  # torch raises whatever the damaged bytes lead it to
            raise TrainingError(f"{path}: cannot be read ({error}); delete it to start over") from error
        if settings != self._settings:
            raise TrainingError(
                f"{path}: is of an unfinished training with other pairs or settings; run that training "
                "again to finish it, choose another folder, or delete the file to start over"
            )
        found: dict[str, dict[str, Any]] = states
        return found


def learn(
    features: SetFeatures, config: TrainingConfig, make: Callable[[Round], Fit], stages: Stages
) -> Learned:
    """Train a network and choose its epoch by the accuracy on scenes that it did not learn from.

    These are the validation scenes. For sets under 500 scenes, and with `cross_validate`, they are those of
    five folds; then the network is trained on all scenes but the test ones.

    Args:
        features: the sets.
        config: the settings.
        make: a fit for some pairs, not yet run.
        stages: runs the fits.

    Raises:
        TrainingError: there is too little to train on, or the loss is not a number.
    """
    if config.chooses_by_folds(features.dataset):
        measured = [stages.measure(make(each), config.epochs) for each in folds(features, config)]
        by_epoch = zip(*(fit.shares for fit in measured), strict=True)
        shares = [torch.cat(parts, dim=1).double().numpy() for parts in by_epoch]
        chosen, row = config.epochs, 0
        if shares[0].size:
            means = np.stack([epoch.mean(axis=1) for epoch in shares])
            chosen, row = (int(place) for place in np.unravel_index(np.argmax(means), means.shape))
        scenes = [scene for fit in measured for scene in fit.placed_scenes]
        fit = stages.run(make(Round("all", learning_pairs(features, config), NO_PAIRS)), chosen)
        network = remembering(fit.averaged, fit.memory_weights[row])
        held_out, chosen_on = HeldOut(scenes, shares[chosen][row]), BY_FOLDS
    else:
        part = validation_round(features, config)
        fit = stages.run(make(part), config.epochs, patience=config.patience)
        chosen = fit.best_epoch
        weight = fit.history[chosen].memory
        row = 0 if weight is None else fit.memory_weights.index(weight)
        network = fit.keep_best()
        held_out = HeldOut(fit.placed_scenes, fit.shares[chosen][row].double().numpy())
        chosen_on = BY_VALIDATION
    return Learned(
        network,
        fit.training,
        epoch=chosen,
        chosen_on=chosen_on,
        held_out=held_out,
        without_negatives=len(fit.without_negatives),
        history=stages.history,
    )
