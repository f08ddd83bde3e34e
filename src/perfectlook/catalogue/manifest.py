"""The manifest of a catalogue, and the records of its products."""

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Self, TypeAlias

import numpy as np
from pydantic import Field, PlainSerializer, PlainValidator, StringConstraints, TypeAdapter, ValidationError

from perfectlook.data.fingerprints import Fingerprint
from perfectlook.errors import CatalogueError
from perfectlook.stores import Payload, Store
from perfectlook.stores.database import REBUILD
from perfectlook.types import Float32Array, Product

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """The model of vectors: its name, the hash of its weights, and the identity of its backbone."""

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
"""A vector. Documents hold it as base64 of little-endian float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """The vectors of one model with one set of centres, in one collection of the store.

    `centres` holds the centre [D_in] of every category that the catalogue has ever had. `overall` is the
    centre of all products. Centres never change, so a vector depends only on its own product.
    """

    collection: str
    model: ModelIdentity
    centres: Mapping[str, _Vector]
    overall: _Vector | None

    def with_centres(self, centres: Mapping[str, Float32Array], overall: Float32Array) -> "Generation":
        """Return this generation with the centres of more categories. The centres it has do not change."""
        return replace(
            self,
            centres=dict(sorted({**centres, **self.centres}.items())),
            overall=overall if self.overall is None else self.overall,
        )


@dataclass(frozen=True, slots=True)
class CatalogueManifest:
    """The active generation (None before the first sync has finished), and others next to it.

    `pending` is being filled. `staged` is complete, and `Catalogue.switch` makes it the active one.
    `previous` was active before the last switch.
    """

    active: Generation | None
    pending: Generation | None
    counter: int
    staged: Generation | None = None
    previous: Generation | None = None

    @property
    def target(self) -> Generation:
        """The generation that a sync fills."""
        generation = self.pending or self.active
        assert generation is not None
        return generation

    @property
    def generations(self) -> list[Generation]:
        """All generations, the active one last."""
        return [each for each in (self.previous, self.staged, self.pending, self.active) if each]

    @classmethod
    def of(cls, store: Store) -> "CatalogueManifest":
        """Read the manifest of a store. The errors are those of `from_document`."""
        return cls.from_document(store.manifest(), store.location)

    @classmethod
    def from_document(
        cls, document: Payload | None, location: str, remedy: str = REBUILD
    ) -> "CatalogueManifest":
        """Read a manifest from a document. None gives an empty manifest.

        Raises:
            CatalogueError: the manifest has a newer format or is damaged. `remedy` says how to repair it.
        """
        if document is None:
            return cls(active=None, pending=None, counter=0)
        if isinstance(document.get("format"), int) and document["format"] > FORMAT:  # type: ignore[operator]
            what = f"has format {document['format']}, but this version reads formats up to {FORMAT}"
            raise CatalogueError(f"{location}: {what}. Upgrade perfectlook.")
        try:
            return _DOCUMENTS.validate_python(document)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"manifest, {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise CatalogueError(f"{location}: damaged ({what}). {remedy}") from error

    def document(self) -> Payload:
        """Return the manifest as JSON values."""
        document = {"format": FORMAT, **_DOCUMENTS.dump_python(self)}
        for name in ("staged", "previous"):
            if document[name] is None:  # as earlier versions write it
                del document[name]
        return document


_DOCUMENTS = TypeAdapter(CatalogueManifest)


def answering(store: Store) -> Generation:
    """Return the active generation of a store. Raises CatalogueError before the first sync has finished."""
    generation = CatalogueManifest.of(store).active
    if generation is None:
        remedy = "Run `perfectlook catalogue sync`, and let it finish."
        raise CatalogueError(f"{store.location}: no finished sync. {remedy}")
    return generation


State: TypeAlias = tuple[str, str, str, str]
"""A product's category, the hashes of its picture and of its record, and its stamp.

The vector depends only on the category and the picture. A new stamp alone is not a change. An equal stamp
saves reading the picture.
"""
States: TypeAlias = Mapping[str, State]
"""The states of products by id."""


_Hash: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Pixels: TypeAlias = Annotated[int, Field(ge=1, lt=2**31)]


@dataclass(frozen=True, slots=True)
class Record:
    """What a catalogue stores about a product, in addition to its id and its vector.

    Attributes:
        title: the title, as in the source.
        picture: the absolute path of the picture.
        width: the width of the picture in pixels.
        height: the height of the picture in pixels.
        picture_sha256: the hash of the picture's file.
        dhash: the picture's difference hash, in hexadecimal digits.
        record_sha256: the hash of the title, the path of the picture, and the fields.
        fields: price, brand, link and others, as in the source.
        stamp: a quick check whether the product has changed; see `stamp_of`.
        category: the product's category. Stores keep it separately.
        colours: the colours of the picture, as `perfectlook.colours.write` does.
    """

    title: str | None
    picture: str
    width: _Pixels
    height: _Pixels
    picture_sha256: _Hash
    dhash: _Hash
    record_sha256: _Hash
    fields: Mapping[str, str] = field(default_factory=dict)
    stamp: str = ""
    category: str = ""
    colours: str = ""

    @property
    def state(self) -> State:
        """The values to compare to find out whether the product has changed."""
        return self.category, self.picture_sha256, self.record_sha256, self.stamp

    @classmethod
    def of(cls, product: Product, fingerprint: Fingerprint, stamp: str = "") -> Self:
        """Return the record of a product, from its source and its picture."""
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
            colours=fingerprint.colours,
        )

    @classmethod
    def from_payload(cls, id_: str, payload: Payload, category: str = "") -> Self:
        """Return the record in a payload. Raises CatalogueError if the payload has no record."""
        try:
            values = map(payload.__getitem__, RECORD_NAMES)
            more = str(payload.get("stamp", "")), category, str(payload.get("colours", ""))
            return cls(*values, *more)  # type: ignore[arg-type, call-arg]
        except KeyError as error:
            raise foreign_record(id_, str(error)) from error

    def payload(self) -> Payload:
        """Return the record as JSON values, without the category."""
        return {name: getattr(self, name) for name in (*RECORD_NAMES, "stamp", "colours")}


def foreign_record(id_: str | None, missing: str) -> CatalogueError:
    """Return the error about a stored product without a record."""
    return CatalogueError(
        f"product '{id_}': no {missing} in its record (another program has written it). Run `perfectlook "
        "catalogue sync` with a new folder."
    )


def record_hash(title: str | None, picture: str, fields: Mapping[str, str]) -> str:
    """Return the hash of a product's data in its source. Another hash means that its record has changed."""
    texts = [title or "", picture]
    for name in sorted(fields):
        texts += name, fields[name]
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def stamp_of(picture: Path | str, digest: str) -> str:
    """Return the stamp of a product. A product with the same stamp as before has not changed.

    It has the size and the modification time of the picture's file, and the digest of the product's data in
    its source. Without a file or a digest it is "", and the picture must be read. The letter "c" says that
    the record has colours; records of earlier versions get them with the next sync.
    """
    if not digest or not picture:
        return ""
    try:
        status = os.stat(picture)  # noqa: PTH116  # faster than Path.stat for many files
    except (OSError, ValueError):
        return ""
    return f"c{status.st_size}-{status.st_mtime_ns}-{digest}"


RECORD_NAMES = [each.name for each in fields(Record) if each.name not in ("stamp", "category", "colours")]
"""The entries that every stored record has. Those of earlier versions have no stamp and no colours."""
