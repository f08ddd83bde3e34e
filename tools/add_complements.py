"""Fit the complements of finished models, without training the models again.

    PYTHONPATH=src python tools/add_complements.py MODEL SET [MODEL SET ...]

`perfectlook train` does this at the end of a training. This command is for models from before. It learns from
the scenes that the model was trained on, and from no others.
"""

import sys
from pathlib import Path

from perfectlook.data import load_set
from perfectlook.data.scenes import split_of
from perfectlook.files import model_folder
from perfectlook.model.runtime import Model, features_for
from perfectlook.training.complements import add_complements


def main(arguments: list[str]) -> int:
    """Add complements to every model. Return 1 if a set has too few scenes with several products."""
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    failed = 0
    for name, dataset in pairs:
        folder = Path(model_folder(name))
        model = Model.open(folder)
        features = features_for(model, load_set(dataset))
        scenes = {scene for scene in model.trained_on["scenes"] if split_of(scene) != "test"}
        if not add_complements(folder, model, features, scenes):
            print(f"{name}: too few scenes of {dataset} have several products", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
