"""Accuracy by number of pairs: the style prior, the regression, and the mixture that `train` chooses of them.

    python research/pairs_curve.py SET [--pairs 10 30 100 300] [--json FILE]

Each of five folds of scenes is held out once, with its own random seed. From the other scenes, but never from
test scenes or copies of held-out scenes, the pairs of each size are drawn. Settings and weights are chosen
from these pairs alone. Scenes are standardised by all scenes that may be trained on, because photos without
pairs are enough for that. Accuracy is over the pairs of all folds, with 95 % intervals from resampled scenes.
Chance is 0.5.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook.backbones import open_backbone
from perfectlook.data import load_set
from perfectlook.evaluation.protocol import (
    mean_interval,
    paired_difference,
    pairs_of,
    scenes_of_fold,
    scenes_of_split,
    training_indices,
)
from perfectlook.features.set_features import SetFeatures, set_features
from perfectlook.progress import ProgressLine
from perfectlook.training.baselines.registry import baseline
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import training_data
from perfectlook.training.mixture import ClosedForms, choose
from perfectlook.training.validation import HeldOutPairs, Round, shares_of
from perfectlook.types import Float64Array, IntArray

PARTS = ("prior", "regression", "mixture")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", help="folder of a set with pairs")
    parser.add_argument("--pairs", type=int, nargs="+", default=[10, 30, 100, 300], help="sizes")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    given = parser.parse_args()
    settings = {"cross_validate": True}
    config = baseline("mixture").config(settings, name="mixture")
    features = set_features(load_set(given.set), config.model.backbone, progress=ProgressLine)
    rows = [measured(features, config, size) for size in (*given.pairs, None)]
    print(f"{'pairs':>8}  " + "  ".join(f"{name:<21}" for name in PARTS) + "  mixture minus the better part")
    for row in rows:
        figures = "  ".join(
            f"{row[name]['value']:.3f} [{row[name]['low']:.3f}, {row[name]['high']:.3f}]" for name in PARTS
        )
        gain = row["gain"]
        low, high = gain["low"], gain["high"]
        print(f"{row['pairs']:>8,.0f}  {figures}  {gain['value']:+.3f} [{low:+.3f}, {high:+.3f}]")
    if given.json:
        given.json.write_text(json.dumps({"set": features.dataset.name, "sizes": rows}, indent=2) + "\n")


def measured(features: SetFeatures, config: TrainingConfig, size: int | None) -> dict[str, Any]:
    """The accuracy of every part after training on `size` pairs; all pairs for None."""
    data = training_data(features, config.model, open_backbone(config.model.backbone).description)
    found: dict[str, list[Float64Array]] = {name: [] for name in PARTS}
    scenes: list[str] = []
    counts = []
    test = scenes_of_split(features, "test")
    for fold in range(5):
        held_out = scenes_of_fold(features, fold)
        free = training_indices(features, held_out | test)
        drawn = free if size is None else np.random.default_rng(fold).permutation(free)[:size]
        counts.append(len(drawn))
        forms = choose(
            training_data(
                with_pairs(features, drawn), config.model, open_backbone(config.model.backbone).description
            ),
            config,
        )
        part = Round(f"fold {fold}", drawn, pairs_of(features, held_out))
        pairs = HeldOutPairs(data, part)
        regression = [0.0 if not each.learns else 1.0 for each in forms.parts]
        prior = [1.0 - each for each in regression]
        for name, weights in zip(PARTS, (prior, regression, list(forms.weights)), strict=True):
            weighed = ClosedForms(forms.parts, forms.settings, weights)
            rows = features.pair_scenes[pairs.pairs]
            queries, products = weighed.queries(
                rows, np.arange(len(drawn)), np.unique(features.pair_scenes[free])
            )
            found[name].append(shares_of(pairs.matches(queries, products)))
        scenes += [features.pairs[index].scene for index in pairs.pairs]
    shares = {name: np.concatenate(each) for name, each in found.items()}
    best = max(("prior", "regression"), key=lambda name: shares[name].mean())
    figures = {name: mean_interval(each, scenes)._asdict() for name, each in shares.items()}
    gain = paired_difference(shares["mixture"], shares[best], scenes)._asdict()
    return {"pairs": float(np.mean(counts)), **figures, "better_part": best, "gain": gain}


def with_pairs(features: SetFeatures, kept: IntArray) -> SetFeatures:
    """The set with some of its pairs only."""
    pairs = [features.pairs[index] for index in kept]
    return dataclasses.replace(
        features,
        dataset=dataclasses.replace(features.dataset, pairs=pairs),
        pairs=pairs,
        pair_scenes=features.pair_scenes[kept],
        pair_products=features.pair_products[kept],
    )


if __name__ == "__main__":
    main()
