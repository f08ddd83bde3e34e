"""A presence file that sees one category in every photo, and all its products."""

from pathlib import Path

import numpy as np

from perfectlook.backbones import open_backbone
from perfectlook.model.files import KNOWN, PRESENCE
from perfectlook.model.known import KnownScenes
from perfectlook.model.presence import Presence, all_windows
from perfectlook.model.runtime import Model


def write_presence(folder: Path, shown: str) -> None:
    """Write `presence.npz` into the folder of a model of the backbone "tiny"."""
    model = Model.open(folder)
    count, dimension, features = len(model.categories), model.dimension, len(model.overall_centre)
    channels = open_backbone(model.backbone).description.map_channels
    shapes = {"mean": features, "scale": features, "weights": (count, features), "bias": count}
    shapes |= {"cell_mean": channels, "cell_scale": channels, "looks": (count, channels)}
    shapes |= {"places": (count, len(all_windows().shares)), "level": count, "calibration": 3}
    shapes |= {"belonging": (count, count), "belonging_bias": count, "repeats": count}
    shapes |= {
        "centres": (count, channels),
        "projection": (channels, dimension),
        "middles": (count, dimension),
    }
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    arrays["level"] = np.where(np.array(model.categories) == shown, 100, -100).astype(np.float32)
    arrays["calibration"] = np.array([0, 1, 0], np.float32)
    presence = Presence(model.categories, **arrays, limit=np.float32(-20))  # type: ignore[arg-type]
    (folder / PRESENCE).write_bytes(presence.content())


def write_known(folder: Path) -> None:
    """Write a `known.npz` that no photo is near to."""
    width = len(Model.open(folder).overall_centre)
    rows = np.random.default_rng(0).normal(loc=1e4, size=(16, width)).astype(np.float32)
    known = KnownScenes.of(rows[:, : width // 2], rows[:, width // 2 :])
    assert known is not None
    (folder / KNOWN).write_bytes(known.content())
