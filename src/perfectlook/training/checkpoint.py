"""Run the fits of a training with a checkpoint, so that a stopped training resumes; choose the epoch.

Only one training at a time writes to a folder.
"""

import hashlib
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from perfectlook.errors import TrainingError
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.files import write_model_file
from perfectlook.training.config import TrainingConfig
from perfectlook.training.log import Epoch, Learned, write_log
from perfectlook.training.loop import Fit, with_memory_weight
from perfectlook.training.validation import (
    BY_FOLDS,
    BY_VALIDATION,
    HeldOut,
    Round,
    folds,
    learning_pairs,
    validation_round,
    worth,
)
from perfectlook.types import BoolArray, Float64Array, IntArray

CHECKPOINT = "checkpoint.pt"
LOCK, PROCESS = ".training.lock", ".training.pid"
"""The file that a running training locks, and the one that names its process."""
CHECKPOINT_SHARE = 0.05
"""The share of the time that writing checkpoints may take; after a slow one, some epochs go without."""
NO_PAIRS: IntArray = np.empty(0, np.int64)

ADDS = 0.005
"""The smallest gain in accuracy for which a network is kept."""

OnEpoch = Callable[[str, Epoch], None]
"""Called after every epoch with the name of its stage and the epoch."""


@contextmanager
def only_training(folder: Path) -> Iterator[None]:
    """Create a model folder, and keep other trainings out of it.

    The operating system drops the lock of a process that ends, so a killed training locks no one out.

    Raises:
        TrainingError: another process trains in the folder, or it cannot be written.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
        (folder / PROCESS).write_text(str(os.getpid()))
    except Timeout as error:
        raise TrainingError(
            f"{folder}: another training writes to this folder{_process_in(folder)}. Wait until it ends, end "
            "it, or choose another folder with --out."
        ) from error
    except OSError as error:
        raise TrainingError(
            f"{folder}: cannot be written ({error.strerror or error}). Choose another folder with --out."
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # on Windows, a locked file cannot be deleted
            (folder / PROCESS).unlink(missing_ok=True)
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        if is_new:
            with suppress(OSError):  # it is empty if training could not begin
                folder.rmdir()


def _process_in(folder: Path) -> str:
    with suppress(OSError, ValueError):
        return f" (process {int((folder / PROCESS).read_text())})"
    return ""


class Stages:
    """Run fits, and write a checkpoint and the log after an epoch, if that does not take too long.

    The checkpoint is one file, replaced in one step. It holds only tensors and plain values, and loading it
    executes no code.

    Args:
        out: the model folder; None for a short training without a checkpoint.
        settings: everything that the results depend on; a checkpoint with other settings is refused.
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
        self.network_adds: float | None = None
        """What the network added to the closed forms alone, once `learn` has measured it."""
        self._next_write = 0.0

    def run(self, fit: Fit, epochs: int, *, patience: int | None = None) -> Fit:
        """Run a fit to its end; if it was stopped, resume from its last epoch in the checkpoint."""
        self._begin(fit)
        self._continue(fit, epochs, patience, left=lambda: _seconds_left([fit], epochs))
        return fit

    def measure(self, fits: Sequence[Fit], epochs: int, *, patience: int, may_drop: bool = False) -> None:
        """Run fits in turn, epoch by epoch, then keep only their measurements in the checkpoint.

        They end together: after `epochs`, or when what they are worth has not risen for `patience` epochs.
        With `may_drop`, they also end after `patience` epochs that added nothing to the closed forms alone.
        """
        for fit in fits:
            self._begin(fit)
            fit.keeps_best = False
        for epoch in range(epochs + 1):
            for fit in fits:
                self._continue(fit, epoch, left=lambda: _seconds_left(fits, epochs, afterwards=True))
            best = worths(fits, epoch + 1)[0].max(axis=1)
            if epoch - int(best.argmax()) >= patience:
                break
            if may_drop and epoch >= patience and gain(fits, epoch + 1) <= 0:
                break
        for fit in fits:
            self._states[fit.name] = fit.measurements
        self._next_write = 0.0

    def _begin(self, fit: Fit) -> None:
        if fit.name in self._states:
            fit.restore(self._states[fit.name])
        self.history[fit.name] = fit.history

    def _continue(
        self, fit: Fit, epochs: int, patience: int | None = None, *, left: Callable[[], float | None]
    ) -> None:
        try:
            for epoch in fit.run(epochs, patience=patience):
                self._states[fit.name] = fit.state
                self._write()
                if self._on_epoch:
                    self._on_epoch(fit.name, replace(epoch, seconds_left=left()))
        except TrainingError:  # The weights diverged. Remove the checkpoint, so that you can change settings.
            self.finish()
            raise

    def _write(self) -> None:
        started = time.perf_counter()
        if self._out is None or started < self._next_write:
            return
        content = io.BytesIO()
        torch.save({"settings": self._settings, "state": self._states}, content)
        write_model_file(self._out / CHECKPOINT, content.getvalue())
        write_log(self.history, self._out)
        ended = time.perf_counter()
        self._next_write = ended + (ended - started) / CHECKPOINT_SHARE

    def finish(self) -> None:
        """Remove the checkpoint."""
        if self._out:
            (self._out / CHECKPOINT).unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, dict[str, Any]]:
        """Return the states from the last checkpoint; none if there is no file."""
        for unfinished in path.parent.glob(".*.part"):  # left by a killed training
            unfinished.unlink(missing_ok=True)
        if not path.exists():
            return {}
        try:
            content = torch.load(path, weights_only=True)
            settings, states = content["settings"], content["state"]
        except Exception as error:  # torch raises many types of errors for damaged files
            raise TrainingError(f"{path}: damaged ({error}). Delete it to start over.") from error
        if settings != self._settings:
            raise TrainingError(
                f"{path}: belongs to an unfinished training with other pairs or settings. Finish that "
                "training with its own settings, choose another folder with --out, or delete the file to "
                "start over."
            )
        found: dict[str, dict[str, Any]] = states
        return found


def _seconds_left(fits: Sequence[Fit], epochs: int, *, afterwards: bool = False) -> float | None:
    """The longest time until fits that take turns end; None before an epoch of training was timed.

    Args:
        fits: the fits.
        epochs: largest number of epochs.
        afterwards: whether a fit to all their pairs follows.
    """
    timed = [epoch.seconds for fit in fits for epoch in fit.history[1:]]
    left = float(sum(epochs + 1 - len(fit.history) for fit in fits))
    if afterwards:
        left += epochs * len(fits) / max(1, len(fits) - 1)  # its epochs have more pairs
    if left and not timed:
        return None
    return left and left * sum(timed) / len(timed)


def _patience(fits: Sequence[Fit], config: TrainingConfig) -> int:
    """The patience in epochs: longer for small sets, whose averaged weights need many epochs to move."""
    if not config.averaging:
        return config.patience
    steps = min(max(1, round(len(fit.training) / config.batch_size)) for fit in fits)
    return max(config.patience, math.ceil(2 / (1 - config.averaging) / steps - 1e-9))  # 1 - 0.9 < 0.1


def learn(
    features: SetFeatures,
    config: TrainingConfig,
    make: Callable[[Round], Fit],
    stages: Stages,
    *,
    may_drop: bool = False,
) -> Learned | None:
    """Train a network, and choose its epoch by the accuracy on held-out scenes.

    The held-out scenes are the validation scenes. For sets under 500 scenes, and with `cross_validate`, they
    are the scenes of five folds. Then a last fit uses all scenes except the test scenes.

    Args:
        features: the sets.
        config: the settings.
        make: returns a new fit for some pairs.
        stages: runs the fits.
        may_drop: whether to return None if the network adds less than `ADDS` to the closed forms alone.
            That can show after a few epochs.

    Raises:
        TrainingError: there are too few pairs, or the loss is not finite.
    """
    if config.chooses_by_folds(features.dataset):
        measured = [make(each) for each in folds(features, config)]
        patience = _patience(measured, config)
        stages.measure(measured, config.epochs, patience=patience, may_drop=may_drop)
        stages.network_adds = _known(gain(measured))
        if may_drop and gain(measured) < ADDS:
            return None
        values, shares, is_new = worths(measured)
        chosen, row = len(shares) - 1, 0
        if shares[0].size:
            chosen, row = (int(place) for place in np.unravel_index(np.argmax(values), values.shape))
        scenes = [scene for fit in measured for scene in fit.placed_scenes]
        weights = measured[0].weights[row]
        fit = stages.run(make(Round("all", learning_pairs(features, config), NO_PAIRS)), chosen)
        network = with_memory_weight(fit.averaged, weights.memory)
        held_out, chosen_on = HeldOut(scenes, shares[chosen][row]), BY_FOLDS
    else:
        part = validation_round(features, config)
        fit = stages.run(make(part), config.epochs, patience=config.patience)
        stages.network_adds = _known(gain([fit]))
        if may_drop and gain([fit]) < ADDS:
            return None
        chosen, is_new = fit.best_epoch, fit.is_new
        row = fit.weights_of(chosen) if fit.placed_scenes else 0
        weights = fit.weights[row]
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
        is_new=is_new,
        closed=weights.closed,
    )


def _known(gained: float) -> float | None:
    return gained if math.isfinite(gained) else None


def worths(
    fits: Sequence[Fit], epochs: int | None = None
) -> tuple[Float64Array, list[Float64Array], BoolArray]:
    """What every epoch and every weight is worth [epochs, weights], the shares, and which pairs are new.

    What an epoch may not keep (`Fit.may_keep`) is worth 0 here. Only the first `epochs` count, if they are
    given.
    """
    by_epoch = list(zip(*(fit.shares for fit in fits), strict=False))[:epochs]
    shares = [torch.cat(parts, dim=1).double().numpy() for parts in by_epoch]
    is_new = np.concatenate([fit.is_new for fit in fits])
    values = np.stack(
        [np.where(fits[0].may_keep(at), worth(each, is_new), 0.0) for at, each in enumerate(shares)]
    )
    return values, shares, is_new


def gain(fits: Sequence[Fit], epochs: int | None = None) -> float:
    """How much more the network with the closed forms is worth than the closed forms alone."""
    values, shares, is_new = worths(fits, epochs)
    alone = [at for at, each in enumerate(fits[0].weights) if each.closed == math.inf]
    if not alone or not len(is_new):
        return math.inf
    return float(values.max() - worth(shares[0][alone[0]], is_new))
