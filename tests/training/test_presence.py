"""Fitting presence: products are found where they are, not where they were cut out, and limits hold."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from perfectlook.data.scenes import scene_rectangle
from perfectlook.features.set_features import SetFeatures
from perfectlook.features.store import FeatureArrays
from perfectlook.training.presence import choose_limit, fit_presence
from perfectlook.types import Box, Pair, Rectangle, View
from styled import styled_set

CATEGORIES = ("Chairs", "Lamps", "Rugs")
PRODUCTS = 6
SIZE = 700


class ProductModel:
    """A model whose product vectors are one-hot: no product is like another."""

    categories = CATEGORIES

    def product_vectors(self, features: SetFeatures) -> np.ndarray:
        return np.eye(len(features.product_ids), dtype=np.float32)


def rooms(count: int = 150) -> tuple[SetFeatures, SetFeatures]:
    """Rooms with two of three categories, cropped and whole.

    A product is one bright region; channel 0 to 2 says its category, and another channel the product.
    """
    draw = np.random.default_rng(0)
    blank = styled_set(scenes=count, products=PRODUCTS, categories=CATEGORIES)
    channels = len(CATEGORIES) * (1 + PRODUCTS)
    scenes = list(blank.dataset.scenes)
    maps = 0.05 * draw.normal(size=(count, 7, 7, channels))
    pairs, places = [], []
    for row, scene in enumerate(scenes):
        for place in draw.permutation(3)[:2]:
            at, product = draw.integers(0, 7, 2), int(draw.integers(PRODUCTS))
            maps[row, at[0], at[1], place] += 1
            maps[row, at[0], at[1], 3 + place * PRODUCTS + product] += 1
            box = Box(at[1] / 7, at[0] / 7, (at[1] + 1) / 7, (at[0] + 1) / 7)
            pairs.append(Pair(scene, blank.product_ids[place * PRODUCTS + product], box))
            places.append(place * PRODUCTS + product)
    row_of = {scene: row for row, scene in enumerate(scenes)}
    blank.dataset.pairs[:] = pairs
    views = [View(Path(scene)) for scene in scenes]
    whole = dataclasses.replace(
        blank,
        pairs=pairs,
        pair_scenes=np.array([row_of[pair.scene] for pair in pairs]),
        pair_products=np.array(places),
        scenes=arrays(maps),
        scene_views=views,
    )
    crops, seen = [], []
    for number, pair in enumerate(pairs):
        assert pair.box
        crop = scene_rectangle(pair.box, vertical_only=False)
        assert crop
        edges = [round(7 * edge) for edge in crop]
        part = maps[row_of[pair.scene], edges[1] : max(edges[3], 1), edges[0] : max(edges[2], 1)]
        across, down = (np.linspace(0, part.shape[axis] - 1, 7).round().astype(int) for axis in (1, 0))
        seen.append(part[down][:, across])
        crops.append(View(Path(pair.scene), Rectangle(number, 0, SIZE, SIZE)))
    cropped = dataclasses.replace(
        whole, pair_scenes=np.arange(len(pairs)), scenes=arrays(np.stack(seen)), scene_views=crops
    )
    return cropped, whole


def arrays(maps: np.ndarray) -> FeatureArrays:
    """Features whose global vector is the mean of the map."""
    flat = maps.reshape(len(maps), 49, -1).astype(np.float16)
    return FeatureArrays(flat.mean(axis=1), flat.std(axis=1), flat)


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    cropped, whole = rooms()
    scenes = list(whole.dataset.scenes)
    learned, held_out = set(scenes[:110]), scenes[110:]
    model = ProductModel()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perfectlook.training.presence.STEPS", 80)  # enough for scenes this simple
        presence = fit_presence(cropped, whole, model, learned)  # type: ignore[arg-type]
    assert presence is not None
    vectors = model.product_vectors(whole)
    names = np.array(whole.product_categories)
    there, absent, found, marked = [], [], 0, 0
    for row, scene in enumerate(whole.scene_ids()):
        if scene not in held_out:
            continue
        sight = presence.look_at(whole.scenes.batch([row]))
        own = {whole.pair_products[at] for at, pair in enumerate(whole.pairs) if pair.scene == scene}
        for name, probability in sight.present.items():
            (there if name in names[list(own)] else absent).append(probability)
            rows = np.flatnonzero(names == name)
            shown = set(rows[presence.in_scene(sight, name, vectors[rows])[0]])
            found, marked = found + len(shown & own), marked + len(shown)
    return {
        "there": float(np.mean(np.array(there) >= 0.5)),
        "absent": float(np.mean(np.array(absent) < 0.5)),
        "found": found / (2 * len(held_out)),
        "right": found / max(marked, 1),
    }


def test_categories_of_held_out_scenes_are_seen(figures: dict[str, float]):
    assert figures["there"] > 0.85  # chance is 0.5
    assert figures["absent"] > 0.85


def test_products_of_held_out_scenes_are_found(figures: dict[str, float]):
    assert figures["found"] > 0.7
    assert figures["right"] > 0.4  # chance is 1 / 9: two of 18 products


def test_few_scenes_teach_nothing():
    cropped, whole = rooms(70)
    scenes = list(whole.dataset.scenes)
    assert fit_presence(cropped, whole, ProductModel(), set(scenes[:63])) is None  # type: ignore[arg-type]


def test_the_limit_lets_few_products_pass_that_were_cut_out():
    likeness, known = np.arange(1000.0), np.ones(1000, bool)
    assert choose_limit([], likeness, known) == 0
    limit = choose_limit(np.arange(1000.0), likeness, known)
    assert (np.arange(1000.0) > limit).mean() == pytest.approx(0.018, abs=0.001)


def test_the_limit_keeps_a_fifth_of_the_marked_products_right():
    likeness = np.arange(1000.0)
    known = likeness >= 900
    limit = choose_limit([], likeness, known)
    assert known[likeness >= limit].mean() == pytest.approx(0.2)
    assert choose_limit([], likeness, np.zeros(1000, bool)) == np.inf
    assert choose_limit([], likeness, likeness >= 990) == np.inf  # fewer than 20 right ones
