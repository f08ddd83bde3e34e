"""Run a trained model from disk with onnxruntime and numpy; needs no torch."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeAlias

import numpy as np
from PIL.Image import Image

from perfectlook.backbones import Backbone, FeatureBatch, open_backbone
from perfectlook.data import Dataset, load_set
from perfectlook.errors import ModelError
from perfectlook.features.set_features import SetFeatures, set_features
from perfectlook.files import model_folder
from perfectlook.images import open_picture
from perfectlook.model import files
from perfectlook.model.adaptation import SceneStatistics
from perfectlook.model.categories import CategorySuggester
from perfectlook.model.complements import Complements
from perfectlook.model.config import pooled, whole_picture
from perfectlook.model.distances import (
    DistanceFunction,
    HybridDistances,
    Norm,
    attended_region,
    attention_weights,
    distance,
    hybrid,
    hybrid_to_mean,
)
from perfectlook.model.files import ModelRecord, read_centres, read_trained_on, readable
from perfectlook.model.graphs import check_graph
from perfectlook.model.known import KnownScenes
from perfectlook.model.presence import Presence, Sight
from perfectlook.taxonomy import Resolution, resolve
from perfectlook.types import REGIONS, BoolArray, Float32Array, Float64Array, IntArray

Picture: TypeAlias = Path | str | bytes | BinaryIO | Image
"""A picture: its path, its bytes, a stream, or a picture opened by Pillow."""

CHUNK = 64
"""Number of scenes embedded together; the regions of more do not fit into the processor's cache."""
SCENES_READ = 256
PRODUCTS_READ = 1024
"""Number of rows of a set that are converted to float32 together."""
_resolve = lru_cache(16_384)(resolve)  # every photo asks for the same categories


@dataclass(frozen=True)
class SceneEmbedding:
    """One scene, embedded by a model: everything that a distance to a product needs.

    Attributes:
        scene: f_s, [d].
        regions: f_i, [R, d]; None if the model uses no regions.
        attention_logits: one row of [R] per known category; None if the model uses no regions.
        categories: the known categories, in the order of those rows.
        mixing: w.
        norm: norm of the distances.
        category_mixing: w of each known category if each has its own; `mixing` is then their mean.
        parts: the dimension of each part of the model, in the order of the vectors' coordinates.
    """

    scene: Float32Array
    regions: Float32Array | None
    attention_logits: Float32Array | None
    categories: tuple[str, ...]
    mixing: float
    norm: Norm
    category_mixing: Float32Array | None = None
    parts: Mapping[str, int] = field(default_factory=dict)

    def mixing_of(self, category: str) -> float:
        """w for a category; the mean w for an unknown category."""
        known = self._row(category)
        if self.category_mixing is None or known is None:
            return self.mixing
        return float(self.category_mixing[known])

    def _row(self, category: str) -> int | None:
        known = _resolve(category, self.categories).category
        return None if known is None else self.categories.index(known)

    def attention(self, category: str) -> Float32Array:
        """The attention over the regions for a category, [R], sums to 1; uniform for an unknown category."""
        kept: dict[str, Float32Array] = vars(self).setdefault("_attentions", {})
        if (found := kept.get(category)) is None:
            known = self._row(category)
            if self.attention_logits is None or known is None:
                found = np.full(REGIONS, 1 / REGIONS, np.float32)
            else:
                found = attention_weights(self.attention_logits[known])
            kept[category] = found
        return found

    def query_point(self, category: str) -> Float32Array:
        """q, [d]: with squared norms, the products nearest to q are the nearest to the scene.

        With plain norms, ‖q - f_p‖ never exceeds the distance.
        """
        if self.regions is None:
            return self.scene
        mean, _ = self._attended(category)
        mixing = self.mixing_of(category)
        return mixing * self.scene + (1 - mixing) * mean

    def distances(self, category: str, vectors: Float32Array) -> HybridDistances:
        """Distances to products of a category with vectors f_p [n, d], and their two parts: [n] each."""
        if self.regions is None:
            whole = distance(self.scene, vectors, self.norm)
            return HybridDistances(whole, whole, np.zeros_like(whole))
        if self.norm == "squared_l2":
            mean, apart = self._attended(category)
            return hybrid_to_mean(self.scene, mean, apart, vectors, mixing=self.mixing_of(category))
        attention, w = self.attention(category), self.mixing_of(category)
        return hybrid(self.scene, self.regions, attention, vectors, mixing=w, norm=self.norm)

    def _attended(self, category: str) -> tuple[Float32Array, np.float32]:
        kept: dict[str, tuple[Float32Array, np.float32]] = vars(self).setdefault("_means", {})
        if (found := kept.get(category)) is None:
            attention = self.attention(category).astype(np.float64)
            regions, squares = self._precise_regions
            mean, apart = attended_region(regions, attention / attention.sum(), squares)
            found = kept[category] = mean.astype(np.float32), np.float32(apart)
        return found

    @cached_property
    def _precise_regions(self) -> tuple[Float64Array, Float64Array]:
        """The regions in float64, [R, d], and their squared lengths, [R]."""
        assert self.regions is not None
        regions = self.regions.astype(np.float64)
        return regions, np.vecdot(regions, regions)


class StoredModel:
    """The attributes of every model on disk.

    Attributes:
        record: the contents of its `config.json`.
        name: name of the model.
        identity: sha256 over everything that its distances depend on.
        backbone: name of its backbone, for `open_backbone`.
        needs_product_maps: whether products need their feature maps too.
        training: how it was trained: `sets`, `n_pairs`, `n_scenes`, `n_products`, `settings`, `epoch` (the
            best one), `chosen_on` and the `binary_accuracy` there (`value`, `low`, `high`); `epoch` and
            `binary_accuracy` may be None.
    """

    def __init__(self, folder: Path, record: ModelRecord) -> None:
        self._folder = folder
        self.record = record
        self.name = record.name
        self.identity = record.identity
        self.backbone = record.config.backbone
        self.needs_product_maps = record.config.needs_product_maps
        self.training = record.training

    @cached_property
    def trained_on(self) -> dict[str, frozenset[str]]:
        """Ids of the `scenes` and `products` in the training pairs."""
        return read_trained_on(self._folder)

    def check_backbone(self, identity: str) -> None:
        """Check that a backbone is the one the model was trained on.

        Raises:
            ModelError: the backbone has another name, precision or weights.
        """
        self.record.check_backbone(identity)


class Model(StoredModel):
    """A trained model.

    Open one with `Model.open(folder)`, or train one with `perfectlook.train`. Arrays are float32. Each
    session runs on one thread, and several threads may share a model.

    Attributes:
        norm: norm of the distances.
        dimension: dimension of the product vectors.
        categories: the known categories.
        centres: the centre of each known category, [global width].
        overall_centre: the centre of all products, [global width].
    """

    def __init__(self, folder: Path, record: ModelRecord) -> None:
        super().__init__(folder, record)
        self.norm: Norm = record.config.distance
        self.dimension = record.config.vector_dimension
        self.categories = record.categories
        centres = read_centres(folder)
        if len(centres["centres"]) != len(record.categories):
            raise ModelError(
                f"{folder / files.CENTRES}: damaged ({len(centres['centres'])} centres for "
                f"{len(record.categories)} categories). {files.TRAIN_AGAIN}"
            )
        self.centres = dict(zip(record.categories, centres["centres"], strict=True))
        self.overall_centre: Float32Array = centres["overall"]
        self._category_mixing = centres.get("mixing")
        self._statistics = SceneStatistics.read(folder) if record.reads_statistics else None
        self._sessions: dict[str, Any] = {}

    def __repr__(self) -> str:
        kind = f"{self.record.baseline} baseline" if self.record.baseline else self.record.config.mode
        return (
            f"<Model {self.name!r}: {kind}, {self.dimension} dimensions, {self.norm}, "
            f"{len(self.categories)} categories, {self.backbone}>"
        )

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open a model folder, or by its name a model that comes with the package.

        Raises:
            ModelError: there is no model; it is incomplete, damaged or of another format; or it is the
                popularity baseline, which has no product vectors.
        """
        folder = model_folder(folder)
        record = ModelRecord.read(folder)
        if record.baseline == files.POPULARITY:
            raise ModelError(
                f"{folder}: the baseline 'popularity' has no product vectors, so it cannot sync or search a "
                "catalogue. Train another model with `perfectlook train`."
            )
        record.check_files(folder)
        return cls(folder, record)

    @cached_property
    def suggester(self) -> CategorySuggester | None:
        """The category suggester; None if the model suggests no categories.

        It reads features as they are, also in an adapted model, where that is more accurate.

        Raises:
            ModelError: its file cannot be read.
        """
        return CategorySuggester.open(self._folder)

    @cached_property
    def presence(self) -> Presence | None:
        """What sees the categories and products of photos; None if the model has none.

        Raises:
            ModelError: its file cannot be read.
        """
        return Presence.open(self._folder)

    @cached_property
    def known_scenes(self) -> KnownScenes | None:
        """The scenes that the model knows; None if it keeps none.

        Raises:
            ModelError: their file cannot be read.
        """
        return KnownScenes.open(self._folder)

    def see(self, batch: FeatureBatch) -> Sight | None:
        """What a whole photo, a batch of one, already shows; None if the model cannot see it."""
        return self.presence.look_at(self._aligned(batch)) if self.presence else None

    def is_far(self, batch: FeatureBatch) -> bool:
        """Whether a whole photo, a batch of one, is far from the known scenes; False if there are none.

        An adapted model knows the scenes that it was adapted to, by their features as they are. If they were
        too few for that, it knows the scenes of the model before, as that model does.
        """
        if self.known_scenes is None:
            return False
        return self.known_scenes.is_far(batch if self.record.knows_raw else self._aligned(batch))

    def _aligned(self, batch: FeatureBatch) -> FeatureBatch:
        return self._statistics.align(batch) if self._statistics else batch

    @property
    def attention_holds(self) -> bool | None:
        """Whether attention explains the ranking, by the deletion test; None if this is not tested."""
        return self.record.attention_holds

    @cached_property
    def complements(self) -> Complements | None:
        """The map from products to their complements; None if the model has none.

        Raises:
            ModelError: its file cannot be read, or does not match the product vectors.
        """
        return Complements.of_model(self._folder, self.dimension)

    def require_complements(self) -> Complements:
        """The map from products to their complements.

        Raises:
            ModelError: the model has none, or its file cannot be read.
        """
        if self.complements is None:
            raise ModelError(
                f"model {self.name!r}: has no complements of products (no {files.COMPLEMENTS}). Train it "
                "again with `perfectlook train`, on scenes with several products each."
            )
        return self.complements

    def resolve(self, category: str) -> Resolution:
        """The known category that stands in for `category`."""
        return _resolve(category, self.categories)

    def centre(self, category: str) -> Float32Array:
        """The centre of the category that stands in for `category`, or the overall centre: [global width]."""
        known = self.resolve(category).category
        return self.overall_centre if known is None else self.centres[known]

    def product_inputs(self, batch: FeatureBatch) -> Float32Array:
        """The features of products that centres are the means of, [n, global width]."""
        inputs: Float32Array = pooled(whole_picture(self.record.config, *batch))
        return inputs

    def embed_products(self, batch: FeatureBatch, centres: Float32Array) -> Float32Array:
        """f_p, [n, d], from the products' features and the centres of their categories [n, global width].

        A model trained without centring ignores the centres.
        """
        if not self.record.config.centring:
            centres = np.zeros_like(centres)
        vectors: Float32Array = self._run(files.PRODUCT_GRAPH, batch._asdict() | {"centres": centres})[0]
        return vectors

    def embed_scene(self, batch: FeatureBatch) -> SceneEmbedding:
        """Embed one scene, from a batch of one."""
        return self.embed_scenes(batch)[0]

    def embed_scenes(self, batch: FeatureBatch, are_parts: BoolArray | None = None) -> list[SceneEmbedding]:
        """Embed every scene of a batch.

        Args:
            batch: the features of n scenes.
            are_parts: whether each scene is a part of a photo, [n]; by default, all are whole photos. Only an
                adapted model tells them apart.
        """
        if self._statistics:
            batch = self._statistics.without_ignored(self._statistics.align(batch, are_parts))
        found: list[SceneEmbedding] = []
        for start in range(0, len(batch.global_vectors), CHUNK):
            part = slice(start, start + CHUNK)
            inputs = {name: array[part] for name, array in batch._asdict().items()}
            scenes, *local = self._run(files.SCENE_GRAPH, inputs)
            nothing: list[Any] = [None] * len(scenes)
            regions, logits = local or (nothing, nothing)
            found += [
                SceneEmbedding(
                    *each,
                    self.categories,
                    self.record.mixing,
                    self.norm,
                    self._category_mixing,
                    self.record.parts,
                )
                for each in zip(scenes, regions, logits, strict=True)
            ]
        return found

    def distance(
        self, photo: Picture | FeatureBatch, product: Picture | FeatureBatch, category: str
    ) -> float:
        """The distance between the photo of a scene and a product; lower is better.

        Args:
            photo: the scene: the path, the bytes or a stream of a picture, a Pillow picture, or the features
                of a picture (a batch of one).
            product: the product, given like the scene.
            category: the product's category: a whole path, or its last level ("Rugs"). The known category
                that stands in for it (`resolve`) selects the centre and the attention.

        Raises:
            PictureError: a picture cannot be read.
            ModelError: the installed backbone is not the one that the model was trained on, or the features
                are from another backbone.
        """
        scene = self.embed_scene(self._features(photo))
        vectors = self.embed_products(self._features(product), self.centre(category)[None])
        return float(scene.distances(category, vectors).total[0])

    def distances_over(self, features: SetFeatures, indices: IntArray) -> DistanceFunction:
        """Return a function for the distances within a set, for the scenes of the pairs `indices`.

        Products are centred like in a catalogue of the set's products.
        """
        vectors = self.product_vectors(features)
        scenes = self.scene_embeddings(features, indices)

        def distances(scene_row: int, category: str, rows: IntArray) -> Float64Array:
            return np.asarray(scenes[scene_row].distances(category, vectors[rows]).total, np.float64)

        return distances

    def product_vectors(self, features: SetFeatures) -> Float32Array:
        """f_p of every product of a set, centred like in a catalogue of these products: [products, d]."""
        count, categories = len(features.product_ids), features.product_categories
        parts = [slice(start, start + PRODUCTS_READ) for start in range(0, count, PRODUCTS_READ)]
        inputs = ((categories[part], self.product_inputs(features.products.batch(part))) for part in parts)
        centres = catalogue_centres(self.centre, inputs)
        embedded = [
            self.embed_products(
                features.products.batch(part), np.stack([centres[name] for name in categories[part]])
            )
            for part in parts
        ]
        return np.concatenate(embedded) if embedded else np.empty((0, self.dimension), np.float32)

    def scene_embeddings(self, features: SetFeatures, indices: IntArray) -> dict[int, SceneEmbedding]:
        """Embed the scenes of the pairs `indices`; keys are rows of the set's scenes."""
        rows = np.unique(features.pair_scenes[indices])
        found: dict[int, SceneEmbedding] = {}
        for start in range(0, len(rows), SCENES_READ):
            part = rows[start : start + SCENES_READ]
            are_parts = np.array([features.scene_views[row].crop is not None for row in part])
            embedded = self.embed_scenes(features.scenes.batch(part), are_parts)
            found |= {int(row): scene for row, scene in zip(part, embedded, strict=True)}
        return found

    def _features(self, picture: Picture | FeatureBatch) -> FeatureBatch:
        if isinstance(picture, FeatureBatch):
            return picture
        backbone = self._opened_backbone
        opened = open_picture(picture, fit=backbone.description.input_size)
        return backbone.extract(backbone.prepare(opened)[None])

    @cached_property
    def _opened_backbone(self) -> Backbone:
        backbone = open_backbone(self.backbone)
        self.check_backbone(backbone.identity)
        return backbone

    def _run(self, graph: str, inputs: dict[str, Float32Array]) -> Sequence[Float32Array]:
        if (session := self._sessions.get(graph)) is None:
            session = self._sessions[graph] = _open_session(self._folder / graph)
        wanted = {node.name: tuple(node.shape) for node in session.get_inputs()}
        for name, shape in wanted.items():
            found = inputs[name].shape
            if tuple(found[1:]) != shape[1:]:
                raise ModelError(
                    f"{self._folder}: expected {name} of shape {shape[1:]}, got {tuple(found[1:])}. Use the "
                    f"features of the backbone {self.record.backbone_identity}."
                )
        outputs: Sequence[Float32Array] = session.run(None, {name: inputs[name] for name in wanted})
        return outputs


class Popularity(StoredModel):
    """Order products by their number of training pairs, the same for every scene.

    A product without training pairs has popularity 0, so these products tie. The model has no product
    vectors: you can evaluate it, but you cannot search a catalogue with it.

    Attributes:
        counts: number of training pairs of each product id.
    """

    def __init__(self, folder: Path, record: ModelRecord) -> None:
        super().__init__(folder, record)
        with readable(folder / files.COUNTS):
            content = json.loads((folder / files.COUNTS).read_text(encoding="utf-8"))
            self.counts = {str(product): int(count) for product, count in content.items()}

    def __repr__(self) -> str:
        return f"<Popularity {self.name!r}: counts of {len(self.counts):,} products>"

    def check_backbone(self, identity: str) -> None:
        """Accept any backbone, because the model reads no features."""

    def distances(self, products: Sequence[str]) -> Float64Array:
        """Minus the popularity of products, given their ids: the same for every scene, [n]."""
        return -np.asarray([self.counts.get(product, 0) for product in products], np.float64)

    def distances_over(self, features: SetFeatures, indices: IntArray) -> DistanceFunction:  # noqa: ARG002
        """Return a function for the distances within a set.

        Raises:
            ModelError: the model has counted no product of the set, so all products would tie.
        """
        if self.counts.keys().isdisjoint(features.product_ids):
            raise ModelError(
                f"model {self.name!r}: its {len(self.counts):,} counted products include none of the "
                f"{len(features.product_ids):,} products of {features.dataset.name}. Train the baseline on "
                "that set, or evaluate another model."
            )
        found = self.distances(features.product_ids)

        return lambda _scene_row, _category, rows: found[rows]


PRIOR_PRODUCTS = 20
"""The weight of the model's centre, in products of the catalogue."""


class Mean:
    """A running mean of rows, in float64."""

    def __init__(self) -> None:
        """Start without rows."""
        self.count = 0
        self._sum: Float64Array | None = None

    def add(self, rows: Float32Array) -> None:
        """Add rows [n, d]."""
        total = rows.sum(axis=0, dtype=np.float64)
        self._sum = total if self._sum is None else self._sum + total
        self.count += len(rows)

    def shrunk_to(self, prior: Float32Array) -> Float32Array:
        """Return (n·mean + 20·prior) / (n + 20), float32 [d]; the prior itself if there are no rows."""
        if self._sum is None:
            return prior
        shrunk: Float32Array = (
            (self._sum + PRIOR_PRODUCTS * prior.astype(np.float64)) / (self.count + PRIOR_PRODUCTS)
        ).astype(np.float32)
        return shrunk


def catalogue_centres(
    prior: Callable[[str], Float32Array], batches: Iterable[tuple[Sequence[str], Float32Array]]
) -> dict[str, Float32Array]:
    """The centre of every category of a catalogue.

    Args:
        prior: returns the centre [d] that the centre of a category is shrunk to: `Model.centre`.
        batches: categories of products, and their features from `Model.product_inputs`, [n, d].
    """
    means: dict[str, Mean] = {}
    for categories, inputs in batches:
        names = np.asarray(categories)
        for name in sorted(set(categories)):
            means.setdefault(name, Mean()).add(inputs[names == name])
    return {name: mean.shrunk_to(prior(name)) for name, mean in means.items()}


def features_for(
    model: Model | Popularity, dataset: Dataset | Path | str, *, strict: bool = False, **options: Any
) -> SetFeatures:
    """Read the features of a set that a model needs.

    Args:
        model: any model.
        dataset: a set, or its folder.
        strict: fail if anything is wrong in the set.
        options: other options of `set_features`: `scene`, `workers` and `progress`.

    Raises:
        ModelError: the installed backbone is not the one that the model was trained on.
        DatasetError: the set cannot be read.
    """
    model.check_backbone(open_backbone(model.backbone).identity)
    dataset = dataset if isinstance(dataset, Dataset) else load_set(dataset, strict=strict)
    options |= {"product_maps": model.needs_product_maps, "strict": strict}
    return set_features(dataset, model.backbone, **options)


def open_model(folder: Path | str) -> Model | Popularity:
    """Open any model on disk. Every model can be evaluated; only a `Model` has product vectors.

    Raises:
        ModelError: there is no model, or it is incomplete, damaged or of another format.
    """
    folder = model_folder(folder)
    record = ModelRecord.read(folder)
    if record.baseline != files.POPULARITY:
        return Model.open(folder)
    record.check_files(folder, (files.COUNTS,))
    return Popularity(folder, record)


def _open_session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        content = path.read_bytes()
        check_graph(content)
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises exceptions without a common base
        raise ModelError(f"{path}: damaged ({error}). {files.TRAIN_AGAIN}") from error
