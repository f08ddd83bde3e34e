"""The connection to a Qdrant server: opening, checking, and error messages."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from perfectlook.errors import CatalogueError, MissingExtraError, PerfectLookError
from perfectlook.files import Closable
from perfectlook.stores.cluster_settings import MEMORY, ClusterAddress

API_KEY = "PERFECTLOOK_QDRANT_API_KEY"
OLDEST = (1, 16)
"""The first version with conditional writes, which the write lease needs."""


class ClusterConnection(Closable):
    """A client of `qdrant_client`, used inside `with connection.asking(...) as client:`."""

    def __init__(self, client: Any, location: str, *, in_memory: bool = False) -> None:
        """Use an open client. `in_memory` says that it is the in-memory client, which is not thread-safe."""
        self._client = client
        self.location = location
        self.is_server = not in_memory
        self._turn = threading.RLock() if in_memory else nullcontext()

    @classmethod
    def open(cls, address: ClusterAddress) -> "ClusterConnection":
        """Connect to a server and check its version.

        Raises:
            MissingExtraError: qdrant-client is not installed.
            CatalogueError: the server does not answer, rejects the key or is too old.
        """
        try:
            from qdrant_client import QdrantClient
        except ImportError as error:
            raise MissingExtraError("a catalogue on a Qdrant cluster", "cluster") from error
        if address.scheme == MEMORY:
            return cls(QdrantClient(":memory:"), address.location, in_memory=True)
        settings = address.settings
        client = QdrantClient(
            url=address.url,
            port=address.port,
            grpc_port=settings.grpc_port or 6334,
            prefer_grpc=settings.grpc_port > 0,
            timeout=settings.timeout,
            metadata={"api-key": os.environ[API_KEY]} if os.environ.get(API_KEY) else {},
            check_compatibility=False,
        )
        connection = cls(client, address.location)
        try:
            connection._check_version()
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def asking(self, what: str) -> Iterator[Any]:
        """Yield the client. Its errors become CatalogueErrors that name the operation `what`."""
        if self._is_closed:
            raise CatalogueError(f"{self.location}: the catalogue is closed. Open it again.")
        with self._turn:
            try:
                yield self._client
            except (PerfectLookError, AssertionError):
                raise
            except Exception as error:
                cause, remedy = _explained(error)
                raise CatalogueError(f"{self.location}: {what} failed ({cause}). {remedy}") from error

    def _release(self) -> None:
        self._client.close()

    def _check_version(self) -> None:
        with self.asking("connecting") as client:
            found = client.info()
        version = re.match(r"(\d+)\.(\d+)", found.version or "")
        if version is None or (int(version[1]), int(version[2])) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise CatalogueError(
                f"{self.location}: the server is Qdrant {found.version}, but {oldest} or later is needed. "
                "Upgrade the server."
            )


def _explained(error: Exception) -> tuple[str, str]:
    """Return the cause of an error of the client, and the remedy."""
    code = getattr(error, "status_code", None)
    if isinstance(code, int):
        return _refused(code, _cause_of(error))
    source = getattr(error, "source", None) or error
    if callable(code := getattr(source, "code", None)):  # gRPC
        name = str(getattr(code(), "name", code()))
        if name in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            return _refused(401, name)
        if name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            return f"the server answered {name}: {getattr(source, 'details', str)()}", _LOG
        late = name == "DEADLINE_EXCEEDED"
    else:
        late = "Timeout" in type(source).__name__ or "timed out" in str(source)
    if late:
        return "it timed out", "Check the server's load, or set a longer ?timeout=SECONDS in the URL."
    if isinstance(source, ConnectionError | OSError) or type(source).__module__.startswith("httpx"):
        return f"no connection: {source}", "Check the URL and the network, and that the server runs."
    return f"{type(source).__name__}: {source}", _LOG


_LOG = "Check the log of the server."


def _refused(code: int, cause: str) -> tuple[str, str]:
    if code in (401, 403):
        return f"the server rejected the key: {cause}", f"Set the right key in {API_KEY}."
    if code == 404:
        return f"the collection no longer exists: {cause}", "Open the catalogue again."
    if code in (429, 502, 503, 504):
        return f"the server is overloaded, starting or stopping: {code} {cause}", "Try again later."
    if code == 507 or "disk" in cause.lower():
        return f"the server's disk is full: {cause}", "Give it a larger disk, or delete catalogues."
    return f"the server answered {code}: {cause}", _LOG


def _cause_of(error: Exception) -> str:
    try:
        status = error.structured()["status"]  # type: ignore[attr-defined]
        return str(status["error"] if isinstance(status, dict) else status)
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(getattr(error, "reason_phrase", "")) or str(error)[:200]
