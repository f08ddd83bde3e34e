"""Record a training: the log of its epochs, their plot, the report in the model's record, the model card."""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from perfectlook import __version__
from perfectlook.evaluation.protocol import Interval, mean_interval
from perfectlook.evaluation.tables import new_figure, save_chart
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.adaptation import SceneStatistics, scene_moments
from perfectlook.model.config import ModelConfig
from perfectlook.model.export import Network, write_model, write_popularity
from perfectlook.model.files import ModelRecord, write_model_file
from perfectlook.model.runtime import Model
from perfectlook.progress import duration
from perfectlook.training.data import TrainingData
from perfectlook.training.finetune import StartingModel
from perfectlook.training.validation import HeldOut
from perfectlook.types import BoolArray, IntArray

LOG = "log.jsonl"
PLOT = "training.png"


@dataclass(frozen=True, slots=True)
class Epoch:
    """The results of one epoch. Epoch 0 is the model before training.

    `loss` is None for epoch 0. `binary_accuracy` is the mean over new and over known products; None if there
    is nothing to validate on. `memory` and `closed` are the weights of the memory and of the closed forms
    that reach this accuracy. `seconds_left` is the longest time until training ends; it often ends earlier.
    """

    epoch: int
    loss: float | None
    binary_accuracy: float | None
    temperature: float | None
    seconds: float
    memory: float | None = None
    closed: float | None = None
    seconds_left: float | None = None

    def __str__(self) -> str:
        values = (self.loss, self.binary_accuracy, self.temperature)
        forms = ("loss {:.4f}", "binary accuracy {:.4f}", "τ {:.3f}")
        known = (form.format(each) for form, each in zip(forms, values, strict=True) if each is not None)
        left = "" if self.seconds_left is None else f", at most {duration(self.seconds_left)} left"
        return ", ".join([f"epoch {self.epoch}", *known]) + f" ({self.seconds:.1f} s{left})"


def best_of(history: Sequence[Epoch]) -> int:
    """The epoch of the highest validation accuracy, the first of ties; without validation, the last epoch."""
    known = [(each.binary_accuracy, -each.epoch) for each in history if each.binary_accuracy is not None]
    return -max(known)[1] if known else history[-1].epoch


History = Mapping[str, Sequence[Epoch]]
"""Epochs by stage ("fit", "fold 0", ...)."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A trained network, and its accuracy on held-out scenes.

    Attributes:
        network: the network; for the popularity baseline, the number of training pairs of each product id.
        training: the training pairs.
        epoch: the chosen epoch; None if training has no epochs.
        chosen_on: the scenes that choices were made on; None if nothing was chosen.
        held_out: accuracy on those scenes.
        without_negatives: number of pairs left out because their category has no other product.
        found: settings that the training chose itself, by name.
        history: the epochs of every stage.
        scenes: rows of the scenes that the network was made from, if it was made without pairs.
        is_new: whether the product of each held-out pair is in no training pair.
        mixture: what the choice of the closed forms found; None without them.
        closed: weight of the closed forms; infinite if they are as good without the network.
        network_adds: accuracy on held-out scenes that the network adds to the closed forms alone, as the mean
            over new and known products; None if they were not compared.
        last_doubling: what the closed forms gained from the second half of the pairs; None if unknown.
    """

    network: Network | Mapping[str, int]
    training: IntArray
    epoch: int | None = None
    chosen_on: str | None = None
    held_out: HeldOut | None = None
    without_negatives: int = 0
    found: Mapping[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=dict)
    scenes: IntArray | None = None
    is_new: BoolArray | None = None
    mixture: Mapping[str, Any] | None = None
    closed: float | None = None
    network_adds: float | None = None
    last_doubling: Interval | None = None

    def scene_rows(self, features: SetFeatures) -> IntArray:
        """Rows of the views of the scenes of the training pairs and of scenes without pairs, or `scenes`."""
        pairs = self.training if len(self.training) else np.arange(len(features.pairs))
        return features.measured(pairs) if self.scenes is None else self.scenes

    def scene_ids(self, features: SetFeatures) -> set[str]:
        """Ids of the scenes that the network was made from."""
        if self.scenes is None:
            return {features.pairs[i].scene for i in self.training}
        ids = features.scene_ids()
        return {ids[row] for row in self.scenes}


def write_learned(
    learned: Learned,
    data: TrainingData,
    out: Path,
    *,
    settings: Mapping[str, Any],
    backbone_identity: str,
    baseline: str | None = None,
    suggestion: bytes | None = None,
    start: StartingModel | None = None,
    complete: Callable[[Model], None] | None = None,
) -> ModelRecord:
    """Write the model folder of a training: the model with its report and card, the log and its plot.

    Args:
        learned: the trained network.
        data: the training data.
        out: the folder.
        settings: settings of the training, for the report.
        backbone_identity: identity of the backbone.
        baseline: name of the baseline; None for a compatibility model.
        suggestion: content of the category suggester's file.
        start: the starting model of fine-tuning.
        complete: writes the files that are made with the model, before `config.json` ends the folder; not
            called for the popularity baseline.
    """
    network = learned.network
    report = training_report(learned, data, {**settings, **learned.found})
    if start:
        report["continued"] = {"model": start.record.name, "identity": start.record.identity}
    if learned.history:
        write_log(learned.history, out)
        draw_plot(learned.history, learned.epoch or 0, out / PLOT)
    if learned.held_out:
        learned.held_out.write(out)
    pairs = [data.features.pairs[i] for i in learned.training]
    scenes = learned.scene_ids(data.features) | (start.scenes if start else frozenset())
    products = {pair.product for pair in pairs} | (start.products if start else frozenset())
    shape = data.config if isinstance(network, Mapping) else network.config
    card = model_card(out.resolve().name, data, report, shape, baseline)
    record: dict[str, Any] = {"backbone_identity": backbone_identity, "categories": data.categories}
    record |= {"training": report, "scenes": scenes, "card": card}
    if isinstance(network, Mapping):
        return write_popularity(network, out, config=shape, **record)
    record |= {"centres": data.centres, "overall_centre": data.overall_centre, "products": products}
    moments = scene_moments(data.features.scenes, learned.scene_rows(data.features))
    record["statistics"] = SceneStatistics(moments).content()
    if complete:
        record["complete"] = lambda written: complete(Model(out, written))
    return write_model(network, out, widths=data.widths, baseline=baseline, suggestion=suggestion, **record)


def write_log(history: History, folder: Path) -> None:
    """Write all epochs of all stages so far, in one step."""
    lines = []
    for stage, epochs in history.items():
        for epoch in epochs:
            entry = {"stage": stage} | asdict(epoch)
            del entry["seconds_left"]  # it is for the reader of the progress
            lines.append(json.dumps(entry))
    write_model_file(folder / LOG, "".join(line + "\n" for line in lines))


def draw_plot(history: History, chosen: int, path: Path) -> None:
    """Draw loss and validation accuracy by epoch, and mark the chosen epoch.

    Args:
        history: the epochs that `write_log` wrote.
        chosen: the epoch whose weights the model has.
        path: path of the PNG file.
    """
    figure = new_figure(7, 6)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, what, name in (
        (above, "training loss", "loss"),
        (below, "binary accuracy, validation", "binary_accuracy"),
    ):
        for stage, epochs in history.items():
            points = [(epoch.epoch, y) for epoch in epochs if (y := getattr(epoch, name)) is not None]
            if points or axes is above:  # the legend names every stage
                axes.plot([x for x, _ in points], [y for _, y in points], marker=".", label=stage)
        axes.axvline(chosen, color="0.6", linestyle=":", zorder=0)
        axes.set_ylabel(what)
        axes.grid(alpha=0.3)
    below.set_xlabel(f"epoch (chosen: {chosen})")
    above.legend(frameon=False, fontsize="small")
    save_chart(figure, path)


def training_report(learned: Learned, data: TrainingData, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The `training` field of a model's record."""
    features = data.features
    parts = features.dataset.parts or (features.dataset,)
    accuracy = learned.held_out.accuracy if learned.held_out else None
    report = {
        "sets": [part.name for part in parts],
        "licences": {part.name: part.licence for part in parts},
        "n_pairs": len(learned.training),
        "n_scenes": len(learned.scene_ids(features)),
        "n_products": len(features.product_ids),
        "n_dropped": features.n_dropped,
        "n_without_negatives": learned.without_negatives,
        "n_problems": len(features.dataset.problems) + len(features.problems),
        "settings": dict(settings),
        "epoch": learned.epoch,
        "chosen_on": learned.chosen_on,
        "binary_accuracy": accuracy._asdict() if accuracy else None,
        "mixture": learned.mixture,
        "closed_forms_weight": None if learned.closed == math.inf else learned.closed,
        "network_adds": learned.network_adds,
        "last_doubling": learned.last_doubling._asdict() if learned.last_doubling else None,
        **_by_novelty(learned),
    }
    return report | {"summary": summary(report)}


def summary(report: Mapping[str, Any]) -> list[str]:
    """What was chosen and why, and what twice the pairs would bring, in sentences.

    Args:
        report: the other fields of a training report.
    """
    found = []
    if mixture := report["mixture"]:
        prior, regression = mixture["shares"]["prior"], mixture["shares"]["regression"]
        parts = f"prior {100 * prior:.0f} %, regression {100 * regression:.0f} %"
        adds = report["network_adds"]
        if report["epoch"] is None:
            line = f"Chosen: the closed forms alone ({parts})."
            if adds is not None:
                line += f" With a network, the accuracy changed by {adds:+.4f}, so none is kept."
        else:
            weight = report["closed_forms_weight"]
            line = f"Chosen: a network, with closed forms ({parts}) of weight {weight:g}."
            if adds is not None:
                line += f" The network adds {adds:+.4f} to the closed forms alone."
        found.append(line)
    elif report["epoch"] is not None and report["network_adds"] is not None:
        found.append(f"Chosen: a network alone. It adds {report['network_adds']:+.4f} to the closed forms.")
    new, known = (report[name] and Interval(**report[name]) for name in ("new_products", "known_products"))
    if new and known:
        found.append(f"On products that no training pair has: {new:.4f}. On the others: {known:.4f}.")
    if gained := report["last_doubling"]:
        change = Interval(**gained)
        found.append(
            f"From half of the pairs to all of them, the closed forms changed by {change:+.4f}. "
            + (
                f"If that goes on, twice the pairs bring about {change.value:.3f} more, or a little less."
                if change.low > 0
                else "That may be chance, so what twice the pairs would bring is not known."
            )
        )
    elif mixture:
        found.append("The pairs are too few to say what twice as many would bring.")
    return found


def _by_novelty(learned: Learned) -> dict[str, Any]:
    """The accuracy over held-out pairs whose product is in no training pair, and over the others."""
    found: dict[str, Any] = {"new_products": None, "known_products": None}
    if learned.held_out is None or learned.is_new is None:
        return found
    scenes = np.asarray(learned.held_out.scenes)
    for name, chosen in zip(found, (learned.is_new, ~learned.is_new), strict=True):
        if chosen.any():
            figure = mean_interval(learned.held_out.shares[chosen], scenes[chosen].tolist())
            found[name] = figure._asdict()
    return found


def model_card(
    name: str, data: TrainingData, training: Mapping[str, Any], config: ModelConfig, baseline: str | None
) -> str:
    """The model card in Markdown: what the model is, its data, figures, limits and licence.

    Args:
        name: name of the model.
        data: the training data.
        training: the training report of its record.
        config: configuration of the model.
        baseline: name of the baseline; None for a compatibility model.
    """
    templates = Environment(
        loader=PackageLoader("perfectlook.training"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    sizes = Counter(data.features.product_categories)
    return templates.get_template("model_card.md").render(
        name=name,
        version=__version__,
        categories=[(category, sizes[category]) for category in data.categories],
        training=training,
        config=config,
        baseline=baseline,
    )
