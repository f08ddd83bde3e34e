"""Who syncs a catalogue on a cluster: a lease that runs out when its holder dies."""

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
"""The lease's point in the collection that the manifest is in."""

Clock = Callable[[], float]


class Lease:
    """The right to write, taken by a write that the server does only where no living holder is.

    It is renewed three times in its life by a thread, and a holder whose lease has run out (its machine
    slept, the network was away) may write no more. Clocks of different machines should agree to within a few
    seconds, as they do where NTP runs.
    """

    def __init__(
        self, connection: ClusterConnection, collection: str, seconds: float, clock: Clock = time.time
    ) -> None:
        """Name the collection with the lease in it, and how long one lasts without being renewed."""
        self._connection = connection
        self._collection = collection
        self._seconds = seconds
        self._clock = clock
        self._good_until: float | None = None

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Hold the lease while the context lasts; CatalogueInUseError says who has it already."""
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
        """Raise CatalogueError when this store held the lease and it has run out: another may hold it now."""
        if self._good_until is not None and self._clock() >= self._good_until:
            raise CatalogueError(
                f"{self._connection.location}: the right to write has run out, for it could not be renewed "
                f"in {self._seconds:g} s; nothing is lost: run the sync again"
            )

    def _take(self, token: str, purpose: str) -> None:
        asked = self._clock()
        holder = self._write(token, purpose, asked)
        if holder.get("token") != token:
            left = max(0, round(float(holder.get("until", 0)) - asked))
            raise CatalogueInUseError(
                f"{self._connection.location} is in use: {holder.get('purpose', 'a sync')}, process "
                f"{holder.get('process')} on {holder.get('machine')}; wait until it has finished (if it is "
                f"dead, {left} s from now)"
            )
        self._good_until = asked + self._seconds

    def _write(self, token: str, purpose: str, now: float) -> dict[str, Any]:
        """Write a lease unless another's is good, and return the one that is there."""
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
        with self._connection.asking("taking the right to write") as client:
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
                continue  # it may answer again before the lease has run out
            self._good_until = asked + self._seconds

    def _give_back(self, token: str) -> None:
        from qdrant_client import models

        mine = models.FieldCondition(key="token", match=models.MatchValue(value=token))
        try:
            with self._connection.asking("giving back the right to write") as client:
                client.delete(
                    self._collection, models.Filter(must=[mine]), ordering=models.WriteOrdering.STRONG
                )
        except CatalogueError:
            pass  # it runs out by itself, and what was done under it is done
