"""What a catalogue keeps of a product beside its vector, and the hashes that tell whether it has changed."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

from perfectlook.errors import CatalogueError
from perfectlook.filters.match import field_text
from perfectlook.fingerprints import Fingerprint
from perfectlook.stores import Payload
from perfectlook.types import Product


@dataclass(frozen=True, slots=True)
class Record:
    """A product's title, picture and further fields: price, brand, link ... as the source has them.

    `picture_sha256` is of the picture's file, `dhash` the difference hash in hexadecimal digits,
    `record_sha256` of title, picture's place and fields. `stamp` is what all that and the file looked
    like at a glance, see `stamp_of`.
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

    @property
    def price(self) -> str:
        """What a customer pays, as filters see it; "" where the source does not say."""
        return field_text("price", "", "", self.fields)

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
        )

    @classmethod
    def from_payload(cls, id_: str, payload: Payload) -> Self:
        """Read a record back; CatalogueError when the payload is not one."""
        try:
            return cls(*map(payload.__getitem__, _NAMES), str(payload.get("stamp", "")))  # type: ignore[arg-type, call-arg]
        except KeyError as error:
            raise CatalogueError(
                f"product '{id_}' has no {error} in the catalogue: it was written by something else; run "
                "`perfectlook catalogue sync` into a new folder"
            ) from error

    def payload(self) -> Payload:
        """Return the record as JSON values."""
        return asdict(self)


def record_hash(title: str | None, picture: str, fields: Mapping[str, str]) -> str:
    """The hash of what a source says of a product: another one means that its record has changed."""
    said = [title or "", picture]
    for name in sorted(fields):
        said += name, fields[name]
    return hashlib.sha256("\0".join(said).encode("utf-8", "surrogatepass")).hexdigest()


def stamp_of(picture: Path | str, digest: str) -> str:
    """What a product looks like at a glance: as long as that stays the same, the product has not changed.

    It is the size and the time of change of the picture's file, and the digest of what the source says; ""
    where there is no such file or no digest, and the product has to be looked at.
    """
    if not digest or not picture:
        return ""
    try:
        status = os.stat(picture)  # noqa: PTH116  # a hundred thousand of them; Path.stat is slower
    except (OSError, ValueError):
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{digest}"


_NAMES = [each.name for each in fields(Record) if each.name != "stamp"]
"""What every record has; those of earlier versions have no stamp."""
