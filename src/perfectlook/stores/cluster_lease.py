"""The write lease of a catalogue on a cluster, which expires if its holder dies."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from perfectlook.errors import CatalogueError, CatalogueInUseError
from perfectlook.stores.cluster_connection import ClusterConnection

LEASE_ID = 2
"""The id of the lease's point in the collection of the manifest."""

Clock = Callable[[], float]


class Lease:
    """The right to write, taken with a conditional write that fails while another holder has the lease.

    A thread renews the lease three times in its duration. If the lease has expired, because the machine slept
    or the network failed, the holder must not write any more. The clocks of all machines must agree to within
    a few seconds, as with NTP.
    """

    def __init__(
        self, connection: ClusterConnection, collection: str, seconds: float, clock: Clock = time.time
    ) -> None:
        """Use the lease in a collection. It expires `seconds` after the last renewal."""
        self._connection = connection
        self._collection = collection
        self._seconds = seconds
        self._clock = clock
        self._good_until: float | None = None

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Hold the lease while the context lasts. CatalogueInUseError names the current holder."""
        token = uuid.uuid4().hex
        self._take(token, purpose)
        done = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(token, purpose, done), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()
            self._good_until = None
            self._give_back(token)

    def check(self) -> None:
        """Raise CatalogueError if this store's lease has expired, because another may hold it now."""
        if self._good_until is not None and self._clock() >= self._good_until:
            raise CatalogueError(
                f"{self._connection.location}: the write lease expired (it could not be renewed for "
                f"{self._seconds:g} s). Run the same command again. Nothing is lost."
            )

    def _take(self, token: str, purpose: str) -> None:
        asked = self._clock()
        holder = self._write(token, purpose, asked)
        if holder.get("token") != token:
            left = max(0, round(float(holder.get("until", 0)) - asked))
            raise CatalogueInUseError(
                f"{self._connection.location}: in use by {holder.get('purpose', 'a sync')}, process "
                f"{holder.get('process')} on {holder.get('machine')}. Wait until it has finished. If it is "
                f"dead, its lease expires in {left} s."
            )
        self._good_until = asked + self._seconds

    def _write(self, token: str, purpose: str, now: float) -> dict[str, Any]:
        """Write a lease unless another holder has a valid one. Return the current lease."""
        from qdrant_client import models

        mine = models.FieldCondition(key="token", match=models.MatchValue(value=token))
        over = models.FieldCondition(key="until", range=models.Range(lte=now))
        payload = {
            "token": token,
            "until": now + self._seconds,
            "purpose": purpose,
            "process": os.getpid(),
            "machine": socket.gethostname(),
        }
        with self._connection.asking("taking the write lease") as client:
            client.upsert(
                self._collection,
                [models.PointStruct(id=LEASE_ID, vector=[0.0], payload=payload)],
                update_filter=models.Filter(should=[mine, over]),
                ordering=models.WriteOrdering.STRONG,
            )
            (found,) = client.retrieve(self._collection, [LEASE_ID], consistency="all")
        return dict(found.payload)

    def _keep(self, token: str, purpose: str, done: threading.Event) -> None:
        while not done.wait(self._seconds / 3):
            asked = self._clock()
            try:
                if self._write(token, purpose, asked).get("token") != token:
                    self._good_until = asked
                    return
            except CatalogueError:
                continue  # the server may answer again before the lease expires
            self._good_until = asked + self._seconds

    def _give_back(self, token: str) -> None:
        from qdrant_client import models

        mine = models.FieldCondition(key="token", match=models.MatchValue(value=token))
        try:
            with self._connection.asking("releasing the write lease") as client:
                client.delete(
                    self._collection, models.Filter(must=[mine]), ordering=models.WriteOrdering.STRONG
                )
        except CatalogueError:
            pass  # the lease expires by itself
