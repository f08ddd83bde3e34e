"""What a catalogue keeps: which model's vectors answer, and the record of every product."""

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Self, TypeAlias

import numpy as np
from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from perfectlook.data.fingerprints import Fingerprint
from perfectlook.errors import CatalogueError
from perfectlook.stores import Payload, Store
from perfectlook.types import Float32Array, Product

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model made vectors: its name, the hash of its weights, and the identity of its backbone."""

    name: str
    identity: str
    backbone: str

    def __str__(self) -> str:
        return f"'{self.name}' ({self.identity[:12]}, backbone {self.backbone})"


def _encoded(vector: Float32Array) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def _decoded(text: object) -> Float32Array:
    return np.frombuffer(base64.b64decode(str(text), validate=True), "<f4").astype(np.float32)


_Vector: TypeAlias = Annotated[Float32Array, PlainValidator(_decoded), PlainSerializer(_encoded)]
"""A vector that is base64 of little-endian float32 in documents."""


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """Vectors of one model around one choice of centres, in a collection of the store.

    `centres` holds the centre [D_in] of every category that the catalogue has seen, `overall` that of all
    products: frozen when first computed, so that a product's vector depends on nothing but the product.
    """

    collection: str
    model: ModelIdentity
    centres: Mapping[str, _Vector]
    overall: _Vector | None

    def with_centres(self, centres: Mapping[str, Float32Array], overall: Float32Array) -> "Generation":
        """Return this generation with centres of further categories; those it has stay."""
        return replace(
            self,
            centres=dict(sorted({**centres, **self.centres}.items())),
            overall=overall if self.overall is None else self.overall,
        )


@dataclass(frozen=True, slots=True)
class CatalogueManifest:
    """The generation that answers, None before the first sync has ended, and one that is being filled."""

    active: Generation | None
    pending: Generation | None
    counter: int

    @property
    def target(self) -> Generation:
        """The generation that a sync fills."""
        generation = self.pending or self.active
        assert generation is not None
        return generation

    @classmethod
    def of(cls, store: Store) -> "CatalogueManifest":
        """Read the manifest of a store; raises what `from_document` raises."""
        return cls.from_document(store.manifest(), store.location)

    @classmethod
    def from_document(cls, document: Payload | None, location: str) -> "CatalogueManifest":
        """Read a manifest from a store's document; None is an empty one.

        Raises:
            CatalogueError: it is of a newer format, or damaged.
        """
        if document is None:
            return cls(active=None, pending=None, counter=0)
        if isinstance(document.get("format"), int) and document["format"] > FORMAT:  # type: ignore[operator]
            raise CatalogueError(
                f"{location}: its manifest is of format {document['format']}, and this version reads up to "
                f"{FORMAT}; upgrade perfectlook"
            )
        try:
            return _DOCUMENTS.validate_python(document)
        except ValidationError as error:
            first = error.errors()[0]
            raise CatalogueError(
                f"{location}: its manifest is damaged ({'.'.join(map(str, first['loc']))}: {first['msg']}); "
                "move the catalogue away and run `perfectlook catalogue sync` to build it anew"
            ) from error

    def document(self) -> Payload:
        """Return the manifest as JSON values."""
        return {"format": FORMAT, **_DOCUMENTS.dump_python(self)}


_DOCUMENTS = TypeAdapter(CatalogueManifest)


def answering(store: Store) -> Generation:
    """Return the generation of a store that answers; CatalogueError before the first sync has ended."""
    generation = CatalogueManifest.of(store).active
    if generation is None:
        raise CatalogueError(
            f"{store.location}: no sync has ended yet, so there is nothing to recommend; run "
            "`perfectlook catalogue sync` to its end"
        )
    return generation


State: TypeAlias = tuple[str, str, str, str]
"""A product's category, the hashes of its picture and of its record, and its stamp.

A vector depends on the first two only. Another stamp alone is not a change: it saves a look at the picture.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """A product as a catalogue keeps it, next to its id and its vector.

    Attributes:
        title: as the source has it.
        picture: the absolute path of its picture.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        picture_sha256: the hash of the picture's file.
        dhash: the picture's difference hash, in hexadecimal digits.
        record_sha256: the hash of title, picture's place and fields.
        fields: price, brand, link ... as the source has them.
        stamp: what all that and the file looked like at a glance; see `stamp_of`.
        category: the product's category; a store keeps it apart from the rest.
    """

    title: str | None
    picture: str
    width: int
    height: int
    picture_sha256: str
    dhash: str
    record_sha256: str
    fields: Mapping[str, str] = field(default_factory=dict)
    stamp: str = ""
    category: str = ""

    @property
    def state(self) -> State:
        """What tells whether the product has changed."""
        return self.category, self.picture_sha256, self.record_sha256, self.stamp

    @classmethod
    def of(cls, product: Product, fingerprint: Fingerprint, stamp: str = "") -> Self:
        """Make the record of a product as its source and its picture are now."""
        picture = str(product.picture.absolute())
        return cls(
            title=product.title,
            picture=picture,
            width=fingerprint.width,
            height=fingerprint.height,
            picture_sha256=fingerprint.sha256,
            dhash=fingerprint.dhash.hex(),
            record_sha256=record_hash(product.title, picture, product.fields),
            fields=dict(product.fields),
            stamp=stamp,
            category=product.category,
        )

    @classmethod
    def from_payload(cls, id_: str, payload: Payload, category: str = "") -> Self:
        """Read a record back; CatalogueError if the payload is not one."""
        try:
            values = map(payload.__getitem__, RECORD_NAMES)
            return cls(*values, str(payload.get("stamp", "")), category)  # type: ignore[arg-type, call-arg]
        except KeyError as error:
            raise foreign_record(id_, str(error)) from error

    def payload(self) -> Payload:
        """Return the record as JSON values, without the category."""
        return {name: getattr(self, name) for name in (*RECORD_NAMES, "stamp")}


def foreign_record(id_: str | None, missing: str) -> CatalogueError:
    """The error of a stored product that is not a record."""
    return CatalogueError(
        f"product '{id_}' has no {missing} in the catalogue: it was written by something else; run "
        "`perfectlook catalogue sync` into a new folder"
    )


def record_hash(title: str | None, picture: str, fields: Mapping[str, str]) -> str:
    """The hash of what a source says of a product: another one means that its record has changed."""
    said = [title or "", picture]
    for name in sorted(fields):
        said += name, fields[name]
    return hashlib.sha256("\0".join(said).encode("utf-8", "surrogatepass")).hexdigest()


def stamp_of(picture: Path | str, digest: str) -> str:
    """Return what a product looks like at a glance: while that stays the same, the product has not changed.

    It is the size and the time of change of the picture's file, and the digest of what the source says; "" if
    there is no such file or no digest, and the product has to be looked at.
    """
    if not digest or not picture:
        return ""
    try:
        status = os.stat(picture)  # noqa: PTH116  # a hundred thousand of them; Path.stat is slower
    except (OSError, ValueError):
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{digest}"


RECORD_NAMES = [each.name for each in fields(Record) if each.name not in ("stamp", "category")]
"""What every stored record has; those of earlier versions have no stamp."""
