"""A trained model on disk, run by onnxruntime and numpy: no torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np

from perfectlook.backbones.registry import FeatureBatch
from perfectlook.distances import HybridDistances, Norm, attention_weights, hybrid, query_point
from perfectlook.errors import ModelError
from perfectlook.model.record import CENTRES, PRODUCT_GRAPH, SCENE_GRAPH, TRAINED_ON, ModelRecord, identity_of
from perfectlook.taxonomy import Resolution, resolve
from perfectlook.types import REGIONS, Float32Array

CHUNK = 64
"""Scenes embedded at once: the regions of more would not stay in the processor's cache."""


@dataclass(frozen=True)
class SceneEmbedding:
    """One scene as a model sees it: everything a distance to a product needs.

    Attributes:
        scene: f_s, [d].
        regions: f_i, [R, d]; None when regions do not count.
        attention_logits: one row of [R] per known category; None when regions do not count.
        categories: the known categories, in the order of those rows.
        mixing: w.
        norm: of the distances.
    """

    scene: Float32Array
    regions: Float32Array | None
    attention_logits: Float32Array | None
    categories: tuple[str, ...]
    mixing: float
    norm: Norm

    def attention(self, category: str) -> Float32Array:
        """The attention over the regions for a category, [R], sums to 1; uniform for one nobody knows."""
        known = resolve(category, self.categories).category
        if self.attention_logits is None or known is None:
            return np.full(REGIONS, 1 / REGIONS, np.float32)
        weights: Float32Array = attention_weights(self.attention_logits[self.categories.index(known)])
        return weights

    def query_point(self, category: str) -> Float32Array:
        """q, [d]: the products nearest to it are the nearest to the scene when the norm is squared.

        With plain norms ‖q - f_p‖ never exceeds the distance.
        """
        if self.regions is None:
            return self.scene
        point: Float32Array = query_point(
            self.scene, self.regions, self.attention(category), mixing=self.mixing
        )
        return point

    def distances(self, category: str, vectors: Float32Array) -> HybridDistances:
        """Distances to products of a category by their vectors f_p [n, d], and the two parts: [n] each."""
        if self.regions is None:
            whole = hybrid(
                self.scene, self.scene[None], np.ones(1, np.float32), vectors, mixing=1.0, norm=self.norm
            )
            return HybridDistances(whole.total, whole.from_global, np.zeros_like(whole.total))
        return hybrid(
            self.scene,
            self.regions,
            self.attention(category),
            vectors,
            mixing=self.mixing,
            norm=self.norm,
        )


class Model:
    """A trained model.

    Open one with `Model.open(folder)`. Its arrays are float32; sessions run on one thread and may be shared
    between threads.
    """

    def __init__(self, folder: Path, record: ModelRecord) -> None:
        self._folder = folder
        self.record = record
        centres = _read_centres(folder)
        if len(centres["centres"]) != len(record.categories):
            raise ModelError(
                f"{folder / CENTRES}: {len(centres['centres'])} centres for {len(record.categories)} "
                "categories; train the model again"
            )
        self.centres = dict(zip(record.categories, centres["centres"], strict=True))
        self.overall_centre: Float32Array = centres["overall"]

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open a model folder.

        Raises:
            ModelError: there is no model, it is incomplete, damaged or of a newer format.
        """
        record = ModelRecord.read(Path(folder))
        found = identity_of(Path(folder), record.config, record.categories)
        if found != record.identity:
            raise ModelError(
                f"{folder}: its files do not belong together: something has changed them since the model was "
                "written; copy the whole folder again, or train the model again"
            )
        return cls(Path(folder), record)

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.record.name

    @property
    def identity(self) -> str:
        """sha256 over all that inference reads."""
        return self.record.identity

    @property
    def backbone(self) -> str:
        """Name of its backbone, for `open_backbone`."""
        return self.record.config.backbone

    @property
    def distance(self) -> Norm:
        """The norm of its distances."""
        return self.record.config.distance

    @property
    def dimension(self) -> int:
        """Of the product vectors."""
        return self.record.config.dimension

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories it knows."""
        return self.record.categories

    @property
    def needs_product_maps(self) -> bool:
        """Whether products need their feature maps too."""
        return False

    @cached_property
    def trained_on(self) -> dict[str, frozenset[str]]:
        """Ids of the `scenes` and `products` in the pairs it was trained on."""
        path = self._folder / TRAINED_ON
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return {kind: frozenset(content[kind]) for kind in ("scenes", "products")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: cannot be read ({error}); train the model again") from error

    def resolve(self, category: str) -> Resolution:
        """The known category that stands in for `category`."""
        return resolve(category, self.categories)

    def check_backbone(self, identity: str) -> None:
        """Make sure that a backbone is the one the model was trained on.

        Raises:
            ModelError: it is another, by name, precision or weights.
        """
        if identity != self.record.backbone_identity:
            raise ModelError(
                f"model {self.name!r} was trained on the backbone {self.record.backbone_identity}, and "
                f"{self.backbone!r} is {identity} here: install the perfectlook that wrote it, or train it "
                "again"
            )

    def centre(self, category: str) -> Float32Array:
        """The centre of the category that stands in for `category`, or the overall one: [global width]."""
        known = self.resolve(category).category
        return self.overall_centre if known is None else self.centres[known]

    def product_inputs(self, batch: FeatureBatch) -> Float32Array:
        """The features that centres are means of, [n, global width]."""
        chosen = self.record.config.global_features
        if chosen == "both":
            return np.concatenate([batch.global_vectors, batch.style_statistics], axis=1)
        return batch.global_vectors if chosen == "head" else batch.style_statistics

    def embed_products(self, batch: FeatureBatch, centres: Float32Array) -> Float32Array:
        """f_p, [n, d], for products' features and the centre of each one's category [n, global width].

        A model trained without centring ignores the centres.
        """
        if not self.record.config.centring:
            centres = np.zeros_like(centres)
        inputs = {
            "global_vectors": batch.global_vectors,
            "style_statistics": batch.style_statistics,
            "centres": centres,
        }
        vectors: Float32Array = self._run(self._product_session, inputs)[0]
        return vectors

    def embed_scene(self, batch: FeatureBatch) -> SceneEmbedding:
        """One scene, from a batch of one."""
        return self.embed_scenes(batch)[0]

    def embed_scenes(self, batch: FeatureBatch) -> list[SceneEmbedding]:
        """Every scene of a batch."""
        found: list[SceneEmbedding] = []
        for start in range(0, len(batch.global_vectors), CHUNK):
            part = slice(start, start + CHUNK)
            inputs = {name: array[part] for name, array in batch._asdict().items()}
            scenes, *local = self._run(self._scene_session, inputs)
            regions, logits = local or (None, None)
            found += [
                SceneEmbedding(
                    scene,
                    None if regions is None else regions[row],
                    None if logits is None else logits[row],
                    self.categories,
                    self.record.mixing,
                    self.distance,
                )
                for row, scene in enumerate(scenes)
            ]
        return found

    @cached_property
    def _scene_session(self) -> Any:
        return _open_session(self._folder / SCENE_GRAPH)

    @cached_property
    def _product_session(self) -> Any:
        return _open_session(self._folder / PRODUCT_GRAPH)

    def _run(self, session: Any, inputs: dict[str, Float32Array]) -> Sequence[Float32Array]:
        wanted = {node.name: tuple(node.shape) for node in session.get_inputs()}
        for name, shape in wanted.items():
            found = inputs[name].shape
            if tuple(found[1:]) != shape[1:]:
                raise ModelError(
                    f"{self._folder}: model {self.name!r} takes {name} of shape {shape[1:]}, not "
                    f"{tuple(found[1:])}; it was trained on the backbone {self.record.backbone_identity}"
                )
        outputs: Sequence[Float32Array] = session.run(None, {name: inputs[name] for name in wanted})
        return outputs


def _open_session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a family of exceptions of its own, without a common base
        raise ModelError(f"{path}: cannot be loaded ({error}); train the model again") from error


def _read_centres(folder: Path) -> dict[str, Float32Array]:
    path = folder / CENTRES
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name].astype(np.float32) for name in ("centres", "overall")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(f"{path}: cannot be read ({error}); train the model again") from error
