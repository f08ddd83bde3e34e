"""The files of a model folder and `config.json`, the record that describes them; needs no torch.

The record is written last: a folder that contains it is complete.
"""

import dataclasses
import difflib
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self
from zipfile import BadZipFile, ZipFile

import numpy as np

from perfectlook import __version__
from perfectlook.errors import ModelError, PerfectLookError
from perfectlook.files import ALIASES, shipped_models, write_file
from perfectlook.model.config import ModelConfig
from perfectlook.types import Float32Array

FORMAT = 2
CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
SCENE_GRAPH = "scene.onnx"
PRODUCT_GRAPH = "product.onnx"
CENTRES = "centres.npz"
TRAINED_ON = "trained_on.json"
CARD = "MODEL_CARD.md"
SUGGESTION = "suggestion.npz"
SCENES = "scenes.npz"
"""Moments of scenes; inference reads them if `ModelRecord.reads_statistics`."""
KNOWN = "known.npz"
PRESENCE = "presence.npz"
COMPLEMENTS = "complements.npz"
COUNTS = "counts.json"
"""In a popularity model, this file replaces weights, graphs and centres."""
POPULARITY = "popularity"
"""The `baseline` field in the record of a popularity model."""
RUNTIME_FILES = (SCENE_GRAPH, PRODUCT_GRAPH, CENTRES)
"""The files that inference reads."""
FILES = (
    *(CONFIG, *RUNTIME_FILES, WEIGHTS, COUNTS, TRAINED_ON, CARD),
    *(SUGGESTION, SCENES, KNOWN, PRESENCE, COMPLEMENTS),
)

TRAIN_AGAIN = "Train the model again with `perfectlook train`."

write_model_file = partial(write_file, durable=True, error=ModelError)
"""Write a file of a model folder in one step; raise a `ModelError` if that fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """The contents of `config.json`.

    Attributes:
        name: name of the model.
        config: its configuration.
        backbone_identity: identity of the backbone whose features it was trained on.
        categories: the known categories, in the order of the graphs' outputs.
        mixing: w; the mean over the categories if each has its own.
        temperature: τ after training; None if there is no attention.
        identity: sha256 over everything that inference depends on.
        training: how it was trained: sets, settings, seed, figures.
        library: version of perfectlook that wrote it.
        baseline: name of the baseline; None for a compatibility model.
        adapted: what an adapted model was made from: `model`, `identity` and `n_pictures`; and whether it
            knows scenes by their features as they are, `knows_raw`. None for others.
        ignores_view: whether inference reads directions to ignore from `scenes.npz`.
        attention_holds: whether attention explains the ranking, by the deletion test; None if not tested.
    """

    name: str
    config: ModelConfig
    backbone_identity: str
    categories: tuple[str, ...]
    mixing: float
    temperature: float | None
    identity: str
    training: Mapping[str, Any] = field(default_factory=dict)
    library: str
    baseline: str | None = None
    adapted: Mapping[str, Any] | None = None
    ignores_view: bool = False
    attention_holds: bool | None = None

    @property
    def reads_statistics(self) -> bool:
        """Whether inference reads `scenes.npz`."""
        return bool(self.adapted) or self.ignores_view

    @property
    def knows_raw(self) -> bool:
        """Whether the known scenes are compared by features as they are; otherwise by aligned ones.

        Earlier versions wrote adapted models without it, and aligned their known scenes.
        """
        return bool((self.adapted or {}).get("knows_raw"))

    @property
    def parts(self) -> dict[str, int]:
        """The dimension of each part of the model, in the order of the vectors' coordinates."""
        shape = self.config
        if self.baseline:
            return {self.baseline: shape.vector_dimension}
        memory = shape.style_dimension - shape.dimension
        sizes = {"network": shape.dimension, "memory": memory, "mixture": shape.closed_form}
        return {name: size for name, size in sizes.items() if size}

    def check_backbone(self, identity: str) -> None:
        """Check that a backbone is the one the model was trained on.

        Raises:
            ModelError: the backbone has another name, precision or weights.
        """
        if identity != self.backbone_identity:
            raise ModelError(
                f"model {self.name!r}: trained on the backbone {self.backbone_identity}, but "
                f"{self.config.backbone!r} is {identity} in this installation. Install perfectlook "
                f"{self.library}, or train the model again with `perfectlook train`."
            )

    def check_files(self, folder: Path, files: Sequence[str] = RUNTIME_FILES) -> None:
        """Check that a folder holds the files that the model was written with.

        Raises:
            ModelError: a file is missing or has changed.
        """
        files = (*files, SCENES) if self.reads_statistics else files
        if identity_of(folder, self.config, self.categories, files) != self.identity:
            raise ModelError(
                f"{folder}: damaged (its files have changed since the model was written). Copy the whole "
                f"folder again, or train the model again with `perfectlook train`."
            )

    def write(self, folder: Path) -> None:
        """Write `config.json` in one step."""
        content = {"format": FORMAT} | dataclasses.asdict(self) | {"config": _described(self.config)}
        for name in ("adapted", "ignores_view", "attention_holds"):  # earlier versions read records without
            if content[name] is None or (name != "attention_holds" and not content[name]):
                del content[name]
        write_model_file(folder / CONFIG, json.dumps(content, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "ModelRecord":
        """Read the record of a model folder.

        Raises:
            ModelError: there is no model, or it is incomplete, of another format, or unreadable.
        """
        path = folder / CONFIG
        if not folder.is_dir():
            near = difflib.get_close_matches(folder.name.lower(), [*shipped_models(), *ALIASES], n=1)
            meant = f"Did you mean '{near[0]}'? " if near else ""
            raise ModelError(
                f"{folder}: no such model folder. {meant}Make one with `perfectlook train SET "
                f"--out FOLDER`, or choose an included one: {', '.join(shipped_models())}."
            )
        for each in map(folder.joinpath, FILES):  # a pipe or a device would never end
            if each.exists() and not each.is_file():
                raise ModelError(f"{each}: not a regular file. Copy the whole folder again.")
        if not path.is_file():
            raise ModelError(
                f"{folder}: not a complete model (it has no {CONFIG}). Check the path, or finish its "
                "training with the same `perfectlook train` command."
            )
        with readable(path):
            content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ModelError(f"{path}: damaged (expected a JSON object). {TRAIN_AGAIN}")
        found = content.pop("format", None)
        if found != FORMAT:
            raise ModelError(
                f"{path}: has format {found!r}, but this version reads format {FORMAT}. Upgrade "
                "perfectlook, or train the model again with `perfectlook train`."
            )
        try:
            content["config"] = ModelConfig(**content["config"])
            content["categories"] = tuple(content["categories"])
            return cls(**content)
        except (KeyError, TypeError, PerfectLookError) as error:
            raise ModelError(f"{path}: damaged ({error}). {TRAIN_AGAIN}") from error


@contextmanager
def readable(path: Path, remedy: str = TRAIN_AGAIN) -> Iterator[None]:
    """Turn any failure to read a file of a model folder into a `ModelError` that names the file."""
    try:
        yield
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile),
        *(RuntimeError, MemoryError, OverflowError, RecursionError),
    ) as error:
        raise ModelError(f"{path}: cannot be read ({error}). {remedy}") from error


def read_arrays(content: bytes) -> dict[str, Any]:
    """The arrays of an `.npz` file by name; call it inside `readable`.

    The arrays take no more memory than the file. `write_arrays` does not compress, so others do not either.
    """
    with ZipFile(io.BytesIO(content)) as packed:
        entries = packed.infolist()
        if sum(each.file_size for each in entries) > len(content):
            raise ValueError("its arrays are larger than the file")
        for each in entries:
            with packed.open(each) as entry:
                is_first = np.lib.format.read_magic(entry) == (1, 0)
                read = (
                    np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(entry)
            if math.prod(shape) * max(1, dtype.itemsize) > each.file_size:
                raise ValueError(f"{each.filename} is larger than the file")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_arrays(**arrays: Any) -> bytes:
    """The content of an `.npz` file that holds these arrays."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFile:
    """Base of what a model folder stores as an `.npz` file: arrays, numbers, names and lists of names.

    Attributes:
        FILE: name of the file.
        REMEDY: what to do if it cannot be read.
    """

    FILE: ClassVar[str]
    REMEDY: ClassVar[str] = TRAIN_AGAIN

    @classmethod
    def open(cls, folder: Path | str) -> Self | None:
        """Read the file of a model folder; None if the model has none.

        Raises:
            ModelError: the file cannot be read, has another format, or its arrays do not match.
        """
        path = Path(folder) / cls.FILE
        if not path.exists():
            return None
        with readable(path, cls.REMEDY):
            content = read_arrays(path.read_bytes())
            if int(content["format"]) != ARRAY_FORMAT:
                raise ValueError(f"format {content['format']}, expected format {ARRAY_FORMAT}")
            found = cls(**{each.name: _READ.get(each.type, str)(content[each.name]) for each in fields(cls)})
            for name, shape in found.shapes().items():
                if getattr(found, name).shape != shape:
                    raise ValueError(f"{name} has shape {getattr(found, name).shape}, expected {shape}")
            return found

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The expected shapes of arrays, by name."""
        return {}

    def content(self) -> bytes:
        """The content of the file."""
        arrays = {each.name: np.asarray(getattr(self, each.name)) for each in fields(self)}
        return write_arrays(format=np.int64(ARRAY_FORMAT), **arrays)

    def check_width(self, found: int, expected: int, what: str = "features of a scene") -> None:
        """Check how wide the arrays are that the file is used with.

        Raises:
            ModelError: they have another width.
        """
        if found != expected:
            raise ModelError(
                f"{self.FILE}: expected {expected} {what}, got {found} (the file is of another model). "
                f"{TRAIN_AGAIN}"
            )


ARRAY_FORMAT = 1
_READ: dict[Any, Callable[[Any], Any]] = {
    Float32Array: lambda array: array.astype(np.float32),
    float: float,
    tuple[str, ...]: lambda names: tuple(map(str, names)),
}
"""How the values of fields are read, by their type; others are text."""


def read_centres(folder: Path) -> dict[str, Float32Array]:
    """Read the arrays `centres` [categories, width], `overall` [width] and, if it is learned, `mixing`.

    Raises:
        ModelError: the file cannot be read.
    """
    path = folder / CENTRES
    with readable(path):
        arrays = {name: array.astype(np.float32) for name, array in read_arrays(path.read_bytes()).items()}
        return {"centres": arrays["centres"], "overall": arrays["overall"]} | arrays


def read_trained_on(folder: Path) -> dict[str, frozenset[str]]:
    """Ids of the `scenes` and `products` in the training pairs of a model.

    Raises:
        ModelError: the file cannot be read.
    """
    path = folder / TRAINED_ON
    with readable(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        return {kind: frozenset(content[kind]) for kind in ("scenes", "products")}


def start_folder(folder: Path) -> None:
    """Create a model folder. Remove the files of an earlier model from it, its record first."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in FILES:
        (folder / stale).unlink(missing_ok=True)


def write_folder(
    folder: Path,
    files: Mapping[str, bytes],
    runtime_files: Sequence[str] = RUNTIME_FILES,
    *,
    complete: Callable[[ModelRecord], None] | None = None,
    **record: Any,
) -> ModelRecord:
    """Write a model folder. `config.json` is written last, so a folder that contains it is complete.

    Args:
        folder: created if it is missing. The files of an earlier model in it are removed first.
        files: contents by file name.
        runtime_files: names of the files that inference reads.
        complete: writes the files that are made with the model itself, before the record is written.
        record: fields of `ModelRecord` except its name, identity and library.
    """
    start_folder(folder)
    for name, content in files.items():
        write_model_file(folder / name, content)
    identity = identity_of(folder, record["config"], record["categories"], runtime_files)
    record["categories"] = tuple(record["categories"])
    written = ModelRecord(name=folder.resolve().name, identity=identity, library=__version__, **record)
    if complete:
        complete(written)
    written.write(folder)
    return written


def trained_on_file(scenes: Iterable[str], products: Iterable[str]) -> bytes:
    """The content of the file that `read_trained_on` reads."""
    content = {"scenes": sorted(scenes), "products": sorted(products)}
    return (json.dumps(content, indent=0) + "\n").encode()


def identity_of(
    folder: Path, config: ModelConfig, categories: Sequence[str], files: Sequence[str] = RUNTIME_FILES
) -> str:
    """sha256 over the files that inference reads, the configuration and the categories.

    Raises:
        ModelError: a file is missing.
    """
    described = [_described(config), list(categories)]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name in files:
        with readable(folder / name):
            digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


def _described(config: ModelConfig) -> dict[str, Any]:
    """The configuration by name. Models without closed forms stay as earlier versions wrote them."""
    found = dataclasses.asdict(config)
    if not config.closed_form:
        del found["closed_form"]
    return found
