"""Standardisation of the features that baselines learn from: the same as a compatibility model's."""

import torch
from torch import Tensor

from perfectlook.model.encoders import Standardise
from perfectlook.training.data import TrainingData


def fitted(data: TrainingData, rows: Tensor) -> Standardise:
    """A z-score of every feature, divided by √width; by `scaling`, head vector and stages count the same.

    Args:
        data: says which features the rows are made of.
        rows: what the means and deviations are taken from, [n, global width].
    """
    standardise = Standardise(rows.shape[1])
    blocks = data.widths.blocks(data.config) if data.config.scaling == "stages" else None
    with torch.no_grad():
        standardise.fit(rows.mean(dim=0), rows.std(dim=0, correction=0), blocks)
    return standardise


def z_scores(data: TrainingData, rows: Tensor) -> Standardise:
    """The same without the division by √width: what networks with the usual initial weights expect."""
    standardise = fitted(data, rows)
    with torch.no_grad():
        standardise.scale *= rows.shape[1] ** 0.5
    return standardise
