"""Milvus servers and clusters: the address and settings of a catalogue, the connection, and its errors."""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, ValidationError

from perfectlook.errors import CatalogueError, MissingExtraError, PerfectLookError, StoreAwayError, UsageError
from perfectlook.files import Closable

TOKEN = "PERFECTLOOK_MILVUS_TOKEN"
OLDEST_SERVER, OLDEST_CLIENT = "2.3", "2.6"  # the server has arrays, and deletes by id
NO_COLLECTION = 100  # the server's code for a collection that does not exist
# schemes of URLs, with their default ports
PORTS = {"milvus+http": 19530, "milvus+https": 443}
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


class MilvusAddress(NamedTuple):
    """A server, the name of a catalogue on it, and its settings.

    `location` is the URL without its query. Messages and reports name the catalogue by it.
    """

    location: str
    url: str
    endpoint: tuple[str, int]
    name: str
    settings: MilvusSettings

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `milvus+http://host:19530/name?index=HNSW&replicas=2`.

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
            remedy = "Set the token in the environment variable PERFECTLOOK_MILVUS_TOKEN."
            raise UsageError(f"{parts.scheme}://{host}: the URL contains a password. {remedy}")
        if not host or not _NAME.fullmatch(name):
            raise UsageError(f"{shown}: not the URL of a catalogue on Milvus. {_FORM}")
        try:
            settings = MilvusSettings.model_validate(dict(parse_qsl(parts.query, keep_blank_values=True)))
        except ValidationError as error:
            found, known = error.errors()[0], ", ".join(MilvusSettings.model_fields)
            what = f"{shown}: setting '{found['loc'][0]}': {found['msg']}, got '{found['input']}'"
            raise UsageError(f"{what}. Correct the URL. The settings are: {known}.") from error
        url = f"{parts.scheme.removeprefix('milvus+')}://{f'[{host}]' if ':' in host else host}:{port}"
        return cls(f"milvus+{url}/{name}", url, (host, port), name, settings)


class MilvusConnection(Closable):
    """A client of `pymilvus`, used inside `with connection.asking(...) as client:`.

    Reads may take `timeout` seconds; writes, and changes of collections, `slowly`.
    """

    def __init__(self, address: MilvusAddress) -> None:
        """Connect to a server and check its version.

        Raises:
            MissingExtraError: pymilvus is not installed.
            CatalogueError: the server does not answer or rejects the token, or it or pymilvus is too old.
        """
        try:
            from pymilvus import MilvusClient, __version__
        except ImportError as error:
            raise MissingExtraError("a catalogue on Milvus", "cluster") from error
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises
        self.location = address.location
        self.timeout, self.slowly = address.settings.timeout, 10 * address.settings.timeout
        self._endpoint, self._was_away, self._client = address.endpoint, True, None
        self._require("client is pymilvus", __version__, OLDEST_CLIENT)
        with self.asking("connecting"):
            token, seconds = os.environ.get(TOKEN, ""), self.timeout
            self._client = MilvusClient(address.url, token=token, timeout=seconds, dedicated=True)
            found = str(self._client.get_server_version(timeout=seconds))
        self._require("server is Milvus", found, OLDEST_SERVER)

    def _require(self, what: str, found: str, oldest: str) -> None:
        version = re.match(r"v?(\d+)\.(\d+)", found)
        if version and [*map(int, version.groups())] < [*map(int, oldest.split("."))]:
            self.close()
            problem = f"the {what} {found}, but {oldest} or later is needed"
            raise CatalogueError(f"{self.location}: {problem}. Upgrade it.")

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
        except (PerfectLookError, AssertionError):
            raise
        except Exception as error:
            error.__cause__ = None  # pymilvus raises errors from themselves: a chain without an end
            cause, remedy = _explained(error)
            self._was_away = cause.startswith(_AWAY)
            kind = StoreAwayError if cause.startswith(_PASSING) else CatalogueError
            raise kind(f"{self.location}: {what} failed ({cause}). {remedy}") from error
        self._was_away = False

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


def _explained(error: Exception) -> tuple[str, str]:
    """Return the cause of an error of the client, and the remedy."""
    code = getattr(error, "code", "")
    text = " ".join(f"{code() if callable(code) else code} {error}".split())
    cause, remedy = next((each[1:]) for each in _CAUSES if re.search(each[0], text))
    return f"{cause}: {text[:300]}", remedy
