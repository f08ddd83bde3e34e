"""Measure complements: product to product, and the mutual term of looks by filling in the blank.

    PYTHONPATH=src python research/complements.py MODEL SET [MODEL SET ...] [--json FILE]

Product to product is `perfectlook evaluate MODEL SET --products`. Fill in the blank: given a scene and all
but one of its products, how well is the missing one ranked by distance to the scene + w times the mean
distance to the scene's other products? Chance is .5. All figures are binary accuracies over test scenes that
the models have not seen, with 95 % intervals over scenes. The gain is paired with w = 0.

On the showroom, whose ids name styles, also whole looks for its rooms of one style outside training: the mean
share of products in the room's style, and the share of looks without one.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook.catalogue.sources import SetSource
from perfectlook.data import load_set
from perfectlook.data.scenes import split_of
from perfectlook.evaluation.complements import complement_figures, scene_products
from perfectlook.evaluation.protocol import (
    Candidates,
    Interval,
    mean_interval,
    pair_indices,
    paired_difference,
    placing,
)
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.runtime import Model, features_for
from perfectlook.recommender import Recommender
from perfectlook.types import Float64Array

WEIGHTS = (0.0, 0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0)
STYLES = ("classic", "coastal", "colourful", "industrial", "midcentury", "nordic")
SLOTS = 5


def fill_in_the_blank(model: Model, features: SetFeatures) -> dict[float, tuple[Interval, Interval]]:
    """The accuracy with each weight, and its gain over a weight of 0, on test scenes."""
    complements, vectors = model.require_complements(), model.product_vectors(features)
    indices, known, candidates = (
        pair_indices(features, "test"),
        scene_products(features),
        Candidates(features),
    )
    scenes = model.scene_embeddings(features, indices)
    shares: dict[float, list[float]] = {weight: [] for weight in WEIGHTS}
    of: list[str] = []
    for index in indices:
        pair, row = features.pairs[index], int(features.pair_products[index])
        category = features.product_categories[row]
        others = [each for each in known[pair.scene] if features.product_categories[each] != category]
        rows, mask = candidates.category_rows(category), candidates.mask(pair.scene, category)
        if not others or not mask.any():
            continue
        alone = np.asarray(scenes[int(features.pair_scenes[index])].distances(category, vectors[rows]).total)
        apart = complements.apart(vectors[rows], vectors[others]).mean(axis=1)
        at = int(np.searchsorted(rows, row))
        of.append(pair.scene)
        for weight, found in shares.items():
            total: Float64Array = alone.astype(np.float64) + weight * apart
            found.append(placing(float(total[at]), total[mask]).share)
    arrays = {weight: np.asarray(found) for weight, found in shares.items()}
    return {
        weight: (mean_interval(found, of), paired_difference(found, arrays[0.0], of))
        for weight, found in arrays.items()
    }


def drift(model: Model) -> dict[float, tuple[float, float]]:
    """For each weight, the mean share of a look's products in the room's style, and of looks without any."""

    def style(id_: str) -> list[str]:
        return [word for word in id_.split("-") if word in STYLES]

    showroom = load_set("showroom")
    rooms = {id_: scene for id_, scene in showroom.scenes.items() if split_of(id_) != "train"}
    rooms = {id_: scene for id_, scene in rooms.items() if len(style(id_)) == 1}
    found = {}
    with tempfile.TemporaryDirectory() as folder, Recommender.open(folder, model, create=True) as shop:
        shop.sync(SetSource(showroom))
        for weight in WEIGHTS:
            shares = []
            for id_, scene in rooms.items():
                slots = shop.look(str(scene.picture), weight=SLOTS * weight).slots
                shares.append(np.mean([style(each.product.id) == style(id_) for each in slots]))
            found[weight] = float(np.mean(shares)), float(np.mean(np.array(shares) == 0))
    return found


def measured(name: str, dataset: str) -> dict[str, Any]:
    """Print the figures of a model on a set, and return them."""
    model = Model.open(name)
    features = features_for(model, load_set(dataset))
    products = complement_figures(model, features, "test")
    print(f"{model.name} on {features.dataset.name}\n{products.to_text()}\n\nfill in the blank")
    blank = fill_in_the_blank(model, features)
    for weight, (accuracy, gain) in blank.items():
        print(f"  w = {weight:<4} {accuracy:.4f}   gain {gain:+.4f}")
    if features.dataset.name == "showroom":
        for weight, (share, none) in drift(model).items():
            print(f"  looks with w = {weight:<4} {share:.3f} in the room's style, {none:.0%} without any")
    print(flush=True)
    filled = {str(w): {"accuracy": a.to_dict(), "gain": g.to_dict()} for w, (a, g) in blank.items()}
    return {
        "model": model.name,
        "set": features.dataset.name,
        "products": products.to_dict(),
        "blank": filled,
    }


def main(arguments: list[str]) -> int:
    """Measure every model on its set."""
    file = None
    if "--json" in arguments:
        place = arguments.index("--json")
        file = Path(arguments[place + 1])
        arguments = arguments[:place] + arguments[place + 2 :]
    pairs = zip(arguments[::2], arguments[1::2], strict=True)
    found = [measured(model, dataset) for model, dataset in pairs]
    if file:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
