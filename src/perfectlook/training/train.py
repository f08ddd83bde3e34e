"""Training: sets in, a model folder out."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perfectlook import __version__
from perfectlook.backbones import open_backbone
from perfectlook.data import Dataset
from perfectlook.evaluation.protocol import training_indices
from perfectlook.features.set_features import SetFeatures
from perfectlook.features.store import FeatureArrays
from perfectlook.model.categories import CategorySuggester
from perfectlook.model.export import write_model
from perfectlook.model.files import ModelRecord
from perfectlook.model.networks import Compatibility
from perfectlook.progress import ProgressOf
from perfectlook.training.categories import fit_suggester
from perfectlook.training.checkpoint import Say, Stages
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, load_sets, stage_widths
from perfectlook.training.finetune import Begun
from perfectlook.training.log import PLOT, draw_plot, model_card, training_report
from perfectlook.training.loop import Fit, remembering
from perfectlook.training.ridge_start import ClosedForm, closed_form
from perfectlook.training.validation import (
    BY_FOLDS,
    BY_VALIDATION,
    HeldOut,
    folds,
    learning_pairs,
    validation_round,
)
from perfectlook.types import IntArray, Pair


@dataclass(frozen=True, slots=True)
class Outcome:
    """The network that training chose, and how well it did on scenes it was not trained on."""

    network: Compatibility
    training: IntArray
    epoch: int
    chosen_on: str
    held_out: HeldOut
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
    continued: Path | str | None = None,
) -> ModelRecord:
    """Train a compatibility model on one or several sets.

    The epoch is chosen by the accuracy on validation scenes, or, for sets under 500 scenes and where the
    settings say so, by five-fold cross-validation; then the model is trained on all their scenes but the test
    ones. A training that was stopped goes on where it stood when it is called again with the same arguments.

    Args:
        sets: folders of sets, or sets.
        out: folder of the model; made if missing. A finished model in it is replaced at the end.
        config: settings; the defaults are this project's recipe.
        strict: fail when anything is wrong in a set.
        workers: processes that extract features.
        progress: shows the extraction.
        say: told of every epoch.
        continued: folder of a model to go on from; its shape counts, not the one of `config`.

    Raises:
        DatasetError: a set cannot be read.
        ModelError: the model to go on from cannot be read, or has another backbone.
        TrainingError: there is too little to train on, or the loss is not a number.
    """
    config = config or TrainingConfig()
    begun = Begun.read(Path(continued)) if continued else None
    shape = begun.record.config if begun else config.model
    read = functools.partial(
        load_sets, backbone=shape.backbone, strict=strict, workers=workers, progress=progress
    )
    features = read(sets, product_maps=shape.needs_product_maps)
    whole = read(features.dataset.parts or [features.dataset], scene="full")
    return train_on_features(features, Path(out), config, whole=whole, begun=begun, say=say)


def train_on_features(
    features: SetFeatures,
    out: Path,
    config: TrainingConfig,
    *,
    whole: SetFeatures | None = None,
    begun: Begun | None = None,
    say: Say | None = None,
) -> ModelRecord:
    """Train on a set whose features are at hand; see `train`.

    Args:
        features: the set, as the crop rule shows it.
        out: folder of the model.
        config: settings.
        whole: the same set with whole scenes, to learn category suggestion from; without it the model
            suggests none.
        begun: a model to go on from.
        say: told of every epoch.
    """
    out.mkdir(parents=True, exist_ok=True)
    if begun:
        config = dataclasses.replace(config, model=begun.record.config)
    backbone = open_backbone(config.model.backbone)
    identity = backbone.identity
    data = TrainingData(features, config.model, stage_widths(features, backbone.description))
    if begun:
        begun.record.check_backbone(identity)
        begun.extend(data)
    settings = _settings(features, config, identity) | {"from": begun.record.identity if begun else None}
    stages = Stages(out, settings, say)
    plan = _Plan(data, config, stages, begun)
    outcome = (
        _fit_by_cross_validation(plan)
        if config.chooses_by_folds(features.dataset)
        else _fit_by_validation(plan)
    )
    trained = asdict(config)
    del trained["model"]
    training = training_report(
        features,
        outcome.training,
        settings=trained,
        epoch=outcome.epoch,
        chosen_on=outcome.chosen_on,
        accuracy=outcome.held_out.accuracy,
        without_negatives=outcome.without_negatives,
    )
    if begun:
        training["continued"] = {"model": begun.record.name, "identity": begun.record.identity}
    pairs = [features.pairs[i] for i in outcome.training]
    suggester = _fit_suggester(whole, features, pairs, data.categories, config) if whole else None
    draw_plot(stages.history, outcome.epoch, out / PLOT)
    outcome.held_out.write(out)
    record = write_model(
        outcome.network,
        out,
        widths=data.widths,
        backbone_identity=identity,
        categories=data.categories,
        centres=data.centres,
        overall_centre=data.overall_centre,
        scenes=sorted({pair.scene for pair in pairs} | (begun.scenes if begun else frozenset())),
        products=sorted({pair.product for pair in pairs} | (begun.products if begun else frozenset())),
        training=training,
        card=model_card(out.resolve().name, data, training),
        suggestion=suggester.content() if suggester else None,
    )
    stages.finish()
    return record


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the fits of one training have in common."""

    data: TrainingData
    config: TrainingConfig
    stages: Stages
    begun: Begun | None

    def form(self, training: IntArray) -> ClosedForm | None:
        """The closed form that the fits start from; one that goes on from a model has its weights."""
        return None if self.begun else closed_form(self.data, training, self.config)

    def fit(self, training: IntArray, validation: IntArray, form: ClosedForm | None) -> Fit:
        """A fit, not yet run."""
        weights = self.begun.weights(self.data) if self.begun else None
        return Fit(self.data, training, validation, self.config, form=form, weights=weights)


def _fit_suggester(
    whole: SetFeatures,
    features: SetFeatures,
    pairs: Sequence[Pair],
    categories: Sequence[str],
    config: TrainingConfig,
) -> CategorySuggester:
    scenes = {pair.scene for pair in pairs}
    held_out = {pair.scene for pair in features.dataset.pairs} - scenes
    training = training_indices(whole, held_out)
    return fit_suggester(whole, training, categories, global_features=config.model.global_features).suggester


def _fit_by_validation(plan: _Plan) -> Outcome:
    part = validation_round(plan.data.features, plan.config)
    fit = plan.fit(part.training, part.validation, plan.form(part.training))
    plan.stages.run(part.name, fit, plan.config.epochs, patience=plan.config.patience)
    chosen = fit.history[fit.best_epoch]
    shares = fit.shares[chosen.epoch][fit.weights.index(chosen.memory)].double().numpy()
    held_out_pairs = HeldOut(fit.placed_scenes, shares)
    return Outcome(
        fit.keep_best(),
        fit.training,
        fit.best_epoch,
        BY_VALIDATION,
        held_out_pairs,
        len(fit.without_negatives),
    )


def _fit_by_cross_validation(plan: _Plan) -> Outcome:
    learning = learning_pairs(plan.data.features, plan.config)
    form = plan.form(learning)
    fits = [
        plan.stages.measure(each.name, plan.fit(each.training, each.validation, form), plan.config.epochs)
        for each in folds(plan.data.features, plan.config)
    ]
    shares = [
        torch.cat(epoch, dim=1).double().numpy() for epoch in zip(*(fit.shares for fit in fits), strict=True)
    ]
    means = np.stack([epoch.mean(axis=1) for epoch in shares])
    chosen, weight = (int(place) for place in np.unravel_index(np.argmax(means), means.shape))
    scenes = [scene for fit in fits for scene in fit.placed_scenes]
    fit = plan.fit(learning, np.empty(0, np.int64), form)
    plan.stages.run("all", fit, chosen)
    held_out_pairs = HeldOut(scenes, shares[chosen][weight])
    network = remembering(fit.averaged, fit.weights[weight])
    return Outcome(network, fit.training, chosen, BY_FOLDS, held_out_pairs, len(fit.without_negatives))


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
