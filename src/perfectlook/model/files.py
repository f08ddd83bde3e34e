"""What a model folder holds, and `config.json`, the record that says so; needs no torch.

The record is written last: a folder that has it is complete.
"""

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from perfectlook import __version__
from perfectlook.errors import ModelError, PerfectLookError
from perfectlook.files import shipped_models, write_file
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
COUNTS = "counts.json"
"""Of a popularity model, instead of weights, graphs and centres."""
POPULARITY = "popularity"
"""The `baseline` in the record of a popularity model."""
RUNTIME_FILES = (SCENE_GRAPH, PRODUCT_GRAPH, CENTRES)
"""What inference reads."""

write_model_file = partial(write_file, durable=True, error=ModelError)
"""Write a file of a model folder in one step; where that fails, raise a `ModelError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """The contents of `config.json`.

    Attributes:
        name: what the model is called.
        config: its shape.
        backbone_identity: of the backbone whose features it was trained on.
        categories: the known categories, in the order of the graphs' outputs.
        mixing: w, the mean one where every category has its own.
        temperature: τ as trained; None where there is no attention.
        identity: sha256 over all that inference depends on.
        training: how it came about: sets, settings, seed, figures.
        library: version of perfectlook that wrote it.
        baseline: name of the baseline that the model is; None for a compatibility model.
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

    def check_backbone(self, identity: str) -> None:
        """Make sure that a backbone is the one the model was trained on.

        Raises:
            ModelError: it is another, by name, precision or weights.
        """
        if identity != self.backbone_identity:
            raise ModelError(
                f"model {self.name!r} was trained on the backbone {self.backbone_identity}, and "
                f"{self.config.backbone!r} is {identity} here: install the perfectlook that wrote it, or "
                "train it again"
            )

    def check_files(self, folder: Path, files: Sequence[str] = RUNTIME_FILES) -> None:
        """Make sure that a folder holds the files that the model was written with.

        Raises:
            ModelError: a file is missing, or is another than it was.
        """
        if identity_of(folder, self.config, self.categories, files) != self.identity:
            raise ModelError(
                f"{folder}: its files do not belong together: something has changed them since the model was "
                "written; copy the whole folder again, or train the model again"
            )

    def write(self, folder: Path) -> None:
        """Write `config.json` in one step."""
        content = {"format": FORMAT} | dataclasses.asdict(self)
        write_model_file(folder / CONFIG, json.dumps(content, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "ModelRecord":
        """Read the record of a model folder.

        Raises:
            ModelError: there is no model, it is incomplete, of a newer format, or not readable.
        """
        path = folder / CONFIG
        if not folder.is_dir():
            raise ModelError(
                f"{folder}: no such model folder; make one with `perfectlook train SET --out`, or name one "
                f"that comes with the package: {', '.join(shipped_models())}"
            )
        if not path.is_file():
            raise ModelError(
                f"{folder}: holds no {CONFIG}, so it is no model or its training never finished; "
                "run the same `perfectlook train` again to finish it"
            )
        with readable(path):
            content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ModelError(f"{path}: is not a JSON object; train the model again")
        found = content.pop("format", None)
        if found != FORMAT:
            raise ModelError(
                f"{path}: model format {found!r}, and this perfectlook reads format {FORMAT}: upgrade "
                "perfectlook, or train the model again"
            )
        try:
            content["config"] = ModelConfig(**content["config"])
            content["categories"] = tuple(content["categories"])
            return cls(**content)
        except (KeyError, TypeError, PerfectLookError) as error:
            raise ModelError(f"{path}: not a model's record ({error}); train the model again") from error


@contextmanager
def readable(path: Path, remedy: str = "train the model again") -> Iterator[None]:
    """Report whatever is wrong with a file of a model folder as a `ModelError` that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        raise ModelError(f"{path}: cannot be read ({error}); {remedy}") from error


def read_arrays(content: bytes) -> dict[str, Any]:
    """The arrays of an `.npz` file, by name; within `readable`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_arrays(**arrays: Any) -> bytes:
    """The content of an `.npz` file with these arrays."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def read_centres(folder: Path) -> dict[str, Float32Array]:
    """The arrays `centres` [categories, width], `overall` [width] and, where it is learned, `mixing`.

    Raises:
        ModelError: the file cannot be read.
    """
    path = folder / CENTRES
    with readable(path):
        arrays = {name: array.astype(np.float32) for name, array in read_arrays(path.read_bytes()).items()}
        return {"centres": arrays["centres"], "overall": arrays["overall"]} | arrays


def read_trained_on(folder: Path) -> dict[str, frozenset[str]]:
    """Ids of the `scenes` and `products` in the pairs that a model was trained on.

    Raises:
        ModelError: the file cannot be read.
    """
    path = folder / TRAINED_ON
    with readable(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        return {kind: frozenset(content[kind]) for kind in ("scenes", "products")}


def write_folder(
    folder: Path, files: Mapping[str, bytes], runtime_files: Sequence[str] = RUNTIME_FILES, **record: Any
) -> ModelRecord:
    """Write a model folder; `config.json` last, so that a folder which has it is complete.

    Args:
        folder: made if it is missing. The record of a model in it is removed first.
        files: contents by name.
        runtime_files: those of them that inference reads.
        record: fields of `ModelRecord` but its name, identity and library.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (CONFIG, SUGGESTION):
        (folder / stale).unlink(missing_ok=True)
    for name, content in files.items():
        write_model_file(folder / name, content)
    identity = identity_of(folder, record["config"], record["categories"], runtime_files)
    record["categories"] = tuple(record["categories"])
    written = ModelRecord(name=folder.resolve().name, identity=identity, library=__version__, **record)
    written.write(folder)
    return written


def trained_on_file(scenes: Iterable[str], products: Iterable[str]) -> bytes:
    """The content of the file that `read_trained_on` reads."""
    content = {"scenes": sorted(scenes), "products": sorted(products)}
    return (json.dumps(content, indent=0) + "\n").encode()


def identity_of(
    folder: Path, config: ModelConfig, categories: Sequence[str], files: Sequence[str] = RUNTIME_FILES
) -> str:
    """sha256 over the model: the files that inference reads, and what the record says of them.

    Raises:
        ModelError: a file is missing.
    """
    said = [dataclasses.asdict(config), list(categories)]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in files:
        with readable(folder / name):
            digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()
