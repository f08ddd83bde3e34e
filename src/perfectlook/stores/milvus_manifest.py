"""The manifests and write leases of all catalogues on a server, as rows of one small collection.

Keys of rows start with the catalogue's name: `NAME/head/COLLECTION` lists the parts of the manifest that is
valid while COLLECTION is active, `NAME/part/VERSION/NUMBER` holds one part, and `NAME/lease/TOKEN` is a claim
to write.
"""

import json
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from perfectlook.errors import CatalogueError, CatalogueInUseError
from perfectlook.stores.base import Payload, parsed
from perfectlook.stores.milvus_connection import MilvusConnection

ROWS = "_perfectlook"  # the collection; names of catalogues start with a letter
FORMAT = 1
REBUILD = "Delete its collections on the server, and make it again with `perfectlook catalogue sync`."
PART = 60_000  # the ASCII characters in one part; Milvus stores texts of up to 65,535 bytes


class Rows:
    """The rows of one catalogue: texts by key. Reads see all writes that were complete before."""

    def __init__(self, connection: MilvusConnection, name: str) -> None:
        """Use the rows of the catalogue `name`."""
        self._connection = connection
        self._prefix = f"{name}/"

    def prepare(self, *, create: bool) -> bool:
        """Return whether the server has the collection of rows. With `create`, make it unless it is there."""
        from pymilvus import DataType

        with self._connection.asking("opening") as client:
            if create:
                schema = client.create_schema(auto_id=False)
                schema.add_field("key", DataType.VARCHAR, max_length=1000, is_primary=True)
                schema.add_field("text", DataType.VARCHAR, max_length=65_535)
                schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)  # Milvus demands one
                flat = {"vector": {"index_type": "FLAT", "metric_type": "L2"}}
                make_collection(client, ROWS, schema, flat, self._connection.slowly)
            return bool(client.has_collection(ROWS, timeout=self._connection.timeout))

    def read(self, *kinds: str) -> dict[str, str]:
        """Return the texts of the rows of some kinds, by their keys without the catalogue's name."""
        starts = (f"{self._prefix}{kind}" for kind in kinds)
        within = " or ".join(f'(key >= "{start}/" and key < "{start}0")' for start in starts)
        options = {"consistency_level": "Strong", "timeout": self._connection.timeout}
        with self._connection.asking("reading the manifest") as client:
            found = client.query(ROWS, within, output_fields=["text"], **options)
        return {row["key"].removeprefix(self._prefix): row["text"] for row in found}

    def write(self, texts: Mapping[str, str], what: str = "writing the manifest") -> None:
        """Add or replace rows. All of them become visible together, up to some megabytes."""
        rows = [{"key": self._prefix + key, "text": texts[key], "vector": [0.0, 0.0]} for key in texts]
        with self._connection.asking(what) as client:
            client.upsert(ROWS, rows, timeout=self._connection.slowly)

    def delete(self, keys: Collection[str]) -> None:
        """Remove rows."""
        if keys:
            with self._connection.asking("writing the manifest") as client:
                client.delete(ROWS, [self._prefix + key for key in keys], timeout=self._connection.slowly)


def make_collection(
    client: Any, name: str, schema: Any, indexes: Mapping[str, Any], seconds: float, **options: Any
) -> None:
    """Make a collection with its indexes, and load it. All of it may be done again."""
    replicas = options.pop("replicas", 1)
    if not client.has_collection(name, timeout=seconds):
        client.create_collection(name, schema=schema, timeout=seconds, **options)
    params = client.prepare_index_params()
    for field, index in indexes.items():
        params.add_index(field, index_name=field, **index)
    client.create_index(name, params, sync=False, timeout=seconds)
    client.load_collection(name, replica_number=replicas, timeout=seconds)


class MilvusManifest:
    """A document for each collection that is or may become active. Replacing one head row replaces it."""

    def __init__(self, rows: Rows, location: str, *, create: bool) -> None:
        """Use the rows of a catalogue. With `create`, make them if there are none.

        Raises:
            CatalogueError: there is no manifest.
        """
        self._rows, self._location = rows, location
        found = rows.prepare(create=create) and rows.read("head")
        if not found and not create:
            remedy = "Make one with `perfectlook catalogue sync`."
            raise CatalogueError(f"{location}: no catalogue here. {remedy}")
        if not found:
            rows.write({_head(None): json.dumps({"format": FORMAT, "version": "", "parts": 0})})

    def read(self, active: Callable[[], str | None]) -> Payload | None:
        """Return the document of the active collection, or None before the first.

        Raises:
            CatalogueError: the manifest has another format or is damaged.
        """
        name, rows = None, self._rows.read("head", "part")
        while _head(name := active()) not in rows and name != active():  # another process is switching
            rows = self._rows.read("head", "part")
        head = parsed(rows.get(_head(name), ""), "the head of the manifest", self._location, REBUILD)
        if (found := head.get("format")) != FORMAT:
            what = f"{self._location}: has format {found}, but this version reads format {FORMAT}"
            raise CatalogueError(f"{what}. Upgrade perfectlook.")
        if not head["version"]:
            return None
        keys = (f"part/{head['version']}/{number}" for number in range(int(str(head["parts"]))))
        return parsed("".join(rows.get(key, "") for key in keys), "the manifest", self._location, REBUILD)

    @contextmanager
    def writing(self, document: Payload, active: str | None) -> Iterator[None]:
        """Write the document next to the old one, then replace the head row, then let the caller switch.

        If the collection is active already, the head row switches; otherwise the caller does.
        """
        text, version = json.dumps(document), uuid.uuid4().hex
        starts = range(0, len(text), PART)
        before = self._rows.read("head", "part").keys()
        for number, start in enumerate(starts):
            self._rows.write({f"part/{version}/{number}": text[start : start + PART]})
        head = {"format": FORMAT, "version": version, "parts": len(starts)}
        self._rows.write({_head(active): json.dumps(head)})
        yield
        self._rows.delete(before - {_head(active)})


def _head(collection: str | None) -> str:
    return f"head/{collection or ''}"


class Lease:
    """The right to write, taken by adding a claim and then finding no other valid claim.

    Of two claims, at least one sees the other, so there is never more than one holder. Two that claim at the
    same instant may refuse each other. A thread renews the claim three times in its duration. After it has
    expired, because the machine slept or the network failed, the holder must not write any more. Milvus
    cannot refuse a write that was already on its way. The clocks of all machines must agree to within a few
    seconds, as with NTP.
    """

    def __init__(self, rows: Rows, location: str, seconds: float) -> None:
        """Use the claims in the rows of a catalogue. One expires `seconds` after its last renewal."""
        self._rows, self._location, self._seconds = rows, location, seconds
        self._good_until = math.inf
        self.token = ""  # the key of the claim, while this object holds the lease
        self.clock = time.time

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Hold the lease while the context lasts. CatalogueInUseError names the current holder."""
        key, done = f"lease/{uuid.uuid4().hex}", threading.Event()
        self._claim(key, purpose)
        keeper = threading.Thread(target=self._keep, args=(key, purpose, done), daemon=True)
        keeper.start()
        self.token = key
        try:
            yield
        finally:
            done.set()
            keeper.join()
            self._good_until, self.token = math.inf, ""
            self._drop(key)

    def check(self) -> None:
        """Raise CatalogueError if this store's lease has expired, because another may hold it now."""
        if self.clock() >= self._good_until:
            what = f"the write lease expired (it could not be renewed for {self._seconds:g} s)"
            raise CatalogueError(f"{self._location}: {what}. Run the same command again.")

    def _claim(self, key: str, purpose: str) -> None:
        until = self._renewed(key, purpose)
        claims = {each: json.loads(text) for each, text in self._rows.read("lease").items() if each != key}
        others = [claim for claim in claims.values() if claim["until"] > until - self._seconds]
        if others:
            self._drop(key)
            holder = max(others, key=lambda claim: float(claim["until"]))
            left = max(0, round(holder["until"] - until + self._seconds))
            remedy = f"Wait until it has finished. If it is dead, its lease expires in {left} s."
            raise CatalogueInUseError(f"{self._location}: in use by {holder['who']}. {remedy}")
        self._rows.delete(claims)
        self._good_until = until

    def _renewed(self, key: str, purpose: str) -> float:
        """Write the claim, valid from now on. Return until when."""
        who = f"{purpose}, process {os.getpid()} on {socket.gethostname()}"
        until = self.clock() + self._seconds
        self._rows.write({key: json.dumps({"until": until, "who": who})}, "taking the lease")
        return until

    def _keep(self, key: str, purpose: str, done: threading.Event) -> None:
        while not done.wait(self._seconds / 3) and self.clock() < self._good_until:
            with suppress(CatalogueError):  # the server may answer again before the lease expires
                until = self._renewed(key, purpose)
                if self.clock() < self._good_until:  # else another may have claimed it meanwhile
                    self._good_until = until

    def _drop(self, key: str) -> None:
        with suppress(CatalogueError):  # the claim expires by itself
            self._rows.delete([key])
