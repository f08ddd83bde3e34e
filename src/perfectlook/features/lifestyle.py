"""Tell lifestyle photos, which show a scene, from packshots, which show one product on a plain ground.

A logistic regression on the backbone's global vector and the border of the picture decides. It was fitted on
the showroom and ccp-looks alone (`tools/lifestyle.py` fits and measures it).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from perfectlook.data.fingerprints import Fingerprint
from perfectlook.errors import PictureError
from perfectlook.features.extraction import extract
from perfectlook.features.store import ViewKey, open_store
from perfectlook.images import open_picture
from perfectlook.progress import ProgressOf, no_progress
from perfectlook.types import Float32Array, View

BACKBONE = "efficientnet-lite2"
WEIGHTS = Path(__file__).parent / "lifestyle.npz"
DOUBTFUL = 0.75
"""Pictures with a smaller margin on either side are doubtful."""
SIDE, EDGE = 128, 4
"""The size to which a picture is scaled, and the width of its border, in pixels."""


def margins(
    prints: Mapping[Path, Fingerprint], *, workers: int | None = None, progress: ProgressOf | None = None
) -> tuple[dict[Path, float], dict[Path, str]]:
    """Return the margin of each picture, and the reasons why others have none.

    A margin is the logarithm of odds: above 0 the picture is a lifestyle photo, below 0 a packshot.

    Raises:
        FeatureError: features cannot be stored, or workers fail.
        BackboneError: the backbone cannot be loaded.
    """
    pictures, inputs, failed = inputs_of(prints, workers=workers, progress=progress)
    with np.load(WEIGHTS) as file:
        found = inputs @ file["weights"] + file["bias"]
    return dict(zip(pictures, found.tolist(), strict=True)), failed


def inputs_of(
    prints: Mapping[Path, Fingerprint], *, workers: int | None = None, progress: ProgressOf | None = None
) -> tuple[list[Path], Float32Array, dict[Path, str]]:
    """Return pictures, their rows of inputs [n, D + 5], and the reasons why others have none."""
    failed: dict[Path, str] = {}
    borders: dict[Path, Float32Array] = {}
    for picture in prints:
        try:
            borders[picture] = border(open_picture(picture, fit=SIDE))
        except PictureError as error:
            failed[picture] = str(error)
    keys = {View(picture): ViewKey.of(prints[picture].sha256, None) for picture in borders}
    with open_store(BACKBONE) as store:
        told = (progress or no_progress)("comparing pictures")
        report = extract(keys, BACKBONE, store, maps=False, workers=workers, progress=told)
        failed |= {view.picture: reason for view, reason in report.failures.items()}
        pictures = [view.picture for view in keys if view not in report.failures]
        read = store.read([keys[View(picture)] for picture in pictures], maps=False)
    vectors = read.global_vectors.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.stack([borders[picture] for picture in pictures]) if pictures else np.empty((0, 5), np.float32)
    return pictures, np.hstack([vectors, rows]), failed


def border(picture: Image.Image) -> Float32Array:
    """Return how uniform the border of a picture is, and how white, float32 [5].

    The first four are the shares of pixels of each side that are close to its median colour, in ascending
    order. The last is the share of almost white pixels.
    """
    pixels = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255
    sides = (pixels[:EDGE], pixels[-EDGE:], pixels[:, :EDGE], pixels[:, -EDGE:])
    flat = np.stack([side.reshape(-1, 3) for side in sides])
    distance = np.abs(flat - np.median(flat, axis=1, keepdims=True)).max(axis=2)
    return np.append(np.sort((distance < 0.04).mean(axis=1)), (flat.min(axis=2) > 0.9).mean()).astype(
        np.float32
    )
