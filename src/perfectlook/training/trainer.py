"""Training: sets in, a model folder out."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook import __version__
from perfectlook.backbones.registry import open_backbone
from perfectlook.datasets import Dataset
from perfectlook.datasets.split import FOLDS, is_small
from perfectlook.errors import TrainingError
from perfectlook.features.arrays import FeatureArrays
from perfectlook.features.setfeatures import SetFeatures
from perfectlook.metrics import Interval, bootstrap_means, interval
from perfectlook.model.compatibility import Compatibility
from perfectlook.model.export import TrainedModel, write_model
from perfectlook.model.record import ModelRecord
from perfectlook.progress import ProgressOf
from perfectlook.protocol import (
    pair_indices,
    pairs_of,
    scenes_of_fold,
    scenes_of_split,
    training_indices,
)
from perfectlook.training.card import model_card
from perfectlook.training.checkpoint import Checkpoint
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.fit import Epoch, Fit
from perfectlook.training.log import PLOT, draw_plot, write_log
from perfectlook.training.sets import load_sets
from perfectlook.types import Float64Array, IntArray

Say = Callable[[str, Epoch], None]
"""Told of every epoch: the stage it belongs to, and the epoch."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The network that training chose, and how well it did on scenes it was not trained on."""

    network: Compatibility
    training: IntArray
    epoch: int
    chosen_on: str
    accuracy: Interval | None
    without_negatives: int


def train(
    sets: Sequence[Path | str | Dataset],
    out: Path | str,
    config: TrainingConfig | None = None,
    *,
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
    say: Say | None = None,
) -> ModelRecord:
    """Train a compatibility model on one or several sets.

    The epoch is chosen by the accuracy on validation scenes, or, for sets under 500 scenes, by five-fold
    cross-validation; then the model is trained on all their scenes but the test ones. A training that was
    stopped goes on where it stood when it is called again with the same arguments.

    Args:
        sets: folders of sets, or sets.
        out: folder of the model; made if missing. A finished model in it is replaced at the end.
        config: settings; the defaults are this project's recipe.
        strict: fail when anything is wrong in a set.
        workers: processes that extract features.
        progress: shows the extraction.
        say: told of every epoch.

    Raises:
        DatasetError: a set cannot be read.
        TrainingError: there is too little to train on, or the loss is not a number.
    """
    config = config or TrainingConfig()
    features = load_sets(sets, config.model.backbone, strict=strict, workers=workers, progress=progress)
    return train_on_features(features, Path(out), config, say=say)


def train_on_features(
    features: SetFeatures, out: Path, config: TrainingConfig, *, say: Say | None = None
) -> ModelRecord:
    """Train on a set whose features are at hand; see `train`."""
    out.mkdir(parents=True, exist_ok=True)
    data = TrainingData(features, config.model)
    identity = open_backbone(config.model.backbone).identity
    stages = _Stages(out, _settings(features, config, identity), say)
    outcome = (
        _fit_by_cross_validation(data, config, stages)
        if is_small(features.dataset)
        else _fit_by_validation(data, config, stages)
    )
    training = _training_report(data, config, outcome)
    pairs = [features.pairs[i] for i in outcome.training]
    draw_plot(stages.history, outcome.epoch, out / PLOT)
    record = write_model(
        TrainedModel(
            network=outcome.network,
            widths=data.widths,
            backbone_identity=identity,
            categories=data.categories,
            centres=data.centres,
            overall_centre=data.overall_centre,
            scenes=sorted({pair.scene for pair in pairs}),
            products=sorted({pair.product for pair in pairs}),
            training=training,
            card=model_card(out.resolve().name, data, training),
        ),
        out,
    )
    stages.finish()
    return record


class _Stages:
    """The fits of one training, one after the other, each remembered over a stop."""

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

    def _epochs(self, fit: Fit, epochs: int, patience: int | None) -> Iterator[Epoch]:
        try:
            yield from fit.run(epochs, patience=patience)
        except TrainingError:  # the weights went astray: other settings must be able to start over
            self.finish()
            raise

    def finish(self) -> None:
        """Forget what a stopped training would need."""
        self._checkpoint.remove()


def _fit_by_validation(data: TrainingData, config: TrainingConfig, stages: _Stages) -> Outcome:
    features = data.features
    held_out = scenes_of_split(features, "val") | scenes_of_split(features, "test")
    validation = pair_indices(features, "val")
    if not len(validation):
        raise TrainingError(
            f"{features.dataset.name}: no pair is in the validation split, so there is nothing to choose the "
            "epoch by; add scenes with pairs"
        )
    fit = Fit(data, training_indices(features, held_out), validation, config)
    stages.run("fit", fit, config.epochs, patience=config.patience)
    shares = fit.shares[fit.best_epoch].double().numpy()
    accuracy = accuracy_interval(shares, fit.placed_scenes)
    return Outcome(
        fit.keep_best(),
        fit.training,
        fit.best_epoch,
        "validation scenes",
        accuracy,
        len(fit.without_negatives),
    )


def _fit_by_cross_validation(data: TrainingData, config: TrainingConfig, stages: _Stages) -> Outcome:
    features = data.features
    test = scenes_of_split(features, "test")
    folds: list[Fit] = []
    for fold in range(FOLDS):
        held_out = scenes_of_fold(features, fold)
        validation = pairs_of(features, held_out)
        training = training_indices(features, held_out | test)
        if len(validation):
            fit = Fit(data, training, validation, config)
            folds.append(stages.run(f"fold {fold}", fit, config.epochs))
    if not folds:
        raise TrainingError(
            f"{features.dataset.name}: no pair to train on outside the test split; add scenes with pairs"
        )
    shares = [np.concatenate(epoch) for epoch in zip(*(fit.shares for fit in folds), strict=True)]
    chosen = int(np.argmax([epoch.mean() for epoch in shares]))
    scenes = [scene for fit in folds for scene in fit.placed_scenes]
    fit = Fit(data, training_indices(features, test), np.empty(0, np.int64), config)
    stages.run("all", fit, chosen)
    accuracy = accuracy_interval(shares[chosen].astype(np.float64), scenes)
    chosen_on = f"{FOLDS}-fold cross-validation"
    return Outcome(fit.network, fit.training, chosen, chosen_on, accuracy, len(fit.without_negatives))


def accuracy_interval(shares: Float64Array, scenes: Sequence[str]) -> Interval | None:
    """Binary accuracy of shares per pair, with its interval over scenes; None over no pair."""
    if not len(shares):
        return None
    return interval(shares, bootstrap_means({"share": shares}, scenes)["share"])


def _settings(features: SetFeatures, config: TrainingConfig, identity: str) -> dict[str, Any]:
    """All that the numbers of a training depend on."""
    return {
        "config": asdict(config),
        "backbone": identity,
        "pairs": [[pair.scene, pair.product] for pair in features.pairs],
        "products": [*zip(features.product_ids, features.product_categories, strict=True)],
        "known": {scene: sorted(products) for scene, products in features.dataset.positives.items()},
        "twins": {scene: sorted(copies) for scene, copies in features.twins.items()},
        "features": [_digest(features.scenes), _digest(features.products)],
        "library": __version__,
    }


def _digest(arrays: FeatureArrays) -> str:
    digest = hashlib.sha256()
    for array in (arrays.global_vectors, arrays.style_statistics, arrays.feature_maps):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _training_report(data: TrainingData, config: TrainingConfig, outcome: Outcome) -> dict[str, Any]:
    """How the model came about, for its record and card."""
    features = data.features
    parts = features.dataset.parts or (features.dataset,)
    settings = asdict(config)
    del settings["model"]
    return {
        "sets": [part.name for part in parts],
        "licences": {part.name: part.licence for part in parts},
        "n_pairs": len(outcome.training),
        "n_scenes": len({features.pairs[i].scene for i in outcome.training}),
        "n_products": len(features.product_ids),
        "n_dropped": features.n_dropped,
        "n_without_negatives": outcome.without_negatives,
        "n_problems": len(features.dataset.problems) + len(features.problems),
        "settings": settings,
        "epoch": outcome.epoch,
        "chosen_on": outcome.chosen_on,
        "binary_accuracy": outcome.accuracy._asdict() if outcome.accuracy else None,
    }
