"""How well models answer on photos from another source, as they are and adapted to a few of its photos.

    python research/transfer.py MODEL SET [--photos 32] [--seed 0] [--json FILE]

The scenes of SET are split into five folds by their ids. For each fold, the model is adapted to `--photos`
whole pictures of scenes from the other folds, and evaluated on the pairs of the fold. So no evaluated scene,
nor a copy of one, is among the photos, and no pair of SET is used to adapt. Binary accuracy is over the pairs
of all folds, with 95 % intervals from resampled scenes. Chance is 0.5. The difference is paired.
"""

import argparse
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from perfectlook.data.scenes import fold_of
from perfectlook.evaluation.protocol import PairResult, figures, paired_difference, pairs_of, place_pairs
from perfectlook.features.set_features import SetFeatures
from perfectlook.files import model_folder
from perfectlook.model.adaptation import adapt
from perfectlook.model.runtime import Model, features_for


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="folder or name of a model")
    parser.add_argument("set", help="folder of a set that the model has not seen")
    parser.add_argument("--photos", type=int, default=32, help="photos to adapt to (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the photos (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    given = parser.parse_args()
    found = measure(given.model, given.set, given.photos, given.seed)
    for name in ("as_it_is", "adapted", "difference"):
        value = found[name]
        print(f"{name.replace('_', ' '):<12}{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measure(name: Path | str, dataset: str, photos: int, seed: int = 0) -> dict[str, Any]:
    """Figures of a model on a set as it is and adapted, and the paired difference."""
    folder = model_folder(name)
    model = Model.open(folder)
    features = features_for(model, dataset)
    before: list[PairResult] = []
    after: list[PairResult] = []
    for fold in range(5):
        scenes = {pair.scene for pair in features.dataset.pairs if fold_of(pair.scene) == fold}
        indices = pairs_of(features, scenes)
        before += place_pairs(features, indices, model.distances_over(features, indices))
        with TemporaryDirectory() as scratch:
            pictures = chosen_photos(features, scenes, photos, seed, Path(scratch, "photos"))
            adapted = Path(scratch, "model")
            adapt(folder, pictures, adapted, seed=seed)
            opened = Model.open(adapted)
            after += place_pairs(features, indices, opened.distances_over(features, indices))
    shares = [np.asarray([each.share for each in results]) for results in (before, after)]
    return {
        "set": features.dataset.name,
        "n_pairs": len(before),
        "photos": photos,
        "as_it_is": figures(before).binary_accuracy._asdict(),  # type: ignore[union-attr]
        "adapted": figures(after).binary_accuracy._asdict(),  # type: ignore[union-attr]
        "difference": paired_difference(shares[1], shares[0], [each.scene for each in before])._asdict(),
    }


def chosen_photos(features: SetFeatures, held_out: set[str], count: int, seed: int, folder: Path) -> Path:
    """Copy whole pictures of random scenes that are neither held out nor copies of held-out scenes."""
    barred = held_out.union(*(features.twins.get(scene, ()) for scene in held_out))
    free = sorted(scene for scene in features.dataset.scenes if scene not in barred)
    folder.mkdir()
    for row in np.random.default_rng(seed).permutation(len(free))[:count]:
        shutil.copy(features.dataset.scenes[free[row]].picture, folder)
    return folder


if __name__ == "__main__":
    main()
