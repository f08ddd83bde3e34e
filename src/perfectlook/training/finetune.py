"""Fine-tuning: continue from a trained model with new pairs and new categories, and keep what it knows."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from perfectlook.errors import ModelError
from perfectlook.files import model_folder
from perfectlook.model.config import ModelConfig
from perfectlook.model.files import TRAIN_AGAIN, WEIGHTS, ModelRecord, read_centres, read_trained_on
from perfectlook.model.mixture import Blend, Mixture
from perfectlook.model.networks import Compatibility
from perfectlook.taxonomy import resolve
from perfectlook.training.data import TrainingData
from perfectlook.types import Float32Array

PER_CATEGORY = ("attention.categories.weight", "mixing_logits.weight")
"""Weights with one row per category."""


@dataclass(frozen=True, slots=True)
class StartingModel:
    """The trained model that fine-tuning starts from.

    Attributes:
        record: the contents of its `config.json`.
        config: the configuration of its network, without closed forms.
        centres: the centres of its known categories, and the overall centre.
        stored: the weights of its network.
        closed: the weights of its closed forms, and of their share; empty if it has none.
        scenes: ids of its training scenes.
        products: ids of the products in its training pairs.
    """

    record: ModelRecord
    config: ModelConfig
    centres: dict[str, Float32Array]
    stored: dict[str, Tensor]
    closed: dict[str, Tensor]
    scenes: frozenset[str]
    products: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> "StartingModel":
        """Read a model folder.

        Raises:
            ModelError: it cannot be read, or it is a baseline, which cannot be fine-tuned.
        """
        if model_folder(folder) != folder:
            raise ModelError(
                f"--from {folder}: models that come with the package cannot be fine-tuned, because the "
                "package leaves their weights out. Train a model with `perfectlook train SET --out FOLDER`, "
                f"or fit it to photos, without pairs: `perfectlook adapt {folder} --scenes FOLDER --out NEW`."
            )
        record = ModelRecord.read(folder)
        if record.baseline:
            raise ModelError(
                f"{folder}: the baseline '{record.baseline}' cannot be fine-tuned. Train it again on all "
                "sets, or fine-tune a compatibility model."
            )
        path = folder / WEIGHTS
        try:
            stored = load(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path}: cannot be read ({error}). {TRAIN_AGAIN}") from error
        closed: dict[str, Tensor] = {}
        if record.config.closed_form:
            closed = {name: each for name, each in stored.items() if not name.startswith("network.")}
            stored = {name[8:]: each for name, each in stored.items() if name.startswith("network.")}
        config = replace(record.config, closed_form=0)
        return cls(record, config, read_centres(folder), stored, closed, **read_trained_on(folder))

    def blended(self, network: Compatibility) -> Compatibility | Blend:
        """The network after fine-tuning, with the closed forms of the starting model, if it has any."""
        if not self.closed:
            return network
        state = {name[8:]: each for name, each in self.closed.items() if name.startswith("mixture.")}
        closed, weight = Mixture.restore(self.config, state), float(self.closed["weight"])
        return Blend(network, closed, weight, self.closed.get("columns"))

    def extend(self, data: TrainingData) -> None:
        """Add the model's categories and their centres to the training data.

        A category in both keeps the model's centre, so that the vectors of its products stay where they were.
        """
        fresh = dict(zip(data.categories, data.centres, strict=True))
        centres = fresh | dict(zip(self.record.categories, self.centres["centres"], strict=True))
        names = sorted(centres)
        place = {name: row for row, name in enumerate(names)}
        data.product_category = np.asarray(
            [place[name] for name in data.features.product_categories], np.int64
        )
        data.categories = names
        data.centres = np.stack([centres[name] for name in names])
        data.overall_centre = self.centres["overall"]

    def weights(self, data: TrainingData) -> dict[str, Tensor]:
        """The weights of a network for the extended categories.

        A new category starts from the known category that stands in for it, or from the mean of all.

        Raises:
            ModelError: the weights do not fit the network.
        """
        known = self.record.categories
        state = dict(self.stored)
        if self.config.tied:
            tied = {f"scene_{name[8:]}": each for name, each in state.items() if name.startswith("product_")}
            state |= {name: each for name, each in tied.items() if name.startswith("scene_encoder.")}
        for name in PER_CATEGORY:
            if name in state:
                rows = state[name]
                near = [resolve(category, known).category for category in data.categories]
                state[name] = torch.stack(
                    [rows.mean(dim=0) if each is None else rows[known.index(each)] for each in near]
                )
        wanted = Compatibility(self.config, data.widths, len(data.categories)).state_dict()
        shapes = {name: tuple(each.shape) for name, each in wanted.items()}
        if shapes != {name: tuple(each.shape) for name, each in state.items()}:
            raise ModelError(
                f"model {self.record.name!r}: its weights do not fit (they are from another version of "
                f"perfectlook or another backbone). {TRAIN_AGAIN}"
            )
        return state
