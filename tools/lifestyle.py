"""Fit the classifier of lifestyle photos, and measure it: `python tools/lifestyle.py [--write]`.

It is fitted on the showroom and ccp-looks, without their test parts. Products are the packshots, scenes the
lifestyle photos. Both classes and both sets have the same weight.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np

from perfectlook.data import load_set
from perfectlook.data.fingerprints import fingerprints
from perfectlook.features.lifestyle import DOUBTFUL, WEIGHTS, inputs_of
from perfectlook.files import data_folder
from perfectlook.progress import ProgressLine
from perfectlook.types import Float32Array

FITTED = ("showroom", "ccp-looks")
MEASURED = (*FITTED, "ikea-rooms", "stl-fashion")
RIDGE = 0.01
Part = tuple[Float32Array, Float32Array, Float32Array]
"""Inputs, 1 for lifestyle photos, and the tenth of each picture by its id."""


def pictures_of(name: str) -> Part:
    """Return the pictures of a set."""
    dataset = load_set(name if name == "showroom" else (data_folder() or Path()) / name)
    what = {scene.picture: (1.0, scene.id) for scene in dataset.scenes.values()}
    what |= {product.picture: (0.0, product.id) for product in dataset.products.values()}
    prints, _ = fingerprints(what, progress=ProgressLine(f"reading {name}"))
    pictures, inputs, _ = inputs_of(prints, progress=ProgressLine)
    tenths = [int(hashlib.md5(what[each][1].encode()).hexdigest()[:8], 16) % 10 for each in pictures]
    labels = np.array([what[each][0] for each in pictures], np.float32)
    return inputs, labels, np.array(tenths, np.float32)


def fit(parts: list[Part]) -> tuple[Float32Array, np.float32]:
    """Return weights and bias of the logistic regression, by Newton's method on standardised inputs."""
    used = [(inputs[tenth < 8], label[tenth < 8]) for inputs, label, tenth in parts]
    x = np.concatenate([inputs for inputs, _ in used]).astype(float)
    y = np.concatenate([label for _, label in used])
    w = np.concatenate([np.where(y == 1, 1 / (y == 1).sum(), 1 / (y == 0).sum()) for _, y in used])
    w = w / w.sum()
    middle = w @ x
    scale = np.sqrt(w @ (x - middle) ** 2) + 1e-6
    z = np.hstack([(x - middle) / scale, np.ones((len(x), 1))])
    penalty = np.full(z.shape[1], 2 * RIDGE)
    penalty[-1] = 0
    found = np.zeros(z.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(z @ found)))
        slope = z.T @ (w * (p - y)) + penalty * found
        bend = (z * (w * np.maximum(p * (1 - p), 1e-9))[:, None]).T @ z + np.diag(penalty)
        found -= np.linalg.solve(bend + 1e-9 * np.eye(len(bend)), slope)
    folded = found[:-1] / scale
    return folded.astype(np.float32), np.float32(found[-1] - folded @ middle)


def main() -> None:
    """Fit, print a table, and write the weights with --write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the weights in the package")
    write = parser.parse_args().write
    parts = {name: pictures_of(name) for name in MEASURED}
    weights, bias = fit([parts[name] for name in FITTED])
    if write:
        np.savez_compressed(WEIGHTS, weights=weights, bias=bias)
    print("| pictures | lifestyle | packshots | balanced accuracy | doubtful | accuracy of the others |")
    print("|---|---|---|---|---|---|")
    for name, (inputs, label, tenth) in parts.items():
        kept = (tenth == 9) if name in FITTED else np.ones(len(label), bool)
        margin, y = (inputs @ weights + bias)[kept], label[kept]
        sure = np.abs(margin) >= DOUBTFUL

        def balanced(chosen: np.ndarray, margin: Float32Array = margin, y: Float32Array = y) -> float:
            right = (margin > 0) == (y == 1)
            return float(np.mean([right[chosen & (y == each)].mean() for each in (0, 1)]))

        everything = np.ones(len(y), bool)
        print(
            f"| {name}{', test part' if name in FITTED else ''} | {int(y.sum()):,} | {int((1 - y).sum()):,} "
            f"| {balanced(everything):.4f} | {1 - sure.mean():.1%} | {balanced(sure):.4f} |"
        )


if __name__ == "__main__":
    main()
