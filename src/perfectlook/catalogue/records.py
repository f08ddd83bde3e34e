"""What a catalogue keeps of a product beside its vector, and the hashes that tell whether it has changed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Self

from perfectlook.errors import CatalogueError
from perfectlook.fingerprints import Fingerprint
from perfectlook.stores import Payload
from perfectlook.types import Product

NEAR_IDENTICAL_BITS = 10
"""Pictures whose 256-bit difference hashes differ in at most so many bits are copies of each other."""


@dataclass(frozen=True, slots=True)
class Record:
    """A product's title, picture and further fields: price, brand, link ... as the source has them.

    `picture_sha256` is of the picture's file, `dhash` the difference hash in hexadecimal digits,
    `record_sha256` of everything else here.
    """

    title: str | None
    picture: str
    width: int
    height: int
    picture_sha256: str
    dhash: str
    record_sha256: str
    fields: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, product: Product, fingerprint: Fingerprint) -> Self:
        """Make the record of a product as its source and its picture are now."""
        picture = str(product.picture.absolute())
        said = [product.title, picture, sorted(product.fields.items())]
        return cls(
            title=product.title,
            picture=picture,
            width=fingerprint.width,
            height=fingerprint.height,
            picture_sha256=fingerprint.sha256,
            dhash=fingerprint.dhash.hex(),
            record_sha256=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
            fields=dict(product.fields),
        )

    @classmethod
    def from_payload(cls, id_: str, payload: Payload) -> Self:
        """Read a record back; CatalogueError when the payload is not one."""
        try:
            return cls(**{name: payload[name] for name in _NAMES})  # type: ignore[arg-type]
        except KeyError as error:
            raise CatalogueError(
                f"product '{id_}' has no {error} in the catalogue: it was written by something else; run "
                "`perfectlook catalogue sync` into a new folder"
            ) from error

    def payload(self) -> Payload:
        """Return the record as JSON values."""
        return asdict(self)

    def is_copy_of(self, other: "Record") -> bool:
        """Whether the two pictures are the same file or near-identical."""
        if self.picture_sha256 == other.picture_sha256:
            return True
        return (int(self.dhash, 16) ^ int(other.dhash, 16)).bit_count() <= NEAR_IDENTICAL_BITS


_NAMES = [each.name for each in fields(Record)]
