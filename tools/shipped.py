"""Make the models that come with the package, measure them, and write their cards.

    make models    (or: PYTHONPATH=research .venv/bin/python tools/shipped.py [NAME ...] [--cards])

Each model is a mixture of the style prior and of ridge regression, fitted to one set alone: its weights, its
thresholds, what it suggests and sees, and its complements. The other sets only measure it. With --cards, the
models stay as they are, and only their cards are written again. PERFECTLOOK_DATA names the folder of the
sets; `perfectlook data get` fetches those with an open address.
"""

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from in_the_scene import far
from perfectlook.data import load_set
from perfectlook.errors import DatasetError
from perfectlook.evaluation.evaluate import evaluate
from perfectlook.features.store import FeatureArrays
from perfectlook.files import MODELS, data_folder, set_folder
from perfectlook.model.adaptation import SMALLEST, Moments, SceneStatistics, usable, write_statistics
from perfectlook.model.files import CARD, CONFIG, ModelRecord
from perfectlook.model.runtime import Model, features_for
from perfectlook.progress import ProgressLine
from perfectlook.training.train import train
from transfer import measure

PHOTOS = 32
"""Photos that a model is adapted to."""
SHARES = {"rooms": 0.75, "outfits": 0.5}
"""Smallest share of the style prior, chosen on the other model's set: see docs/explanation/experiments.md."""
LEARNED_FROM = {"rooms": "showroom", "outfits": "ccp-looks"}
LICENCES = {"ccp-looks": "Apache-2.0 (Clothing Co-Parsing, Yang, Luo and Lin 2014)"}
"""Licences of sets for folders that do not state them."""
MEASURED_ON = {
    "rooms": ("ikea-rooms", "ccp-looks", "stl-fashion"),
    "outfits": ("stl-fashion", "showroom", "ikea-rooms"),
}
LEFT_OUT = ("weights.safetensors", "held_out.json")
"""Files that only training reads."""


def main(arguments: list[str]) -> int:
    """Make and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(LEARNED_FROM), help="models (default: all)")
    parser.add_argument("--cards", action="store_true", help="only measure, and write the cards")
    options = parser.parse_args(arguments)
    for name in options.names:
        if not options.cards:
            dataset = load_set(folder_of(LEARNED_FROM[name]))
            dataset.licence = dataset.licence or LICENCES.get(LEARNED_FROM[name])
            train(
                dataset,
                MODELS / name,
                baseline="mixture",
                config={"prior_share": SHARES[name]},
                progress=ProgressLine,
            )
            for file in LEFT_OUT:
                (MODELS / name / file).unlink()
            steady(name)
        path = MODELS / name / CARD
        path.write_text(with_figures(path.read_text(encoding="utf-8"), name), encoding="utf-8")
        print(path)
    return 0


def steady(name: str) -> None:
    """Make a model ignore how much of a scene is in view, by the whole pictures of its training scenes."""
    model = Model.open(MODELS / name)
    features = features_for(model, folder_of(LEARNED_FROM[name]), scene="full")
    learned = model.trained_on["scenes"]
    rows = [row for row, scene in enumerate(features.scene_ids()) if scene in learned]
    whole = features.scenes
    ignore_view(MODELS / name, FeatureArrays(whole.global_vectors[rows], whole.style_statistics[rows]))


def ignore_view(folder: Path, whole: FeatureArrays) -> ModelRecord:
    """Make a model ignore how much of a scene a photo shows.

    A model learns from parts of photos, and answers whole ones. The mean shift between the two is no style,
    nor is the mean of all features. Both are taken out of the global vector and of the style statistics.

    Args:
        folder: the folder of a new model. Its identity changes, so do this before a catalogue is synced.
        whole: features of the whole pictures of its training scenes.
    """
    record, statistics = ModelRecord.read(folder), SceneStatistics.read(folder)
    trained, head = statistics.trained, whole.global_vectors.shape[1]
    shift = (Moments.of(whole).mean - trained.mean) / usable(trained.deviation)
    rows = []
    for block in (slice(None, head), slice(head, None)):
        axes = np.zeros((2, len(shift)), np.float32)
        axes[0, block], axes[1, block] = 1.0, shift[block]
        _, sizes, turned = np.linalg.svd(axes, full_matrices=False)
        rows.append(turned[sizes > SMALLEST * sizes[0]])
    ignored = np.concatenate(rows).astype(np.float32)
    (folder / CONFIG).unlink()
    return write_statistics(replace(record, ignores_view=True), replace(statistics, ignored=ignored), folder)


def folder_of(name: str) -> Path:
    """The folder of a set.

    Raises:
        DatasetError: PERFECTLOOK_DATA is not set.
    """
    folder, data = set_folder(name), data_folder()
    if folder != Path(name):
        return folder
    if data is None:
        raise DatasetError(f"{name}: the folder of the sets is unknown. Set PERFECTLOOK_DATA.")
    return data / name


def with_figures(card: str, name: str) -> str:
    """A card with the figures on unseen sets first; earlier figures are replaced."""
    card = card.replace("The baseline `mixture`", "A mixture of a style prior and of regression")
    card = card.replace(" A compatibility model should be better than this baseline.", "")
    opening, *sections = re.split(r"^## ", card, flags=re.MULTILINE)
    texts = dict(each.split("\n", 1) for each in sections)
    found = {"Photos of sets that it has not seen": "\n" + "\n".join(transfer_lines(name)) + "\n\n"}
    found["Photos that it does not know"] = "\n" + "\n".join(far_lines(name)) + "\n\n"
    found["Figures"] = "\n" + "\n".join(own_lines(name)) + "\n\n"
    found |= {title: text for title, text in texts.items() if title not in found}
    return opening + "".join(f"## {title}\n{text}" for title, text in found.items())


def transfer_lines(name: str) -> list[str]:
    """Accuracy on the sets that a model has not seen, as it is and adapted."""
    lines = [
        "Binary accuracy is the share of a category's products that the model ranks behind the true one. "
        "Chance is 50 %. Brackets hold 95 % intervals over scenes.",
        "",
        f"| set | pairs | as it is | adapted to {PHOTOS} other photos of the set | gain |",
        "|---|---|---|---|---|",
    ]
    for other in MEASURED_ON[name]:
        found = measure(MODELS / name, str(folder_of(other)), PHOTOS)
        figures = " | ".join(bracketed(found[each]) for each in ("as_it_is", "adapted", "difference"))
        lines.append(f"| {other} | {found['n_pairs']:,} | {figures} |")
    command = f"python research/transfer.py {name} {MEASURED_ON[name][0]}"
    return [
        *lines,
        "",
        f"No scene is among the photos that its model was adapted to. Command: `{command}`.",
    ]


def far_lines(name: str) -> list[str]:
    """The share of pictures that are far from what a model knows."""
    model = Model.open(MODELS / name)
    whole = features_for(model, folder_of(LEARNED_FROM[name]), scene="full")
    others = {other: features_for(model, folder_of(other), scene="full") for other in MEASURED_ON[name]}
    found = far(model, whole, others, folds=False)
    return [
        "A photo that is far from the scenes that the model knows gets no percentages, and the answer offers "
        "`adapt`. The share of pictures that are far:",
        "",
        "| pictures | far |",
        "|---|---|",
        *(f"| {what} | {100 * share:.0f} % |" for what, share in found.items()),
        "",
        f"Measured with `python research/in_the_scene.py {name} {LEARNED_FROM[name]}`.",
    ]


def own_lines(name: str) -> list[str]:
    """Accuracy on the test scenes of the model's own set."""
    source = LEARNED_FROM[name]
    model = Model.open(MODELS / name)
    found = evaluate(model, folder_of(source)).overall
    chosen, new = model.training["binary_accuracy"], model.training["new_products"]
    return [
        f"Binary accuracy on test scenes of {source}, which training does not use: "
        f"{bracketed(found.binary_accuracy._asdict())} ({found.n_pairs} pairs of {found.n_scenes} scenes).",
        f"In cross-validation, which chose the settings: {bracketed(chosen)}; "
        f"over products in no training pair: {bracketed(new)}.",
        "",
        f"    perfectlook evaluate {name} {source}",
        "",
        "Made by `make models`. The package leaves out the weights that `--from` needs.",
    ]


def bracketed(figure: Any) -> str:
    """A figure with its interval, in percent."""
    value, low, high = (f"{100 * figure[each]:.1f}" for each in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
