"""Milvus servers and clusters: the address of a catalogue, the connection, its errors, and the write lease.

A small collection has the manifests and leases of all catalogues on a server. Keys of its rows start with the
catalogue's name: `NAME/head/COLLECTION` lists the parts of the manifest that is valid while COLLECTION is
active, `NAME/part/VERSION/NUMBER` holds one part, and `NAME/lease/TOKEN` is a claim to write.
"""

import json
import logging
import math
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, ValidationError

from perfectlook import errors
from perfectlook.errors import CatalogueError, UsageError
from perfectlook.files import Closable

TOKEN = "PERFECTLOOK_MILVUS_TOKEN"
OLDEST_SERVER, OLDEST_CLIENT = "2.3", "2.6"  # the server has arrays, and deletes by id
NO_COLLECTION = 100  # the server's code for a collection that does not exist
LONGEST_TEXT = 65_535  # bytes of a text in Milvus
ROWS = "_perfectlook"  # the small collection; names of catalogues start with a letter
# schemes of URLs, with their default ports
PORTS = {"milvus+http": 19530, "milvus+https": 443}
Options: TypeAlias = Mapping[str, Any]
Fields: TypeAlias = Mapping[str, Options]
"""The options of fields or indexes, by name."""
_NAME = re.compile(r"(?=.{1,100}\Z)[A-Za-z](_?[A-Za-z0-9])*")
_FORM = "Use milvus+http://HOST:19530/NAME: up to 100 letters, digits and single _, and a letter first."


class MilvusSettings(BaseModel, frozen=True, extra="forbid"):
    """How a catalogue uses Milvus. The first five settings apply only to new collections.

    Attributes:
        index: "FLAT" compares all products of the searched categories. The others are approximate: "IVF_SQ8"
            needs a quarter of the memory, "HNSW" is the fastest, and "DISKANN" keeps most data on disk.
        shards: the number of channels for writes. More shards take more writes a second.
        replicas: the number of copies in memory, each on its own query nodes.
        partitions: the number of parts that categories are distributed over. A search reads only the parts of
            its categories.
        mmap: map the data of query nodes from their disks instead of reading it into memory.
        candidates: how many candidates an approximate search compares. More find more true neighbours.
        timeout: how many seconds to wait for an answer. Writes and changes of collections wait ten times as
            long.
        lease: after how many seconds without a renewal a sync counts as dead.
    """

    index: Literal["FLAT", "IVF_SQ8", "HNSW", "DISKANN"] = "FLAT"
    shards: Annotated[int, Field(ge=1, le=16)] = 1
    replicas: PositiveInt = 1
    partitions: Annotated[int, Field(ge=1, le=1024)] = 16
    mmap: bool = False
    candidates: PositiveInt = 128
    timeout: PositiveFloat = 5.0
    lease: Annotated[float, Field(ge=3)] = 60.0


def parse_address(text: str) -> tuple[str, str, MilvusSettings]:
    """Read `milvus+http://host:19530/name?index=HNSW&replicas=2`.

    Returns:
        The URL of the server, the name of the catalogue on it, and its settings.

    Raises:
        UsageError: a part is missing or invalid.
    """
    shown = text.partition("?")[0]
    try:
        parts = urlsplit(text)
        host, port, name = parts.hostname or "", parts.port or PORTS[parts.scheme], parts.path.strip("/")
    except (ValueError, KeyError) as error:
        raise UsageError(f"{shown}: not a URL ({error}). {_FORM}") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{parts.scheme}://{host}: the URL contains a password. Set {TOKEN} instead.")
    if not host or not _NAME.fullmatch(name):
        raise UsageError(f"{shown}: not the URL of a catalogue on Milvus. {_FORM}")
    try:
        settings = MilvusSettings.model_validate(dict(parse_qsl(parts.query, keep_blank_values=True)))
    except ValidationError as error:
        found, known = error.errors()[0], ", ".join(MilvusSettings.model_fields)
        what = f"{shown}: setting '{found['loc'][0]}': {found['msg']}, got '{found['input']}'"
        raise UsageError(f"{what}. Correct the URL. The settings are: {known}.") from error
    url = f"{parts.scheme.removeprefix('milvus+')}://{f'[{host}]' if ':' in host else host}:{port}"
    return url, name, settings


class MilvusConnection(Closable):
    """A client of `pymilvus` for one catalogue, used inside `with connection.asking(...) as client:`.

    Reads may take `timeout` seconds; writes, and changes of collections, `slowly`. `location` is the URL
    without its settings. Messages and reports name the catalogue by it.
    """

    FORMAT = 2
    """Of the manifest and the collections."""

    def __init__(self, address: str, *, create: bool = False) -> None:
        """Connect to the server of an address. With `create`, make an empty catalogue if there is none.

        Raises:
            UsageError: a part of the address is missing or invalid.
            MissingExtraError: pymilvus is not installed.
            CatalogueError: the server does not answer or rejects the token, it or pymilvus is too old, or
                there is no such catalogue.
        """
        url, self.name, self.settings = parse_address(address)
        self.location, self._prefix, place = f"milvus+{url}/{self.name}", f"{self.name}/", urlsplit(url)
        self.timeout, self.slowly = self.settings.timeout, 10 * self.settings.timeout
        self._endpoint, self._was_away = (place.hostname, place.port), True
        self._client: Any = None
        try:
            self._open(url, create=create)
        except BaseException:
            self.close()
            raise

    def _open(self, url: str, *, create: bool) -> None:
        try:
            from pymilvus import MilvusClient, __version__
        except ImportError as error:
            raise errors.MissingExtraError("a catalogue on Milvus", "cluster") from error
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises
        self._require("client is pymilvus", __version__, OLDEST_CLIENT)
        with self.asking("connecting"):
            token, seconds = os.environ.get(TOKEN, ""), self.timeout
            self._client = MilvusClient(url, token=token, timeout=seconds, dedicated=True)
            found = str(self._client.get_server_version(timeout=seconds))
        self._require("server is Milvus", found, OLDEST_SERVER)
        if create:
            self._make_rows()
        if not (self.describe(ROWS) and self.read_rows("head")):
            remedy = "Make one with `perfectlook catalogue sync`."
            raise CatalogueError(f"{self.location}: no catalogue here. {remedy}")

    def _require(self, what: str, found: str, oldest: str) -> None:
        version = re.match(r"v?(\d+)\.(\d+)", found)
        if version and [*map(int, version.groups())] < [*map(int, oldest.split("."))]:
            raise CatalogueError(f"{self.location}: the {what} {found}, not {oldest} or later. Upgrade it.")

    @contextmanager
    def asking(self, what: str) -> Iterator[Any]:
        """Yield the client. Its errors become CatalogueErrors that name the operation `what`.

        After the server was away, it must accept a connection first. The client would retry for seconds.
        """
        if self._is_closed:
            raise CatalogueError(f"{self.location}: the catalogue is closed. Open it again.")
        try:
            if self._was_away:
                socket.create_connection(self._endpoint, timeout=1).close()
            yield self._client
        except (errors.PerfectLookError, AssertionError):
            raise
        except Exception as error:
            error.__cause__ = None  # pymilvus raises errors from themselves: a chain without an end
            code = getattr(error, "code", "")
            text = " ".join(f"{code() if callable(code) else code} {error}".split())
            cause, remedy = next(each[1:] for each in _CAUSES if re.search(each[0], text))
            self._was_away = cause == _AWAY
            kind = errors.StoreAwayError if cause in _PASSING else CatalogueError
            raise kind(f"{self.location}: {what} failed ({cause}: {text[:300]}). {remedy}") from error
        self._was_away = False

    def describe(self, name: str) -> dict[str, Any] | None:
        """Return what the server says about a collection or alias, or None if there is none."""
        try:
            with self.asking("reading a collection") as client:
                return dict(client.describe_collection(name, timeout=self.timeout))
        except CatalogueError as error:
            if getattr(error.__cause__, "code", None) == NO_COLLECTION:
                return None
            raise

    def make_collection(self, name: str, schema: Any, fields: Fields, indexes: Fields, **more: Any) -> None:
        """Make a collection with its fields and indexes, and load it. All of it may be done again."""
        replicas = more.pop("replicas", 1)
        with self.asking("making a collection") as client:
            if not client.has_collection(name, timeout=self.slowly):
                made = client.create_schema(**schema)
                for field, kind in fields.items():
                    made.add_field(field, **kind)
                client.create_collection(name, schema=made, timeout=self.slowly, **more)
            params = client.prepare_index_params()
            for field, index in indexes.items():
                params.add_index(field, index_name=field, **index)
            client.create_index(name, params, sync=False, timeout=self.slowly)
            client.load_collection(name, replica_number=replicas, timeout=self.slowly)

    def _make_rows(self) -> None:
        """Make the small collection, and an empty manifest, unless they are there."""
        from pymilvus import DataType

        text = {"datatype": DataType.VARCHAR, "max_length": LONGEST_TEXT}
        vector = {"datatype": DataType.FLOAT_VECTOR, "dim": 2}  # Milvus demands one
        fields = {"key": text | {"is_primary": True}, "text": text, "vector": vector}
        self.make_collection(ROWS, {}, fields, {"vector": {"index_type": "FLAT", "metric_type": "L2"}})
        if not self.read_rows("head"):
            self.write_rows({"head/": json.dumps({"format": self.FORMAT, "version": "", "parts": 0})})

    def read_rows(self, *kinds: str) -> dict[str, str]:
        """Return the texts of the catalogue's rows of some kinds, by their keys without its name.

        A read sees all writes that were complete before.
        """
        starts = (f"{self._prefix}{kind}" for kind in kinds)
        within = " or ".join(f'(key >= "{start}/" and key < "{start}0")' for start in starts)
        options = {"consistency_level": "Strong", "timeout": self.timeout}
        with self.asking("reading the manifest") as client:
            found = client.query(ROWS, within, output_fields=["text"], **options)
        return {row["key"].removeprefix(self._prefix): row["text"] for row in found}

    def write_rows(self, texts: Mapping[str, str], what: str = "writing the manifest") -> None:
        """Add or replace rows. All of them become visible together, up to some megabytes."""
        rows = [{"key": self._prefix + key, "text": texts[key], "vector": [0.0, 0.0]} for key in texts]
        with self.asking(what) as client:
            client.upsert(ROWS, rows, timeout=self.slowly)

    def delete_rows(self, keys: Collection[str]) -> None:
        """Remove rows."""
        if keys:
            with self.asking("writing the manifest") as client:
                client.delete(ROWS, [self._prefix + key for key in keys], timeout=self.slowly)

    def _release(self) -> None:
        if self._client is not None:
            self._client.close()


_AWAY = "no connection"
_PASSING = (_AWAY, "it timed out", "the server is starting", "too few query nodes", "the server is full")
# What the client's errors contain, the cause that it shows, and the remedy. The first match counts.
_CAUSES = (
    (r"UNAVAILABLE|onnecti(ng|on refused)|\[Errno", _AWAY, "Check the URL, and that the server runs."),
    ("DEADLINE|imeout|timed out", "it timed out", "Check its load, or set a longer ?timeout=SECONDS."),
    ("UNAUTHENTICATED|auth check|ermission", "the server rejected the token", f"Correct {TOKEN}."),
    ("UNIMPLEMENTED", "pymilvus does not fit the server", "Install the pymilvus of the server's docs."),
    ("collection not found", "the collection no longer exists", "Open the catalogue again."),
    ("not loaded|not ready", "the server is starting", "Try again in a minute."),
    ("nodes not enough|insufficient", "too few query nodes", "Lower ?replicas=, or add query nodes."),
    ("quota|no space|memory|disk", "the server is full", "Enlarge its memory or disk, or delete catalogues."),
    ("", "the server answered with an error", "Try again later, and check the server's log."),
)


class Lease:
    """The right to write, taken by adding a claim and then finding no other valid claim.

    Of two claims, at least one sees the other, so there is never more than one holder. Two that claim at the
    same instant may refuse each other. A thread renews the claim three times in its duration. After it has
    expired, because the machine slept or the network failed, the holder must not write any more. Milvus
    cannot refuse a write that was already on its way. The clocks of all machines must agree to within a few
    seconds, as with NTP.
    """

    def __init__(self, connection: MilvusConnection, seconds: float, kind: str = "lease") -> None:
        """Use the claims of a kind for a catalogue. One expires `seconds` after its last renewal."""
        self._kind = kind
        self._connection, self._location, self._seconds = connection, connection.location, seconds
        self._good_until, self.token = math.inf, ""  # the token is the key of the claim that is held
        self.clock = time.time

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Hold the lease while the context lasts. CatalogueInUseError names the current holder."""
        key, done = f"{self._kind}/{uuid.uuid4().hex}", threading.Event()
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
        found = self._connection.read_rows(self._kind)
        claims = {each: json.loads(text) for each, text in found.items() if each != key}
        others = [claim for claim in claims.values() if claim["until"] > until - self._seconds]
        if others:
            self._drop(key)
            holder = max(others, key=lambda claim: float(claim["until"]))
            left = max(0, round(holder["until"] - until + self._seconds))
            remedy = f"Wait until it has finished. If it is dead, its lease expires in {left} s."
            raise errors.CatalogueInUseError(f"{self._location}: in use by {holder['who']}. {remedy}")
        self._connection.delete_rows(claims)
        self._good_until = until

    def _renewed(self, key: str, purpose: str) -> float:
        """Write the claim, valid from now on. Return until when."""
        who = f"{purpose}, process {os.getpid()} on {socket.gethostname()}"
        until = self.clock() + self._seconds
        self._connection.write_rows({key: json.dumps({"until": until, "who": who})}, "taking the lease")
        return until

    def _keep(self, key: str, purpose: str, done: threading.Event) -> None:
        while not done.wait(self._seconds / 3) and self.clock() < self._good_until:
            with suppress(CatalogueError):  # the server may answer again before the lease expires
                until = self._renewed(key, purpose)
                if self.clock() < self._good_until:  # else another may have claimed it meanwhile
                    self._good_until = until

    def _drop(self, key: str) -> None:
        with suppress(CatalogueError):  # the claim expires by itself
            self._connection.delete_rows([key])
