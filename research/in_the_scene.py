"""What a model sees in photos: categories that are there, products of the catalogue, photos it does not know.

    python research/in_the_scene.py MODEL SET [--folds] [--other SET ...] [--json FILE]

Scenes of SET that MODEL was not trained on are measured with the model's own files. `--folds` measures all
scenes of SET instead: those of each of five folds, with what is fitted to the other four. Printed are:

- presence: by category, then the mean over the categories, on whole photos: the area under the curve and the
  balanced accuracy. Chance is 0.5 for both.
- products: the share of the known products of a scene that are marked, the share of marked products that are
  known in the scene, and the share of products cut out of their scene (by the crop rule) that are marked.
- rows: of a complete answer's categories (the eight that the suggester names first) with a known product of
  the scene, how many have one among their first three products, when all are kept and by default.
- far: the share of the set's scenes, of the other sets' scenes, of product pictures, of drawings and of
  documents that are far from what the model knows.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from perfectlook.backbones import FeatureBatch, open_backbone
from perfectlook.catalogue import Catalogue
from perfectlook.data.scenes import fold_of
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.known import KnownScenes
from perfectlook.model.presence import PRESENT, Presence
from perfectlook.model.runtime import Model, features_for
from perfectlook.recommender import Recommender
from perfectlook.training.presence import fit_presence
from perfectlook.types import Float32Array

FIRST, ROWS = 3, 8
DRAWN, ADAPTED, DRAWS = 40, 32, 20


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="folder or name of a model")
    parser.add_argument("set", help="folder of a set, or showroom")
    parser.add_argument("--other", nargs="*", default=[], help="sets of other domains or origins")
    parser.add_argument("--folds", action="store_true", help="fit to four folds, measure the fifth")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    given = parser.parse_args()
    model = Model.open(given.model)
    whole = features_for(model, given.set, scene="full")
    cropped = features_for(model, given.set, scene="crop")
    scenes = set(whole.dataset.scenes)
    if given.folds:
        parts = [{scene for scene in scenes if fold_of(scene) == fold} for fold in range(5)]
        fits = [(fit_presence(cropped, whole, model, scenes - part), part) for part in parts]
    else:
        fits = [(model.presence, scenes - model.trained_on["scenes"])]
    found: dict[str, Any] = {"model": model.name, "set": whole.dataset.name, "folds": given.folds}
    found |= sees(model, whole, cropped, [(fit, part) for fit, part in fits if fit])
    if not given.folds and model.presence:
        found["rows"] = rows(model, whole, given.set, scenes - model.trained_on["scenes"])
    others = {Path(each).name: features_for(model, each, scene="full") for each in given.other}
    found["far"] = far(model, whole, others, given.folds)
    print(json.dumps(found, indent=2))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def sees(
    model: Model, whole: SetFeatures, cropped: SetFeatures, fits: list[tuple[Presence, set[str]]]
) -> dict[str, Any]:
    """Measure the presence of categories, and the products that are marked."""
    vectors, categories = model.product_vectors(whole), np.array(whole.product_categories)
    own = defaultdict[str, set[int]](set)
    for pair, product in zip(whole.pairs, whole.pair_products.tolist(), strict=True):
        own[pair.scene].add(product)
    truth: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    marked = right = known = cut = n_cut = n_scenes = 0
    seconds = 0.0
    for presence, scenes in fits:
        for row, scene in enumerate(whole.scene_ids()):
            if scene not in scenes:
                continue
            start = perf_counter()
            sight = presence.look_at(whole.scenes.batch([row]))
            seen = products(presence, sight, categories, vectors)
            seconds += perf_counter() - start
            shown = {categories[product] for product in own[scene]}
            for name, probability in sight.present.items():
                truth[name].append((name in shown, probability))
            n_scenes += 1
            marked, right, known = marked + len(seen), right + len(seen & own[scene]), known + len(own[scene])
        for pair, row, product in zip(cropped.pairs, cropped.pair_scenes, cropped.pair_products, strict=True):
            if pair.scene in scenes and pair.box:
                sight = presence.look_at(cropped.scenes.batch([int(row)]))
                cut += int(product) in products(presence, sight, categories, vectors)
                n_cut += 1
    by_category = {name: curve(np.array(pairs)) for name, pairs in truth.items()}
    measured = [each for each in by_category.values() if each]
    return {
        "n_scenes": n_scenes,
        "presence": {
            "auc": float(np.mean([each["auc"] for each in measured])),
            "balanced_accuracy": float(np.mean([each["balanced_accuracy"] for each in measured])),
            "by_category": by_category,
        },
        "products": {
            "found": right / known,
            "n_known": known,
            "right": right / max(marked, 1),
            "n_marked": marked,
            "marked_of_cut_out": cut / n_cut if n_cut else None,
            "n_cut_out": n_cut,
            "milliseconds_per_scene": 1000 * seconds / max(n_scenes, 1),
        },
    }


def products(presence: Presence, sight: Any, categories: np.ndarray, vectors: Float32Array) -> set[int]:
    """Rows of the products that are marked."""
    found = set[int]()
    for name in presence.categories:
        if presence.may_show(sight, name):
            same = np.flatnonzero(categories == name)
            there, _ = presence.in_scene(sight, name, vectors[same]) if len(same) else (np.empty(0, bool), [])
            found |= set(same[there].tolist())
    return found


def curve(pairs: np.ndarray) -> dict[str, float] | None:
    """Area under the curve and balanced accuracy of one category; None if all or no scenes show it."""
    shown, probability = pairs[:, 0] > 0, pairs[:, 1]
    if shown.all() or not shown.any():
        return None
    there, absent = probability[shown], probability[~shown]
    higher = (there[:, None] > absent).mean() + 0.5 * (there[:, None] == absent).mean()
    balanced = ((there >= PRESENT).mean() + (absent < PRESENT).mean()) / 2
    return {"auc": float(higher), "balanced_accuracy": float(balanced), "n_shown": int(shown.sum())}


def rows(model: Model, whole: SetFeatures, source: str, scenes: set[str]) -> dict[str, Any]:
    """Count the rows whose first three products hold a known product of the scene."""
    own = defaultdict[str, set[str]](set)
    for pair in whole.dataset.pairs:
        own[pair.scene].add(pair.product)
    counted = {"n": 0, "kept": 0, "by_default": 0}
    with TemporaryDirectory() as scratch, Catalogue.open(Path(scratch, "shop"), create=True) as catalogue:
        catalogue.sync(source, model)
        recommender = Recommender(catalogue, model)
        for scene in sorted(scenes & own.keys()):
            photo = recommender.embed(whole.dataset.scenes[scene].picture)
            suggester = model.suggester
            assert suggester is not None
            first = [name for name, _ in suggester.rank(photo.features)][:ROWS]
            for keep, what in ((True, "kept"), (False, "by_default")):
                for section in recommender.complete(photo, first, keep_in_scene=keep):
                    mine = {
                        id_ for id_ in own[scene] if whole.dataset.products[id_].category == section.category
                    }
                    counted["n"] += keep and bool(mine)
                    counted[what] += bool(mine & {each.id for each in section.products[:FIRST]})
    return counted


def far(model: Model, whole: SetFeatures, others: dict[str, SetFeatures], folds: bool) -> dict[str, float]:
    """The share of pictures that are far from known scenes."""
    ids = np.array(whole.scene_ids())
    scenes, products_ = whole.scenes, whole.products
    known = model.known_scenes
    held = np.array([scene not in model.trained_on["scenes"] for scene in ids])
    if folds:
        fold = np.array([fold_of(scene) for scene in ids])
        shares = []
        for part in range(5):
            left = fold != part
            fit = KnownScenes.of(scenes.global_vectors[left], scenes.style_statistics[left], fold[left])
            assert fit is not None
            shares += [fit.distances(scenes.batch(np.flatnonzero(~left))) > fit.limit]
        known = KnownScenes.of(scenes.global_vectors, scenes.style_statistics, fold)
        own = float(np.concatenate(shares).mean())
    assert known is not None
    if not folds:
        own = float((known.distances(scenes.batch(np.flatnonzero(held))) > known.limit).mean())
    found = {"held-out scenes": own}

    def measure(name: str, batch: FeatureBatch) -> None:
        found[name] = float((known.distances(batch) > known.limit).mean())

    measure("its product pictures", products_.batch(slice(None)))
    for name, features in others.items():
        measure(f"scenes of {name}", features.scenes.batch(slice(None)))
        shares = []
        for seed in range(DRAWS):
            rows_ = np.random.default_rng(seed).permutation(len(features.scene_views))
            shop, rest = features.scenes.batch(rows_[:ADAPTED]), features.scenes.batch(rows_[ADAPTED:])
            adapted = KnownScenes.of(shop.global_vectors, shop.style_statistics)  # as `adapt` does
            assert adapted is not None
            shares.append((adapted.distances(rest) > adapted.limit).mean())
        found[f"scenes of {name}, adapted to {ADAPTED} others"] = float(np.mean(shares))
    draw = np.random.default_rng(0)
    for name, drawn in (("drawings", drawing), ("documents", document)):
        backbone = open_backbone(model.backbone)
        prepared = np.stack([backbone.prepare(drawn(draw)) for _ in range(DRAWN)])
        measure(name, backbone.extract(prepared))
    return found


def drawing(draw: np.random.Generator) -> Image.Image:
    """A drawing of random lines and shapes on white."""
    picture = Image.new("RGB", (640, 480), "white")
    pen = ImageDraw.Draw(picture)
    for _ in range(int(draw.integers(5, 25))):
        colour = tuple(map(int, draw.integers(0, 255, 3))) if draw.random() < 0.5 else (20, 20, 20)
        left, right = sorted(draw.uniform(0, 640, 2))
        top, bottom = sorted(draw.uniform(0, 480, 2))
        box, width = (left, top, right + 1, bottom + 1), int(draw.integers(1, 5))
        fill = colour if draw.random() < 0.3 else None
        match draw.integers(3):
            case 0:
                pen.ellipse(box, outline=colour, width=width, fill=fill)
            case 1:
                pen.rectangle(box, outline=colour, width=width, fill=fill)
            case _:
                pen.line(box, fill=colour, width=width)
    return picture


def document(draw: np.random.Generator) -> Image.Image:
    """A page of random words."""
    picture = Image.new("RGB", (620, 877), "white" if draw.random() < 0.7 else (245, 240, 230))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    for y in range(50, 820, 16):
        if draw.random() < 0.85:
            words = ("".join(draw.choice(letters, draw.integers(2, 10))) for _ in range(draw.integers(4, 12)))
            pen.text((60, y), " ".join(words), fill=(30, 30, 30), font=font)
    return picture


if __name__ == "__main__":
    main()
