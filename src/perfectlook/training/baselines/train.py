"""Sets in, the model folder of a baseline out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perfectlook.backbones import open_backbone
from perfectlook.data import Dataset
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.export import write_model, write_popularity
from perfectlook.model.files import ModelRecord
from perfectlook.model.networks import GlobalNetwork
from perfectlook.progress import ProgressOf
from perfectlook.training.baselines.base import Learned
from perfectlook.training.baselines.registry import baseline
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, load_sets, stage_widths
from perfectlook.training.log import PLOT, draw_plot, model_card, training_report, write_log


def train_baseline(
    sets: Sequence[Path | str | Dataset],
    out: Path | str,
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> ModelRecord:
    """Train a baseline on one or several sets, by the rules of `training.trainer.train`.

    It takes seconds to a minute, so there is nothing to resume: a training that was stopped starts over.

    Args:
        sets: folders of sets, or sets.
        out: folder of the model; made if missing. A finished model in it is replaced at the end.
        name: of the baseline, one of `BASELINES`.
        settings: those of `TrainingConfig` and its model that the baseline uses.
        strict: fail when anything is wrong in a set.
        workers: processes that extract features.
        progress: shows the extraction.

    Raises:
        UsageError: there is no such baseline, or a setting is unknown or not one that it uses.
        DatasetError: a set cannot be read.
        TrainingError: there is too little to train on, or the loss is not a number.
    """
    config = baseline(name).config(settings or {}, name=name)
    features = load_sets(sets, config.model.backbone, strict=strict, workers=workers, progress=progress)
    return train_baseline_on_features(features, Path(out), name, settings)


def train_baseline_on_features(
    features: SetFeatures, out: Path, name: str, settings: Mapping[str, Any] | None = None
) -> ModelRecord:
    """Train a baseline on a set whose features are at hand; see `train_baseline`."""
    given = settings or {}
    chosen = baseline(name)
    config = chosen.config(given, name=name)
    out.mkdir(parents=True, exist_ok=True)
    backbone = open_backbone(config.model.backbone)
    data = TrainingData(features, config.model, stage_widths(features, backbone.description))
    learned = chosen.learn(data, config, given.keys())
    if learned.history:
        write_log(dict(learned.history), out)
        draw_plot(dict(learned.history), learned.epoch or 0, out / PLOT)
    if learned.held_out:
        learned.held_out.write(out)
    return _write(name, data, config, learned, backbone.identity, out)


def _write(
    name: str, data: TrainingData, config: TrainingConfig, learned: Learned, identity: str, out: Path
) -> ModelRecord:
    result = learned.result
    shape = result.config if isinstance(result, GlobalNetwork) else config.model
    training = _report(name, data, config, learned)
    card = model_card(out.resolve().name, data, training, shape=shape, baseline=name)
    pairs = [data.features.pairs[i] for i in learned.training]
    scenes = sorted({pair.scene for pair in pairs})
    if not isinstance(result, GlobalNetwork):
        return write_popularity(
            result,
            out,
            config=shape,
            backbone_identity=identity,
            categories=data.categories,
            scenes=scenes,
            training=training,
            card=card,
        )
    return write_model(
        result,
        out,
        widths=data.widths,
        backbone_identity=identity,
        categories=data.categories,
        centres=data.centres,
        overall_centre=data.overall_centre,
        scenes=scenes,
        products=sorted({pair.product for pair in pairs}),
        training=training,
        card=card,
        baseline=name,
    )


def _report(name: str, data: TrainingData, config: TrainingConfig, learned: Learned) -> dict[str, Any]:
    """Of the settings, only those that the baseline uses, and what it found itself."""
    everything = asdict(config)
    everything |= everything.pop("model")
    used = baseline(name).settings | {"seed"}
    settings = {key: everything[key] for key in sorted(used)} | dict(learned.found)
    return training_report(
        data.features,
        learned.training,
        settings=settings,
        epoch=learned.epoch,
        chosen_on=learned.chosen_on,
        accuracy=learned.held_out.accuracy if learned.held_out else None,
        without_negatives=learned.without_negatives,
    )
