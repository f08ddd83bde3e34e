"""The connection to a Milvus server or cluster: opening, checking, and error messages."""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from perfectlook.errors import CatalogueError, MissingExtraError, PerfectLookError
from perfectlook.files import Closable
from perfectlook.stores.milvus_settings import MilvusAddress

TOKEN = "PERFECTLOOK_MILVUS_TOKEN"
OLDEST = (2, 3)  # with arrays, and deletes and upserts by id
NO_COLLECTION = 100  # the server's code for a collection that does not exist


class MilvusConnection(Closable):
    """A client of `pymilvus`, used inside `with connection.asking(...) as client:`.

    Reads may take `timeout` seconds; writes, and changes of collections, `slowly`.
    """

    def __init__(self, address: MilvusAddress) -> None:
        """Connect to a server and check its version.

        Raises:
            MissingExtraError: pymilvus is not installed.
            CatalogueError: the server does not answer, rejects the token or is too old.
        """
        try:
            from pymilvus import MilvusClient
        except ImportError as error:
            raise MissingExtraError("a catalogue on Milvus", "cluster") from error
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises
        self.location = address.location
        self.timeout, self.slowly = address.settings.timeout, 10 * address.settings.timeout
        self._endpoint, self._was_away, self._client = address.endpoint, True, None
        with self.asking("connecting"):
            token, seconds = os.environ.get(TOKEN, ""), self.timeout
            self._client = MilvusClient(address.url, token=token, timeout=seconds, dedicated=True)
            found = str(self._client.get_server_version(timeout=seconds))
        version = re.match(r"v?(\d+)\.(\d+)", found)
        if version and (int(version[1]), int(version[2])) < OLDEST:
            self.close()
            oldest = f"{OLDEST[0]}.{OLDEST[1]} or later is needed. Upgrade the server."
            raise CatalogueError(f"{self.location}: the server is Milvus {found}, but {oldest}")

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
            raise CatalogueError(f"{self.location}: {what} failed ({cause}). {remedy}") from error
        self._was_away = False

    def _release(self) -> None:
        if self._client is not None:
            self._client.close()


_AWAY = "no connection"
# What the client's errors contain, the cause that it shows, and the remedy. The first match counts.
_CAUSES = (
    ("UNAVAILABLE|onnecting to server|onnection refused", _AWAY, "Check the URL, and that the server runs."),
    ("DEADLINE|imeout|timed out", "it timed out", "Check its load, or set a longer ?timeout=SECONDS."),
    ("UNAUTHENTICATED|auth check|ermission", "the server rejected the token", f"Correct {TOKEN}."),
    ("UNIMPLEMENTED", "pymilvus does not fit the server", "Install the pymilvus of the server's docs."),
    ("collection not found", "the collection no longer exists", "Open the catalogue again."),
    ("not loaded|not ready", "the server is starting", "Try again in a minute."),
    (
        "nodes not enough|resource insufficient",
        "too few query nodes",
        "Lower ?replicas=, or add query nodes.",
    ),
    ("quota|no space|memory|disk", "the server is full", "Enlarge its memory or disk, or delete catalogues."),
    ("", "the server answered with an error", "Try again later, and check the server's log."),
)


def _explained(error: Exception) -> tuple[str, str]:
    """Return the cause of an error of the client, and the remedy."""
    code = getattr(error, "code", "")
    text = " ".join(f"{code() if callable(code) else code} {error}".split())
    cause, remedy = next((each[1:]) for each in _CAUSES if re.search(each[0], text))
    return f"{cause}: {text[:300]}", remedy
