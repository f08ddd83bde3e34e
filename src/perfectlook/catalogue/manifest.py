"""What a catalogue says about itself: the model whose vectors it holds, and its own centres."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from perfectlook.errors import CatalogueError
from perfectlook.stores import Payload
from perfectlook.types import Float32Array

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model made vectors: its name, the hash of its weights, and the identity of its backbone."""

    name: str
    identity: str
    backbone: str

    def __str__(self) -> str:
        return f"'{self.name}' ({self.identity[:12]}, backbone {self.backbone})"


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """Vectors of one model around one choice of centres, in a collection of the store.

    `centres` holds the centre [D_in] of every category that the catalogue has seen, `overall` that of all
    products: frozen when first computed, so that a product's vector depends on nothing but the product.
    """

    collection: str
    model: ModelIdentity
    centres: Mapping[str, Float32Array] = field(default_factory=dict)
    overall: Float32Array | None = None

    def with_centres(self, centres: Mapping[str, Float32Array], overall: Float32Array) -> "Generation":
        """Return this generation with centres of further categories; those it has stay."""
        return replace(
            self,
            centres={**centres, **self.centres},
            overall=overall if self.overall is None else self.overall,
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """The generation that answers, None before the first sync has ended, and one that is being filled."""

    active: Generation | None = None
    pending: Generation | None = None
    counter: int = 0

    @property
    def target(self) -> Generation:
        """The generation that a sync fills."""
        generation = self.pending or self.active
        assert generation is not None
        return generation

    @classmethod
    def from_document(cls, document: Payload | None, location: str) -> Self:
        """Read a manifest from a store's document, None being an empty one.

        Raises:
            CatalogueError: it is of a newer format, or damaged.
        """
        if document is None:
            return cls()
        if isinstance(document.get("format"), int) and document["format"] > FORMAT:  # type: ignore[operator]
            raise CatalogueError(
                f"{location}: its manifest is of format {document['format']}, and this version reads up to "
                f"{FORMAT}; upgrade perfectlook"
            )
        try:
            active, pending = (_read_generation(document[name]) for name in ("active", "pending"))
            return cls(active, pending, int(document["counter"]))  # type: ignore[call-overload]
        except (KeyError, TypeError, ValueError) as error:
            raise CatalogueError(
                f"{location}: its manifest is damaged ({type(error).__name__}: {error}); move the catalogue "
                "away and run `perfectlook catalogue sync` to build it anew"
            ) from error

    def document(self) -> Payload:
        """Return the manifest as JSON values."""
        return {
            "format": FORMAT,
            "counter": self.counter,
            "active": _write_generation(self.active),
            "pending": _write_generation(self.pending),
        }


def _write_generation(generation: Generation | None) -> Payload | None:
    if generation is None:
        return None
    return {
        "collection": generation.collection,
        "model": {
            "name": generation.model.name,
            "identity": generation.model.identity,
            "backbone": generation.model.backbone,
        },
        "centres": {category: _encoded(centre) for category, centre in sorted(generation.centres.items())},
        "overall": None if generation.overall is None else _encoded(generation.overall),
    }


def _read_generation(document: object) -> Generation | None:
    if document is None:
        return None
    if not isinstance(document, dict):
        raise TypeError("a generation is not an object")
    overall = document["overall"]
    return Generation(
        collection=str(document["collection"]),
        model=ModelIdentity(**document["model"]),
        centres={category: _decoded(text) for category, text in document["centres"].items()},
        overall=None if overall is None else _decoded(overall),
    )


def _encoded(vector: Float32Array) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def _decoded(text: str) -> Float32Array:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
