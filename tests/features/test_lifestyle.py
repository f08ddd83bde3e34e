"""Lifestyle photos and packshots are told apart by the picture alone."""

import numpy as np
from PIL import Image

from perfectlook.data import load_set
from perfectlook.data.fingerprints import fingerprints
from perfectlook.features.lifestyle import DOUBTFUL, border, margins


def test_the_border_of_a_plain_ground_is_uniform() -> None:
    white = Image.new("RGB", (300, 200), "white")
    white.paste("black", (50, 50, 100, 100))
    assert border(white).tolist() == [1, 1, 1, 1, 1]
    grey = Image.new("RGB", (300, 200), (90, 90, 90))
    assert border(grey).tolist() == [1, 1, 1, 1, 0]
    grey.paste("white", (0, 0, 300, 50))  # of left and right, three quarters are grey
    assert np.allclose(border(grey), [0.75, 0.75, 1, 1, 0.375], atol=0.02)


def test_scenes_and_products_of_the_showroom_are_told_apart() -> None:
    rooms = load_set("showroom")
    scenes = [scene.picture for scene in rooms.scenes.values()][::24]
    products = [product.picture for product in rooms.products.values()][::41]
    prints, _ = fingerprints([*scenes, *products])
    found, failed = margins(prints, workers=1)
    assert failed == {}
    assert min(found[picture] for picture in scenes) > DOUBTFUL
    assert max(found[picture] for picture in products) < -DOUBTFUL
