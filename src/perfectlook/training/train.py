"""Train a model on sets."""

import dataclasses
import functools
import hashlib
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from perfectlook import __version__
from perfectlook.backbones import open_backbone
from perfectlook.data import Dataset, load_set
from perfectlook.data.layout import ProblemKind
from perfectlook.errors import UsageError
from perfectlook.features.set_features import SetFeatures
from perfectlook.features.store import FeatureArrays
from perfectlook.model.config import EncoderKind, Mode, ModelConfig
from perfectlook.model.distances import Norm
from perfectlook.model.files import ModelRecord
from perfectlook.model.mixture import Blend
from perfectlook.model.networks import Compatibility
from perfectlook.model.runtime import Model, open_model
from perfectlook.progress import ProgressOf, counted
from perfectlook.training import mixture
from perfectlook.training.baselines.registry import baseline as baseline_named
from perfectlook.training.baselines.registry import train_baseline_on_features
from perfectlook.training.categories import suggestion_file
from perfectlook.training.checkpoint import OnEpoch, Stages, learn, only_training
from perfectlook.training.complements import add_complements
from perfectlook.training.config import TrainingConfig, read_config
from perfectlook.training.data import load_sets, training_data
from perfectlook.training.finetune import StartingModel
from perfectlook.training.log import write_learned
from perfectlook.training.loop import CompatibilityFit
from perfectlook.training.presence import add_sight
from perfectlook.training.ridge import closed_form
from perfectlook.training.validation import Round, can_be_chosen, learning_pairs
from perfectlook.types import Problem

AnySet = Dataset | Path | str
"""A set from `load_set`, its folder, or "showroom", the set that comes with the package."""
PRIOR_TOO = {"backbone", "seed"}
LEFT_OPEN = {*PRIOR_TOO, "cross_validate"}
"""Settings that do not ask for a network; with any other, a network is trained and kept.
The first ones are those of the prior too."""
FEWEST_PAIRS = 30
"""Fewer pairs do not teach a network anything that the closed forms lack."""
Settings = Mapping[str, Any] | Path | str | TrainingConfig | None
"""Settings by name, the path of a TOML file, or a complete `TrainingConfig`."""


def train(
    sets: AnySet | Iterable[AnySet],
    out: Path | str | None = None,
    *,
    baseline: str | None = None,
    config: Settings = None,
    from_model: Path | str | None = None,
    mode: Mode | None = None,
    encoder: EncoderKind | None = None,
    distance: Norm | None = None,
    backbone: str | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
    on_epoch: OnEpoch | None = None,
    on_problems: Callable[[Sequence[Problem], str], None] | None = None,
) -> Model | Any:  # `Any` is Popularity, which few callers ask for
    """Train a model on one or several sets, as `perfectlook train` does.

    The epoch is chosen by the accuracy on validation scenes. For sets under 500 scenes, and with
    `cross_validate`, it is chosen by five-fold cross-validation. Then the model is trained on all scenes
    except the test scenes. To resume a stopped training, call this function again with the same arguments,
    including `out`. A baseline takes seconds to a minute and always starts over. Sets without
    pairs, or with too few to learn from, give the baseline `prior`, which needs none.

    `model.training` reports the result: the pairs used, the chosen epoch, the accuracy on held-out scenes.

    Args:
        sets: one or more sets: a set from `load_set`, a folder, or "showroom".
        out: folder of the model, created if it is missing. A finished model in it is replaced at the end.
            Without it, the model is in a temporary folder that is deleted with the returned object.
        baseline: train this baseline instead: popularity, visual, prior, mixture, ridge, ibr, siamese or
            bpr-dae.
        config: settings by name, or a TOML file of them; the keys are those of `TrainingConfig` and
            `ModelConfig`. A compatibility model also takes a complete `TrainingConfig`; a baseline does not,
            because it has its own defaults. The settings below override it.
        from_model: fine-tune this model on the sets and their categories; it keeps its configuration.
        mode: the distances that count: `hybrid`, `global` or `local`.
        encoder: `feedforward`, `autoencoder` or `recurrent`.
        distance: the norm, `l2` or `squared_l2`.
        backbone: name of the backbone.
        seed: random seed.
        epochs: largest number of epochs.
        strict: fail if anything is wrong in a set.
        workers: number of processes that extract features.
        progress: shows the progress of the extraction and of the closed forms, for example `ProgressLine`.
        on_epoch: called after every epoch with its stage ("fit", "fold 0", ...) and the `Epoch`.
        on_problems: called once with the problems of the sets, and their name.

    Returns:
        The model. The baseline `popularity` returns a `Popularity`. You can evaluate and compare it, but you
        cannot search a catalogue with it, because it has no product vectors.

    Raises:
        UsageError: a setting or baseline is unknown, a setting does not apply, or a set is named twice.
        DatasetError: a set cannot be read.
        ModelError: the model to fine-tune cannot be read, or has another backbone.
        TrainingError: there are too few pairs, or the loss is not finite.
    """
    flags: dict[str, Any] = {"mode": mode, "encoder": encoder, "distance": distance, "backbone": backbone}
    flags |= {"seed": seed, "epochs": epochs}
    given = {name: value for name, value in flags.items() if value is not None}
    base, settings, source = TrainingConfig(), dict[str, Any](), "config"
    if isinstance(config, TrainingConfig):
        base = config
    elif isinstance(config, Path | str):
        settings, source = read_config(Path(config)), str(config)
    elif config is not None:
        settings = dict(config)

    datasets = [
        each if isinstance(each, Dataset) else load_set(each, strict=strict)
        for each in ([sets] if isinstance(sets, Dataset | Path | str) else sets)
    ]
    baseline = baseline or (None if from_model or any(each.pairs for each in datasets) else mixture.PRIOR)
    start = None
    if baseline:
        if from_model:
            raise UsageError("--from and --baseline exclude each other. Leave one of them out.")
        if isinstance(config, TrainingConfig):
            raise UsageError(
                f"the baseline '{baseline}' has its own defaults, so it takes no TrainingConfig. Pass a "
                "mapping of the settings that differ."
            )
        shape = baseline_named(baseline).config(settings | given, name=baseline, source=source).model
    else:
        base = base.replaced(settings, source=source).replaced(given)
        fixed = sorted((settings | given).keys() & ModelConfig.__dataclass_fields__)
        if from_model and fixed:
            raise UsageError(
                f"--from {from_model}: fine-tuning keeps the configuration of the model, so it cannot change "
                f"{', '.join(fixed)}. Leave these settings out, or train a new model."
            )
        start = StartingModel.read(Path(from_model)) if from_model else None
        shape = start.config if start else base.model

    read = functools.partial(
        load_sets, backbone=shape.backbone, strict=strict, workers=workers, progress=progress
    )
    temporary = None if out else TemporaryDirectory(prefix="perfectlook-", ignore_cleanup_errors=True)
    folder = Path(temporary.name, baseline or "model") if temporary else Path(out or "")
    with only_training(folder):
        features = read(datasets, product_maps=shape.needs_product_maps, unpaired=True)
        chooses = not isinstance(config, TrainingConfig) and set(settings | given) <= LEFT_OPEN
        lacks_pairs = not (baseline or start) and chooses and not can_be_chosen(features, base)
        if on_problems:
            few = [_too_few(features)] if lacks_pairs else []
            on_problems([*features.dataset.problems, *features.problems, *few], features.dataset.name)
        whole = _whole(features, read)
        if baseline or lacks_pairs:
            options = {
                name: value for name, value in (settings | given).items() if baseline or name in PRIOR_TOO
            }
            train_baseline_on_features(features, folder, baseline or mixture.PRIOR, options, whole=whole)
        else:
            train_on_features(
                features,
                folder,
                base,
                whole=whole,
                start=start,
                may_drop=chooses and not start,
                progress=progress,
                on_epoch=on_epoch,
            )
        model = open_model(folder)
    if temporary:
        weakref.finalize(model, temporary.cleanup)
    return model


def _whole(features: SetFeatures, read: Callable[..., SetFeatures]) -> SetFeatures:
    """The same sets with whole scenes; without boxes, their scenes are whole already."""
    if not any(pair.box for pair in features.dataset.pairs):
        return features
    return read(features.dataset.parts or [features.dataset], scene="full")


def _too_few(features: SetFeatures) -> Problem:
    found = counted(len(features.pairs), "pair")
    reason = f"too few to learn from, so the model is made from pictures alone ({found}). Add pairs."
    return Problem(str(features.dataset.root), "pairs", reason, ProblemKind.TOO_FEW)


def train_on_features(
    features: SetFeatures,
    out: Path,
    config: TrainingConfig,
    *,
    whole: SetFeatures | None = None,
    start: StartingModel | None = None,
    may_drop: bool = False,
    progress: ProgressOf | None = None,
    on_epoch: OnEpoch | None = None,
) -> ModelRecord:
    """Train a compatibility model on a set with features; see `train`.

    Args:
        features: the set with cropped scenes, by the crop rule.
        out: folder of the model.
        config: settings.
        whole: the same set with whole scenes; without it, the model suggests no categories and does not see
            what photos show.
        start: the model to fine-tune.
        may_drop: whether to keep the mixture of closed forms alone if the network adds nothing to it.
        progress: shows the progress of the choice of the closed forms.
        on_epoch: called after every epoch.
    """
    out.mkdir(parents=True, exist_ok=True)
    if start:
        config = dataclasses.replace(config, model=start.config)
    backbone = open_backbone(config.model.backbone)
    identity = backbone.identity
    data = training_data(features, config.model, backbone.description)
    if start:
        start.record.check_backbone(identity)
        start.extend(data)
    numbers_depend_on = _settings(features, config, identity) | {
        "from": start.record.identity if start else None
    }
    stages = Stages(out, numbers_depend_on, on_epoch)
    pairs = learning_pairs(features, config)
    forms = mixture.choose(data, config, progress=progress) if config.mixes and not start else None
    columns = start.closed.get("columns") if start else forms.columns if forms else None
    own = data if columns is None else data.of_first_member(columns)
    weights = start.weights(own) if start else None

    may_drop = may_drop and forms is not None
    trains = not may_drop or len(pairs) >= FEWEST_PAIRS
    form = closed_form(own, pairs, config) if trains and not start else None

    def fit(part: Round) -> CompatibilityFit:
        closed = forms.distances(data, part) if forms and len(part.validation) else None
        return CompatibilityFit(own, part, config, form=form, start=weights, closed=closed)

    learned = learn(features, config, fit, stages, may_drop=may_drop) if trains else None
    baseline = None
    if learned is None:
        assert forms is not None
        baseline, learned = mixture.MIXTURE, mixture.learned(forms, data, config)
    elif start:
        assert isinstance(learned.network, Compatibility)
        learned = dataclasses.replace(learned, network=start.blended(learned.network))
    elif forms and (learned.closed or columns is not None):
        closed = forms.network(data, config, learned.training, mixture.measured_scenes(data, config))
        assert isinstance(learned.network, Compatibility)
        blend = Blend(learned.network, closed, learned.closed or 0.0, columns)
        learned = dataclasses.replace(learned, network=blend, mixture=forms.report())
    if forms:
        gained = mixture.last_doubling(forms, data, config)
        learned = dataclasses.replace(learned, network_adds=stages.network_adds, last_doubling=gained)
    suggestion = None
    if whole:  # the suggester learns from the whole scenes of the same pairs
        suggestion = suggestion_file(
            whole, learned.scene_ids(features), data.categories, global_features=config.model.global_features
        )
    settings = asdict(config)
    del settings["model"]

    def complete(model: Model) -> None:
        add_complements(out, model, features, learned.scene_ids(features))
        if whole:
            add_sight(out, model, features, whole)

    record = write_learned(
        learned,
        data,
        out,
        settings=settings,
        backbone_identity=identity,
        baseline=baseline,
        suggestion=suggestion,
        start=start,
        complete=complete,
    )
    stages.finish()
    return record


def _settings(features: SetFeatures, config: TrainingConfig, identity: str) -> dict[str, Any]:
    """Everything that the numbers of a training depend on."""
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
