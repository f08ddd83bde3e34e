"""Write a real model folder with random weights."""

from pathlib import Path

import numpy as np
import torch

from perfectlook.backbones import open_backbone
from perfectlook.data import load_set
from perfectlook.features.set_features import set_features
from perfectlook.model.complements import Complements
from perfectlook.model.config import ModelConfig
from perfectlook.model.export import write_model
from perfectlook.model.files import COMPLEMENTS
from perfectlook.model.networks import Compatibility
from perfectlook.training.data import TrainingData


def random_model(source: Path, folder: Path, *, seed: int = 0, **config: object) -> Path:
    """Write a model with the categories of a set and the backbone "tiny", reproducible by its seed.

    Its complements are random too.
    """
    torch.manual_seed(seed)
    shape = ModelConfig(backbone="tiny", dimension=8, hidden=8, linear_path="random", **config)  # type: ignore[arg-type]
    data = TrainingData(set_features(load_set(source), "tiny", workers=1), shape)
    network = Compatibility(shape, data.widths, len(data.categories))
    write_model(
        network,
        folder,
        widths=data.widths,
        backbone_identity=open_backbone("tiny").identity,
        categories=data.categories,
        centres=data.centres,
        overall_centre=data.overall_centre,
    )
    random = np.random.default_rng(seed)
    dimension = network.config.vector_dimension
    matrix = random.normal(size=(dimension, dimension)).astype(np.float16).astype(np.float32)
    complements = Complements((matrix + matrix.T) / 2, random.normal(size=dimension).astype(np.float32), 0.5)
    (folder / COMPLEMENTS).write_bytes(complements.content())
    return folder
