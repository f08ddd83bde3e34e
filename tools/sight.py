"""Teach a trained model what photos show: write its `presence.npz` and `known.npz` again.

python tools/sight.py MODEL SET [SET ...]

`perfectlook train` writes both files itself. The product vectors stay the same, so catalogues stay valid.
"""

import argparse
import sys

from perfectlook.files import model_folder
from perfectlook.model.runtime import Model
from perfectlook.training.data import load_sets
from perfectlook.training.presence import add_sight


def main(arguments: list[str]) -> int:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description="Teach a trained model what photos show.")
    parser.add_argument("model", help="the folder of a model, or the name of a model of the package")
    parser.add_argument("sets", nargs="+", help="the sets that the model was trained on")
    options = parser.parse_args(arguments)
    folder = model_folder(options.model)
    model = Model.open(folder)
    cropped = load_sets(options.sets, model.backbone)
    whole = load_sets(cropped.dataset.parts or [cropped.dataset], model.backbone, scene="full")
    add_sight(folder, model, cropped, whole)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
