"""The manifest of a catalogue on a cluster: a document in parts, and one point that lists the parts."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from perfectlook.errors import CatalogueError
from perfectlook.stores.base import Payload
from perfectlook.stores.cluster_connection import ClusterConnection
from perfectlook.stores.cluster_lease import Lease

FORMAT = 1
HEAD_ID = 1
PART = 4 * 2**20
"""The number of characters in one part. A server accepts requests of up to 32 MB."""


class ClusterManifest:
    """A document and the name of the active collection. Writing one point replaces both."""

    def __init__(self, connection: ClusterConnection, collection: str, lease: Lease) -> None:
        """Use the manifest in a collection."""
        self._connection = connection
        self._collection = collection
        self._lease = lease

    def prepare(self, *, create: bool, replicas: int) -> None:
        """Check that the manifest exists. With `create`, make it if there is none.

        Raises:
            CatalogueError: there is no manifest, or it has another format.
        """
        exists = self._exists()
        if not exists and not create:
            raise CatalogueError(
                f"{self._connection.location}: no catalogue here. Make one with `perfectlook catalogue sync`."
            )
        if not exists:
            self._create(replicas)
        found = self._head().get("format", FORMAT)
        if found != FORMAT:
            raise CatalogueError(
                f"{self._connection.location}: has format {found}, but this version reads format {FORMAT}. "
                "Upgrade perfectlook."
            )

    def active(self) -> str | None:
        """Return the active collection's name."""
        name = self._head().get("active")
        return None if name is None else str(name)

    def read(self) -> Payload | None:
        """Return the last document, or None before the first. Raises CatalogueError if it is damaged."""
        while True:
            head = self._head()
            numbers = head.get("parts", [])
            if not numbers:
                return None
            with self._connection.asking("reading the manifest") as client:
                parts = client.retrieve(self._collection, numbers, consistency="majority")
            if len(parts) < len(numbers) and self._head() != head:
                continue  # another process has replaced it
            texts = {part.id: str(part.payload.get("text", "")) for part in parts}
            whole = "".join(texts.get(number, "") for number in numbers)
            return parsed(whole, "the manifest", self._connection.location)

    def write(self, document: Payload, active: str | None) -> None:
        """Write the document next to the old one, then switch to it."""
        text = json.dumps(document, ensure_ascii=False)
        parts = {str(uuid.uuid4()): text[start : start + PART] for start in range(0, len(text), PART)}
        before = self._head().get("parts", [])
        for number, part in parts.items():
            self._write(number, {"text": part})
        self._write(HEAD_ID, {"format": FORMAT, "active": active, "parts": list(parts)})
        if before:
            self._lease.check()
            with self._connection.asking("writing the manifest") as client:
                client.delete(self._collection, before)

    def _exists(self) -> bool:
        with self._connection.asking("opening") as client:
            return bool(client.collection_exists(self._collection))

    def _create(self, replicas: int) -> None:
        from qdrant_client import models

        try:
            with self._connection.asking("making a catalogue") as client:
                client.create_collection(
                    self._collection,
                    models.VectorParams(size=1, distance=models.Distance.DOT),
                    replication_factor=replicas,
                    shard_number=1,
                )
        except CatalogueError:  # another process may have made it
            if not self._exists():
                raise

    def _head(self) -> Mapping[str, Any]:
        with self._connection.asking("reading the manifest") as client:
            found = client.retrieve(self._collection, [HEAD_ID], consistency="majority")
        return found[0].payload if found else {}

    def _write(self, number: int | str, payload: Payload) -> None:
        from qdrant_client import models

        self._lease.check()
        with self._connection.asking("writing the manifest") as client:
            client.upsert(
                self._collection,
                [models.PointStruct(id=number, vector=[0.0], payload=dict(payload))],
                ordering=models.WriteOrdering.STRONG,
            )


def parsed(text: object, what: str, location: str) -> Payload:
    """Read a JSON object. Raises CatalogueError with the damaged part `what`."""
    try:
        document = json.loads(str(text))
    except ValueError as error:
        document = error
    if not isinstance(document, dict):
        raise CatalogueError(
            f"{location}: damaged ({what} is not a JSON object). Delete its collections on the server, and "
            "make it again with `perfectlook catalogue sync`."
        )
    return document
